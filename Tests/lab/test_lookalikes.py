"""Normal ARP traffic that resembles an anomaly: zero entries, of any rule, in the namespaces concerned."""

import socket
import time

import pytest

from frames import ETH_ARP, REPLY, arp_frame, mac_bytes
from namespaces import ping
from tap import IFF_TAP, Tap

VIRTUAL_MAC, VIRTUAL_IP = "00:00:5e:00:01:2a", "10.66.0.200"
PHYSICAL_MAC = "02:66:00:00:00:05"
HOST_IP, NEW_IP, UNKNOWN_IP = "10.66.0.2", "10.66.0.150", "10.66.0.77"


@pytest.fixture
def listener(namespace):
    """A host with 10.66.0.2/24 on a tap; what is written to the tap is what it receives."""
    tap = Tap(namespace, "t0", flags=IFF_TAP, vnet=False)
    namespace.ip(f"addr add {HOST_IP}/24 brd + dev t0")
    yield tap
    tap.close()


@pytest.mark.resembles("arp-sender-mismatch", "arp-gratuitous-flood", by="VRRP announcements, from either MAC")
@pytest.mark.parametrize("source", [VIRTUAL_MAC, PHYSICAL_MAC], ids=["from the virtual MAC", "from the own MAC"])
def test_vrrp_announcements(lab, listener, source):
    """A router that becomes master says so five times (keepalived's default), from either MAC (vmac_xmit_base)."""
    for _ in range(5):
        listener.write(b"", arp_frame(VIRTUAL_MAC, VIRTUAL_IP, VIRTUAL_IP, source=source))
        listener.write(b"", arp_frame(VIRTUAL_MAC, VIRTUAL_IP, VIRTUAL_IP, op=REPLY, tha=VIRTUAL_MAC, source=source))
    lab.silent(listener.namespace)


@pytest.mark.resembles("arp-address-conflict", "arp-bad-sender-ip", "arp-gratuitous-flood",
                       by="RFC 5227: probes and announcements of a new host")
def test_probes_and_announcements_of_a_new_host(lab, listener):
    """RFC 5227: three probes for an address nobody holds, then two announcements; a DHCP client does the same."""
    for _ in range(3):
        listener.write(b"", arp_frame(PHYSICAL_MAC, "0.0.0.0", NEW_IP))
    for _ in range(2):
        listener.write(b"", arp_frame(PHYSICAL_MAC, NEW_IP, NEW_IP))
    lab.silent(listener.namespace)


@pytest.mark.resembles("arp-address-conflict", by="a host's own frame that comes back")
def test_own_frames_that_come_back(lab, listener):
    """A loop or a bond's other slave brings a host its own announcement: its own MAC holds its own address."""
    own_mac = "02:66:00:00:00:07"
    listener.namespace.ip(f"link set t0 address {own_mac}")
    listener.write(b"", arp_frame(own_mac, HOST_IP, HOST_IP))
    lab.silent(listener.namespace)


def test_resolution_and_ping(lab, wire):
    wire.ping(count=5)
    ping(wire.right, wire.left_ip, count=5)
    lab.silent(wire.left, wire.right)


@pytest.mark.resembles("arp-odd-delivery", "arp-request-flood", by="the kernel's unicast probes")
def test_unicast_probes_of_the_kernel(lab, wire):
    """A neighbour that was not heard of for a while is used, and is asked again by unicast before it is believed."""
    wire.ping()
    wire.left.sysctl("net/ipv4/neigh/l0/delay_first_probe_time", 1)
    wire.left.ip(f"neigh change {wire.right_ip} dev l0 nud stale")
    with wire.right.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ARP)) as watcher:
        watcher.bind(("r0", ETH_ARP))
        watcher.settimeout(5)
        with wire.left.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", (wire.right_ip, 9))
        while (frame := watcher.recv(64))[6:12] != mac_bytes(wire.left_mac):
            pass
    assert frame[:6] == mac_bytes(wire.right_mac), "the kernel asked by broadcast: this test tested nothing"
    lab.silent(wire.left, wire.right)


def test_own_announcement_by_arping(lab, wire):
    # arping of iputils and of Habets call the same thing differently; this is the one Debian calls arping.
    wire.left.run("arping", "-U", "-c", 2, "-w", 3, "-i", "l0", "-S", wire.left_ip, wire.left_ip, check=False)
    lab.silent(wire.left, wire.right)


@pytest.mark.resembles("arp-binding-change", "arp-gratuitous-flood", by="the kernel's arp_notify")
def test_kernel_announces_a_changed_address(lab, wire):
    wire.left.sysctl("net/ipv4/conf/l0/arp_notify", 1)
    wire.ping()
    wire.left.ip("link set l0 down", "link set l0 up")
    wire.ping()
    lab.silent(wire.left, wire.right)


@pytest.mark.resembles("arp-address-conflict", "arp-duplicate-claim", by="a bridge with an address of its own")
def test_bridge_delivers_to_its_host(lab, wire, make_namespace):
    """A frame through a port to the bridge's own address is received twice: on the port and on the bridge."""
    third = make_namespace()
    wire.right.ip("link add br0 type bridge mcast_snooping 0", f"addr del {wire.right_ip}/24 dev r0",
                  "link set r0 master br0", f"addr add {wire.right_ip}/24 brd + dev br0", "link set br0 up",
                  f"link add p0 type veth peer name q0 netns {third.name}", "link set p0 master br0 up")
    third.ip("addr add 10.66.0.3/24 dev q0", "link set q0 up")
    wire.ping(count=3)
    ping(third, wire.left_ip, count=3)
    lab.silent(wire.left, wire.right, third)


def test_tcp_transfer_over_a_cable(lab, wire):
    server = wire.right.popen("iperf3", "--server", "--one-off", stdout=-3, stderr=-3)
    for _ in range(50):
        done = wire.left.run("iperf3", "--client", wire.right_ip, "--time", 1, check=False)
        if done.returncode == 0:
            break
        time.sleep(0.05)
    assert done.returncode == 0 and server.wait(timeout=5) == 0, done.stdout + done.stderr
    lab.silent(wire.left, wire.right)
