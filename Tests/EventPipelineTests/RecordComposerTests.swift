import AnomalyModel
import EventPipeline
import Testing

@Suite struct RecordComposerTests {
    private let enricher = Enricher()

    @Test func `all fields come in the documented order`() {
        var composer = RecordComposer(backend: "libbpf")
        var event = anomaly(at: 900, suppressed: 3, also: [tinySize.name, RuleName("arp-scan")])
        event.firstBoottimeNanoseconds = 100
        event.masterName = "br0"
        event.dropLocation = 1
        let enriched = enricher.enrich(
            event, frames: ["arp_process+0x40/0x9d0", "vfs_write+0x1/0x2"], dropLocation: "arp_rcv+0x1/0x2")
        let record = composer.compose(enriched)
        #expect(
            record.fields.map { "\($0.name)=\($0.value)" } == [
                "MESSAGE=192.0.2.1 is claimed twice (3 more of the same since the last entry)",
                "MESSAGE_ID=0123456789abcdef0123456789abcdef", "PRIORITY=4", "SYSLOG_IDENTIFIER=netanomalyd",
                "DOCUMENTATION=man:netanomalyd(8)", "NETANOMALY_RULE=arp-address-conflict",
                "NETANOMALY_DETECTOR=arp", "NETANOMALY_BACKEND=libbpf", "NETANOMALY_ALSO=gso-tiny-size arp-scan",
                "NETANOMALY_PROBE=tp_btf:netif_receive_skb",
                "NETANOMALY_FUNCTION=arp_rcv", "NETANOMALY_SEQ=1", "NETANOMALY_BOOTTIME_NS=900",
                "NETANOMALY_IFNAME=eth0", "NETANOMALY_IFINDEX=2", "NETANOMALY_MASTER=br0",
                "NETANOMALY_NETNS=4026531840",
                "NETANOMALY_DIRECTION=rx", "NETANOMALY_CONTEXT=process", "NETANOMALY_PID=42",
                "NETANOMALY_COMM=arpspoof", "NETANOMALY_CGROUP=test.scope", "NETANOMALY_ARP_OP=reply",
                "NETANOMALY_ARP_SENDER_IP=192.0.2.1", "NETANOMALY_DROP_LOCATION=arp_rcv+0x1/0x2",
                "NETANOMALY_COUNT=4", "NETANOMALY_SUPPRESSED=3", "NETANOMALY_FIRST_BOOTTIME_NS=100",
                "NETANOMALY_LAST_BOOTTIME_NS=900", "NETANOMALY_STACK=arp_process+0x40/0x9d0\nvfs_write+0x1/0x2",
            ])
        #expect(record.events == 1 && record.also == event.also)
        #expect(record.priority == .warning)
    }

    @Test func `what is not known is absent`() {
        var composer = RecordComposer()
        var event = anomaly()
        event.key.interfaceIndex = 0
        event.key.networkNamespace = 0
        event.interfaceName = nil
        event.direction = nil
        event.pid = 0
        event.command = ""
        event.controlGroup = nil
        event.fields = [Field(.arpOperation, "")]
        let record = composer.compose(enricher.enrich(event, frames: []))
        let absent: [FieldName] = [
            .function, .interfaceName, .interfaceIndex, .networkNamespace, .direction, .context, .pid,
            .command, .controlGroup, .arpOperation, .dropLocation, .stack, .also, .masterName,
        ]
        #expect(absent.filter { record[$0] != nil }.isEmpty)
        #expect(record[.backend] == "libbpf", "every anomaly was seen by one, the daemon's own notices perhaps by none")
        let notice = DaemonNotice(
            rule: RuleName("daemon-stopped"), messageID: MessageID("00112233445566778899aabbccddeeff"),
            priority: .info, message: "Stopped.", fields: [])
        #expect(composer.compose(notice, boottimeNanoseconds: 5)[.backend] == nil)
        #expect(record[.suppressed] == "0")
        #expect(record[.count] == "1")
    }

    @Test func `on an idle processor no process is named`() {
        var composer = RecordComposer()
        var event = anomaly()
        event.pid = 0
        event.command = "swapper/0"
        let record = composer.compose(enricher.enrich(event, frames: ["arp_rcv+0x1/0x2"]))
        #expect(record[.context] == "idle")
        #expect(record[.pid] == nil)
        #expect(record[.command] == nil)
        #expect(record[.controlGroup] == nil)
    }

    @Test func `a summary counts only what had no entry and costs no event if lost`() {
        var composer = RecordComposer()
        let record = composer.compose(enricher.enrich(anomaly(kind: .summary, suppressed: 7), frames: []))
        #expect(record[.message] == "7 more of the same: 192.0.2.1 is claimed twice")
        #expect(record[.count] == "7")
        #expect(record[.suppressed] == "7")
        #expect(record.events == 0)
    }

    @Test func `the configured priority wins over the finding's`() {
        var composer = RecordComposer(priorities: [conflict.name: .critical])
        let record = composer.compose(enricher.enrich(anomaly(), frames: []))
        #expect(record[.priority] == "2")
        #expect(record.priority == .critical)
        #expect(composer.compose(enricher.enrich(anomaly(tinySize), frames: []))[.priority] == "5")
    }

    @Test func `anomalies and notices share one gapless sequence`() {
        var composer = RecordComposer(nextSequence: 41)
        let notice = DaemonNotice(
            rule: RuleName("daemon-started"), messageID: MessageID("00112233445566778899aabbccddeeff"),
            priority: .info, message: "Watching.", fields: [Field(.version, "1.0")])
        let records = [
            composer.compose(enricher.enrich(anomaly(), frames: [])),
            composer.compose(notice, boottimeNanoseconds: 5),
            composer.compose(enricher.enrich(anomaly(), frames: [])),
        ]
        #expect(records.map { $0[.sequence] } == ["41", "42", "43"])
        #expect(composer.nextSequence == 44)
    }

    @Test func `a notice has the common fields and no detector`() {
        var composer = RecordComposer(backend: "libbpf")
        let notice = DaemonNotice(
            rule: RuleName("daemon-started"), messageID: MessageID("00112233445566778899aabbccddeeff"),
            priority: .info, message: "Watching.", fields: [Field(.version, "1.0")])
        let record = composer.compose(notice, boottimeNanoseconds: 5)
        #expect(
            record.fields.map { "\($0.name)=\($0.value)" } == [
                "MESSAGE=Watching.", "MESSAGE_ID=00112233445566778899aabbccddeeff", "PRIORITY=6",
                "SYSLOG_IDENTIFIER=netanomalyd", "DOCUMENTATION=man:netanomalyd(8)",
                "NETANOMALY_RULE=daemon-started", "NETANOMALY_BACKEND=libbpf", "NETANOMALY_SEQ=1",
                "NETANOMALY_BOOTTIME_NS=5", "NETANOMALY_VERSION=1.0",
            ])
        #expect(record.events == 0)
    }
}
