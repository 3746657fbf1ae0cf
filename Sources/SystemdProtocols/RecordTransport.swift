public import AnomalyModel

/// What became of one attempt to hand over a record.
public enum SendOutcome: Sendable, Equatable {
    /// The receiver has it.
    case sent
    /// The receiver is slow; try again when the descriptor is writable.
    case wouldBlock
    /// There is no receiver, for the reason errno gives; try again later.
    case unreachable(Int32)
    /// This record is not wanted, for the reason errno gives; another may be.
    case refused(Int32)
    /// The reader of a stream has gone for good.
    case readerGone
}

/// A way out for records that never blocks: the journal, or a stream of lines.
public protocol RecordTransport: AnyObject {
    /// What to wait on for writability; the same over the transport's whole life.
    var descriptor: Int32 { get }

    /// Appends the record as `send` wants it to `bytes`.
    func encode(_ record: Record, into bytes: inout [UInt8])

    /// Hands over one encoded record.
    ///
    /// After any outcome that keeps the record, the next call must bring the same bytes: part of them may be written.
    func send(_ record: OutgoingRecord) -> SendOutcome
}
