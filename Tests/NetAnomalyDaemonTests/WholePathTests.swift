import AnomalyModel
import CDetectorEvents
import DaemonConfig
import Detectors
import Glibc
import SystemdProtocols
import Testing

@testable import NetAnomalyDaemon

/// From the bytes of the kernel's ring to the datagrams that journald reads.
@Suite struct WholePathTests {
    private let folder: TemporaryFolder
    private let journal: BoundSocket
    private static let conflict = RuleName("arp-address-conflict")

    init() throws {
        folder = try TemporaryFolder()
        journal = try BoundSocket(path: folder.socket, type: SOCK_DGRAM)
    }

    private func path(_ text: String = "") throws -> EventPath {
        EventPath(
            try configuration(text), transport: try JournalSocket(path: folder.socket), namer: nil,
            memory: try StateMemory(), isKept: false)
    }

    private func seen(_ count: UInt64) -> RuleAccount {
        var account = RuleAccount()
        account.seen = count
        return account
    }

    /// Lines, then a stack of two frames in the form for values that hold a newline.
    private func entry(_ lines: String, stack: String? = nil) -> [UInt8] {
        guard let stack else { return Array((lines + "\n").utf8) }
        let length = withUnsafeBytes(of: UInt64(stack.utf8.count).littleEndian) { Array($0) }
        return Array((lines + "\nNETANOMALY_STACK\n").utf8) + length + Array((stack + "\n").utf8)
    }

    private static let stack = "0xffffffff81000010\n0xffffffff81000020"

    @Test func `an ARP event becomes exactly this entry`() throws {
        var path = try path()
        path.handle(try decode(ringBytes(conflictEvent()), as: arp), now: 100 * second)
        let expected = """
            MESSAGE=02:66:00:00:00:01 claims 192.0.2.1, which is our address on eth0
            MESSAGE_ID=623cd35ba5974c7d96c4b616351b6484
            PRIORITY=2
            SYSLOG_IDENTIFIER=netanomalyd
            DOCUMENTATION=man:netanomalyd(8)
            NETANOMALY_RULE=arp-address-conflict
            NETANOMALY_DETECTOR=arp
            NETANOMALY_BACKEND=libbpf
            NETANOMALY_PROBE=tp_btf:netif_receive_skb
            NETANOMALY_SEQ=1
            NETANOMALY_BOOTTIME_NS=100000000000
            NETANOMALY_IFNAME=eth0
            NETANOMALY_IFINDEX=3
            NETANOMALY_NETNS=4026531840
            NETANOMALY_DIRECTION=rx
            NETANOMALY_PID=77
            NETANOMALY_COMM=arping
            NETANOMALY_CGROUP=session-1.scope
            NETANOMALY_DETAIL=claim
            NETANOMALY_ARP_OP=reply
            NETANOMALY_ARP_SENDER_MAC=02:66:00:00:00:01
            NETANOMALY_ARP_SENDER_IP=192.0.2.1
            NETANOMALY_ARP_TARGET_MAC=02:66:00:00:00:02
            NETANOMALY_ARP_TARGET_IP=192.0.2.2
            NETANOMALY_ETH_SRC=02:66:00:00:00:01
            NETANOMALY_ETH_DST=ff:ff:ff:ff:ff:ff
            NETANOMALY_VLAN=12
            NETANOMALY_LEN=46
            NETANOMALY_COUNT=1
            NETANOMALY_SUPPRESSED=0
            NETANOMALY_FIRST_BOOTTIME_NS=100000000000
            NETANOMALY_LAST_BOOTTIME_NS=100000000000
            """
        #expect(journal.receive() == entry(expected, stack: Self.stack))
        #expect(journal.receive() == nil)
    }

    @Test func `a GSO event becomes exactly this entry`() throws {
        var path = try path()
        path.handle(try decode(ringBytes(typelessEvent()), as: tunGSO), now: 100 * second)
        let expected = """
            MESSAGE=Packet towards tap0 has gso_size 1448 but no gso_type
            MESSAGE_ID=32b1295df46b474db82a33c849f3d345
            PRIORITY=2
            SYSLOG_IDENTIFIER=netanomalyd
            DOCUMENTATION=man:netanomalyd(8)
            NETANOMALY_RULE=gso-size-without-type
            NETANOMALY_DETECTOR=tun-gso
            NETANOMALY_BACKEND=libbpf
            NETANOMALY_PROBE=tp_btf:net_dev_start_xmit
            NETANOMALY_SEQ=1
            NETANOMALY_BOOTTIME_NS=100000000000
            NETANOMALY_IFNAME=tap0
            NETANOMALY_IFINDEX=3
            NETANOMALY_NETNS=4026531840
            NETANOMALY_DIRECTION=tx
            NETANOMALY_PID=77
            NETANOMALY_COMM=arping
            NETANOMALY_CGROUP=session-1.scope
            NETANOMALY_GSO_TYPE=0x0
            NETANOMALY_GSO_SIZE=1448
            NETANOMALY_GSO_SEGS=3
            NETANOMALY_LEN=4410
            NETANOMALY_DEV_KIND=tun
            NETANOMALY_TUN_FLAGS=tap|no_pi|vnet_hdr
            NETANOMALY_L3_SRC=192.0.2.1
            NETANOMALY_L3_DST=192.0.2.2
            NETANOMALY_L4_PROTO=tcp
            NETANOMALY_L4_SPORT=443
            NETANOMALY_L4_DPORT=50000
            NETANOMALY_ENCAPSULATION=0
            NETANOMALY_IP_SUMMED=partial
            NETANOMALY_HEADERS=450011
            NETANOMALY_COUNT=1
            NETANOMALY_SUPPRESSED=0
            NETANOMALY_FIRST_BOOTTIME_NS=100000000000
            NETANOMALY_LAST_BOOTTIME_NS=100000000000
            """
        #expect(journal.receive() == entry(expected, stack: Self.stack))
    }

    @Test func `a repetition is counted and comes as a summary at the stop`() throws {
        var path = try path()
        var event = conflictEvent()
        path.handle(try decode(ringBytes(event), as: arp), now: 100 * second)
        event.head.boottime_ns += second
        event.head.last_ns += second
        path.handle(try decode(ringBytes(event), as: arp), now: 101 * second)
        #expect(journal.receiveAll().count == 1)

        let account = path.account(Self.conflict, kernel: seen(2))
        #expect((account.seen, account.written, account.deduplicated) == (2, 1, 1))
        #expect(account.pending == 0 && !account.isOverdrawn)

        for summary in path.takeAllSummaries() { path.write(summary, now: 102 * second) }
        let lines = try #require(journal.receive().map { String(decoding: $0, as: UTF8.self) }).split(separator: "\n")
        #expect(
            lines.first
                == "MESSAGE=1 more of the same: 02:66:00:00:00:01 claims 192.0.2.1, which is our address on eth0")
        #expect(lines.contains("NETANOMALY_SEQ=2") && lines.contains("NETANOMALY_COUNT=1"))
        #expect(lines.contains("NETANOMALY_SUPPRESSED=1"))
        #expect(lines.contains("NETANOMALY_FIRST_BOOTTIME_NS=100000000000"))
        #expect(lines.contains("NETANOMALY_LAST_BOOTTIME_NS=101000000000"))
        #expect(path.takeAllSummaries().isEmpty)
        #expect(path.account(Self.conflict, kernel: seen(2)) == account)
    }

    @Test func `a summary of the kernel's gate passes and costs no event`() throws {
        var path = try path()
        var head = conflictEvent().head
        head.kind = NA_KIND_SUMMARY.rawValue
        (head.suppressed, head.stack_depth) = (41, 0)
        path.handle(try decode(ringBytes(head), as: arp), now: 100 * second)
        let text = String(decoding: try #require(journal.receive()), as: UTF8.self)
        #expect(text.hasPrefix("MESSAGE=41 more of the same: 02:66:00:00:00:01 claims 192.0.2.1"))
        #expect(text.contains("NETANOMALY_COUNT=41\n") && !text.contains("NETANOMALY_STACK"))
        var kernel = seen(41)
        kernel.deduplicated = 41
        #expect(path.account(Self.conflict, kernel: kernel) == kernel)
    }

    @Test func `names in an event cannot open a field of their own`() throws {
        var path = try path()
        var event = conflictEvent()
        fill(&event.head.ifname, "e\nPRIORITY=0\u{1b}".utf8 + [0])
        fill(&event.head.comm, [0xff, 0x0a, 0x3d, 0x41, 0x00, 0x42])
        path.handle(try decode(ringBytes(event), as: arp), now: 100 * second)
        let text = String(decoding: try #require(journal.receive()), as: UTF8.self)
        #expect(text.contains("\nNETANOMALY_IFNAME=e\\x0aPRIORITY=0\\x1b\n"))
        #expect(text.contains("\nNETANOMALY_COMM=\\xff\\x0a=A\n"))
        #expect(!text.contains("\nPRIORITY=0"))
    }

    @Test func `a priority of the administrator holds from the next entry on`() throws {
        var path = try path("[Limits]\nDedupIntervalSec=0\n")
        path.handle(try decode(ringBytes(conflictEvent()), as: arp), now: 100 * second)
        path.apply(try configuration("[Limits]\nDedupIntervalSec=0\n[Rule arp-address-conflict]\nPriority=notice\n"))
        path.handle(try decode(ringBytes(conflictEvent()), as: arp), now: 100 * second)
        let entries = journal.receiveAll().map { String(decoding: $0, as: UTF8.self) }
        #expect(entries.map { $0.contains("\nPRIORITY=2\n") } == [true, false])
        #expect(entries.map { $0.contains("\nPRIORITY=5\n") } == [false, true])
        #expect(entries.map { $0.contains("\nNETANOMALY_SEQ=2\n") } == [false, true])
    }

    @Test func `what no journal took is in the account`() throws {
        unlink(folder.socket)
        var path = try path()
        path.handle(try decode(ringBytes(conflictEvent()), as: arp), now: 100 * second)
        #expect(path.account(Self.conflict, kernel: seen(1)).pending == 1)
        #expect(path.nextDeadline != nil)
        path.abandon(now: 101 * second)
        let account = path.account(Self.conflict, kernel: seen(1))
        #expect((account.lostJournal, account.pending) == (1, 0))
    }

    @Test func `a journal that comes back is told what it missed, last`() throws {
        unlink(folder.socket)
        var path = try path()
        let sent = RecordQueue.maxRecords + 5
        for _ in 0..<sent { path.write(Notices.stopped(reason: "test", goesOn: false), now: second) }
        #expect(path.output.waiting == RecordQueue.maxRecords)
        let journal = try BoundSocket(path: folder.socket, type: SOCK_DGRAM)
        var entries: [[UInt8]] = []
        var now = second
        while entries.count <= RecordQueue.maxRecords, now < 10_000 * second {
            now += 10 * second
            path.tick(now: now)
            entries += journal.receiveAll()
        }
        let last = String(decoding: try #require(entries.last), as: UTF8.self)
        #expect(entries.count == RecordQueue.maxRecords + 1)
        #expect(last.hasPrefix("MESSAGE=The journal did not take 5 entries (5 queue-full); it does again\n"))
        #expect(last.contains("\nNETANOMALY_SEQ=\(sent + 1)\n"))
    }

    // MARK: Scripts of one's own

    private func report(_ address: Int, of script: String) throws -> Anomaly {
        var rules = ScriptRules(name: script, priority: .error, keyFields: ["daddr"])
        let report = try #require(try ScriptReport(text: Array("message=x daddr=\(address)".utf8)))
        return try rules.anomaly(report, now: second)
    }

    @Test func `a script has limits and a table of its own`() throws {
        let text = "[Limits]\nMaxKeys=16\n[Script tcp]\nPath=/x.bt\n[Script udp]\nPath=/y.bt\nDedupIntervalSec=0\n"
        var path = try path(text)
        for script in try configuration(text).scripts { path.limit(script) }
        for address in 0..<20 {
            path.handle(try report(address, of: "tcp"), ofScript: "tcp", now: second)
            _ = journal.receive()
        }
        path.handle(try report(1, of: "tcp"), ofScript: "tcp", now: second)
        let tcp = path.account(RuleName("tcp"), kernel: seen(21))
        #expect((tcp.written, tcp.overflow, tcp.deduplicated) == (17, 3, 1), "its table is full: one a second passes")
        #expect(tcp.pending == 0 && !tcp.isOverdrawn)
        for _ in 0..<3 { path.handle(try report(1, of: "udp"), ofScript: "udp", now: second) }
        #expect(path.account(RuleName("udp"), kernel: seen(3)).written == 3, "another's is not")
        path.handle(try decode(ringBytes(conflictEvent()), as: arp), now: 100 * second)
        #expect(path.account(Self.conflict, kernel: seen(1)).written == 1, "nor ours")
        let summaries = path.takeAllSummaries()
        #expect(summaries.map(\.rule.name) == [RuleName("tcp")] && summaries.map(\.suppressed) == [1])
    }

    @Test func `a report of a script that is not known goes nowhere`() throws {
        var path = try path()
        path.handle(try report(1, of: "tcp"), ofScript: "tcp", now: second)
        #expect(journal.receive() == nil)
    }
}
