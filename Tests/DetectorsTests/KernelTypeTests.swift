import AnomalyModel
import CDetectorEvents
import Detectors
import Glibc
import Testing

/// `gso_type_bit` against the kernel this runs on: the one layout that CO-RE cannot relocate.
@Suite struct KernelTypeTests {
    private static let hasTypes = access(KernelTypes.path, R_OK) == 0

    @Test(.enabled(if: hasTypes, "this kernel publishes no type information"))
    func gsoTypeBitsAreThoseOfTheRunningKernel() throws {
        let header = try repositoryFile("Sources/Detectors/bpf/include/tun_gso_event.h")
        let ours = Dictionary(
            uniqueKeysWithValues: try header.matches(of: /GSO_([A-Z0-9_]+) = 1u << ([0-9]+)/).map { match in
                (String(match.1), UInt32(1) << (try #require(UInt32(match.2))))
            })
        let theirs = try KernelTypes().enumerators { $0.hasPrefix("SKB_GSO_") || $0.hasPrefix("__SKB_GSO_") }
        // 4.18, the oldest kernel that anybody could run this on, has 18.
        #expect(theirs.count >= 18)
        for (name, bit) in theirs {
            let word = name.split(separator: "SKB_GSO_").last.map(String.init) ?? ""
            let isOldFixedID = word == "TCP_FIXEDID" && bit == GSO_TCP_FIXEDID_OLD.rawValue
            #expect(ours[isOldFixedID ? "TCP_FIXEDID_OLD" : word] == bit, "\(name)")
            var event = sampleGSOEvent(GSO_RULE_TYPE_WITHOUT_SIZE)
            event.gso_type = bit
            let fields = try decode(event, as: tunGSO).fields
            #expect(fields.contains(Field(.gsoTypeNames, word.lowercased())), "\(name)")
        }
    }
}
