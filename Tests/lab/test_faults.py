"""Faults of a network rather than attacks: hosts that do not exist, a full neighbour table, ARP where there is none."""

import contextlib
import pathlib
import socket
import subprocess

import pytest

import backends
from namespaces import bound
from tools import installed

CONFIGURATION = "[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=1s\nRateLimitBurst=100000\n"

THRESHOLDS = [pathlib.Path(f"/proc/sys/net/ipv4/neigh/default/gc_thresh{number}") for number in (1, 2, 3)]
# Ends when its standard input does, so it puts the old values back even for a test run that was killed.
RESTORE = """read -r _
for number in 1 2 3; do echo "$1" > /proc/sys/net/ipv4/neigh/default/gc_thresh$number; shift; done"""


@contextlib.contextmanager
def tiny_neighbour_table():
    """The table of all namespaces together takes no new neighbour."""
    old = [path.read_text().strip() for path in THRESHOLDS]
    restorer = subprocess.Popen(["sh", "-c", RESTORE, "restore", *old], stdin=subprocess.PIPE)
    try:
        for path in THRESHOLDS:
            path.write_text("1")
        yield
    finally:
        restorer.stdin.close()
        restorer.wait(timeout=5)
        assert [path.read_text().strip() for path in THRESHOLDS] == old


def overflows(lab, namespace):
    """bpftrace knows a device by its name, and by frames for the same address, of which none was sent."""
    lab.settle()
    found = [entry for entry in lab.daemon.records.find(RULE="arp-table-overflow", IFNAME="l0", PRIORITY="2")
             if int(entry["NETANOMALY_BOOTTIME_NS"]) > namespace.created_ns]
    knows_device = backends.chosen == backends.LIBBPF
    for entry in found:
        assert (entry.get("NETANOMALY_NETNS") == str(namespace.inode)) == knows_device
        assert entry.get("NETANOMALY_NEIGH_LIMIT") == ("1" if knows_device else None)
        assert int(entry["NETANOMALY_NEIGH_ENTRIES"]) >= 1
    return [entry["NETANOMALY_ARP_TARGET_IP"] for entry in found]


@pytest.mark.causes("arp-table-overflow", by="datagrams to 60 new neighbours when the table is full")
def test_the_neighbour_table_overflows(lab, wire):
    """Two neighbours are there, and one is all it may hold."""
    wire.ping()
    makes_room, *unreachable = [f"10.66.0.{100 + number}" for number in range(61)]
    with tiny_neighbour_table(), wire.left.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        # The first may take the place of a neighbour that anyone on this machine has not used for five seconds.
        for address in (makes_room, *unreachable):
            with contextlib.suppress(OSError):
                sender.sendto(b"x", (address, 9))
    assert [address for address in overflows(lab, wire.left) if address != makes_room] == unreachable
    lab.silent(wire.right)


@pytest.mark.causes("arp-resolution-failed", by="busybox nc to a host that does not exist, three times")
def test_a_host_that_does_not_exist(lab, wire):
    # One question instead of three, and no second to wait for its answer.
    wire.left.sysctl("net/ipv4/neigh/l0/mcast_solicit", 1)
    wire.left.sysctl("net/ipv4/neigh/l0/retrans_time_ms", 50)
    for said in ({"info arp-resolution-failed": 1}, {"info arp-resolution-failed": 2},
                 {"info arp-resolution-failed": 2, "warning arp-resolution-failed repeated": 1}):
        tried = wire.left.run(installed("busybox", "busybox-static"), "nc", "-w", 3, wire.nobody_ip, 80, check=False)
        assert tried.returncode != 0
        # Each before the next: who asks again while the kernel still gives up makes a question of the failure.
        assert lab.said(wire.left) == said
    lab.silent(wire.right)


@pytest.mark.causes("arp-on-noarp-device", by="arping towards a device with ARP switched off")
def test_arp_on_a_device_without_arp(lab, wire):
    wire.right.ip("link set r0 arp off")
    wire.left.run(installed("arping"), "-i", "l0", "-c", 3, "-W", 0.05, wire.right_ip, check=False)
    assert lab.said(wire.right) == {"info arp-on-noarp-device": 3}
    lab.silent(wire.left)


@pytest.mark.causes("arp-many-addresses", by="arp-scan of 126 addresses behind the kernel's proxy_arp")
def test_one_host_answers_for_many_addresses(lab, segment):
    """What a proxy-ARP router does: worth a notice, since an attacker could do the same."""
    proxy, asker = segment[1], segment[2]
    proxy.ip("link add name far0 type veth peer name far1", "link set far0 up", "link set far1 up",
             "route add 10.66.1.128/25 dev far0")
    proxy.sysctl("net/ipv4/ip_forward", 1)
    proxy.sysctl("net/ipv4/conf/e0/proxy_arp", 1)
    proxy.sysctl("net/ipv4/neigh/e0/proxy_delay", 0)
    found = asker.run(installed("arp-scan"), "--interface=e0", "--quiet", "--retry=1", "10.66.1.129-10.66.1.190")
    answered = found.stdout.count(segment.mac(1))
    assert answered == 62
    assert lab.said(asker) == {"notice arp-many-addresses served": answered - 32}
    lab.silent(proxy, segment[3])
