public import AnomalyModel

/// Something the daemon says about itself: started, reloaded, entries lost.
public struct DaemonNotice: Sendable {
    /// One of the `daemon-*` rules.
    public var rule: RuleName
    /// Random, with a text in the message catalog.
    public var messageID: MessageID
    /// How urgent.
    public var priority: Priority
    /// One plain sentence.
    public var message: String
    /// What else it says, in order.
    public var fields: [Field]

    /// Makes a notice.
    public init(rule: RuleName, messageID: MessageID, priority: Priority, message: String, fields: [Field] = []) {
        self.rule = rule
        self.messageID = messageID
        self.priority = priority
        self.message = message
        self.fields = fields
    }
}
