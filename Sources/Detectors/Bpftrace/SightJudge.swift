public import AnomalyModel
import CDetectorEvents

/// From the lines that bpftrace prints for one detector to events: reads, puts in order, judges.
///
/// It is made of closures so that what is done for each line is compiled for the one detector: a generic class would
/// reach everything through witness tables, which costs twice as much.
public struct SightJudge {
    /// Takes a line that arrives now, CLOCK_BOOTTIME.
    public let take: (_ line: [UInt8], _ now: UInt64) -> Void
    /// Judges what has waited long enough for its order.
    public let judgeWaiting: (_ now: UInt64) -> Void
    /// Judges all that waits.
    public let judgeAll: () -> Void
    /// When `judgeWaiting` has something to do, CLOCK_BOOTTIME.
    public let nextDeadline: () -> UInt64?
    /// Lines so far that are none of the script's.
    public let undecodable: () -> UInt64
}

/// Takes an event: by its identity, and whole if that is not enough.
public typealias EventDelivery = (EventIdentity, () throws(DecodeError) -> Anomaly) -> Void

/// Lines that wait, as they came: a sight would be copied about.
private final class LineRoom {
    var queue = SightQueue<[UInt8]>()
    var undecodable: UInt64 = 0
}

/// Makes a detector's judge; to be called with a type that is known, see `SightJudge`.
@inline(__always)
func makeSightJudge<D: BpftraceDetector>(
    _ detector: D.Type, _ host: HostJudge, _ deliver: @escaping EventDelivery
) -> SightJudge {
    let room = LineRoom()
    func judge(_ text: [UInt8]) {
        var reader = SightReader(text)
        guard let sight = D.sight(&reader) else {
            room.undecodable += 1
            return
        }
        D.judge(sight, by: host) { event in
            guard let identity = D.identity(of: event) else { return }
            deliver(identity) { () throws(DecodeError) in try D.anomaly(of: event, stack: reader.stack) }
        }
    }
    return SightJudge(
        take: { text, now in
            guard D.needsOrder else { return judge(text) }
            // A copy: whoever brings the lines uses one array for all of them.
            let line = Array(text[...])
            let seenAt = SightReader.boottimeNanoseconds(of: line)
            if let oldest = room.queue.add(line, at: seenAt, now: now) { judge(oldest) }
        },
        judgeWaiting: { now in while let line = room.queue.take(now: now) { judge(line) } },
        judgeAll: { while let line = room.queue.takeOldest() { judge(line) } },
        nextDeadline: { room.queue.nextDeadline }, undecodable: { room.undecodable })
}
