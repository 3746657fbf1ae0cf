"""Segmentation over tun and tap as virtual machines and VPNs use it all day: zero entries, of any rule."""

import socket
import time

import pytest

from frames import ETH_IPV4, GSO_TCPV4, TCP, UDP, ethernet, ipv4, tcp, udp, vnet_header
from relay import RIGHT_IP, Relay, transfer
from tap import ALL_OFFLOADS, IFF_NAPI, IFF_TAP, IFF_TUN, TUN_F_CSUM, TUN_F_TSO4, TUNNEL_OFFLOADS, Tap

UDP_SEGMENT = 103


@pytest.fixture
def hosts(make_namespace):
    """Two hosts that know each other only through a relay."""
    return make_namespace(), make_namespace()


@pytest.mark.parametrize("options", [
    {"offloads": ALL_OFFLOADS},
    {"offloads": TUN_F_CSUM | TUN_F_TSO4},
    {"offloads": 0},
    {"offloads": None, "vnet": False},
    {"flags": IFF_TAP | IFF_NAPI},
    {"flags": IFF_TUN},
], ids=["all offloads", "TSO", "no offloads", "no vnet header", "NAPI", "tun"])
def test_tcp_over_a_relay(lab, hosts, options):
    """TCP's own small segments carry a GSO type and no size: that alone is no anomaly."""
    relay = Relay(*hosts, **options)
    try:
        transfer(*hosts)
        if options.get("offloads", ALL_OFFLOADS):
            assert relay.large, "no packet was ever segmented by the device: this test tested nothing"
        lab.silent(*hosts)
    finally:
        relay.close()


@pytest.mark.resembles("gso-*", by="UDP_SEGMENT over a tap pair (USO)")
def test_udp_segmentation_offload_over_a_relay(lab, hosts):
    """UDP_SEGMENT, as QUIC servers use it: the type is above the 16 bits that the classic tracepoints show."""
    relay = Relay(*hosts)
    try:
        relay.needs_udp_segments()
        with hosts[1].entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind((RIGHT_IP, 7000))
            receiver.settimeout(5)
            with hosts[0].entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 1200)
                for _ in range(5):
                    sender.sendto(bytes(12000), (RIGHT_IP, 7000))
                assert {len(receiver.recv(2000)) for _ in range(50)} == {1200}
        assert relay.large
        lab.silent(*hosts)
    finally:
        relay.close()


@pytest.mark.resembles("gso-*", by="VXLAN over a tap pair")
@pytest.mark.parametrize("options", [{}, {"header_size": 24, "offloads": TUNNEL_OFFLOADS}],
                         ids=["segmented by the kernel", "segmented by the owner"])
def test_vxlan_over_a_tap(lab, hosts, options):
    """A real tunnel device: its packets have a tunnel type and are encapsulated."""
    relay = Relay(*hosts, **options)
    try:
        for namespace, own, other in ((hosts[0], 1, 2), (hosts[1], 2, 1)):
            namespace.ip(f"link add vx0 type vxlan id 7 dstport 4789 local 10.77.0.{own} remote 10.77.0.{other} dev t0",
                         f"addr add 10.78.0.{own}/24 dev vx0", "link set vx0 up")
        server = hosts[1].popen("iperf3", "--server", "--one-off", "--bind", "10.78.0.2", stdout=-3, stderr=-3)
        deadline = time.monotonic() + 10
        while hosts[0].run("iperf3", "--client", "10.78.0.2", "--bytes", "2M", check=False).returncode != 0:
            assert time.monotonic() < deadline, "iperf3 through the tunnel failed"
            time.sleep(0.05)
        server.wait(timeout=5)
        assert relay.large or not options, "no tunnel packet was ever segmented by the owner"
        lab.silent(*hosts)
    finally:
        relay.close()


@pytest.mark.resembles("gso-*", by="a bridge that segments for a tap without offloads")
def test_segmentation_behind_a_bridge_to_an_owner_without_offloads(lab, namespace):
    """The kernel segments in software what the second owner cannot take: that is its duty, not an anomaly."""
    first, second = Tap(namespace, "t0"), Tap(namespace, "t1", offloads=0)
    try:
        namespace.ip("link add br0 type bridge mcast_snooping 0", "link set t0 master br0", "link set t1 master br0",
                     "link set br0 up")
        time.sleep(0.05)
        addresses = ("198.51.100.1", "198.51.100.2")
        segment = ipv4(*addresses, TCP, tcp(*addresses, 5001, 443, bytes(5000)))
        frame = ethernet("02:66:00:00:00:02", "02:66:00:00:00:01", ETH_IPV4, segment)
        first.write(vnet_header(GSO_TCPV4, 1000, 54, 34, 16), frame)
        sizes = [len(frame) for _, frame in iter(lambda: second.read(timeout=1), None)]
        assert sizes.count(1054) == 5, sizes
        lab.silent(namespace)
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_headers_outside_the_linear_area(lab, namespace, protocol):
    """An owner may say that one byte is header: nothing behind it can be judged, and nothing may be guessed."""
    tun, tap = Tap(namespace, "u0", flags=IFF_TUN), Tap(namespace, "t0")
    try:
        addresses = ("198.51.100.1", "198.51.100.2")
        build = tcp if protocol == TCP else udp
        packet = ipv4(*addresses, protocol, build(*addresses, 5001, 443, bytes(5000)))
        tun.write(vnet_header(header_length=1), packet)
        tap.write(vnet_header(header_length=14), ethernet("02:66:00:00:00:02", "02:66:00:00:00:01", ETH_IPV4, packet))
        lab.silent(namespace)
    finally:
        tun.close()
        tap.close()

