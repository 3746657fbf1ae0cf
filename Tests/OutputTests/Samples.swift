import AnomalyModel

/// The fields every entry begins with, then the ones given.
func record(_ rule: String, priority: Priority, events: UInt64 = 1, message: String, _ fields: [Field]) -> Record {
    Record(
        rule: RuleName(rule), events: events, priority: priority,
        fields: [
            Field(.message, message), Field(.messageID, "0123456789abcdef0123456789abcdef"),
            Field(.priority, String(priority.rawValue)), Field(.syslogIdentifier, "netanomalyd"),
            Field(.documentation, "man:netanomalyd(8)"), Field(.rule, rule), Field(.backend, "libbpf"),
            Field(.sequence, "1"),
        ] + fields)
}

let arpConflict = record(
    "arp-address-conflict", priority: .warning,
    message: "02:66:00:00:00:02 claims 192.0.2.1, which is ours (3 more of the same since the last entry)",
    [
        Field(.detector, "arp"), Field(.probe, "tp_btf:netif_receive_skb"),
        Field(.function, "__netif_receive_skb_core"), Field(.boottime, "764120000000"), Field(.interfaceName, "eth0"),
        Field(.interfaceIndex, "2"), Field(.networkNamespace, "4026531840"), Field(.direction, "rx"),
        Field(.context, "softirq"), Field(.pid, "123"), Field(.command, "kworker/0:1"),
        Field(.arpOperation, "reply"), Field(.arpSenderMAC, "02:66:00:00:00:02"), Field(.arpSenderIP, "192.0.2.1"),
        Field(.arpTargetMAC, "02:66:00:00:00:01"), Field(.arpTargetIP, "192.0.2.9"),
        Field(.ethernetSource, "02:66:00:00:00:02"), Field(.ethernetDestination, "ff:ff:ff:ff:ff:ff"),
        Field(.vlan, "5"), Field(.oldMAC, "02:66:00:00:00:01"), Field(.oldNeighbourState, "REACHABLE"),
        Field(.newMAC, "02:66:00:00:00:02"), Field(.newNeighbourState, "STALE"), Field(.detail, "own-address"),
        Field(.count, "4"), Field(.suppressed, "3"), Field(.firstBoottime, "1"), Field(.lastBoottime, "2"),
        Field(.stack, (1...14).map { "frame_\($0)+0x1/0x2" }.joined(separator: "\n")),
    ])

let gsoMismatch = record(
    "gso-ip-mismatch", priority: .error, message: "A packet of GSO type tcpv4 carries IPv6",
    [
        Field(.detector, "tun-gso"), Field(.probe, "tp_btf:net_dev_queue"), Field(.boottime, "0"),
        Field(.interfaceName, "tap0"), Field(.interfaceIndex, "7"), Field(.networkNamespace, "4026531840"),
        Field(.direction, "tx"), Field(.context, "process"), Field(.pid, "4242"),
        Field(.command, "qemu-system-x86"), Field(.controlGroup, "machine-qemu.scope"), Field(.gsoType, "0x1"),
        Field(.gsoTypeNames, "tcpv4"), Field(.gsoSize, "1448"), Field(.gsoSegments, "3"), Field(.length, "4210"),
        Field(.deviceKind, "tap"), Field(.tunFlags, "0x5002"), Field(.l3Source, "2001:db8::1"),
        Field(.l3Destination, "2001:db8::2"), Field(.l4Protocol, "tcp"), Field(.l4SourcePort, "40000"),
        Field(.l4DestinationPort, "443"), Field(.encapsulation, "0"), Field(.checksumState, "partial"),
        Field(.headers, String(repeating: "6a", count: 40)), Field(.dropLocation, "tun_net_xmit+0x1/0x2"),
        Field(.dropReason, "TAP_FILTER"), Field(.count, "1"), Field(.suppressed, "0"),
        Field(.stack, "tun_net_xmit+0x1/0x2 [tun]\ndev_hard_start_xmit+0x1/0x2"),
    ])

/// Text with everything that could break a line, a string or a terminal.
let hostile = "q\" b\\ n\n r\r t\t z\0 e\u{1b}[31m d\u{7f} c\u{9b} ü 漢 😀 \u{2028}"
