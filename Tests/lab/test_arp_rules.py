"""Each ARP rule, caused by one real frame or one real state change, with the evidence it must leave in the journal.

Frames that a host receives are written to a tap: the kernel takes them in as from a wire, and no sender is there to be
reported as well. A cable between two namespaces is used where the sender is part of the question.
"""

import os
import pathlib
import socket
import time

import pytest

from frames import BROADCAST, ETH_ARP, REPLY, REQUEST, ZERO_MAC, arp, arp_frame, ethernet
from laboratory import assert_fields
from tap import Tap

OWN_MAC, OWN_IP = "02:66:00:00:00:02", "10.66.0.2"
PEER_MAC, PEER_IP = "02:66:00:00:00:01", "10.66.0.1"
FOREIGN_MAC = "02:66:00:00:00:99"
MULTICAST_MAC = "01:00:5e:00:00:05"
CRITICAL, ERROR, WARNING, NOTICE, INFO = "2", "3", "4", "5", "6"


class Host:
    """A host on a tap: what is written to the tap is what it receives."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.tap = Tap(namespace, "t0", vnet=False, address=OWN_MAC)

    def receive(self, *frames):
        for frame in frames:
            self.tap.write(b"", frame)

    def close(self):
        self.tap.close()


@pytest.fixture
def host(namespace):
    """A host with 10.66.0.2/24 on t0."""
    host = Host(namespace)
    namespace.ip(f"addr add {OWN_IP}/24 brd + dev t0")
    yield host
    host.close()


def received(entry, **fields):
    """What an entry about a frame that came in on t0 says in any case."""
    assert_fields(entry, DETECTOR="arp", IFNAME="t0", DIRECTION="rx", COUNT="1", **fields)


MALFORMED = {
    "short": (arp(PEER_MAC, PEER_IP, OWN_IP)[:20], WARNING),
    "hardware type": (arp(PEER_MAC, PEER_IP, OWN_IP, hrd=2), WARNING),
    "protocol type": (arp(PEER_MAC, PEER_IP, OWN_IP, pro=0x86DD), WARNING),
    "hardware length": (arp(PEER_MAC, PEER_IP, OWN_IP, hln=8) + bytes(4), WARNING),
    "protocol length": (arp(PEER_MAC, PEER_IP, OWN_IP, pln=16) + bytes(24), WARNING),
    "operation 0": (arp(PEER_MAC, PEER_IP, OWN_IP, op=0), WARNING),
    "operation 25": (arp(PEER_MAC, PEER_IP, OWN_IP, op=25), WARNING),
    "RARP request": (arp(PEER_MAC, PEER_IP, OWN_IP, op=3), INFO),
    "InARP request": (arp(PEER_MAC, PEER_IP, OWN_IP, op=8), INFO),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_header(lab, host, case):
    packet, priority = MALFORMED[case]
    host.receive(ethernet(BROADCAST, PEER_MAC, ETH_ARP, packet))
    entry = lab.only(host.namespace)
    received(entry, RULE="arp-malformed", PRIORITY=priority, ETH_SRC=PEER_MAC, ETH_DST=BROADCAST)


def test_sender_mismatch_is_seen_at_the_sender_and_at_the_receiver(lab, wire):
    wire.left.send("l0", arp_frame(FOREIGN_MAC, wire.left_ip, wire.right_ip, source=wire.left_mac))
    common = {
        "RULE": "arp-sender-mismatch", "PRIORITY": WARNING, "ARP_OP": "request", "ARP_SENDER_MAC": FOREIGN_MAC,
        "ARP_SENDER_IP": wire.left_ip, "ARP_TARGET_IP": wire.right_ip, "ETH_SRC": wire.left_mac, "ETH_DST": BROADCAST,
    }
    sent = lab.only(wire.left)
    assert_fields(sent, IFNAME="l0", DIRECTION="tx", CONTEXT="process", PID=os.getpid(), **common)
    assert_fields(lab.only(wire.right), IFNAME="r0", DIRECTION="rx", **common)


@pytest.mark.parametrize("sha, source", [
    (BROADCAST, PEER_MAC), (MULTICAST_MAC, PEER_MAC), (ZERO_MAC, PEER_MAC), (PEER_MAC, MULTICAST_MAC),
])
def test_bad_sender_mac(lab, host, sha, source):
    host.receive(arp_frame(sha, PEER_IP, OWN_IP, source=source))
    received(lab.only(host.namespace), RULE="arp-bad-sender-mac", PRIORITY=ERROR, ARP_SENDER_MAC=sha, ETH_SRC=source,
             ARP_SENDER_IP=PEER_IP)


@pytest.mark.parametrize("spa, op", [
    ("255.255.255.255", REQUEST), ("224.0.0.1", REQUEST), ("240.0.0.1", REQUEST), ("127.0.0.1", REQUEST),
    ("0.1.2.3", REQUEST), ("0.0.0.0", REPLY), ("10.66.0.255", REQUEST),
])
def test_bad_sender_ip(lab, host, spa, op):
    host.receive(arp_frame(PEER_MAC, spa, OWN_IP, op=op))
    received(lab.only(host.namespace), RULE="arp-bad-sender-ip", PRIORITY=WARNING, ARP_SENDER_IP=spa,
             ARP_OP="reply" if op == REPLY else "request")


CONFLICTS = {
    "request": (arp_frame(FOREIGN_MAC, OWN_IP, PEER_IP), CRITICAL),
    "announcement": (arp_frame(FOREIGN_MAC, OWN_IP, OWN_IP), CRITICAL),
    "reply": (arp_frame(FOREIGN_MAC, OWN_IP, PEER_IP, op=REPLY, tha=PEER_MAC, destination=PEER_MAC), CRITICAL),
    "probe": (arp_frame(FOREIGN_MAC, "0.0.0.0", OWN_IP), NOTICE),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_address_conflict(lab, host, case):
    frame, priority = CONFLICTS[case]
    host.receive(frame)
    entry = lab.only(host.namespace)
    received(entry, RULE="arp-address-conflict", PRIORITY=priority, ARP_SENDER_MAC=FOREIGN_MAC)
    assert OWN_IP in entry["MESSAGE"] and FOREIGN_MAC in entry["MESSAGE"]


def test_address_conflict_with_a_secondary_address(lab, host):
    host.namespace.ip("addr add 10.66.0.3/24 dev t0")
    host.receive(arp_frame(FOREIGN_MAC, "10.66.0.3", PEER_IP))
    received(lab.only(host.namespace), RULE="arp-address-conflict", ARP_SENDER_IP="10.66.0.3")


def test_address_conflict_with_the_bridge_is_reported_once_on_the_port(lab, namespace):
    host = Host(namespace)
    try:
        namespace.ip("link add br0 type bridge mcast_snooping 0", "link set t0 master br0", "link set br0 up",
                     f"addr add {OWN_IP}/24 brd + dev br0")
        time.sleep(0.05)
        host.receive(arp_frame(FOREIGN_MAC, OWN_IP, PEER_IP))
        received(lab.only(namespace), RULE="arp-address-conflict", PRIORITY=CRITICAL, ARP_SENDER_IP=OWN_IP)
    finally:
        host.close()


def test_address_conflict_with_a_macvlan(lab, host):
    host.namespace.ip("link add link t0 name mv0 address 02:66:00:00:00:03 type macvlan mode bridge", "link set mv0 up",
                      "addr add 10.66.0.3/24 brd + dev mv0")
    host.receive(arp_frame(FOREIGN_MAC, "10.66.0.3", PEER_IP))
    entry = lab.only(host.namespace)
    assert_fields(entry, RULE="arp-address-conflict", PRIORITY=CRITICAL, ARP_SENDER_IP="10.66.0.3", DIRECTION="rx")


def test_address_conflict_two_devices_up(lab, namespace):
    """The address is on a macvlan, the macvlan on a bridge, and the frame comes in on a port."""
    host = Host(namespace)
    try:
        namespace.ip("link add br0 type bridge mcast_snooping 0", "link set t0 master br0", "link set br0 up",
                     "link add link br0 name mv0 type macvlan mode bridge", "link set mv0 up",
                     f"addr add {OWN_IP}/24 brd + dev mv0")
        time.sleep(0.05)
        host.receive(arp_frame(FOREIGN_MAC, OWN_IP, PEER_IP))
        received(lab.only(namespace), RULE="arp-address-conflict", PRIORITY=CRITICAL, ARP_SENDER_IP=OWN_IP)
    finally:
        host.close()


def test_the_last_of_many_addresses_is_ours_too(lab, wire):
    """As on a web server, or under keepalived."""
    wire.left.ip(*(f"addr add 10.77.{number}.1/24 dev l0" for number in range(40)))
    wire.left.send("l0", arp_frame(wire.left_mac, "10.77.39.1", "10.77.39.1"))
    lab.silent(wire.left)
    wire.right.send("r0", arp_frame(wire.right_mac, "10.77.39.1", "10.77.39.1"))
    conflict = lab.only(wire.left)
    assert_fields(conflict, RULE="arp-address-conflict", ARP_SENDER_IP="10.77.39.1")


def test_binding_change_by_an_announcement(lab, wire):
    wire.ping()
    wire.left.send("l0", arp_frame(FOREIGN_MAC, wire.left_ip, wire.left_ip))
    entry = lab.only(wire.right)
    assert_fields(entry, RULE="arp-binding-change", PRIORITY=WARNING, IFNAME="r0", OLD_MAC=wire.left_mac,
                  NEW_MAC=FOREIGN_MAC)
    assert entry["NETANOMALY_NUD_OLD"] in ("REACHABLE", "STALE", "DELAY"), entry["NETANOMALY_NUD_OLD"]
    assert wire.left_ip in entry["MESSAGE"]
    assert FOREIGN_MAC in wire.right.neighbour(wire.left_ip, "r0")
    lab.silent(wire.left)


def test_binding_change_rejected_within_locktime(lab, wire):
    """The kernel keeps the old binding for a second, but somebody tried."""
    wire.right.sysctl("net/ipv4/neigh/r0/locktime", 3000)
    wire.ping()
    wire.left.send("l0", arp_frame(FOREIGN_MAC, wire.left_ip, wire.right_ip, op=REPLY, tha=wire.right_mac,
                                   destination=wire.right_mac))
    entry = lab.only(wire.right)
    assert_fields(entry, RULE="arp-binding-change", OLD_MAC=wire.left_mac, NEW_MAC=FOREIGN_MAC)
    assert wire.left_mac in wire.right.neighbour(wire.left_ip, "r0"), "the kernel took it: this test tested nothing"


def test_a_permanent_binding_is_not_said_to_change(lab, wire):
    """The kernel refuses (neigh_update() returns EPERM): an attempt may be reported, a change may not."""
    wire.right.ip(f"neigh replace {wire.left_ip} lladdr {wire.left_mac} dev r0 nud permanent")
    wire.left.send("l0", arp_frame(FOREIGN_MAC, wire.left_ip, wire.left_ip))
    assert wire.left_mac in wire.right.neighbour(wire.left_ip, "r0")
    assert not [entry["MESSAGE"] for entry in lab.entries(wire.right) if " changed " in entry["MESSAGE"]]


def test_binding_change_by_the_administrator_is_silent(lab, wire):
    wire.ping()
    wire.right.ip(f"neigh replace {wire.left_ip} lladdr {FOREIGN_MAC} dev r0 nud reachable")
    lab.silent(wire.left, wire.right)


def test_resolution_failed(lab, wire):
    wire.left.sysctl("net/ipv4/neigh/l0/retrans_time_ms", 50)
    with wire.left.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"anybody there?", (wire.nobody_ip, 9))
    lab.daemon.records.wait(RULE="arp-resolution-failed", NETNS=wire.left.inode)
    entry = lab.only(wire.left)
    assert_fields(entry, PRIORITY=INFO, IFNAME="l0", ARP_TARGET_IP=wire.nobody_ip)
    lab.silent(wire.right)


@pytest.mark.parametrize("vlan", [None, 7])
def test_local_spoof_names_the_process(lab, wire, vlan):
    wire.left.send("l0", arp_frame(wire.left_mac, wire.nobody_ip, wire.right_ip, vlan=vlan))
    entry = lab.only(wire.left)
    assert_fields(entry, RULE="arp-local-spoof", PRIORITY=ERROR, IFNAME="l0", DIRECTION="tx", CONTEXT="process",
                  PID=os.getpid(), COMM=pathlib.Path("/proc/self/comm").read_text().strip(),
                  ARP_SENDER_IP=wire.nobody_ip, ARP_SENDER_MAC=wire.left_mac, IFINDEX=wire.left.ifindex("l0"))
    if vlan:
        assert_fields(entry, VLAN=vlan)
    lab.silent(wire.right)


ORDER = {
    "malformed before bad MAC": (arp_frame(BROADCAST, "224.0.0.1", OWN_IP, op=0, source=PEER_MAC), "arp-malformed"),
    "bad MAC before bad IP": (arp_frame(BROADCAST, "224.0.0.1", OWN_IP, source=PEER_MAC), "arp-bad-sender-mac"),
    "bad IP before mismatch": (arp_frame(FOREIGN_MAC, "224.0.0.1", OWN_IP, source=PEER_MAC), "arp-bad-sender-ip"),
    "conflict before mismatch": (arp_frame(FOREIGN_MAC, OWN_IP, OWN_IP, source=PEER_MAC), "arp-address-conflict"),
}


@pytest.mark.parametrize("case", ORDER)
def test_a_frame_counts_for_its_first_rule_only(lab, host, case):
    frame, rule = ORDER[case]
    host.receive(frame)
    received(lab.only(host.namespace), RULE=rule)


def test_spoof_counts_before_mismatch_at_the_sender(lab, wire):
    wire.left.send("l0", arp_frame(FOREIGN_MAC, wire.nobody_ip, wire.right_ip, source=wire.left_mac))
    assert_fields(lab.only(wire.left), RULE="arp-local-spoof")
    assert_fields(lab.only(wire.right), RULE="arp-sender-mismatch", DIRECTION="rx")


def test_repetitions_within_the_interval_become_one_count(lab, host):
    """Seven equal frames: one entry at once, and one that stands for the other six when the key is quiet."""
    host.receive(*[arp_frame(FOREIGN_MAC, OWN_IP, PEER_IP)] * 7)
    lab.daemon.records.wait(count=2, timeout=8, NETNS=host.namespace.inode)
    first, summary = lab.entries(host.namespace)
    assert_fields(first, RULE="arp-address-conflict", COUNT="1")
    assert_fields(summary, RULE="arp-address-conflict", COUNT="6", MESSAGE_ID=first["MESSAGE_ID"],
                  FIRST_BOOTTIME_NS=first["NETANOMALY_BOOTTIME_NS"])
