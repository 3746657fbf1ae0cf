public import AnomalyModel

/// What another process needs to know to go on with the queue.
extension RecordQueue {
    /// Adds what is known of the records, to be put in force by `commit`.
    public func save(to state: inout StateText) {
        let (first, end) = waitingRange
        state.add("queue", numbers: first, end)
        for (rule, delivery) in deliveries where delivery != Delivery() {
            state.add("delivered", rule.text, numbers: delivery.written, delivery.lost)
        }
        for (cause, count) in losses { state.add("lost", cause.rawValue, numbers: count) }
        guard let unreported else { return }
        state.add(
            "unreported", numbers: unreported.firstBoottimeNanoseconds, unreported.lastBoottimeNanoseconds)
        for (cause, count) in unreported.byCause { state.add("unreported-cause", cause.rawValue, numbers: count) }
    }

    /// Goes on where another process stopped, whatever stopped it: what it has sent is booked, the rest waits.
    ///
    /// - Parameter now: CLOCK_BOOTTIME in nanoseconds.
    public mutating func restore(_ state: StateText, now: UInt64) throws(StateText.Problem) {
        guard let line = state["queue"].first else { throw StateText.Problem("'queue' is missing") }
        guard restoreRecords(from: try line.number(0), to: try line.number(1)) else {
            throw StateText.Problem("the waiting records cannot be read")
        }
        for line in state["delivered"] {
            var delivery = Delivery()
            (delivery.written, delivery.lost) = (try line.amount(1), try line.amount(2))
            deliveries[RuleName(try line.word(0))] = delivery
        }
        for line in state["lost"] { losses[try Self.cause(line)] = try line.amount(1) }
        if let line = state["unreported"].first {
            var report = LossReport(
                firstBoottimeNanoseconds: try line.number(0), lastBoottimeNanoseconds: try line.number(1))
            for line in state["unreported-cause"] { report.byCause[try Self.cause(line)] = try line.amount(1) }
            unreported = report
        }
        settleByReceipts(now: now)
    }

    /// Drops what became of all other rules' events; their records, if any wait, go their way.
    public mutating func forget(allBut rules: Set<RuleName>) {
        deliveries = deliveries.filter { rules.contains($0.key) }
    }

    private static func cause(_ line: StateText.Line) throws(StateText.Problem) -> LossCause {
        let word = try line.word(0)
        guard let cause = LossCause(rawValue: word) else { throw StateText.Problem("'\(word)' is no cause of a loss") }
        return cause
    }
}
