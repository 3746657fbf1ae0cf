import CLinux
import Detectors
import EventPipeline
import SystemdProtocols

/// Whether the journal keeps what it is given.
struct JournalHealth {
    let place: JournalPlace
    var watch: JournalWatch
    /// What journald is set to, at the start or the last reload.
    var limits: JournalLimits?

    /// Files that nothing is written to would prove nothing.
    var isWatchable: Bool { limits?.isStorageOff != true }
    /// When its files are to be looked at.
    var nextLook: UInt64? { isWatchable ? watch.nextLook : nil }

    /// For the status, in a few words; nil when all is well.
    var problem: String? {
        if limits?.keepsNothing == true { return "the journal keeps nothing (Storage=none)" }
        return isWatchable ? watch.deafness.map(Notices.words) : nil
    }
}

extension Daemon {
    func beginJournalWatch() {
        guard outputKind == .journal else { return }
        journal = JournalHealth(place: JournalPlace(), watch: JournalWatch(after: path.nextSequence - 1))
    }

    /// Says what journald is set to drop of what the configuration lets be written.
    func reportJournalLimits() {
        guard let place = journal?.place else { return }
        let limits = JournalLimits.ofThisService(logNamespace: place.logNamespace)
        journal?.limits = limits
        Notices.journalLimits(limits, configuration, allRules).forEach(write)
    }

    /// Looks whether the journal stores what it has taken, while there is anything that it has taken.
    func watchJournal(now: UInt64) {
        let handedOver = path.nextSequence - 1 - UInt64(path.output.waiting)
        guard let place = journal?.place, journal?.isWatchable == true,
            journal?.watch.isDue(handedOver: handedOver, now: now) == true
        else { return }
        let isFetched = path.output.unreachable == nil && na_unfetched_bytes(path.output.descriptor) == 0
        switch journal?.watch.look(place.sight, fetched: isFetched ? handedOver : nil, now: now) {
        case .deaf(let deafness):
            let notice = Notices.journalDeaf(deafness)
            Console.error(notice.message)
            write(notice)
        case .hears(let missing, let since):
            write(Notices.journalGap(missing, since: since, until: now))
        case nil: break
        }
    }
}
