import Testing

@testable import TracingBackends

/// What bpftrace 0.17.0 and 0.23.2 wrote to standard error, word for word.
@Suite struct BpftraceComplaintTests {
    private typealias Surroundings = BpftraceComplaint.Surroundings

    private func complaint(
        _ text: String, _ surroundings: BpftraceComplaint.Surroundings = all
    ) -> BpftraceComplaint {
        BpftraceComplaint(lines: text.split(separator: "\n").map(String.init), surroundings: surroundings)
    }

    private static let all = Surroundings(hasTypes: true, hasAdministration: true, hasBPF: true)
    private static let noTypes = Surroundings(hasTypes: false, hasAdministration: true, hasBPF: true)
    private static let onlyTracing = Surroundings(hasTypes: true, hasAdministration: false, hasBPF: true)
    private static let nothing = Surroundings(hasTypes: true, hasAdministration: false, hasBPF: false)

    @Test(arguments: [
        (
            """
            /proc/self/fd/3:2:33-35: ERROR: Undefined map: @a
            interval:s:1 { printf("x %d\\n", @a + "text"); }
                                            ~~
            /proc/self/fd/3:2:33-44: ERROR: Type mismatch for '+': comparing 'none' with 'string[5]'
            """, BpftraceFailure.script(line: 2, column: 33, text: "Undefined map: @a")
        ),
        // An error over two lines has no columns.
        (
            "/proc/self/fd/3:1-2: ERROR: tracepoint not found: net:no_such_point",
            .probeMissing("tracepoint:net:no_such_point")
        ),
        ("/proc/self/fd/3:4-7: ERROR: something new", .script(line: 4, column: nil, text: "something new")),
        (
            """
            /proc/self/fd/3:1:1-18: ERROR: kfunc/kretfunc not available for your kernel version.
            kfunc:arp_process { printf("x\\n"); }
            ~~~~~~~~~~~~~~~~~
            """, .probeMissing("kfunc:arp_process")
        ),
        (
            """
            /proc/self/fd/3:1:1-18: ERROR: fentry/fexit not available for your kernel version.
            kfunc:arp_process { printf("x\\n"); }
            ~~~~~~~~~~~~~~~~~
            """, .probeMissing("kfunc:arp_process")
        ),
        // 0.17, then 0.23
        (
            "/proc/self/fd/3:1:53-73: ERROR: Unknown struct/union: 'struct nostruct'",
            .structureMissing("struct nostruct")
        ),
        (
            """
            /proc/self/fd/3:1:53-74: ERROR: Cannot resolve unknown type "struct nostruct"
            tracepoint:net:netif_receive_skb { printf("x %d\\n", ((struct nostruct *)args->skbaddr)->len); }
                                                                ~~~~~~~~~~~~~~~~~~~~~
            /proc/self/fd/3:1:53-93: ERROR: Unknown struct/union: 'struct nostruct'
            """, .structureMissing("struct nostruct")
        ),
        (
            """
            /proc/self/fd/3:1:1-19: WARNING: arp_process is not traceable (either non-existing, inlined, or marked as \
            "notrace"); attaching to it will likely fail
            kprobe:arp_process { printf("x\\n"); }
            ~~~~~~~~~~~~~~~~~~
            create_probe_event: open(/sys/kernel/tracing/kprobe_events): No such file or directory
            ERROR: Error attaching probe: 'kprobe:arp_process'
            """, .probeMissing("kprobe:arp_process")
        ),
        ("ERROR: Error attaching probe: kprobe:arp_process", .probeMissing("kprobe:arp_process")),
        (
            "ERROR: Error loading program: tracepoint:net:netif_receive_skb (try -v)",
            .programRefused("tracepoint:net:netif_receive_skb")
        ),
        (
            """
            ERROR: Error loading BPF program for tracepoint_net_netif_receive_skb_1. Use -v for full kernel error log.
            ERROR: Loading BPF object(s) failed.
            """, .programRefused("tracepoint_net_netif_receive_skb_1")
        ),
    ]) func `what is wrong with a script is told apart`(text: String, failure: BpftraceFailure) {
        #expect(complaint(text).failure == failure)
    }

    private let unknownType = "/proc/self/fd/3:1:53-72: ERROR: Unknown struct/union: 'struct sk_buff'"
    private let noHeaders = "definitions.h:2:10: fatal error: 'linux/types.h' file not found"

    @Test func `an unknown structure means what the surroundings make of it`() {
        #expect(complaint(unknownType).failure == .structureMissing("struct sk_buff"))
        #expect(complaint(unknownType, Self.noTypes).failure == .typesUnavailable)
        #expect(complaint(noHeaders).failure == .typesUnavailable)
        for text in [unknownType, noHeaders] {
            let failure = complaint(text, Self.onlyTracing).failure
            #expect(failure == .notPermitted(missing: "lacking CAP_SYS_ADMIN to read the kernel's types"))
        }
    }

    @Test(arguments: [
        """
        ERROR: failed to create map: '@printed': Operation not permitted
        ERROR: failed to create  map: Operation not permitted
        Creation of the required BPF maps has failed.
        """,
        """
        ERROR: Unknown BPF object load failure. Try using the "-d libbpf" option to see the full loading log.
        ERROR: Loading BPF object(s) failed.
        """,
    ]) func `a refusal is for want of a capability only where one is wanting`(text: String) {
        #expect(complaint(text, Self.nothing).failure == .notPermitted(missing: "lacking CAP_BPF"))
        #expect(complaint(text).failure == nil)
    }

    @Test func `bpftrace for root alone says so`() {
        let text = "ERROR: bpftrace currently only supports running as the root user."
        #expect(complaint(text).failure == .notPermitted(missing: "not being root"))
    }

    @Test(arguments: [
        (
            "ERROR: Can't attach to 720 probes because it exceeds the current limit of 512 probes.\nYou can increase",
            "Can't attach to 720 probes because it exceeds the current limit of 512 probes."
        ),
        ("mmap: Invalid argument\nERROR: Failed to open perf buffer", "Failed to open perf buffer"),
        (
            "WARNING: Addrspace is not set\nerror: <unknown>:0:0: in function BEGIN",
            "error: <unknown>:0:0: in function BEGIN"
        ),
        ("sh: 1: bpftrace: not found", "sh: 1: bpftrace: not found"),
        ("", ""),
    ]) func `what is not known is told in bpftrace's own words`(text: String, words: String) {
        #expect(complaint(text).failure == nil)
        #expect(complaint(text).text == words)
    }

    @Test(arguments: [
        ("bpftrace v0.17.0\n", BpftraceVersion(major: 0, minor: 17)),
        ("bpftrace v0.23.2", BpftraceVersion(major: 0, minor: 23)),
        ("bpftrace v0.21.0-dirty", BpftraceVersion(major: 0, minor: 21)),
        ("bpftrace", nil), ("v1", nil), ("", nil),
    ]) func `versions are read`(text: String, version: BpftraceVersion?) {
        #expect(BpftraceVersion(printed: text) == version)
    }

    @Test func `versions are ordered by number`() {
        #expect(BpftraceVersion(major: 0, minor: 9) < BpftraceVersion(major: 0, minor: 17))
        #expect(BpftraceVersion(major: 0, minor: 99) < BpftraceVersion(major: 1, minor: 0))
    }
}
