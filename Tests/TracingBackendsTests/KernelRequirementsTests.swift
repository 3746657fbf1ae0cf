import Glibc
import Testing

@testable import TracingBackends

@Suite struct KernelRequirementsTests {
    private let root: FakeRoot

    /// Everything that tracing needs, to take away from.
    init() throws {
        root = try FakeRoot()
        try root.write("BTF", to: "/sys/kernel/btf/vmlinux")
        try root.write("[none] integrity confidentiality\n", to: "/sys/kernel/security/lockdown")
        try setCapabilities("000000c000000000")
    }

    private func setCapabilities(_ digits: String) throws {
        try root.write(
            "Name:\tnetanomalyd\nCapPrm:\t000001ffffffffff\nCapEff:\t\(digits)\nCapBnd:\t000001ffffffffff\n",
            to: "/proc/self/status")
    }

    private var problem: BackendError? { KernelRequirements.firstProblem(root: root.path) }

    @Test func aKernelThatOffersAllIsFine() { #expect(problem == nil) }

    @Test func aKernelWithoutTypeInformationIsNamedFirst() throws {
        let empty = try FakeRoot()
        #expect(KernelRequirements.firstProblem(root: empty.path) == .typeInformationAbsent)
    }

    @Test func lockdownStopsTracingInConfidentialityModeOnly() throws {
        try root.write("none [integrity] confidentiality\n", to: "/sys/kernel/security/lockdown")
        #expect(problem == nil)
        try root.write("none integrity [confidentiality]\n", to: "/sys/kernel/security/lockdown")
        #expect(problem == .lockdown)
    }

    @Test func aKernelWithoutLockdownIsFine() {
        remove(root.path + "/sys/kernel/security/lockdown")
        #expect(problem == nil)
    }

    @Test(arguments: [
        ("0000000000000000", ["CAP_PERFMON", "CAP_BPF"]),
        ("0000008000000000", ["CAP_PERFMON"]),
        ("0000004000000000", ["CAP_BPF"]),
        ("0000000000003000", ["CAP_PERFMON", "CAP_BPF"]),
    ])
    func missingCapabilitiesAreNamed(_ digits: String, _ missing: [String]) throws {
        try setCapabilities(digits)
        #expect(problem == .capabilitiesMissing(missing))
    }

    @Test(arguments: ["0000000000200000", "000001ffffffffff"])
    func theAdministratorsCapabilityIncludesBoth(_ digits: String) throws {
        try setCapabilities(digits)
        #expect(problem == nil)
    }

    @Test(arguments: [
        "", "\n\n", "CapEff:", "CapEff:\t", "CapEff:\tzz\n", "CapEff:\t1000001ffffffffff\n", "CapEff:\t-1\n",
        "capeff:\tffffffffffffffff\n", "CapPrm:\tffffffffffffffff\n", " CapEff:\tffffffffffffffff\n",
    ])
    func anUnreadableStatusHasNoCapabilities(_ status: String) {
        #expect(KernelRequirements.missingCapabilities(status: status) == ["CAP_PERFMON", "CAP_BPF"])
    }

    @Test func everyProblemSaysWhatIsLostAndWhatToDo() {
        let sentences: [(BackendError, String)] = [
            (
                .typeInformationAbsent,
                "This kernel has no type information (/sys/kernel/btf/vmlinux is missing), so nothing can be watched: "
                    + "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as all current distributions ship"
            ),
            (
                .typeInformationUnreadable(EACCES),
                "Cannot read /sys/kernel/btf/vmlinux (Permission denied), so nothing can be watched: "
                    + "check the unit's sandbox or container for a hidden or read-protected /sys"
            ),
            (
                .lockdown,
                "Kernel lockdown is in confidentiality mode, which forbids tracing, so nothing can be watched: "
                    + "boot with lockdown=integrity or without it"
            ),
            (
                .capabilitiesMissing(["CAP_PERFMON", "CAP_BPF"]),
                "Not permitted to trace: CAP_PERFMON and CAP_BPF missing, so nothing can be watched: "
                    + "run as root, or as netanomalyd.service does"
            ),
            (
                .refused,
                "The kernel refuses bpf() although the capabilities are there, so nothing can be watched: "
                    + "a seccomp filter is likely (SystemCallFilter= of the unit, or the container's profile)"
            ),
            (
                .unusable(object: "arp", reason: "this kernel has none of its hooks"),
                "No program of arp can be loaded, so this detector sees nothing: this kernel has none of its hooks"
            ),
            (.failed(what: "Cannot read a BPF map", code: ENOENT), "Cannot read a BPF map: No such file or directory"),
        ]
        for (problem, sentence) in sentences { #expect(problem.description == sentence) }
    }

    @Test func whatAnotherUserCouldDoIsAMatterOfPermission() {
        let permissions: [BackendError] = [
            .typeInformationUnreadable(EACCES), .lockdown, .capabilitiesMissing(["CAP_BPF"]), .refused,
        ]
        let failures: [BackendError] = [
            .typeInformationAbsent, .unusable(object: "arp", reason: ""), .failed(what: "", code: EIO),
        ]
        for problem in permissions { #expect(problem.isPermission, "\(problem)") }
        for problem in failures { #expect(!problem.isPermission, "\(problem)") }
    }
}
