import AnomalyModel

/// An ARP packet (RFC 826) in an Ethernet frame, each field as a case wants it.
struct ArpFrame {
    enum Operation {
        static let request: UInt16 = 1
        static let reply: UInt16 = 2
    }

    static let etherType: UInt16 = 0x0806
    static let noMAC = MACAddress(bits: 0)
    static let broadcast = MACAddress(bits: 0xffff_ffff_ffff)

    var operation = Operation.request
    var senderMAC: MACAddress
    var senderIP: IPv4Address
    var targetMAC = noMAC
    var targetIP: IPv4Address
    /// The frame's own source; nil for the sender's.
    var source: MACAddress?
    var destination = broadcast

    /// What a station broadcasts to find another.
    static func request(by sender: MACAddress, _ senderIP: IPv4Address, for targetIP: IPv4Address) -> ArpFrame {
        ArpFrame(senderMAC: sender, senderIP: senderIP, targetIP: targetIP)
    }

    /// What a station broadcasts to tell its own address.
    static func announcement(by sender: MACAddress, of address: IPv4Address) -> ArpFrame {
        request(by: sender, address, for: address)
    }

    /// What a station answers to another.
    static func reply(
        by sender: MACAddress, _ senderIP: IPv4Address, to target: MACAddress, _ targetIP: IPv4Address
    ) -> ArpFrame {
        ArpFrame(
            operation: Operation.reply, senderMAC: sender, senderIP: senderIP, targetMAC: target, targetIP: targetIP,
            destination: target)
    }

    /// The same with some fields changed.
    func with(_ change: (inout ArpFrame) -> Void) -> ArpFrame {
        var changed = self
        change(&changed)
        return changed
    }

    /// The whole frame.
    var bytes: [UInt8] {
        var packet = WireBytes()
        packet.add16(1)  // Ethernet
        packet.add16(0x0800)  // IPv4
        packet.add8(6)
        packet.add8(4)
        packet.add16(operation)
        packet.add(senderMAC)
        packet.add(senderIP)
        packet.add(targetMAC)
        packet.add(targetIP)
        return ethernetFrame(to: destination, from: source ?? senderMAC, type: Self.etherType, packet.bytes)
    }
}
