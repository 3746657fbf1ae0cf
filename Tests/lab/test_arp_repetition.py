"""Rules that repetition breaks: each at its threshold, which is silent, and one beyond.

Every event is an entry of its own here, so that entries can be counted.
"""

import pytest

from hosts import (
    FOREIGN_MAC, OTHER_IP, OTHER_MAC, OWN_IP, PEER_IP, PEER_MAC, VRRP_MAC, Host, announcement, answer, question)
from laboratory import assert_fields

CONFIGURATION = "[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=1s\nRateLimitBurst=100000\n"

MACS = (PEER_MAC, FOREIGN_MAC)
UNASKED_CLAIM = {"warning arp-duplicate-claim unasked": 1, "also arp-unsolicited-reply": 1}


def many(count):
    """Addresses of the host's subnet."""
    return [f"10.66.0.{10 + number}" for number in range(count)]


FLOODS = {
    "requests": (
        lambda count: [question(PEER_MAC, PEER_IP, OTHER_IP)] * count, 5, "warning arp-request-flood"),
    "announcements of an address": (
        lambda count: [announcement(PEER_MAC, PEER_IP)] * count, 12, "warning arp-gratuitous-flood one-address"),
    "announced addresses": (
        lambda count: [announcement(PEER_MAC, ip) for ip in many(count)], 32, "notice arp-many-addresses served"),
    "targets": (
        lambda count: [question(PEER_MAC, PEER_IP, ip) for ip in many(count)], 64, "notice arp-scan received"),
}


@pytest.mark.causes(by="one frame more than the threshold")
@pytest.mark.parametrize("case", FLOODS)
def test_the_threshold_is_silent_and_one_more_is_not(lab, make_host, case):
    frames, limit, said = FLOODS[case]
    silent, loud = make_host(), make_host()
    silent.receive(*frames(limit))
    loud.receive(*frames(limit + 1))
    assert lab.said(silent.namespace) == {}
    assert lab.said(loud.namespace) == {said: 1}
    entry = lab.only(loud.namespace)
    assert_fields(entry, ARP_SENDER_MAC=PEER_MAC)
    assert str(limit + 1) in entry["MESSAGE"]


def test_a_station_that_announces_too_much(lab, host):
    """Twenty times as many as of one address, of different addresses here: it claims many, too."""
    host.receive(*(announcement(PEER_MAC, ip) for ip in many(241)))
    assert lab.said(host.namespace) == {
        "notice arp-many-addresses served": 240 - 32, "warning arp-gratuitous-flood one-sender": 1,
        "also arp-many-addresses": 1}


@pytest.mark.resembles("arp-gratuitous-flood", "arp-request-flood", "arp-many-addresses", "arp-scan",
                       by="two stations that share what would be too much for one")
def test_each_station_is_counted_alone(lab, host):
    host.receive(*(announcement(mac, PEER_IP) for mac in MACS for _ in range(12)))
    host.receive(*(question(mac, ip, OWN_IP) for mac, ip in ((FOREIGN_MAC, PEER_IP), (OTHER_MAC, OTHER_IP))
                   for _ in range(5)))
    assert lab.said(host.namespace) == {"notice arp-duplicate-claim moved": 1}


@pytest.mark.resembles("arp-gratuitous-flood", "arp-many-addresses", by="a virtual router with 40 addresses")
def test_a_virtual_router_may_announce_more(lab, host):
    host.receive(*(announcement(VRRP_MAC, ip) for ip in many(40)), *[announcement(VRRP_MAC, PEER_IP)] * 20)
    lab.silent(host.namespace)


def test_many_addresses_that_nobody_asked_for(lab, host):
    lab.forget()
    host.receive(*(answer(PEER_MAC, ip) for ip in many(33)))
    assert lab.said(host.namespace) == {
        "info arp-unsolicited-reply": 32, "warning arp-many-addresses unasked": 1, "also arp-unsolicited-reply": 1}


@pytest.mark.causes("arp-scan", by="a program that asks for 65 addresses by a packet socket")
def test_a_scan_by_a_process(lab, wire):
    wire.left.send("l0", *(question(wire.left_mac, wire.left_ip, ip) for ip in many(65)))
    assert lab.said(wire.left) == {"warning arp-scan by-process": 1}
    assert lab.said(wire.right) == {"notice arp-scan received": 1}
    entry = lab.only(wire.left)
    assert_fields(entry, DIRECTION="tx", CONTEXT="process")
    assert entry["NETANOMALY_COMM"] in entry["MESSAGE"]


def test_a_scan_by_what_the_host_sends(lab, host):
    """Datagrams to 66 addresses make the kernel ask for each."""
    host.namespace.sysctl("net/ipv4/neigh/t0/mcast_solicit", 1)
    host.ask(*many(66))
    scans = lab.entries(host.namespace, RULE="arp-scan")
    assert [entry["NETANOMALY_DETAIL"] for entry in scans] == ["by-kernel"] * 2
    assert_fields(scans[0], DIRECTION="tx", PRIORITY="5", ARP_SENDER_MAC="02:66:00:00:00:02")


@pytest.mark.resembles("arp-request-flood", by="a kernel that is set to ask 20 times in a second")
def test_how_often_the_kernel_asks_is_its_own_affair(lab, host):
    host.namespace.sysctl("net/ipv4/neigh/t0/mcast_solicit", 20)
    host.namespace.sysctl("net/ipv4/neigh/t0/retrans_time_ms", 20)
    host.ask(PEER_IP)
    lab.daemon.records.wait(RULE="arp-resolution-failed", NETNS=host.namespace.inode)
    assert lab.said(host.namespace) == {"info arp-resolution-failed": 1}


def test_a_claim_that_nobody_asked_for(lab, host):
    lab.forget()
    host.receive(announcement(PEER_MAC, PEER_IP), answer(FOREIGN_MAC, PEER_IP))
    assert lab.said(host.namespace) == UNASKED_CLAIM
    assert_fields(lab.only(host.namespace), OLD_MAC=PEER_MAC, NEW_MAC=FOREIGN_MAC, ARP_SENDER_IP=PEER_IP)


def test_the_gateway_claimed_by_a_second(lab, host):
    lab.forget()
    host.namespace.ip(f"route add default via {PEER_IP}")
    host.receive(announcement(PEER_MAC, PEER_IP), answer(FOREIGN_MAC, PEER_IP))
    assert lab.said(host.namespace) == {"err arp-duplicate-claim unasked": 1, "also arp-unsolicited-reply": 1}
    assert_fields(lab.only(host.namespace), GATEWAY="yes")


@pytest.mark.causes("arp-duplicate-claim", by="a second answer to one question")
def test_two_stations_answer(lab, host):
    host.receive(question(OTHER_MAC, OTHER_IP, PEER_IP),
                 *(answer(mac, PEER_IP, OTHER_MAC, OTHER_IP) for mac in MACS))
    assert lab.said(host.namespace) == {"notice arp-duplicate-claim both-answer": 1}


@pytest.mark.causes("arp-duplicate-claim", by="an address that moves to another host, and back")
def test_a_move_and_a_move_back_are_no_dispute(lab, host):
    host.receive(*(announcement(mac, PEER_IP) for mac in (*MACS, PEER_MAC)))
    assert lab.said(host.namespace) == {"notice arp-duplicate-claim moved": 2}


@pytest.mark.causes("arp-duplicate-claim", by="the eighth change between two claimants")
def test_two_stations_claim_in_turns(lab, host):
    host.receive(*(announcement(mac, PEER_IP) for mac in (*MACS * 4, PEER_MAC)))
    assert lab.said(host.namespace) == {
        "notice arp-duplicate-claim moved": 7, "warning arp-duplicate-claim alternating": 1}


def test_two_cards_of_one_host(lab, host):
    """They share two addresses: ARP flux, or a pair that hands both over."""
    host.receive(*(announcement(mac, ip) for ip in (PEER_IP, OTHER_IP) for mac in MACS),
                 *(announcement(mac, PEER_IP) for mac in (*MACS * 3, PEER_MAC)))
    assert lab.said(host.namespace) == {
        "notice arp-duplicate-claim moved": 8, "notice arp-duplicate-claim one-host": 1}


@pytest.fixture
def bridge(lab, make_namespace):
    """Two ports of one bridge, which has the host's address."""
    lab.forget()
    namespace = make_namespace()
    ports = [Host(namespace, device, address=None) for device in ("t0", "t1")]
    namespace.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0", "link set t0 master br0",
                 "link set t1 master br0", f"addr add {OWN_IP}/24 brd + dev br0", "link set br0 up")
    yield ports
    for port in ports:
        port.close()


def test_two_ports_of_one_bridge(lab, bridge):
    """What was claimed at one port is known at the other."""
    bridge[0].receive(announcement(PEER_MAC, PEER_IP))
    bridge[1].receive(answer(FOREIGN_MAC, PEER_IP))
    assert lab.said(bridge[0].namespace) == {"warning arp-duplicate-claim unasked": 1,
                                             "also arp-unsolicited-reply": 1}
    assert_fields(lab.only(bridge[0].namespace), IFNAME="t1", MASTER="br0")


def test_a_frame_that_crosses_the_bridge_counts_once(lab, bridge):
    bridge[0].receive(*[announcement(PEER_MAC, PEER_IP)] * 13)
    assert lab.said(bridge[0].namespace) == {"warning arp-gratuitous-flood one-address": 1}
    assert_fields(lab.only(bridge[0].namespace), IFNAME="t0", MASTER="br0")


@pytest.mark.resembles("arp-duplicate-claim", by="one address on two networks that do not touch")
def test_separate_networks_may_use_one_address(lab, make_namespace, make_host):
    lab.forget()
    namespace = make_namespace()
    first = make_host(namespace)
    second = make_host(namespace, device="t1", address="10.77.0.2/24", mac=OTHER_MAC)
    first.receive(announcement(PEER_MAC, PEER_IP))
    second.receive(*(announcement(mac, PEER_IP) for mac in (FOREIGN_MAC,) * 2))
    # And two VLANs on one cable.
    first.receive(*(announcement(mac, PEER_IP, vlan=vlan) for mac, vlan in zip(MACS * 2, (7, 8, 7, 8))))
    said = lab.said(namespace)
    assert not [name for name in said if "duplicate-claim" in name], said
