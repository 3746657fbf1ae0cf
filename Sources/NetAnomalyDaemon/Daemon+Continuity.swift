import AnomalyModel
import DaemonConfig
import Detectors
import SystemdProtocols
import TracingBackends

/// What this process takes from the one before it, and leaves to the one after.
extension Daemon {
    /// Writes what is due and what waits; whatever has led to it is committed first.
    func deliver(now: UInt64) {
        path.tick(now: now)
        repeat {
            commit()
            path.flush(now: now)
        } while path.output.needsCommit
        if path.output.isSpreadOut { commit() }
    }

    /// Puts what this process knows in force for the next one, and gives the rings' room back.
    private func commit() {
        guard continuity.isKept else { return }
        guard path.isUncommitted || continuity.isUncommitted || sources.contains(where: \.isUncommitted) else { return }
        var state = StateText()
        path.save(to: &state)
        for (rule, account) in carried { state.add("account", rule.text, account: account) }
        for source in sources {
            for rule in source.rules {
                let account = source.accountToCarry(of: rule.name)
                if account != RuleAccount() { state.add("account", rule.name.text, account: account) }
            }
            source.save(to: &state)
        }
        // There is room for more rules than can be configured.
        guard path.commit(state) else { preconditionFailure("the state has outgrown its memory") }
        sources.forEach { $0.release() }
        guard continuity.isUncommitted else { return }
        sources.forEach { ($0 as? DetectorRunner)?.forgetTurns() }
        continuity.didCommit()
    }

    /// Takes what the process before has written down; what it left of the detectors is for `startWithLibbpf`.
    func restoreState() {
        if let problem = continuity.problem { return write(Notices.stateDiscarded(of: "all", because: problem, nil)) }
        guard continuity.inherited != StateText() else { return }
        do {
            // Copies: what cannot be read to its end changes nothing.
            var (path, carried) = (path, carried)
            try path.restore(continuity.inherited, now: boottimeNanoseconds())
            for line in continuity.inherited["account"] {
                let rule = RuleName(try line.word(0))
                carried[rule] = (carried[rule] ?? RuleAccount()) + (try line.account(1))
            }
            for detector in allDetectors { _ = try WrittenDetector(detector.name, in: continuity.inherited) }
            (self.path, self.carried) = (path, carried)
        } catch {
            continuity.refuse(because: error.description)
            write(Notices.stateDiscarded(of: "all", because: error.description, nil))
        }
    }

    /// Closes the books of what was left of a detector that is not watched so any more.
    func close(_ inherited: InheritedDetector, of detector: DetectorName, because reason: String) {
        inherited.session.switchOff()
        discard(detector, inherited.closedBooks(), because: reason)
        continuity.discard(detector)
    }

    /// Tells what became of what was left, and lets go of it.
    func settleSuccession(of runner: DetectorRunner) {
        if case .discarded(let reason, let books) = runner.succession {
            discard(runner.detector.name, books, because: reason)
        }
        continuity.settle(runner.detector.name)
    }

    private func discard(_ detector: DetectorName, _ books: [RuleName: RuleAccount], because reason: String) {
        for (rule, account) in books { carried[rule] = (carried[rule] ?? RuleAccount()) + account }
        // Without books nobody knows what its ring held.
        let lost = books.isEmpty ? nil : books.values.reduce(0) { $0 + $1.lostRing }
        write(Notices.stateDiscarded(of: detector.text, because: reason, lost))
    }

    /// Rules of scripts that are gone, or have not reported since the start, whose accounts are kept.
    ///
    /// As many as all scripts can have at once. Without an end, a script that names rules anew with each start would
    /// fill the state.
    private static let maximumGoneRules = ScriptSettings.maximumCount * ScriptRules.maximumRules

    /// Forgets the least seen of such rules, where there are too many.
    func forgetOldRules() {
        let present = Set((allRules + sources.flatMap(\.rules)).map(\.name))
        let gone = carried.filter { !present.contains($0.key) }
        guard gone.count > Self.maximumGoneRules else { return }
        for (rule, _) in gone.sorted(by: { $0.value.seen > $1.value.seen })[Self.maximumGoneRules...] {
            carried[rule] = nil
        }
        path.forget(allBut: present.union(carried.keys))
    }
}
