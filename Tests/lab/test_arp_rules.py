"""Each ARP rule, caused by one real frame or one real state change, with the evidence it must leave in the journal.

Frames that a host receives are written to a tap: the kernel takes them in as from a wire, and no sender is there to be
reported as well. A cable between two namespaces is used where the sender is part of the question.
"""

import os
import pathlib
import time

import pytest

from frames import BROADCAST, ETH_ARP, REPLY, REQUEST, ZERO_MAC, arp, arp_frame, ethernet
from hosts import FOREIGN_MAC, OTHER_IP, OTHER_MAC, OWN_IP, PEER_IP, PEER_MAC, announcement, answer, question
from laboratory import assert_fields

MULTICAST_MAC = "01:00:5e:00:00:05"
CRITICAL, ERROR, WARNING, NOTICE, INFO = "2", "3", "4", "5", "6"


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
    sent = lab.only(wire.left, RULE="arp-sender-mismatch")
    assert_fields(sent, IFNAME="l0", DIRECTION="tx", CONTEXT="process", PID=os.getpid(), **common)
    # The answer goes to the MAC that the request told.
    answered = lab.only(wire.left, DIRECTION="rx")
    assert_fields(answered, RULE="arp-odd-delivery", DETAIL="to-another", ETH_DST=FOREIGN_MAC)
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


def test_address_conflict_with_a_macvlan(lab, host):
    host.namespace.ip("link add link t0 name mv0 address 02:66:00:00:00:03 type macvlan mode bridge", "link set mv0 up",
                      "addr add 10.66.0.3/24 brd + dev mv0")
    host.receive(arp_frame(FOREIGN_MAC, "10.66.0.3", PEER_IP))
    entry = lab.only(host.namespace)
    assert_fields(entry, RULE="arp-address-conflict", PRIORITY=CRITICAL, ARP_SENDER_IP="10.66.0.3", DIRECTION="rx")


def test_the_last_of_many_addresses_is_ours_too(lab, wire):
    """As on a web server, or under keepalived."""
    wire.left.ip(*(f"addr add 10.77.{number}.1/24 dev l0" for number in range(40)))
    wire.left.send("l0", arp_frame(wire.left_mac, "10.77.39.1", "10.77.39.1"))
    lab.silent(wire.left)
    wire.right.send("r0", arp_frame(wire.right_mac, "10.77.39.1", "10.77.39.1"))
    conflict = lab.only(wire.left)
    assert_fields(conflict, RULE="arp-address-conflict", ARP_SENDER_IP="10.77.39.1")


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


def test_a_takeover_of_an_address_that_moves(lab, host):
    """As VRRP routers hand an address back: the new holder announces it before the old one has given it up."""
    host.namespace.ip(f"addr add {OTHER_IP}/32 dev t0")
    host.receive(announcement(FOREIGN_MAC, OTHER_IP))
    received(lab.only(host.namespace), RULE="arp-address-conflict", DETAIL="takeover", PRIORITY=NOTICE)
    # Who asks for a neighbour in its name, or still holds it after two seconds, is in conflict.
    host.receive(question(FOREIGN_MAC, OTHER_IP, PEER_IP))
    received(lab.only(host.namespace, DETAIL="claim"), PRIORITY=CRITICAL, ARP_TARGET_IP=PEER_IP)
    time.sleep(2.1)
    host.receive(announcement(OTHER_MAC, OTHER_IP), announcement(FOREIGN_MAC, OTHER_IP))
    last = lab.entries(host.namespace)[-2:]
    assert [(entry["NETANOMALY_DETAIL"], entry["NETANOMALY_ARP_SENDER_MAC"]) for entry in last] == [
        ("takeover", OTHER_MAC), ("claim", FOREIGN_MAC)]


@pytest.mark.parametrize("target, detail", [
    ("0.0.0.0", "zero"), ("127.0.0.1", "loopback"), ("224.0.0.1", "multicast"), ("255.255.255.255", "broadcast"),
])
def test_bad_target(lab, host, target, detail):
    host.receive(question(PEER_MAC, PEER_IP, target))
    received(lab.only(host.namespace), RULE="arp-bad-target", DETAIL=detail, PRIORITY=INFO, ARP_TARGET_IP=target)


@pytest.mark.causes("arp-target-mismatch", by="a reply sent to one station and meant for another")
def test_target_mismatch(lab, host):
    host.receive(answer(PEER_MAC, PEER_IP, OTHER_MAC, OTHER_IP, destination=FOREIGN_MAC))
    received(lab.only(host.namespace), RULE="arp-target-mismatch", PRIORITY=INFO, ETH_DST=FOREIGN_MAC,
             ARP_TARGET_MAC=OTHER_MAC)


@pytest.mark.causes("arp-odd-delivery", by="a reply for one station, sent to all")
def test_a_reply_sent_to_all(lab, host):
    host.receive(answer(PEER_MAC, PEER_IP, OTHER_MAC, OTHER_IP, destination=BROADCAST))
    received(lab.only(host.namespace), RULE="arp-odd-delivery", DETAIL="to-all", PRIORITY=INFO)


def test_a_stranger_asks(lab, host):
    host.receive(question(PEER_MAC, "192.0.2.1", OTHER_IP), question(PEER_MAC, "192.0.2.1", OWN_IP))
    received(lab.only(host.namespace, ARP_TARGET_IP=OTHER_IP), RULE="arp-bogon-sender", PRIORITY=INFO)
    received(lab.only(host.namespace, ARP_TARGET_IP=OWN_IP), RULE="arp-bogon-sender", DETAIL="asks-us", PRIORITY=NOTICE)


NEAREST = {
    "a target that is merely reserved": question(PEER_MAC, PEER_IP, "240.0.0.1"),
    "a link-local sender": question(PEER_MAC, "169.254.7.7", OWN_IP),
    "a link-local host's answer, sent to all": answer(
        PEER_MAC, "169.254.7.7", OTHER_MAC, "169.254.7.8", destination=BROADCAST),
    "an announcement as a reply": answer(PEER_MAC, PEER_IP, PEER_MAC, PEER_IP, destination=BROADCAST),
    "an answer to a virtual router": answer(PEER_MAC, PEER_IP, "00:00:5e:00:01:07", OTHER_IP, destination=OTHER_MAC),
    "an answer between two others": answer(PEER_MAC, PEER_IP, OTHER_MAC, OTHER_IP),
}


@pytest.mark.resembles("arp-bad-target", "arp-bogon-sender", "arp-odd-delivery", "arp-target-mismatch",
                       "arp-unsolicited-reply", by="their nearest harmless frames")
@pytest.mark.parametrize("case", NEAREST)
def test_the_nearest_harmless_frame_is_silent(lab, host, case):
    host.receive(NEAREST[case])
    lab.silent(host.namespace)


@pytest.mark.resembles("arp-bogon-sender", by="a device that has single addresses only")
def test_without_a_subnet_nobody_is_a_stranger(lab, make_host):
    host = make_host(address=f"{OWN_IP}/32")
    host.receive(question(PEER_MAC, "192.0.2.1", OWN_IP))
    lab.silent(host.namespace)


ALSO = {
    "malformed is judged no further": (
        arp_frame(BROADCAST, "224.0.0.1", OWN_IP, op=0, source=PEER_MAC), "arp-malformed", None),
    "a forged frame": (
        arp_frame(BROADCAST, "224.0.0.1", "127.0.0.1", source=PEER_MAC), "arp-bad-sender-mac",
        "arp-bad-sender-ip arp-sender-mismatch arp-bad-target"),
    "an impossible sender": (
        question(FOREIGN_MAC, "224.0.0.1", OWN_IP, source=PEER_MAC), "arp-bad-sender-ip", "arp-sender-mismatch"),
    "a conflict": (
        announcement(FOREIGN_MAC, OWN_IP, source=PEER_MAC), "arp-address-conflict", "arp-sender-mismatch"),
    "a mild conflict gives way": (
        question(FOREIGN_MAC, "0.0.0.0", OWN_IP, source=PEER_MAC), "arp-sender-mismatch", "arp-address-conflict"),
    "one rule alone": (question(FOREIGN_MAC, PEER_IP, OWN_IP, source=PEER_MAC), "arp-sender-mismatch", None),
}


@pytest.mark.parametrize("case", ALSO)
def test_one_frame_has_one_entry_that_names_the_other_rules(lab, host, case):
    frame, rule, also = ALSO[case]
    host.receive(frame)
    entry = lab.only(host.namespace)
    received(entry, RULE=rule)
    assert entry.get("NETANOMALY_ALSO") == also


def test_what_else_a_frame_breaks_makes_it_another_kind(lab, host):
    """The second is no mere repetition of the first, though rule and addresses are the same."""
    host.receive(*[announcement(FOREIGN_MAC, OWN_IP)] * 2, announcement(FOREIGN_MAC, OWN_IP, source=PEER_MAC))
    entries = lab.entries(host.namespace)
    assert [entry.get("NETANOMALY_ALSO") for entry in entries] == [None, "arp-sender-mismatch"]
    assert {entry["NETANOMALY_RULE"] for entry in entries} == {"arp-address-conflict"}


def test_a_spoof_behind_an_honest_frame_is_seen(lab, wire):
    """The kernel takes the same buffer for the next frame at once: an honest one on the bridge, a forged one on its port."""
    wire.left.ip(f"link add br0 address {OTHER_MAC} type bridge mcast_snooping 0", f"addr del {wire.left_ip}/24 dev l0",
                 "link set l0 master br0", f"addr add {wire.left_ip}/24 brd + dev br0", "link set br0 up")
    for number in range(20):
        wire.left.send("br0", arp_frame(OTHER_MAC, wire.left_ip, wire.left_ip))
        wire.left.send("l0", arp_frame(f"02:66:00:00:01:{number:02x}", wire.nobody_ip, wire.nobody_ip))
    spoofs = lab.daemon.records.wait(count=2, timeout=8, RULE="arp-local-spoof", NETNS=wire.left.inode)
    assert [entry["NETANOMALY_COUNT"] for entry in spoofs] == ["1", "19"]


def test_spoof_and_mismatch_are_one_entry_at_the_sender(lab, wire):
    wire.left.send("l0", arp_frame(FOREIGN_MAC, wire.nobody_ip, wire.right_ip, source=wire.left_mac))
    assert_fields(lab.only(wire.left), RULE="arp-local-spoof", ALSO="arp-sender-mismatch")
    assert_fields(lab.only(wire.right), RULE="arp-sender-mismatch", DIRECTION="rx")


def test_repetitions_within_the_interval_become_one_count(lab, host):
    """Seven equal frames: one entry at once, and one that stands for the other six when the key is quiet."""
    host.receive(*[arp_frame(FOREIGN_MAC, OWN_IP, PEER_IP)] * 7)
    lab.daemon.records.wait(count=2, timeout=8, NETNS=host.namespace.inode)
    first, summary = lab.entries(host.namespace)
    assert_fields(first, RULE="arp-address-conflict", COUNT="1")
    assert_fields(summary, RULE="arp-address-conflict", COUNT="6", MESSAGE_ID=first["MESSAGE_ID"],
                  FIRST_BOOTTIME_NS=first["NETANOMALY_BOOTTIME_NS"])
