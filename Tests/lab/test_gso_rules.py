"""Each GSO rule, caused on a real tap or macvtap, with the evidence it must leave in the journal.

Some of these packets no kernel of today makes by itself: small tc programs (bpf/) bring them about. Where the kernel
would stumble over what they make, the packet ends before: behind a qdisc that drops everything, or unread in a tap.
"""

import os

import pytest

import programs
from frames import (
    ETH_IPV4, ETH_IPV6, GSO_TCPV4, GSO_TCPV6, GSO_UDP_TUNNEL_IPV4, TCP, UDP, ethernet, ipv4, tcp, udp, vnet_header,
    vnet_tunnel_header, vxlan,
)
from gso import (
    CHECK_IN_TCP, CHECK_IN_UDP, CRITICAL, ERROR, GUEST, L4_OVER_IPV6, PEER, SOURCE, SOURCE6, TARGET, TARGET6, WARNING,
    Bridge, tcp4, tcp6, tso4, udp4, uso4,
)
from laboratory import assert_fields
from namespaces import veth
from tap import IFF_TUN, TUNNEL_OFFLOADS, Tap


def tcpv4_over_ipv6():
    """The header that calls an IPv6 segment an IPv4 one."""
    return vnet_header(GSO_TCPV4, 1000, 74, L4_OVER_IPV6, CHECK_IN_TCP)


def came_in(entry, **fields):
    """What an entry about a packet from the owner of t0 says in any case: the owner is this process."""
    assert_fields(entry, DETECTOR="tun-gso", IFNAME="t0", DIRECTION="rx", DEV_KIND="tun", CONTEXT="process",
                  PID=os.getpid(), COUNT="1", **fields)


@pytest.mark.causes("gso-ip-mismatch", by="a virtio header on a tap: TCP over IPv4, on IPv6")
def test_ip_mismatch(lab, tap):
    tap.write(tcpv4_over_ipv6(), tcp6())
    entry = lab.only(tap.namespace)
    came_in(entry, RULE="gso-ip-mismatch", PRIORITY=WARNING, GSO_TYPE="0x3", GSO_SIZE="1000",
            L3_SRC=SOURCE6, L3_DST=TARGET6, L4_SPORT="5001", L4_DPORT="443")
    assert "tcpv4" in entry["NETANOMALY_GSO_TYPE_NAMES"].split("|")
    assert entry["NETANOMALY_HEADERS"].startswith(tcp6()[:60].hex()), "the first bytes, from Ethernet on"


@pytest.mark.causes("gso-l4-mismatch", by="a virtio header on a tap: TCP on UDP, UDP on TCP")
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


@pytest.mark.causes("gso-tiny-size", by="a virtio header on a tap: segments of 1, 7 and 40 bytes")
@pytest.mark.parametrize("size, priority", [(1, ERROR), (7, ERROR), (40, WARNING)])
def test_tiny_size_tcp(lab, tap, size, priority):
    tap.write(tso4(size), tcp4(payload=400))
    entry = lab.only(tap.namespace)
    if size < 8 and entry["NETANOMALY_GSO_SIZE"] == "8":
        size, priority = 8, WARNING  # some kernels (6.12.117) raise what is smaller
    came_in(entry, RULE="gso-tiny-size", PRIORITY=priority, GSO_SIZE=size, GSO_TYPE="0x3")


@pytest.mark.causes("gso-tiny-size", by="a virtio header on a tap: datagrams of 7 bytes")
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


@pytest.mark.causes(by="a virtio header on a tap: what the kernel refuses")
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


@pytest.mark.causes("gso-header-rejected", by="a virtio header on a macvtap")
def test_header_rejected_on_a_macvtap(lab, macvtap):
    with pytest.raises(OSError):
        macvtap.write(tso4(size=0), tcp4())
    entry = lab.only(macvtap.namespace)
    assert_fields(entry, RULE="gso-header-rejected", IFNAME="mt0", DEV_KIND="macvtap", CONTEXT="process",
                  PID=os.getpid())
    assert "tap_get_user" in entry["NETANOMALY_DROP_LOCATION"]


@pytest.mark.causes("gso-ip-mismatch", by="a virtio header on a macvtap")
@pytest.mark.causes("gso-segmentation-refused", by="a mismatch through a macvtap, on the device below")
def test_mismatch_through_a_macvtap_dies_on_the_device_below(lab, macvtap):
    macvtap.write(tcpv4_over_ipv6(), tcp6())
    assert_fields(lab.only(macvtap.namespace, IFNAME="mt0"), RULE="gso-ip-mismatch", DEV_KIND="macvtap", L3_SRC=SOURCE6)
    refused = lab.only(macvtap.namespace, IFNAME="v0")
    assert_fields(refused, RULE="gso-segmentation-refused", GSO_TYPE="0x3", L3_SRC=SOURCE6)


def refused_by_segmentation(entry):
    """Where a kernel refuses: when it segments, or (6.12.117) when it first sees the packet on its way out."""
    assert "validate_xmit_skb" in entry["NETANOMALY_DROP_LOCATION"] or \
        entry["NETANOMALY_DROP_REASON"] == "SKB_BAD_GSO", entry


@pytest.mark.causes("gso-segmentation-refused", by="a virtio header on a tap: a checksum inside the data; a bridge")
def test_segmentation_refused_behind_a_bridge(lab, bridge):
    """The checksum starts inside the payload: the kernel takes the packet, then it cannot cut it."""
    bridge.first.write(tso4(csum_start=1000, header_length=1020), tcp4())
    assert_fields(lab.only(bridge.namespace, IFNAME="t0"), RULE="gso-checksum-start", DIRECTION="rx")
    refused = lab.only(bridge.namespace, IFNAME="t1", RULE="gso-segmentation-refused")
    assert_fields(refused, PRIORITY=WARNING, GSO_TYPE="0x3", GSO_SIZE="1000", L3_SRC=SOURCE, L3_DST=TARGET)
    refused_by_segmentation(refused)


@pytest.mark.causes("gso-segmentation-refused", by="a virtio header on a tap: TCP on UDP, on a route to a tun")
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


@pytest.mark.causes("gso-type-without-size", by="a tc program that takes all of gso_size for a header")
def test_type_without_size(lab, bridge, tmp_path):
    programs.on_ingress(bridge.namespace, "t0", programs.compiled("grow", tmp_path))
    bridge.first.write(tso4(size=20), tcp4(payload=100))
    assert_fields(lab.only(bridge.namespace, IFNAME="t0"), RULE="gso-tiny-size", GSO_SIZE="20")
    entry = lab.only(bridge.namespace, IFNAME="t1")
    assert_fields(entry, RULE="gso-type-without-size", PRIORITY=CRITICAL, DIRECTION="tx", GSO_TYPE="0x3", GSO_SIZE="0",
                  L3_SRC=SOURCE)


@pytest.mark.causes("gso-tunnel-without-encapsulation", by="a tc program that strips VXLAN, not the type")
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


@pytest.mark.causes("gso-size-without-type", by="a test run of a program with a gso_size, out of a macvtap")
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
