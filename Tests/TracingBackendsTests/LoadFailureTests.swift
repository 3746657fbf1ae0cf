import Glibc
import Testing

@testable import TracingBackends

@Suite struct LoadFailureTests {
    private func program(_ log: String...) -> String? { LoadFailure(code: ESRCH, log: log).program }

    @Test func theProgramIsTheOneThatLibbpfNames() {
        #expect(
            program(
                "libbpf: prog 'on_neigh_update': failed to find kernel BTF type ID of 'neigh_update': -3",
                "libbpf: failed to load object 'arp'") == "on_neigh_update")
    }

    @Test func theLastOneNamedCounts() {
        #expect(program("libbpf: prog 'first': BPF program load failed: -13", "libbpf: prog 'last': -13") == "last")
    }

    @Test func otherQuotedNamesAreNoPrograms() {
        #expect(program("libbpf: map 'keys': failed to create: -1", "libbpf: failed to load object 'arp'") == nil)
        #expect(program("libbpf: prog 'unterminated") == nil)
        #expect(program("") == nil)
        #expect(program() == nil)
    }
}
