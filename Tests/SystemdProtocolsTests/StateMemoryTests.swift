import CLinux
import Glibc
import Testing

@testable import SystemdProtocols

/// A copy of the descriptor, to be given away.
private func copy(_ memory: StateMemory) -> Int32 { fcntl(memory.descriptor, F_DUPFD_CLOEXEC, 0) }

/// `F_ADD_SEALS` and `F_SEAL_WRITE` of linux/fcntl.h, which Swift does not import.
private let (addSeals, sealWrite) = (1033 as Int32, 8 as Int32)

@Suite struct StateMemoryTests {
    @Test func `new memory is of this layout and says nothing`() throws {
        let memory = try StateMemory()
        #expect(memory.foundLayout == StateMemory.layout)
        #expect(memory.text.isEmpty)
        #expect(memory.fate(receipt: 0) == nil)
        #expect(fcntl(memory.descriptor, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test func `each text replaces the one before, also for who comes later`() throws {
        let memory = try StateMemory()
        for number in 0..<5 {
            #expect(memory.commit("number \(number)\n"))
            #expect(memory.text == "number \(number)\n")
        }
        let next = try StateMemory(mapping: copy(memory))
        #expect(next.text == "number 4\n")
        #expect(next.commit("another\n") && memory.text == "another\n")
    }

    @Test func `the largest text has room, a larger one changes nothing`() throws {
        let memory = try StateMemory()
        let largest = String(repeating: "x", count: Int(NA_STATE_SLOT_BYTES))
        #expect(memory.commit(largest) && memory.text == largest)
        memory.note(.sent, receipt: 0)
        #expect(!memory.commit(largest + "x"))
        #expect(memory.text == largest && memory.fate(receipt: 0) == .sent)
    }

    @Test func `a commit that was not finished is none`() throws {
        let memory = try StateMemory()
        #expect(memory.commit("whole\n"))
        let state = try #require(na_state_map(memory.descriptor))
        defer { na_state_unmap(state) }
        // All that a commit writes before the number that puts it in force.
        let slot = UInt32((state.pointee.committed + 1) & 1)
        strcpy(na_state_slot(state, slot), "half")
        if slot == 0 { state.pointee.slot_bytes.0 = 4 } else { state.pointee.slot_bytes.1 = 4 }
        #expect(try StateMemory(mapping: copy(memory)).text == "whole\n")
    }

    /// Places outside the memory, as a stray write would leave them.
    private static let badPlaces: [(offset: UInt32, count: UInt32)] = [
        (0, 10), (size, 1), (.max, 1), (UInt32(NA_STATE_HEAD_BYTES), size), (size - 10, 11), (size - 10, .max),
    ]
    /// `NA_STATE_BYTES`, which Swift does not import.
    private static let size = UInt32(NA_STATE_HEAD_BYTES + 2 * NA_STATE_SLOT_BYTES + NA_STATE_QUEUE_BYTES)

    @Test(arguments: badPlaces)
    func `a text with a place that cannot be is none`(offset: UInt32, count: UInt32) throws {
        let memory = try StateMemory()
        #expect(memory.commit("text\n"))
        let state = try #require(na_state_map(memory.descriptor))
        defer { na_state_unmap(state) }
        state.pointee.slot_offset = (offset, offset)
        state.pointee.slot_bytes = (count, count)
        #expect(memory.text.isEmpty)
        #expect(memory.commit("new\n") && memory.text == "new\n")
    }

    @Test func `another layout is found by its name, and its text is still read`() throws {
        let memory = try StateMemory()
        #expect(memory.commit("text\n"))
        let state = try #require(na_state_map(memory.descriptor))
        defer { na_state_unmap(state) }
        withUnsafeMutableBytes(of: &state.pointee.layout) { $0.copyBytes(from: "another-layout-7\0".utf8) }
        let found = try StateMemory(mapping: copy(memory))
        #expect(found.foundLayout == "another-layout-7" && found.text == "text\n")
        withUnsafeMutableBytes(of: &state.pointee.layout) { $0.copyBytes(from: repeatElement(0x78, count: 64)) }
        #expect(found.foundLayout == String(repeating: "x", count: 64))
    }

    @Test func `what is no such memory is an error in words, and closed`() throws {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        defer { close(ends[0]) }
        let failure = #expect(throws: StateFailure.self) { try StateMemory(mapping: ends[1]) }
        #expect(failure?.description == "Cannot make memory for the state: Invalid argument")
        var byte: UInt8 = 0
        #expect(read(ends[0], &byte, 1) == 0, "the other end is closed")
    }

    @Test(arguments: [0, 1, size - 1, size + 1])
    func `memory of another size is an error`(size: UInt32) throws {
        let descriptor = na_state_make()
        #expect(ftruncate(descriptor, Int(size)) == 0)
        #expect(#expect(throws: StateFailure.self) { try StateMemory(mapping: descriptor) }?.errno == EINVAL)
    }

    @Test func `memory that may not be written is an error`() throws {
        let memory = try StateMemory()
        let reader = open("/proc/self/fd/\(memory.descriptor)", O_RDONLY | O_CLOEXEC)
        #expect(#expect(throws: StateFailure.self) { try StateMemory(mapping: reader) }?.errno == EACCES)
        // Sealing needs Linux 6.3, from which on it may be sealed at all.
        let sealed = na_state_make()
        if fcntl(sealed, addSeals, sealWrite) == 0 {
            #expect(#expect(throws: StateFailure.self) { try StateMemory(mapping: sealed) }?.errno == EPERM)
        } else {
            close(sealed)
        }
    }

    @Test func `a descriptor that is none is an error`() {
        #expect(#expect(throws: StateFailure.self) { try StateMemory(mapping: -1) }?.errno == EBADF)
    }

    @Test func `receipts are of the text that holds`() throws {
        let memory = try StateMemory()
        #expect(memory.commit("one\n"))
        memory.note(.sent, receipt: 0)
        memory.note(.refused(EMSGSIZE), receipt: 1)
        memory.note(.wouldBlock, receipt: 2)
        let next = try StateMemory(mapping: copy(memory))
        #expect(next.fate(receipt: 0) == .sent && next.fate(receipt: 1) == .refused(0) && next.fate(receipt: 2) == nil)
        #expect(next.commit("two\n"))
        #expect(memory.fate(receipt: 0) == nil && memory.fate(receipt: 1) == nil)
    }
}
