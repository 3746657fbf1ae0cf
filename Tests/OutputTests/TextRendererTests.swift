import AnomalyModel
import Glibc
import Testing

@testable import NetAnomalyDaemon

@Suite struct TextRendererTests {
    /// 2026-11-24 03:00:00 UTC.
    private let offset: UInt64 = 1_795_489_200_000_000_000

    init() {
        setenv("TZ", "UTC", 1)
        tzset()
    }

    private func plain(_ record: Record) -> String {
        TextRenderer(isColoured: false).render(record, realtimeOffsetNanoseconds: offset)
    }

    @Test func `an ARP conflict reads like this`() {
        let expected = """
            2026-11-24 03:12:44.120 warning arp-address-conflict: 02:66:00:00:00:02 claims 192.0.2.1, which is ours (3 more of the same since the last entry)
              where  eth0, interface 2, netns 4026531840, received, seen at tp_btf:netif_receive_skb in __netif_receive_skb_core
              who    softirq, PID not meaningful (it interrupted kworker/0:1, PID 123)
              arp    reply: 192.0.2.1 is at 02:66:00:00:00:02, told to 192.0.2.9 at 02:66:00:00:00:01
              frame  02:66:00:00:00:02 > ff:ff:ff:ff:ff:ff, VLAN 5
              was    02:66:00:00:00:01 REACHABLE, now 02:66:00:00:00:02 STALE
              stack  frame_1+0x1/0x2
                     frame_2+0x1/0x2
                     frame_3+0x1/0x2
                     frame_4+0x1/0x2
                     frame_5+0x1/0x2
                     frame_6+0x1/0x2
                     frame_7+0x1/0x2
                     frame_8+0x1/0x2
                     frame_9+0x1/0x2
                     frame_10+0x1/0x2
                     frame_11+0x1/0x2
                     frame_12+0x1/0x2
                     and 2 more

            """
        #expect(plain(arpConflict) == expected)
    }

    @Test func `a GSO mismatch reads like this`() {
        let expected = """
            2026-11-24 03:00:00.000 err gso-ip-mismatch: A packet of GSO type tcpv4 carries IPv6
              where  tap0, interface 7, netns 4026531840, sent, seen at tp_btf:net_dev_queue
              who    qemu-system-x86, PID 4242, machine-qemu.scope
              gso    type tcpv4 (0x1), size 1448, 3 segments, packet of 4210 bytes, checksum partial, tap device, flags 0x5002
              flow   tcp [2001:db8::1]:40000 > [2001:db8::2]:443
              drop   TAP_FILTER, dropped at tun_net_xmit+0x1/0x2
              bytes  6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a…
              stack  tun_net_xmit+0x1/0x2 [tun]
                     dev_hard_start_xmit+0x1/0x2

            """
        #expect(plain(gsoMismatch) == expected)
    }

    @Test func `a record of the daemon is a headline and what it adds`() {
        let started = record(
            "daemon-started", priority: .info, events: 0, message: "Watching ARP and TUN/TAP.",
            [Field(.boottime, "0"), Field(.version, "1.0"), Field(.configurationFile, "/etc/netanomaly.conf")])
        let expected = """
            2026-11-24 03:00:00.000 info daemon-started: Watching ARP and TUN/TAP.
              more   config /etc/netanomaly.conf

            """
        #expect(plain(started) == expected)
    }

    @Test(arguments: [
        ("request", "request: who has 192.0.2.1? tell 192.0.2.9 at 02:66:00:00:00:09 (target MAC 02:66:00:00:00:01)"),
        ("7", "operation 7: sender 192.0.2.9 at 02:66:00:00:00:09, target 192.0.2.1 at 02:66:00:00:00:01"),
    ])
    func `each ARP operation has its sentence`(_ operation: String, _ sentence: String) {
        let fields = [
            Field(.arpOperation, operation), Field(.arpSenderMAC, "02:66:00:00:00:09"),
            Field(.arpSenderIP, "192.0.2.9"), Field(.arpTargetMAC, "02:66:00:00:00:01"),
            Field(.arpTargetIP, "192.0.2.1"),
        ]
        #expect(plain(record("arp-trace", priority: .info, message: "ARP.", fields)).contains("  arp    \(sentence)\n"))
    }

    @Test(arguments: [
        (["NETANOMALY_CONTEXT=idle"], "softirq on an idle CPU, no process"),
        (["NETANOMALY_CONTEXT=softirq"], "softirq, PID not meaningful"),
        (["NETANOMALY_PID=7", "NETANOMALY_COMM=x"], "x, PID 7, not known if it is the cause"),
    ])
    func `who it was is said no surer than it is known`(_ texts: [String], _ who: String) {
        let fields = texts.compactMap { text -> Field? in
            let parts = text.split(separator: "=").map(String.init)
            return FieldName(rawValue: parts[0]).map { Field($0, parts[1]) }
        }
        #expect(plain(record("arp-trace", priority: .info, message: "ARP.", fields)).contains("  who    \(who)\n"))
    }

    @Test(arguments: FieldName.allCases) func `no value reaches the terminal as a command`(_ name: FieldName) {
        let text = plain(Record(rule: RuleName("x"), events: 1, priority: .info, fields: [Field(name, hostile)]))
        let controls = text.unicodeScalars.filter { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }
        #expect(controls.allSatisfy { $0 == "\n" })
        #expect(text.hasSuffix("\n"))
    }

    @Test func `every field of a rule is said`() {
        let spoken: [FieldName] = FieldName.allCases.filter { !RecordFacts.unspoken.contains($0) }
        let fields = spoken.map { Field($0, "<\($0.rawValue)>") }
        let text = plain(Record(rule: RuleName("x"), events: 1, priority: .info, fields: fields))
        // Context and direction are words of ours, told by other words.
        let told = fields.filter { ![FieldName.context.rawValue, FieldName.direction.rawValue].contains($0.name) }
        #expect(told.filter { !text.contains($0.value) }.isEmpty)
    }

    @Test func `a script's own fields are said under their keys`() {
        let fields = [Field(scriptKey: "rto_ms", "204"), Field(scriptKey: "saddr", "\u{1b}")]
        let text = plain(record("tcp", priority: .notice, message: "Slow.", fields))
        #expect(text.contains("  more   rto ms 204, saddr \\x1b\n"))
    }

    @Test func `colour only adds to the text`() {
        for record in [arpConflict, gsoMismatch] {
            let coloured = TextRenderer(isColoured: true).render(record, realtimeOffsetNanoseconds: offset)
            #expect(coloured.contains("\u{1b}["))
            #expect(withoutRendition(coloured) == plain(record))
            #expect(!plain(record).contains("\u{1b}"))
        }
    }

    private func withoutRendition(_ text: String) -> String {
        var kept = ""
        var isInside = false
        for character in text {
            if character == "\u{1b}" { isInside = true }
            if !isInside { kept.append(character) }
            if character == "m" { isInside = false }
        }
        return kept
    }
}
