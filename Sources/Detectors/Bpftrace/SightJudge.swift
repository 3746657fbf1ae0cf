public import AnomalyModel
import CDetectorEvents

/// From the lines that bpftrace prints for one detector to events: reads, puts in order, judges.
///
/// It is made of closures so that what is done for each line is compiled for the one detector: a generic class would
/// reach everything through witness tables, which costs twice as much.
public struct SightJudge {
    /// Takes a line; false if it is none of the script's.
    public let take: ([UInt8]) -> Bool
    /// Judges what has waited long enough for its order.
    public let judgeWaiting: (_ now: UInt64) -> Void
    /// Judges all that waits.
    public let judgeAll: () -> Void
    /// When `judgeWaiting` has something to do, CLOCK_BOOTTIME.
    public let nextDeadline: () -> UInt64?
}

/// Takes an event: by its identity, and whole if that is not enough.
public typealias EventDelivery = (EventIdentity, () throws(DecodeError) -> Anomaly) -> Void

/// Sights that wait, with the stacks that were printed with them.
private final class SightRoom<Sight> {
    var queue = SightQueue<(sight: Sight, stack: StackText)>()
}

/// Makes a detector's judge; to be called with a type that is known, see `SightJudge`.
@inline(__always)
func makeSightJudge<D: BpftraceDetector>(
    _ detector: D.Type, _ host: HostJudge, _ deliver: @escaping EventDelivery
) -> SightJudge {
    let room = SightRoom<D.Sight>()
    func judge(_ sight: D.Sight, _ stack: StackText) {
        D.judge(sight, by: host) { event in
            guard let identity = D.identity(of: event) else { return }
            deliver(identity) { () throws(DecodeError) in try D.anomaly(of: event, stack: stack) }
        }
    }
    return SightJudge(
        take: { text in
            var reader = SightReader(text)
            guard let sight = D.sight(&reader) else { return false }
            guard D.needsOrder else {
                judge(sight, reader.stack)
                return true
            }
            if let oldest = room.queue.add((sight, reader.stack), at: D.boottimeNanoseconds(of: sight)) {
                judge(oldest.sight, oldest.stack)
            }
            return true
        },
        judgeWaiting: { now in
            while let waiting = room.queue.take(now: now) { judge(waiting.sight, waiting.stack) }
        },
        judgeAll: { while let waiting = room.queue.takeOldest() { judge(waiting.sight, waiting.stack) } },
        nextDeadline: { room.queue.nextDeadline })
}
