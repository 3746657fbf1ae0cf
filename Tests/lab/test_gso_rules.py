"""Each GSO rule, caused on a real tap or macvtap, with the evidence it must leave in the journal.

Some of these packets no kernel of today makes by itself: small tc programs (bpf/) bring them about. Where the kernel
would stumble over what they make, the packet ends before: behind a qdisc that drops everything, or unread in a tap.
"""

import os
import time

import pytest

import programs
from frames import (
    ETH_IPV4, ETH_IPV6, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GSO_UDP_TUNNEL_IPV4, TCP, UDP, ethernet, ipv4, ipv6, tcp, udp,
    vnet_header, vnet_tunnel_header, vxlan,
)
from laboratory import assert_fields
from namespaces import veth
from tap import IFF_TUN, TUNNEL_OFFLOADS, Macvtap, Tap

GUEST, PEER = "02:66:00:00:00:01", "02:66:00:00:00:02"
SOURCE, TARGET = "198.51.100.1", "198.51.100.2"
SOURCE6, TARGET6 = "2001:db8::1", "2001:db8::2"
#: Where the transport header starts in an untagged frame.
L4_OVER_IPV4, L4_OVER_IPV6 = 34, 54
CHECK_IN_TCP, CHECK_IN_UDP = 16, 6
CRITICAL, ERROR, WARNING = "2", "3", "4"


def tcp4(payload=3000):
    """A TCP segment over IPv4, far longer than a packet on the wire may be."""
    return ethernet(PEER, GUEST, ETH_IPV4, ipv4(SOURCE, TARGET, TCP, tcp(SOURCE, TARGET, 5001, 443, bytes(payload))))


def udp4(payload=3000):
    """A UDP datagram over IPv4 of that size."""
    return ethernet(PEER, GUEST, ETH_IPV4, ipv4(SOURCE, TARGET, UDP, udp(SOURCE, TARGET, 5001, 443, bytes(payload))))


def tcp6(payload=3000):
    """A TCP segment over IPv6 of that size."""
    segment = tcp(SOURCE6, TARGET6, 5001, 443, bytes(payload))
    return ethernet(PEER, GUEST, ETH_IPV6, ipv6(SOURCE6, TARGET6, TCP, segment))


def tso4(size=1000, **other):
    """The header of a correct TCP segmentation request over IPv4."""
    return vnet_header(**{"gso_type": GSO_TCPV4, "gso_size": size, "header_length": 54, "csum_start": L4_OVER_IPV4,
                          "csum_offset": CHECK_IN_TCP, **other})


def uso4(size=1000, **other):
    """The header of a correct UDP segmentation request over IPv4."""
    return vnet_header(**{"gso_type": GSO_UDP_L4, "gso_size": size, "header_length": 42, "csum_start": L4_OVER_IPV4,
                          "csum_offset": CHECK_IN_UDP, **other})


def tcpv4_over_ipv6():
    """The header that calls an IPv6 segment an IPv4 one."""
    return vnet_header(GSO_TCPV4, 1000, 74, L4_OVER_IPV6, CHECK_IN_TCP)


class Bridge:
    """Two taps on a bridge: what the owner of t0 writes goes out to the owner of t1."""

    def __init__(self, namespace, **first):
        self.namespace = namespace
        self.first, self.second = Tap(namespace, "t0", **first), Tap(namespace, "t1")
        namespace.ip("link add br0 type bridge mcast_snooping 0", "link set t0 master br0", "link set t1 master br0",
                     "link set br0 up")
        time.sleep(0.05)

    def close(self):
        self.first.close()
        self.second.close()


@pytest.fixture
def bridge(namespace):
    """Two taps on a bridge."""
    bridge = Bridge(namespace)
    yield bridge
    bridge.close()


@pytest.fixture
def tap(namespace):
    """One tap; the host behind it takes no notice of the packets."""
    tap = Tap(namespace, "t0")
    yield tap
    tap.close()


def came_in(entry, **fields):
    """What an entry about a packet from the owner of t0 says in any case: the owner is this process."""
    assert_fields(entry, DETECTOR="tun-gso", IFNAME="t0", DIRECTION="rx", DEV_KIND="tun", CONTEXT="process",
                  PID=os.getpid(), COUNT="1", **fields)


def test_ip_mismatch(lab, tap):
    tap.write(tcpv4_over_ipv6(), tcp6())
    entry = lab.only(tap.namespace)
    came_in(entry, RULE="gso-ip-mismatch", PRIORITY=WARNING, GSO_TYPE="0x3", GSO_SIZE="1000",
            L3_SRC=SOURCE6, L3_DST=TARGET6, L4_SPORT="5001", L4_DPORT="443")
    assert "tcpv4" in entry["NETANOMALY_GSO_TYPE_NAMES"].split("|")
    assert entry["NETANOMALY_HEADERS"].startswith(tcp6()[:60].hex()), "the first bytes, from Ethernet on"


@pytest.mark.parametrize("header, frame, gso_type, protocol", [
    (tso4(), udp4(), "0x3", "17"), (uso4(), tcp4(), "0x20002", "6"),
], ids=["TCP type on UDP", "UDP type on TCP"])
def test_l4_mismatch(lab, tap, header, frame, gso_type, protocol):
    if header == uso4():
        tap.needs_udp_segments()
    tap.write(header, frame)
    entry = lab.only(tap.namespace)
    came_in(entry, RULE="gso-l4-mismatch", PRIORITY=WARNING, GSO_TYPE=gso_type, L3_SRC=SOURCE, L3_DST=TARGET)
    assert entry["NETANOMALY_L4_PROTO"].lower() in (protocol, {"6": "tcp", "17": "udp"}[protocol])


@pytest.mark.parametrize("size, priority", [(1, ERROR), (7, ERROR), (40, WARNING)])
def test_tiny_size_tcp(lab, tap, size, priority):
    tap.write(tso4(size), tcp4(payload=400))
    entry = lab.only(tap.namespace)
    if size < 8 and entry["NETANOMALY_GSO_SIZE"] == "8":
        size, priority = 8, WARNING  # some kernels (6.12.117) raise what is smaller
    came_in(entry, RULE="gso-tiny-size", PRIORITY=priority, GSO_SIZE=size, GSO_TYPE="0x3")


def test_tiny_size_udp(lab, tap):
    tap.needs_udp_segments()
    tap.write(uso4(7), udp4(payload=100))
    came_in(lab.only(tap.namespace), RULE="gso-tiny-size", GSO_SIZE="7", GSO_TYPE="0x20002")


def test_the_smallest_mss_of_tcp_is_silent(lab, tap):
    tap.write(tso4(48), tcp4(payload=400))
    lab.silent(tap.namespace)


def test_a_packet_counts_once_per_device_and_direction(lab, bridge):
    bridge.first.write(tso4(40), tcp4(payload=400))
    assert_fields(lab.only(bridge.namespace, IFNAME="t0"), RULE="gso-tiny-size", DIRECTION="rx")
    sent = lab.only(bridge.namespace, IFNAME="t1")
    assert_fields(sent, RULE="gso-tiny-size", DIRECTION="tx", DEV_KIND="tun")


REJECTED = {
    "unknown type 2": (tso4(gso_type=2), tcp4()),
    "ECN alone": (tso4(gso_type=0x80), tcp4()),
    "TCP type, no size": (tso4(size=0), tcp4()),
    "size of a frag list": (tso4(size=65535), tcp4()),
    "UDP type, no checksum": (uso4(csum_start=None, csum_offset=0), udp4()),
    "UDP type, more than 128 segments": (uso4(size=1), udp4(payload=400)),
    "TCP type, checksum field of UDP": (tso4(csum_offset=CHECK_IN_UDP), tcp4()),
    "TCPv6 type on IPv4": (tso4(gso_type=GSO_TCPV6), tcp4()),
}


@pytest.mark.parametrize("case", REJECTED)
def test_header_rejected(lab, tap, case):
    header, frame = REJECTED[case]
    try:
        tap.write(header, frame)
    except OSError:
        pass
    else:
        assert case == "TCPv6 type on IPv4", "every kernel refuses the others"
        came_in(lab.only(tap.namespace), RULE="gso-ip-mismatch")
        return
    entry = lab.only(tap.namespace)
    came_in(entry, RULE="gso-header-rejected", PRIORITY=WARNING)
    assert "tun_get_user" in entry["NETANOMALY_DROP_LOCATION"]


@pytest.fixture
def macvtap(make_namespace, tmp_path):
    """A macvtap on one end of a cable."""
    near, far = make_namespace(), make_namespace()
    veth(near, "v0", far, "v1")
    near.ip("link add link v0 name mt0 type macvtap mode bridge", "link set mt0 up")
    macvtap = Macvtap(near, "mt0", tmp_path)
    yield macvtap
    macvtap.close()


def test_header_rejected_on_a_macvtap(lab, macvtap):
    with pytest.raises(OSError):
        macvtap.write(tso4(size=0), tcp4())
    entry = lab.only(macvtap.namespace)
    assert_fields(entry, RULE="gso-header-rejected", IFNAME="mt0", DEV_KIND="macvtap", CONTEXT="process",
                  PID=os.getpid())
    assert "tap_get_user" in entry["NETANOMALY_DROP_LOCATION"]


def test_mismatch_through_a_macvtap_dies_on_the_device_below(lab, macvtap):
    macvtap.write(tcpv4_over_ipv6(), tcp6())
    assert_fields(lab.only(macvtap.namespace, IFNAME="mt0"), RULE="gso-ip-mismatch", DEV_KIND="macvtap", L3_SRC=SOURCE6)
    refused = lab.only(macvtap.namespace, IFNAME="v0")
    assert_fields(refused, RULE="gso-segmentation-refused", GSO_TYPE="0x3", L3_SRC=SOURCE6)


def refused_by_segmentation(entry):
    """Where a kernel refuses: when it segments, or (6.12.117) when it first sees the packet on its way out."""
    assert "validate_xmit_skb" in entry["NETANOMALY_DROP_LOCATION"] or \
        entry["NETANOMALY_DROP_REASON"] == "SKB_BAD_GSO", entry


def test_segmentation_refused_behind_a_bridge(lab, bridge):
    """The checksum starts inside the payload: nothing is wrong on the way in, then the kernel cannot cut it."""
    bridge.first.write(tso4(csum_start=1000, header_length=1020), tcp4())
    entry = lab.only(bridge.namespace)
    assert_fields(entry, RULE="gso-segmentation-refused", PRIORITY=WARNING, IFNAME="t1", GSO_TYPE="0x3",
                  GSO_SIZE="1000", L3_SRC=SOURCE, L3_DST=TARGET)
    refused_by_segmentation(entry)


def test_segmentation_refused_on_a_route(lab, namespace):
    """A routed tun: the mismatch shows on both devices, the loss on the second."""
    first, second = Tap(namespace, "t0", address=PEER), Tap(namespace, "u1", flags=IFF_TUN)
    try:
        namespace.sysctl("net/ipv4/ip_forward", 1)
        namespace.ip("addr add 198.51.100.254/32 dev t0", f"route add {SOURCE} dev t0", f"route add {TARGET} dev u1")
        first.write(tso4(), udp4())
        assert_fields(lab.only(namespace, IFNAME="t0"), RULE="gso-l4-mismatch", DIRECTION="rx")
        *seen, refused = lab.entries(namespace, IFNAME="u1")
        assert refused["NETANOMALY_RULE"] == "gso-segmentation-refused"
        refused_by_segmentation(refused)
        # A kernel that refuses before net_dev_queue shows no more than that.
        early = refused.get("NETANOMALY_DROP_REASON") == "SKB_BAD_GSO"
        assert [entry["NETANOMALY_RULE"] for entry in seen] == ([] if early else ["gso-l4-mismatch"])
    finally:
        first.close()
        second.close()


def test_type_without_size(lab, bridge, tmp_path):
    programs.on_ingress(bridge.namespace, "t0", programs.compiled("grow", tmp_path))
    bridge.first.write(tso4(size=20), tcp4(payload=100))
    assert_fields(lab.only(bridge.namespace, IFNAME="t0"), RULE="gso-tiny-size", GSO_SIZE="20")
    entry = lab.only(bridge.namespace, IFNAME="t1")
    assert_fields(entry, RULE="gso-type-without-size", PRIORITY=CRITICAL, DIRECTION="tx", GSO_TYPE="0x3", GSO_SIZE="0",
                  L3_SRC=SOURCE)


def test_tunnel_without_encapsulation(lab, namespace, tmp_path):
    bridge = Bridge(namespace, header_size=24, offloads=TUNNEL_OFFLOADS)
    try:
        programs.on_ingress(namespace, "t0", programs.compiled("strip", tmp_path, "-DOUTER=50"))
        # No kernel code may ever segment this packet: older kernels crash on it.
        namespace.tc("qdisc add dev t1 root blackhole")
        inner = tcp4()
        outer = udp("203.0.113.1", "203.0.113.2", 49152, 4789, vxlan(7, inner), partial=False)
        frame = ethernet(PEER, GUEST, ETH_IPV4, ipv4("203.0.113.1", "203.0.113.2", UDP, outer))
        header = vnet_tunnel_header(
            outer_transport=34, inner_network=64, gso_type=GSO_TCPV4 | GSO_UDP_TUNNEL_IPV4, gso_size=1000,
            header_length=104, csum_start=84, csum_offset=CHECK_IN_TCP)
        bridge.first.write(header, frame)
        entry = lab.only(namespace)
        assert_fields(entry, RULE="gso-tunnel-without-encapsulation", PRIORITY=CRITICAL, IFNAME="t1", DIRECTION="tx",
                      GSO_TYPE="0x403", GSO_SIZE="1000")
        assert "udp_tunnel" in entry["NETANOMALY_GSO_TYPE_NAMES"].split("|")
    finally:
        bridge.close()


def test_size_without_type(lab, make_namespace, tmp_path):
    """Through a macvtap, whose features claim that it can take any packet; nobody has its queue open."""
    near, far = make_namespace(), make_namespace()
    veth(near, "v0", far, "v1")
    near.ip("link add link v0 name mt0 type macvtap mode bridge", "link set mt0 up")
    program = programs.compiled("untype", tmp_path, f"-DTARGET={near.ifindex('mt0')}")
    packet = ipv4(SOURCE, TARGET, TCP, tcp(SOURCE, TARGET, 5001, 443, bytes(1000)))
    filler = bytes(20)  # what an IPv6 header is longer than an IPv4 one; the program takes it off
    programs.test_run(near, program, ethernet(PEER, GUEST, ETH_IPV6, filler + packet), gso_size=186)
    entry = lab.only(near, IFNAME="mt0")
    assert_fields(entry, RULE="gso-size-without-type", PRIORITY=CRITICAL, DIRECTION="tx", DEV_KIND="macvtap",
                  GSO_TYPE="0x2", GSO_SIZE="186", L3_SRC=SOURCE, L3_DST=TARGET, CONTEXT="process", PID=os.getpid())
    # One device further the kernel sees it too.
    assert_fields(lab.only(near, IFNAME="v0"), RULE="gso-segmentation-refused")
    lab.silent(far)
