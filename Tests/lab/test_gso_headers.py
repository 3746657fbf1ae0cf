"""What a GSO packet's headers and metadata say of each other: each rule about that, and look-alikes without entry."""

import os
import socket
import struct

import pytest

import programs
from backends import probe
from frames import (
    ETH_IPV6, GSO_TCPV4, GSO_TCPV6, GSO_UDP, TCP, ethernet, ipv4, tcp, vnet_header,
)
from gso import (
    CHECK_IN_TCP, CRITICAL, DATA_OFFSET, GUEST, INFO, L4_OVER_IPV4, L4_OVER_IPV6, NOTICE, PEER, SOURCE, TARGET,
    TOTAL_LENGTH, WARNING, tcp4, tcp6, tso4, udp4, uso4, with_bytes,
)
from laboratory import assert_fields
from namespaces import veth
from relay import RIGHT_IP, Relay

ECN = 0x80
LONGEST_TCP_HEADER = b"\xf0"
HOP_BY_HOP_PADDING = bytes((TCP, 0, 1, 4, 0, 0, 0, 0))


def came_in(entry, **fields):
    """What an entry about a packet from the owner of t0 says in any case: the owner is this process."""
    assert_fields(entry, DETECTOR="tun-gso", DIRECTION="rx", CONTEXT="process", PID=os.getpid(), COUNT="1", **fields)


def fragmented(**other):
    """The header of a request for UDP fragmentation."""
    return uso4(**{"gso_type": GSO_UDP, **other})


def lying(length):
    """A TCP segment with another total length in its IPv4 header."""
    return with_bytes(tcp4(), TOTAL_LENGTH, struct.pack("!H", length))


def with_extension(frame):
    """The IPv6 frame with a hop-by-hop header of eight bytes."""
    head, rest = frame[:54], frame[54:]
    length = struct.unpack("!H", head[18:20])[0] + len(HOP_BY_HOP_PADDING)
    return head[:18] + struct.pack("!HB", length, 0) + head[21:] + HOP_BY_HOP_PADDING + rest


@pytest.mark.causes("gso-ufo", by="a virtio header on a tap: UDP fragmentation")
def test_ufo(lab, tap):
    tap.write(fragmented(), udp4())
    came_in(lab.only(tap.namespace), RULE="gso-ufo", PRIORITY=INFO, GSO_TYPE="0x10002", L3_SRC=SOURCE)


@pytest.mark.causes("gso-ecn-without-tcp", by="a virtio header on a tap: UDP fragmentation with ECN")
def test_ecn_without_tcp(lab, tap):
    tap.write(fragmented(gso_type=GSO_UDP | ECN), udp4())
    came_in(lab.only(tap.namespace), RULE="gso-ecn-without-tcp", PRIORITY=WARNING, GSO_TYPE="0x10006", ALSO="gso-ufo")


@pytest.mark.causes("gso-checksum-start", by="a virtio header on a tap: a checksum inside the data")
def test_checksum_start(lab, tap):
    tap.write(tso4(csum_start=1000, header_length=1020), tcp4())
    entry = lab.only(tap.namespace)
    came_in(entry, RULE="gso-checksum-start", DETAIL="start", PRIORITY=WARNING, IP_SUMMED="partial", L4_DPORT="443")
    assert "byte 986 of the IP packet, not 20" in entry["MESSAGE"]


@pytest.mark.causes("gso-length-mismatch", by="a virtio header on a tap: an IPv4 header with another length")
@pytest.mark.parametrize("length", [100, 3039, 3041])
def test_length_mismatch(lab, tap, length):
    tap.write(tso4(), lying(length))
    entry = lab.only(tap.namespace)
    came_in(entry, RULE="gso-length-mismatch", PRIORITY=WARNING, LEN=3040, L3_DST=TARGET)
    assert f"has 3040 bytes, but {length} by its IP header" in entry["MESSAGE"]


@pytest.mark.causes("gso-without-checksum", by="a virtio header on a tap: segmentation, but no checksum")
def test_without_checksum(lab, tap):
    tap.write(tso4(csum_start=None, csum_offset=0), tcp4())
    came_in(lab.only(tap.namespace), RULE="gso-without-checksum", PRIORITY=INFO, IP_SUMMED="none", GSO_TYPE="0x3")


@pytest.mark.causes("gso-without-checksum", by="a virtio header on a macvtap: segmentation, but no checksum")
def test_without_checksum_on_a_macvtap(lab, macvtap):
    macvtap.write(tso4(csum_start=None, csum_offset=0), tcp4())
    came_in(lab.only(macvtap.namespace), RULE="gso-without-checksum", IFNAME="mt0", DEV_KIND="macvtap",
            PROBE=probe("net_dev_queue"))


@pytest.mark.causes("gso-short-header", by="a virtio header on a tap: as if Ethernet's were all of the headers")
def test_short_header(lab, tap):
    """The kernel gathers what UDP fragmentation needs at least, and forgets Ethernet's 14 bytes."""
    tap.write(vnet_header(GSO_UDP, 1000, header_length=14), udp4(5000))
    entry = lab.only(tap.namespace)
    came_in(entry, RULE="gso-short-header", PRIORITY=INFO, ALSO="gso-ufo gso-without-checksum")
    assert "NETANOMALY_L3_SRC" not in entry and "NETANOMALY_L4_PROTO" not in entry, "nothing is guessed"


@pytest.mark.causes("gso-size-exceeds-mtu", by="a virtio header on a tap: long segments, to another tap by a bridge")
def test_size_exceeds_mtu(lab, bridge):
    bridge.first.write(tso4(1461), tcp4())
    received = lab.only(bridge.namespace, IFNAME="t0")
    came_in(received, RULE="gso-size-exceeds-mtu", DETAIL="received", PRIORITY=INFO)
    assert "segments of 1501 bytes, more than the device's MTU of 1500" in received["MESSAGE"]
    sent = lab.only(bridge.namespace, IFNAME="t1")
    assert_fields(sent, RULE="gso-size-exceeds-mtu", DETAIL="sent", PRIORITY=NOTICE, DIRECTION="tx",
                  PROBE=probe("net_dev_start_xmit"), GSO_SEGS="3")


@pytest.mark.causes("gso-size-exceeds-payload", by="a TCP header longer than its sender counted, to a tap by a bridge")
def test_size_exceeds_payload(lab, bridge):
    """The kernel takes 20 bytes for the header, counts 1010 bytes of data, and finds 970 when it segments."""
    bridge.first.write(tso4(), with_bytes(tcp4(1010), DATA_OFFSET, LONGEST_TCP_HEADER))
    entry = lab.only(bridge.namespace, RULE="gso-size-exceeds-payload")
    assert_fields(entry, PRIORITY=WARNING, IFNAME="t1", DIRECTION="tx", PROBE=probe("net_dev_queue"), GSO_SIZE="1000")
    assert entry["MESSAGE"].endswith("but no more data than that: 970 bytes")
    rules = {entry["NETANOMALY_RULE"] for entry in lab.entries(bridge.namespace)}
    assert rules == {"gso-size-exceeds-payload", "gso-segmentation-refused"}


@pytest.mark.causes("gso-segs-mismatch", by="a tc program that lengthens the TCP header of what this host sends")
def test_segs_mismatch(lab, make_namespace, tmp_path):
    hosts = make_namespace(), make_namespace()
    relay = Relay(*hosts)
    try:
        programs.on_egress(hosts[0], "t0", programs.compiled("doff", tmp_path))
        with hosts[1].entered(), socket.create_server((RIGHT_IP, 7000)):
            with hosts[0].entered():
                client = socket.socket()
            # Room for the longer headers: the segments shall not exceed the MTU.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with client:
                client.connect((RIGHT_IP, 7000))
                size = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
                client.send(bytes(2 * size + 20))
                entry = lab.only(hosts[0])
        assert_fields(entry, RULE="gso-segs-mismatch", DETAIL="count", PRIORITY=WARNING, IFNAME="t0", DIRECTION="tx",
                      PROBE=probe("net_dev_queue"), GSO_SIZE=size, GSO_SEGS="3", L3_DST=RIGHT_IP, L4_DPORT="7000")
        assert entry["MESSAGE"].endswith(": 3, not 2")
        lab.silent(hosts[1])
    finally:
        relay.close()


@pytest.mark.causes("gso-read-failed", by="a reader of a tap with four bytes of room")
def test_read_failed(lab, bridge):
    bridge.first.write(tso4(), tcp4())
    with pytest.raises(OSError):
        os.read(bridge.second.descriptor, 4)
    entry = lab.only(bridge.namespace)
    assert_fields(entry, RULE="gso-read-failed", DETAIL="reader", PRIORITY=WARNING, IFNAME="t1", DIRECTION="tx",
                  CONTEXT="process", PID=os.getpid(), GSO_TYPE="0x3", GSO_SIZE="1000", L3_SRC=SOURCE)
    assert "tun_do_read" in entry["NETANOMALY_DROP_LOCATION"]


@pytest.mark.resembles("gso-read-failed", by="a reader of a tap without room for a packet that is no GSO packet")
def test_a_failed_read_of_an_ordinary_packet(lab, bridge):
    bridge.first.write(vnet_header(), tcp4(100))
    with pytest.raises(OSError):
        os.read(bridge.second.descriptor, 4)
    # A TCP SYN of this host: a type, and no size.
    bridge.namespace.ip(f"addr add {SOURCE}/24 dev br0", f"neigh add {TARGET} lladdr {PEER} dev br0")
    with bridge.namespace.entered(), socket.socket() as client:
        client.setblocking(False)
        client.connect_ex((TARGET, 443))
        with pytest.raises(OSError):
            os.read(bridge.second.descriptor, 4)
    lab.silent(bridge.namespace)


@pytest.mark.causes("gso-by-frags", by="a test run of a program with a gso_size of 65535, out of a macvtap")
def test_by_frags(lab, make_namespace, tmp_path):
    near, far = make_namespace(), make_namespace()
    veth(near, "v0", far, "v1")
    near.ip("link add link v0 name mt0 type macvtap mode bridge", "link set mt0 up")
    program = programs.compiled("untype", tmp_path, f"-DTARGET={near.ifindex('mt0')}")
    packet = bytes(20) + ipv4(SOURCE, TARGET, TCP, tcp(SOURCE, TARGET, 5001, 443, bytes(1000)))
    programs.test_run(near, program, ethernet(PEER, GUEST, ETH_IPV6, packet), gso_size=65535)
    queued, handed_over = lab.entries(near, IFNAME="mt0")
    assert_fields(queued, RULE="gso-by-frags", PRIORITY=CRITICAL, DIRECTION="tx", GSO_SIZE="65535", L3_SRC=SOURCE)
    assert_fields(handed_over, RULE="gso-size-without-type", GSO_SIZE="65535")
    assert_fields(lab.only(near, IFNAME="v0"), RULE="gso-segmentation-refused")


def test_a_packet_that_breaks_three_rules_has_one_entry(lab, tap):
    """It stands under the most telling rule, names the others, and is seen by each."""
    rules = ("gso-checksum-start", "gso-length-mismatch", "gso-size-exceeds-mtu")
    before = {rule: lab.daemon.account(rule) for rule in rules}
    tap.write(tso4(1461, csum_start=1000, header_length=1020), lying(100))
    came_in(lab.only(tap.namespace), RULE="gso-checksum-start", PRIORITY=WARNING,
            ALSO="gso-length-mismatch gso-size-exceeds-mtu")
    after = lab.daemon.drained()["rules"]
    for rule in rules:
        for count in ("seen", "written"):
            assert after[rule][count] - before[rule][count] == 1, (rule, count)


HEALTHY = {
    "TCP over IPv4 with ECN": (tso4(gso_type=GSO_TCPV4 | ECN), tcp4()),
    "TCP over IPv6 with ECN": (vnet_header(GSO_TCPV6 | ECN, 1000, 74, L4_OVER_IPV6, CHECK_IN_TCP), tcp6()),
    "an extension header": (vnet_header(GSO_TCPV6, 1000, 82, L4_OVER_IPV6 + 8, CHECK_IN_TCP), with_extension(tcp6())),
    "segments as long as the MTU": (tso4(1460), tcp4()),
    "a short last segment": (tso4(), tcp4(2001)),
    "a short last datagram": (uso4(), udp4(2001)),
    "one segment, which is none": (tso4(), tcp4(1000)),
    "a VLAN tag": (tso4(csum_start=L4_OVER_IPV4 + 4, header_length=58), tcp4(vlan=7)),
    "options in the TCP header": (tso4(header_length=94), with_bytes(tcp4(), DATA_OFFSET, LONGEST_TCP_HEADER)),
}


@pytest.mark.resembles("gso-*", by="virtio headers on a tap: what healthy guests write, to another tap by a bridge")
@pytest.mark.parametrize("case", HEALTHY)
def test_healthy_headers(lab, bridge, case):
    header, frame = HEALTHY[case]
    if "datagram" in case:
        bridge.first.needs_udp_segments()
    bridge.first.write(header, frame)
    assert bridge.second.read(timeout=2), "the packet did not get through: this test tested nothing"
    lab.silent(bridge.namespace)


@pytest.mark.resembles("gso-size-exceeds-payload", by="a guest that asks for the segmentation of a single segment")
def test_a_single_segment_with_options_is_the_guests_business(lab, tap):
    tap.write(tso4(), with_bytes(tcp4(1010), DATA_OFFSET, LONGEST_TCP_HEADER))
    lab.silent(tap.namespace)


@pytest.mark.resembles("gso-length-mismatch", by="a guest that leaves the IP header's length to who segments")
def test_no_length_is_none_that_lies(lab, tap):
    tap.write(tso4(), lying(0))
    lab.silent(tap.namespace)


@pytest.mark.resembles("gso-size-exceeds-mtu", by="jumbo frames where both devices take them")
def test_jumbo_frames(lab, bridge):
    bridge.namespace.ip("link set t0 mtu 9000", "link set t1 mtu 9000")
    bridge.first.write(tso4(8960), tcp4(20000))
    assert bridge.second.read(timeout=2)
    lab.silent(bridge.namespace)
