import CLinux
import Detectors
import EventPipeline
import SystemdProtocols

/// Whether the journal keeps what it is given.
struct JournalHealth {
    let place: JournalPlace
    var watch: JournalWatch
    /// Of journald's own configuration, at the start or the last reload.
    var isStorageOff = false

    /// When its files are to be looked at.
    var nextLook: UInt64? { watch.nextLook }

    /// For the status, in a few words; nil when all is well.
    var problem: String? {
        if let deafness = watch.deafness { return Notices.words(deafness) }
        return isStorageOff ? "the journal keeps nothing (Storage=none)" : nil
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
        journal?.isStorageOff = limits.isStorageOff
        Notices.journalLimits(limits, configuration, allRules).forEach(write)
    }

    /// Looks whether the journal stores what it has taken, while there is anything that it has taken.
    func watchJournal(now: UInt64) {
        let handedOver = path.nextSequence - 1 - UInt64(path.output.waiting)
        guard let place = journal?.place, journal?.watch.isDue(handedOver: handedOver, now: now) == true else {
            return
        }
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
