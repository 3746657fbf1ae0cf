import Glibc
import Testing

@testable import TracingBackends

@Suite struct DescriptorInfoTests {
    /// An open file, read up to its twelfth byte.
    private func withFile<Result>(_ body: (CInt) throws -> Result) throws -> Result {
        let descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        #expect(lseek(descriptor, 12, SEEK_SET) == 12)
        return try body(descriptor)
    }

    @Test func theNumberIsTheOneTheKernelGives() throws {
        #expect(try withFile { DescriptorInfo.number("pos", of: $0) } == 12)
    }

    @Test(arguments: ["po", "os", "memlock", "", "POS"]) func aNameThatIsNotThereHasNone(_ name: String) throws {
        #expect(try withFile { DescriptorInfo.number(name, of: $0) } == nil)
    }

    @Test(arguments: [-1, CInt.max]) func whatIsNoDescriptorHasNone(_ descriptor: CInt) {
        #expect(DescriptorInfo.number("pos", of: descriptor) == nil)
    }
}
