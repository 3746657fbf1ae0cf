"""Every malformed, impossible or contradictory frame, encoded by scapy: the right entry for each, and no other.

The frames are written to a tap: the host takes them in as from a wire, and no sender is there to be reported as well.
"""

import pytest

from tap import Tap

CONFIGURATION = "[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=1s\nRateLimitBurst=100000\n"

scapy = pytest.importorskip("scapy.layers.l2", reason="no scapy: install the package python3-scapy")

OWN_MAC, OWN_IP = "02:66:00:00:00:02", "10.66.0.2"
PEER_MAC, PEER_IP = "02:66:00:00:00:01", "10.66.0.1"
OTHER_MAC, OTHER_IP = "02:66:00:00:00:99", "10.66.0.99"
BROADCAST, GROUP_MAC, ZERO_MAC = "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:05", "00:00:00:00:00:00"
COPIES = 3


def packet(ethernet=(), **fields):
    """A request of the peer for the host, but for what is named."""
    usual = {"op": 1, "hwsrc": PEER_MAC, "psrc": PEER_IP, "hwdst": ZERO_MAC, "pdst": OWN_IP}
    # A length that lies comes first: it decides how scapy takes the addresses behind it.
    arp = scapy.ARP(**fields, **{name: value for name, value in usual.items() if name not in fields})
    return bytes(scapy.Ether(**{"src": PEER_MAC, "dst": BROADCAST, **dict(ethernet)}) / arp)


def reply(ethernet=(), **fields):
    """A reply of the peer to the host, but for what is named."""
    return packet({"dst": OWN_MAC, **dict(ethernet)}, **{"op": 2, "hwdst": OWN_MAC, **fields})


def sender(ip, build=packet):
    """A frame whose sender has that address."""
    return build(psrc=ip)


CASES = {
    "warning arp-malformed short": packet()[:34],
    "warning arp-malformed hardware-type": packet(hwtype=2, hwlen=6, hwsrc=b"\2\x66\0\0\0\1", hwdst=bytes(6)),
    "warning arp-malformed protocol-type": packet(ptype=0x86DD, plen=4, psrc=b"\x0a\x42\0\1", pdst=b"\x0a\x42\0\2"),
    "warning arp-malformed hardware-length": packet(hwlen=8, hwsrc=bytes(8), hwdst=bytes(8)),
    "warning arp-malformed protocol-length": packet(plen=16, psrc=bytes(16), pdst=bytes(16)),
    "warning arp-malformed operation": packet(op=25),
    "info arp-malformed known-operation": packet(op=3),
    "err arp-bad-sender-mac zero": packet(hwsrc=ZERO_MAC),
    "err arp-bad-sender-mac broadcast": packet(hwsrc=BROADCAST),
    "err arp-bad-sender-mac multicast": packet(hwsrc=GROUP_MAC),
    "err arp-bad-sender-mac ethernet-source": packet({"src": GROUP_MAC}),
    "warning arp-bad-sender-ip broadcast": sender("255.255.255.255"),
    "warning arp-bad-sender-ip multicast": sender("224.0.0.1"),
    "warning arp-bad-sender-ip reserved": sender("240.0.0.1"),
    "warning arp-bad-sender-ip loopback": sender("127.0.0.1"),
    "warning arp-bad-sender-ip this-network": sender("0.1.2.3"),
    "warning arp-bad-sender-ip zero-in-reply": sender("0.0.0.0", reply),
    "warning arp-bad-sender-ip subnet-broadcast": sender("10.66.0.255"),
    "info arp-bad-target loopback": packet(pdst="127.0.0.1"),
    "info arp-bad-target multicast": packet(pdst="224.0.0.1"),
    "info arp-bad-target zero": packet(pdst="0.0.0.0"),
    "info arp-bad-target broadcast": packet(pdst="255.255.255.255"),
    "warning arp-sender-mismatch": packet(hwsrc=OTHER_MAC),
    "info arp-target-mismatch": reply(hwdst=OTHER_MAC, pdst=OTHER_IP),
    "info arp-odd-delivery to-all": reply({"dst": BROADCAST}, pdst=OTHER_IP, hwdst=OTHER_MAC),
    "info arp-odd-delivery to-another": reply({"dst": OTHER_MAC}, hwdst=OTHER_MAC),
    "info arp-unsolicited-reply": reply(),
    "notice arp-bogon-sender asks-us": sender("192.0.2.1"),
    "crit arp-address-conflict claim": sender(OWN_IP),
    "notice arp-address-conflict probe": sender("0.0.0.0"),
}
# Frames that cannot break the one rule without breaking another.
ALSO = {
    "err arp-bad-sender-mac zero": ("arp-sender-mismatch",),
    "err arp-bad-sender-mac broadcast": ("arp-sender-mismatch",),
    "err arp-bad-sender-mac multicast": ("arp-sender-mismatch",),
    "err arp-bad-sender-mac ethernet-source": ("arp-sender-mismatch",),
}


class Host:
    """A host with 10.66.0.2/24 on a tap."""

    def __init__(self, namespace):
        self.namespace = namespace
        self._tap = Tap(namespace, "t0", vnet=False, address=OWN_MAC)
        namespace.ip(f"addr add {OWN_IP}/24 brd + dev t0")

    def receive(self, *frames):
        """Takes them in as from a wire."""
        for frame in frames:
            self._tap.write(b"", frame)

    def close(self):
        """Removes the tap."""
        self._tap.close()


@pytest.fixture
def make_host(lab, make_namespace):
    """Makes hosts that end with the test; the daemon knows what each was asked."""
    lab.forget()
    made = []

    def make():
        made.append(Host(make_namespace()))
        return made[-1]

    yield make
    for host in made:
        host.close()


@pytest.mark.causes(by="scapy: one malformed, impossible or contradictory frame")
def test_every_case(lab, make_host):
    """Each at a host of its own, so that no frame is judged by the one before."""
    hosts = {case: make_host() for case in CASES}
    for case, host in hosts.items():
        host.receive(*[CASES[case]] * COPIES)
    lab.settle()
    said = {case: lab.tally(host.namespace) for case, host in hosts.items()}
    assert said == {case: {case: COPIES, **{f"also {rule}": COPIES for rule in ALSO.get(case, ())}} for case in CASES}


@pytest.mark.causes("arp-flip-flop", by="scapy: two MACs announce one address in turns")
@pytest.mark.causes("arp-duplicate-claim", by="scapy: two MACs announce one address in turns")
def test_two_stations_fight_for_an_address(lab, make_host):
    host = make_host()
    host.namespace.ip(f"neigh replace {PEER_IP} lladdr {PEER_MAC} dev t0 nud stale")
    for mac in (PEER_MAC, OTHER_MAC) * 6:
        host.receive(packet({"src": mac}, hwsrc=mac, pdst=PEER_IP))
    assert lab.said(host.namespace) == {
        "notice arp-binding-change announced": 1, "notice arp-flip-flop returned": 6, "err arp-flip-flop": 4,
        "also arp-binding-change": 10, "notice arp-duplicate-claim moved": 7,
        "warning arp-duplicate-claim alternating": 4}


@pytest.mark.causes("arp-many-addresses", by="scapy: 40 replies nobody asked for")
def test_one_station_claims_many_addresses(lab, make_host):
    host = make_host()
    for number in range(100, 140):
        host.receive(sender(f"10.66.0.{number}", reply))
    assert lab.said(host.namespace) == {
        "warning arp-many-addresses unasked": 8, "also arp-unsolicited-reply": 8, "info arp-unsolicited-reply": 32}
