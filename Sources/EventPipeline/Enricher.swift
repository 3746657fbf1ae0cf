public import AnomalyModel

/// An anomaly with what its addresses say: where it was seen, and whether its process means anything.
public struct EnrichedAnomaly: Sendable {
    /// As it was decoded, and counted by the gate.
    public var anomaly: Anomaly
    /// What ran; nil where no frame could be named.
    public var context: ExecutionContext?
    /// The kernel function it was seen in, without offset and compiler suffix; nil where it has no name.
    public var function: String?
    /// The kernel stack without the tracing machinery, innermost first.
    public var stack: [String]
    /// The code that dropped the packet, named or as an address; nil where nothing was dropped.
    public var dropLocation: String?
    /// The kernel's name for the reason, without its prefix: `NOT_SPECIFIED`; nil where it is not known.
    public var dropReason: String?
}

/// Reads execution context and kernel function out of a named stack.
public struct Enricher: Sendable {
    /// Everything here runs only in softirq or on its way into it (kernel/softirq.c, net/core/dev.c, kernel/time/timer.c).
    private static let softirqFunctions: Set<String> = [
        "handle_softirqs", "__do_softirq", "net_rx_action", "__irq_exit_rcu", "irq_exit_rcu", "run_ksoftirqd",
        "__napi_poll", "run_timer_softirq", "call_timer_fn",
    ]
    private static let softirqPrefixes = ["do_softirq", "asm_sysvec_", "sysvec_"]
    /// Between the traced function and the helper that takes the stack.
    private static let tracingPrefixes = [
        "bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_", "trace_", "bpf_trampoline", "__bpf_prog_",
    ]

    /// Has no state.
    public init() {}

    /// Adds to an anomaly what its frames say.
    ///
    /// - Parameters:
    ///   - frames: one per address of `anomaly.stack`, such as `arp_process+0x40/0x9d0` or `tun_get_user+0x1/0x2 [tun]`;
    ///     a plain `0xffffffff81234567` where there is no name. If empty, `anomaly.frames` takes its place.
    ///   - dropLocation: the same for `anomaly.dropLocation`; nil if it was not looked up.
    public func enrich(_ anomaly: Anomaly, frames: [String], dropLocation: String? = nil) -> EnrichedAnomaly {
        let stack = (frames.isEmpty ? anomaly.frames : frames).drop { frame in
            guard let name = functionName(frame) else { return false }
            return Self.tracingPrefixes.contains { name.hasPrefix($0) }
        }
        let names = stack.compactMap { functionName($0) }
        return EnrichedAnomaly(
            anomaly: anomaly,
            context: context(names: names, of: anomaly),
            function: dropLocation.flatMap { functionName($0) } ?? stack.first.flatMap { functionName($0) },
            stack: Array(stack),
            dropLocation: anomaly.dropLocation == 0
                ? nil : dropLocation ?? "0x" + String(anomaly.dropLocation, radix: 16))
    }

    private func context(names: [String], of anomaly: Anomaly) -> ExecutionContext? {
        if names.isEmpty { return nil }
        // PID 0 is the idle task: whatever runs there was brought by an interrupt. A script may have said neither.
        if anomaly.pid == 0, !anomaly.command.isEmpty { return .idle }
        let isSoftirq = names.contains { name in
            Self.softirqFunctions.contains(name) || Self.softirqPrefixes.contains { name.hasPrefix($0) }
        }
        return isSoftirq ? .softirq : .process
    }
}

/// `arp_process` of `arp_process.isra.0+0x40/0x9d0 [module]`; nil for a bare address.
///
/// A dot in a kernel function's name always begins a compiler suffix: .isra.N, .constprop.N, .part.N, .cold.
func functionName(_ frame: String) -> String? {
    let name = frame.prefix { $0 != "+" && $0 != " " && $0 != "." }
    return name.isEmpty || name.hasPrefix("0x") ? nil : String(name)
}
