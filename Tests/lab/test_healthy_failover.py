"""Addresses and stations that move, as real programs have them move.

Nothing above notice may appear in any namespace, and every notice is named in its test: one more fails it.
"""

import json
import signal
import socket

import pytest

from frames import ETH_RARP, arp_frame, mac_bytes
from namespaces import run
from redundancy import VIP, fail_over_and_back, ucarp
from segment import QUIET, addresses, wait_until
from tools import installed

# As shipped.
CONFIGURATION = ""
# Depends on who is quicker: the announcement or the end of the old holder, the client's question or the failback.
HANDED_OVER = ("arp-address-conflict takeover", "arp-flip-flop returned")
GUEST_MAC, GUEST_NUMBER = "52:54:00:66:00:05", 5


@pytest.mark.resembles("arp-address-conflict", "arp-binding-change", "arp-duplicate-claim", "arp-flip-flop",
                       "arp-gratuitous-flood", "arp-local-spoof", by="keepalived: failover and failback")
def test_keepalived(healthy, peers, segment, tmp_path):
    peers.watch(segment, 3)
    fail_over_and_back(segment, tmp_path)
    healthy("arp-binding-change announced", "arp-duplicate-claim moved", possible=HANDED_OVER)


@pytest.mark.resembles("arp-address-conflict", "arp-binding-change", "arp-duplicate-claim", "arp-flip-flop",
                       "arp-sender-mismatch", "arp-local-spoof", by="keepalived with use_vmac: failover and failback")
def test_keepalived_with_a_virtual_mac(healthy, peers, segment, tmp_path):
    """The routers ask with the virtual address from their own MAC, so the binding does change, to and fro."""
    peers.watch(segment, 3)
    fail_over_and_back(segment, tmp_path, use_vmac=True)
    healthy("arp-binding-change virtual-router", possible=["arp-duplicate-claim moved"])


@pytest.mark.resembles("arp-address-conflict", "arp-binding-change", "arp-local-spoof", by="ucarp: handover")
def test_ucarp(healthy, segment, tmp_path):
    first = ucarp(segment[1], segment.ip(1), tmp_path, skew=0)
    wait_until(lambda: VIP in addresses(segment[1]), "the first is master")
    ucarp(segment[2], segment.ip(2), tmp_path, skew=50)
    segment.must_reach(segment[3], VIP)
    first.send_signal(signal.SIGTERM)
    wait_until(lambda: VIP in addresses(segment[2]), "the second takes over")
    segment.must_reach(segment[3], VIP)
    healthy("arp-binding-change announced", "arp-duplicate-claim moved", possible=HANDED_OVER)


@pytest.mark.resembles("arp-duplicate-claim", "arp-binding-change", "arp-odd-delivery",
                       by="a station moved to another bridge port")
def test_a_station_moves_to_another_port(healthy, segment):
    segment.meet(1, 2, 3)
    segment.switch.ip("link del p3")
    segment.cable(segment[3], "e0", 3)
    segment[3].ip(f"addr add {segment.ip(3)}/24 brd + dev e0")
    segment.meet(1, 2, 3)
    healthy()


@pytest.mark.resembles("arp-duplicate-claim", "arp-address-conflict", "arp-local-spoof",
                       by="active-backup bonding: failover")
def test_bonding(healthy, segment):
    """One host with two cables to the switch, of which it uses the second when the first is pulled."""
    host = segment.join(4, addressed=False)
    made = run("ip", "-n", host.name, "link", "add", "bond0", "type", "bond", "mode", "active-backup", "miimon", 10,
               check=False)
    if made.returncode != 0:
        pytest.skip(f"this kernel has no bonding: {made.stderr.strip()}")
    segment.cable(host, "e1", 5)
    host.ip("link set e0 down", "link set e1 down", "link set e0 master bond0", "link set e1 master bond0",
            "link set bond0 up", f"addr add {segment.ip(4)}/24 brd + dev bond0")
    segment.must_reach(segment[1], segment.ip(4))
    segment.switch.ip("link set p4 down")
    segment.must_reach(segment[1], segment.ip(4))
    segment.must_reach(host, segment.ip(2))
    healthy()


def command(monitor, name, **arguments):
    """Has a running qemu do something, over its monitor (QMP)."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(monitor))
        lines = client.makefile("rw")
        lines.readline()
        for request in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            while "return" not in (answer := json.loads(lines.readline())):
                assert "error" not in answer, answer


def machine(segment, number, folder, *options):
    """A virtual machine without a system, on the tap vm<number> of the switch."""
    segment.switch.popen(
        installed("qemu-system-x86_64", "qemu-system-x86"), "-M", "pc,accel=tcg", "-m", 32, "-nodefaults",
        "-no-user-config", "-display", "none", "-qmp", f"unix:{folder}/monitor{number},server=on,wait=off",
        "-netdev", f"tap,id=net,ifname=vm{number},script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=net,mac={GUEST_MAC},romfile=", *options, **QUIET)
    wait_until(lambda: segment.switch.has(f"vm{number}"), "qemu made its tap")
    segment.switch.ip(f"link set vm{number} master br0 up")


@pytest.mark.resembles("arp-duplicate-claim", "arp-malformed", "arp-gratuitous-flood",
                       by="qemu: live migration with its announcements")
def test_live_migration(healthy, segment, tmp_path):
    """The hypervisor announces the moved MAC by RARP, the guest its address, each several times."""
    segment.meet(1, 2)
    address = segment.ip(GUEST_NUMBER)
    announcement = arp_frame(GUEST_MAC, address, address)
    machine(segment, 1, tmp_path)
    segment.write(announcement)
    channel = tmp_path / "migration"
    machine(segment, 2, tmp_path, "-incoming", f"unix:{channel}")
    wait_until(channel.exists, "the target listens")
    with segment[3].entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_RARP)) as watcher:
        watcher.bind(("e0", ETH_RARP))
        watcher.settimeout(5)
        command(tmp_path / "monitor1", "migrate", uri=f"unix:{channel}")
        for _ in range(5):
            assert watcher.recv(100)[6:12] == mac_bytes(GUEST_MAC)
            segment.write(announcement)
    healthy()
