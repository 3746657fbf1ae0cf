import CLinux
import Glibc

/// Memory that a killed, restarted or upgraded daemon finds again; see `CLinux/state.h` for how it is kept whole.
///
/// Holds a text, which is replaced as a whole or not at all, and the records that wait. Without a descriptor store it is
/// ordinary memory that nobody else ever sees.
public final class StateMemory {
    /// Records that may be sent between two commits: each needs a receipt of its own.
    public static let receipts = Int(NA_STATE_RECEIPTS)
    /// Room for waiting records.
    static let queueBytes = Int(NA_STATE_QUEUE_BYTES)
    /// Processes that may take it over without a commit.
    private static let maxStarts: UInt32 = 5
    /// What content of this program's making is called.
    public static let layout = NA_STATE_LAYOUT
    /// Marks a record that the receiver has refused in its receipt, where a length would stand: no record is so long.
    private static let refusedBytes = UInt32.max

    /// To be given to the descriptor store.
    public let descriptor: Int32
    private let state: UnsafeMutablePointer<na_state>

    /// Makes an empty one.
    public convenience init() throws(StateFailure) {
        let descriptor = na_state_make()
        guard descriptor >= 0 else { throw StateFailure(errno: -descriptor) }
        try self.init(mapping: descriptor)
        na_state_begin(state)
    }

    /// Takes over what another process left; `foundLayout` says whether its content can be read.
    ///
    /// - Parameter descriptor: closed with this object, or at once if this is no such memory.
    public init(mapping descriptor: Int32) throws(StateFailure) {
        guard let state = na_state_map(descriptor) else {
            let failure = StateFailure(errno: errno)
            close(descriptor)
            throw failure
        }
        self.descriptor = descriptor
        self.state = state
        state.pointee.starts &+= 1
    }

    /// False if process after process has taken it over and ended before it could commit: it may be the cause.
    public var isWorthATry: Bool { state.pointee.starts <= Self.maxStarts }

    deinit {
        na_state_unmap(state)
        close(descriptor)
    }

    /// The layout that the content says it has.
    public var foundLayout: String {
        withUnsafeBytes(of: &state.pointee.layout) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The text that holds; empty if there is none.
    public var text: String {
        var count = 0
        guard let bytes = na_state_text(state, &count) else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    /// Replaces the text, and forgets the receipts; false if it is too long, and then nothing has changed.
    func commit(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { na_state_commit(state, $0.baseAddress, $0.count) == 1 }
    }

    // MARK: Records

    /// The bytes at that place of the queue's area.
    func record(at offset: Int, count: Int) -> UnsafeRawBufferPointer {
        precondition(offset >= 0 && count >= 0 && offset + count <= Self.queueBytes, "within the area")
        return UnsafeRawBufferPointer(start: na_state_queue(state) + offset, count: count)
    }

    /// Writes there.
    func write(_ bytes: [UInt8], at offset: Int) {
        precondition(offset >= 0 && offset + bytes.count <= Self.queueBytes, "within the area")
        bytes.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(start: na_state_queue(state) + offset, count: source.count)
                .copyMemory(from: source)
        }
    }

    /// A record on its way, with the receipt that says whether it was handed over.
    func outgoing(at offset: Int, count: Int, receipt: Int) -> OutgoingRecord {
        outgoing(record(at: offset, count: count), receipt: receipt)
    }

    func outgoing(_ bytes: UnsafeRawBufferPointer, receipt: Int) -> OutgoingRecord {
        OutgoingRecord(bytes: bytes, receipt: UInt32(receipt), state: state)
    }

    /// What became of the record sent as that number after the last commit; nil if it was not sent.
    func fate(receipt: Int) -> SendOutcome? {
        switch na_state_receipt(state, UInt32(receipt)).pointee.sent_bytes {
        case 0: nil
        case Self.refusedBytes: .refused(0)
        default: .sent
        }
    }

    /// Notes what the kernel has not noted itself.
    func note(_ outcome: SendOutcome, receipt: Int) {
        let place = na_state_receipt(state, UInt32(receipt))
        switch outcome {
        case .sent where place?.pointee.sent_bytes == 0: place?.pointee.sent_bytes = 1
        case .refused: place?.pointee.sent_bytes = Self.refusedBytes
        default: break
        }
    }
}

/// Why there is no memory for the state.
public struct StateFailure: Error, CustomStringConvertible {
    /// From memfd_create(2), ftruncate(2) or mmap(2); EINVAL for something else than state.
    public let errno: Int32

    /// The sentence.
    public var description: String { "Cannot make memory for the state: \(String(cString: strerror(errno)))" }
}

/// One encoded record, as a transport hands it over.
public struct OutgoingRecord {
    /// Valid until the transport returns.
    public let bytes: UnsafeRawBufferPointer
    let receipt: UInt32
    let state: UnsafeMutablePointer<na_state>

    /// Sends it as a datagram that is known to be sent even if the process is killed in the call; 0 or errno.
    func send(to descriptor: Int32) -> Int32 {
        while true {
            let failure = na_state_send(state, receipt, descriptor, bytes.baseAddress, bytes.count)
            if failure != EINTR { return failure }
        }
    }
}
