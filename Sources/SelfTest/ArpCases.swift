import AnomalyModel

/// How each anomaly of the arp detector is made: one line, or a few, for each.
///
/// Every case has stations and addresses of its own, so that none is taken for the repetition of another.
enum ArpCases {
    static let notMade = [
        "arp-table-overflow": "it cannot be made without harm: all namespaces share the kernel's neighbour table"
    ]

    static var all: [SelfTestCase] { ofOneFrame + ofNeighbours + ofRepetition + ofThisHost }

    private static let own = (mac: TestNetwork.ownMAC, ip: TestNetwork.ownIP)
    private static let groupMAC = MACAddress(bits: 0x0100_5e00_0005)
    private static let loopback = IPv4Address(bits: 0x7f00_0001)
    private static let groupIP = IPv4Address(bits: 0xe000_0001)

    private static func station(_ number: Int) -> MACAddress { TestNetwork.station(number) }
    private static func host(_ number: Int) -> IPv4Address { TestNetwork.host(number) }

    /// A request by a station for another, of which one thing is changed.
    private static func odd(_ number: Int, _ change: (inout ArpFrame) -> Void) -> ArpFrame {
        ArpFrame.request(by: station(number), host(number), for: host(200)).with(change)
    }

    private static var ofOneFrame: [SelfTestCase] {
        [
            SelfTestCase("arp-malformed", "a frame with operation 0") { network, _ in
                try network.receive(odd(10) { $0.operation = 0 })
            },
            SelfTestCase("arp-bad-sender-mac", "a request of a multicast MAC") { network, _ in
                try network.receive(odd(11) { ($0.senderMAC, $0.source) = (groupMAC, station(11)) })
            },
            SelfTestCase("arp-bad-sender-ip", "a request of a multicast address") { network, _ in
                try network.receive(odd(12) { $0.senderIP = groupIP })
            },
            SelfTestCase("arp-sender-mismatch", "a request in another station's frame") { network, _ in
                try network.receive(odd(13) { $0.source = station(113) })
            },
            SelfTestCase("arp-bogon-sender", "a request of an address of no subnet") { network, _ in
                try network.receive(odd(14) { $0.senderIP = TestNetwork.foreign })
            },
            SelfTestCase("arp-bad-target", "a request for 127.0.0.1") { network, _ in
                try network.receive(odd(15) { $0.targetIP = loopback })
            },
            SelfTestCase("arp-unicast-request", "a request sent to this host alone") { network, _ in
                try network.receive(odd(16) { $0.destination = own.mac })
            },
            SelfTestCase("arp-address-conflict", "another station claims our address") { network, _ in
                try network.receive(odd(17) { $0.senderIP = own.ip })
            },
            SelfTestCase("arp-address-conflict", "another station probes for our address") { network, _ in
                try network.receive(.request(by: station(18), IPv4Address(bits: 0), for: own.ip))
            },
            SelfTestCase("arp-target-mismatch", "a reply meant for one and sent to another") { network, _ in
                let reply = ArpFrame.reply(by: station(19), host(19), to: station(119), host(119))
                try network.receive(reply.with { $0.destination = station(120) })
            },
            SelfTestCase("arp-odd-delivery", "a reply for one sent to all") { network, _ in
                let reply = ArpFrame.reply(by: station(21), host(21), to: station(121), host(121))
                try network.receive(reply.with { $0.destination = ArpFrame.broadcast })
            },
            SelfTestCase("arp-on-noarp-device", "ARP to a device without ARP") { network, _ in
                try network.receiveWithoutARP(odd(22) { _ in })
            },
            SelfTestCase("arp-trace", "any ARP at all") { network, _ in
                try network.receive(odd(23) { _ in })
            },
            // A reply in the daemon's first second may be to a request from before it.
            SelfTestCase(
                "arp-unsolicited-reply", "a reply to us that nobody asked for", warmUpNanoseconds: 1_100_000_000
            ) { network, _ in
                try network.receive(.reply(by: station(24), host(24), to: own.mac, own.ip))
            },
        ]
    }

    private static var ofNeighbours: [SelfTestCase] {
        [
            SelfTestCase("arp-binding-change", "a neighbour's address announced by another MAC") { network, _ in
                try network.receive(
                    .request(by: station(30), host(30), for: own.ip), .announcement(by: station(130), of: host(30)))
            },
            SelfTestCase("arp-flip-flop", "a neighbour's address announced by two MACs in turn") { network, changes in
                try network.receive(.request(by: station(31), host(31), for: own.ip))
                for turn in 0..<changes {
                    try network.receive(.announcement(by: station(turn.isMultiple(of: 2) ? 131 : 31), of: host(31)))
                }
            },
            SelfTestCase("arp-static-overwrite", "a permanent neighbour announced by another MAC") { network, _ in
                try network.enterNeighbour(host(32), at: station(32))
                try network.receive(.announcement(by: station(132), of: host(32)))
            },
            // Three seconds where the host's settings could not be changed for the namespace.
            SelfTestCase(
                "arp-resolution-failed", "a datagram to a host that does not exist", patienceNanoseconds: 4_000_000_000
            ) { network, _ in
                try network.speak(to: host(33))
            },
        ]
    }

    private static var ofRepetition: [SelfTestCase] {
        [
            SelfTestCase("arp-duplicate-claim", "two MACs that claim one address in turn") { network, changes in
                for turn in 0...changes {
                    let mac = station(turn.isMultiple(of: 2) ? 40 : 140)
                    try network.receive(.request(by: mac, host(40), for: host(200)))
                }
            },
            SelfTestCase("arp-gratuitous-flood", "an address announced again and again") { network, limit in
                for _ in 0...limit { try network.receive(.announcement(by: station(41), of: host(41))) }
            },
            SelfTestCase("arp-request-flood", "the same request again and again") { network, limit in
                for _ in 0...limit { try network.receive(odd(42) { _ in }) }
            },
            SelfTestCase("arp-many-addresses", "one MAC that announces many addresses") { network, limit in
                for number in 0...limit { try network.receive(.announcement(by: station(43), of: host(150 + number))) }
            },
            SelfTestCase("arp-scan", "one MAC that asks for many addresses") { network, limit in
                for number in 0...limit {
                    try network.receive(.request(by: station(44), host(44), for: host(150 + number)))
                }
            },
        ]
    }

    private static var ofThisHost: [SelfTestCase] {
        [
            SelfTestCase("arp-local-spoof", "a program of this host claims a foreign address") { network, _ in
                try network.send(.request(by: own.mac, host(50), for: host(200)))
            },
            SelfTestCase("arp-dropped", "ARP sent into a queue that is full") { network, _ in
                try network.sendIntoFullQueue(.request(by: own.mac, own.ip, for: host(200)))
            },
        ]
    }
}
