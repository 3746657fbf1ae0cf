"""What administrators and their programs do with ARP all day: questions, announcements, leases, proxies.

Nothing above notice may appear in any namespace, and every notice is named in its test: one more fails it.
"""

import pytest

from announcer import Announcer
from namespaces import veth
from redundancy import VIP
from segment import QUIET, addresses, reaches, wait_until
from tools import installed, unpacked

# As shipped.
CONFIGURATION = ""
FAR_IP, SPARE = "10.66.1.77", 9

UDHCPD = """start 10.66.1.50
end 10.66.1.60
interface e0
lease_file {folder}/leases
pidfile {folder}/pid
option subnet 255.255.255.0
option router 10.66.1.1
"""
# What a distribution's script does when a lease comes.
UDHCPC = """#!/bin/sh
[ "$1" != bound ] || exec ip addr replace $ip/24 brd + dev $interface
"""


@pytest.mark.resembles("arp-gratuitous-flood", "arp-local-spoof", "arp-odd-delivery", "arp-unsolicited-reply",
                       by="iputils arping -U and -A for the own address")
@pytest.mark.parametrize("option", ["-U", "-A"])
def test_iputils_arping_announces(healthy, peers, segment, option):
    peers.watch(segment, 2)
    segment.meet(1, 2)
    arping = unpacked("usr/bin/arping", "iputils-arping")
    segment[1].run(arping, option, "-I", "e0", "-c", 2, "-w", 2, segment.ip(1))
    healthy()


@pytest.mark.resembles("arp-bad-sender-ip", "arp-local-spoof", "arp-scan", by="iputils arping -D for a free address")
def test_iputils_arping_finds_an_address_free(healthy, segment):
    arping = unpacked("usr/bin/arping", "iputils-arping")
    segment[1].run(arping, "-D", "-I", "e0", "-c", 1, "-w", 1, segment.ip(SPARE))
    healthy()


@pytest.mark.resembles("arp-address-conflict", by="iputils arping -D for an address in use")
def test_iputils_arping_finds_an_address_taken(healthy, segment):
    """The holder may know that somebody is about to take its address."""
    arping = unpacked("usr/bin/arping", "iputils-arping")
    assert segment[1].run(arping, "-D", "-I", "e0", "-c", 1, "-w", 1, segment.ip(2), check=False).returncode == 1
    healthy("arp-address-conflict probe")


@pytest.mark.resembles("arp-gratuitous-flood", "arp-local-spoof", "arp-unsolicited-reply", "arp-request-flood",
                       by="Habets arping: -U, -U -P, -0 and -d")
def test_habets_arping(healthy, segment):
    segment.meet(1, 2)
    arping = [installed("arping"), "-i", "e0", "-W", 0.1]
    segment[1].run(*arping, "-c", 2, segment.ip(2))
    segment[1].run(*arping, "-d", "-c", 2, segment.ip(2))
    for announcement in (["-U"], ["-U", "-P"]):
        segment[1].run(*arping, *announcement, "-c", 2, "-w", 1, "-S", segment.ip(1), segment.ip(1), check=False)
    segment[1].run(*arping, "-0", "-c", 1, "-w", 1, segment.ip(SPARE), check=False)
    healthy()


@pytest.mark.resembles("arp-address-conflict", "arp-bad-sender-ip", "arp-binding-change", "arp-local-spoof",
                       by="DHCP: udhcpd and udhcpc, both probing the address")
def test_dhcp_with_address_probing(healthy, peers, segment, tmp_path):
    peers.watch(segment, 2)
    configuration, script = tmp_path / "udhcpd.conf", tmp_path / "udhcpc"
    configuration.write_text(UDHCPD.format(folder=tmp_path))
    (tmp_path / "leases").touch()
    script.write_text(UDHCPC)
    script.chmod(0o755)
    busybox = installed("busybox", "busybox-static")
    segment[1].popen(busybox, "udhcpd", "-f", "-a", 200, configuration, **QUIET)
    client = segment.join(4, addressed=False)
    client.run(busybox, "udhcpc", "-f", "-q", "-n", "-a300", "-i", "e0", "-s", script)
    leased = addresses(client, "dev", "e0")[0]
    segment.must_reach(client, segment.ip(1))
    client.run(installed("arping"), "-U", "-i", "e0", "-c", 2, "-W", 0.1, "-w", 1, "-S", leased, leased, check=False)
    segment.must_reach(segment[2], leased)
    healthy()


def live_behind(host, make_namespace):
    """A machine with an address of the segment that really sits behind the host's e1.

    The host asks for it as 10.66.99.1, its own address there: a stranger to the machine's subnet.
    """
    far = make_namespace()
    veth(host, "e1", far, "f0")
    far.ip(f"addr add {FAR_IP}/24 brd + dev f0")
    host.ip("addr add 10.66.99.1/32 dev e1")
    host.sysctl("net/ipv4/ip_forward", 1)
    return far


PROXIED = ("arp-binding-change", "arp-duplicate-claim", "arp-many-addresses", "arp-local-spoof")


@pytest.mark.resembles(*PROXIED, by="the kernel's proxy_arp")
def test_proxy_arp_of_the_kernel(healthy, make_namespace, segment):
    far = live_behind(segment[2], make_namespace)
    segment[2].ip(f"route add {FAR_IP}/32 dev e1")
    for device in ("e0", "e1"):
        segment[2].sysctl(f"net/ipv4/conf/{device}/proxy_arp", 1)
        segment[2].sysctl(f"net/ipv4/neigh/{device}/proxy_delay", 0)
    segment.must_reach(segment[3], FAR_IP)
    segment.must_reach(far, segment.ip(1))
    healthy("arp-bogon-sender asks-us")


@pytest.mark.resembles(*PROXIED, by="parprouted, a proxy-ARP daemon")
def test_a_proxy_arp_daemon(healthy, peers, make_namespace, segment):
    """It answers for addresses of one side on the other: whose they are was never heard there."""
    peers.watch(segment, 3)
    far = live_behind(segment[2], make_namespace)
    segment[2].popen(installed("parprouted"), "-d", "e0", "e1", **QUIET)
    wait_until(lambda: reaches(segment[3], FAR_IP), "the daemon has found the far machine")
    segment.must_reach(far, segment.ip(1))
    healthy("arp-local-spoof announced", "arp-bogon-sender asks-us")


def give_two_cards(segment):
    """Host 1 gets a second card on the same segment, with an address of its own: 10.66.1.11."""
    segment.cable(segment[1], "e1", 11)
    segment[1].ip(f"addr add {segment.ip(11)}/24 brd + dev e1")


def ask_for_both(segment):
    """Two hosts that know nothing ask for both addresses, three times."""
    for _ in range(3):
        for asker in (segment[2], segment[3]):
            segment.must_reach(asker, segment.ip(1))
            segment.must_reach(asker, segment.ip(11))
            asker.ip("neigh flush all")
    segment.must_reach(segment[1], segment.ip(2))


FLUX = ("arp-binding-change", "arp-duplicate-claim", "arp-flip-flop", "arp-unsolicited-reply", "arp-address-conflict")


@pytest.mark.resembles(*FLUX, by="ARP flux: two cards on one segment")
def test_a_host_with_two_cards_on_one_segment(healthy, peers, segment):
    """Each card answers for both addresses, as Linux does by default: the second answer comes too late to count."""
    peers.watch(segment, 3)
    give_two_cards(segment)
    ask_for_both(segment)
    healthy("arp-binding-change second-answer", "arp-duplicate-claim both-answer",
            possible=["arp-binding-change answered"])


@pytest.mark.resembles(*FLUX, by="two cards on one segment, arp_ignore=1 and arp_announce=2")
def test_a_strict_host_with_two_cards(healthy, segment):
    give_two_cards(segment)
    segment[1].sysctl("net/ipv4/conf/all/arp_ignore", 1)
    segment[1].sysctl("net/ipv4/conf/all/arp_announce", 2)
    ask_for_both(segment)
    healthy()


@pytest.mark.resembles("arp-local-spoof", "arp-gratuitous-flood", "arp-unsolicited-reply",
                       by="MetalLB's layer-2 announcements, rebuilt")
def test_a_load_balancer_speaks_for_its_address(healthy, peers, segment):
    peers.watch(segment, 3)
    segment.meet(1, 3)
    announcer = Announcer(segment[1], "e0", segment.mac(1), VIP)
    segment.must_reach(segment[3], VIP)
    announcer.finish()
    healthy("arp-local-spoof announced")
