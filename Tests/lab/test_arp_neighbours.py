"""What becomes of the neighbour table: who changed it and by which means decides how urgent that is.

Every event is an entry of its own here, so that entries can be counted.
"""

import time

import pytest

from frames import REPLY
from hosts import (
    FOREIGN_MAC, OTHER_IP, OTHER_MAC, OWN_IP, PEER_IP, PEER_MAC, VRRP_MAC, announcement, answer, question)
from laboratory import assert_fields

CONFIGURATION = "[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=1s\nRateLimitBurst=100000\n"

UNASKED = {"info arp-unsolicited-reply": 1}
#: locktime=0 protects a binding until the kernel's clock ticks.
TICK_SECONDS = 0.02
#: Frames of another MAC for the peer's address, and what is said of each at a host that knew the peer.
CHANGES = {
    "announced": ([announcement(FOREIGN_MAC, PEER_IP)], {"notice arp-binding-change announced": 1}),
    "answered": ([answer(FOREIGN_MAC, PEER_IP)], {"notice arp-binding-change answered": 1}),
    "applied by a reply to what another asked": (
        [question(OTHER_MAC, OTHER_IP, PEER_IP), answer(FOREIGN_MAC, PEER_IP)],
        {"warning arp-binding-change applied": 1, **UNASKED}),
    "applied by a reply": ([answer(FOREIGN_MAC, PEER_IP)], {"warning arp-binding-change applied": 1, **UNASKED}),
    "applied by a request": (
        [question(FOREIGN_MAC, PEER_IP, OWN_IP)], {"warning arp-binding-change applied": 1}),
    "virtual-router": ([announcement(VRRP_MAC, PEER_IP)], {"notice arp-binding-change virtual-router": 1}),
}


@pytest.fixture
def acquainted(lab, host):
    """A host that knows its peer, and protects no binding; the daemon knows what was asked."""
    lab.forget()
    host.namespace.sysctl("net/ipv4/neigh/t0/locktime", 0)
    host.know(PEER_MAC, PEER_IP)
    time.sleep(TICK_SECONDS)
    return host


@pytest.mark.causes("arp-binding-change", by="each way in which ARP changes a neighbour's MAC")
@pytest.mark.parametrize("case", CHANGES)
def test_a_change_tells_its_means(lab, acquainted, case):
    frames, expected = CHANGES[case]
    if case == "answered":
        acquainted.question(PEER_IP)
    acquainted.receive(*frames)
    assert lab.said(acquainted.namespace) == expected
    mac = VRRP_MAC if case == "virtual-router" else FOREIGN_MAC
    assert_fields(lab.entries(acquainted.namespace, RULE="arp-binding-change")[0], IFNAME="t0", ARP_SENDER_IP=PEER_IP,
                  OLD_MAC=PEER_MAC, NEW_MAC=mac, NUD_OLD="STALE", ETH_SRC=mac)
    assert mac in acquainted.namespace.neighbour(PEER_IP, "t0")


@pytest.mark.resembles("arp-binding-change", by="the same MAC, heard again")
def test_the_same_mac_is_no_change(lab, acquainted):
    acquainted.question(PEER_IP)
    acquainted.receive(answer(PEER_MAC, PEER_IP), announcement(PEER_MAC, PEER_IP), question(PEER_MAC, PEER_IP, OWN_IP))
    lab.silent(acquainted.namespace)


@pytest.mark.resembles("arp-binding-change", "arp-static-overwrite", by="ip neigh replace")
def test_a_change_by_the_administrator_is_silent(lab, acquainted):
    acquainted.know(FOREIGN_MAC, PEER_IP, "reachable")
    acquainted.know(PEER_MAC, PEER_IP, "permanent")
    acquainted.know(FOREIGN_MAC, PEER_IP, "permanent")
    lab.silent(acquainted.namespace)


@pytest.mark.parametrize("is_asked, answers, expected", [
    (False, [FOREIGN_MAC], {"warning arp-binding-change refused": 1, **UNASKED}),
    (True, [PEER_MAC, FOREIGN_MAC],
     {"notice arp-binding-change second-answer": 1, "notice arp-duplicate-claim both-answer": 1}),
], ids=["unasked", "asked, and two answer"])
def test_an_attempt_within_locktime(lab, acquainted, is_asked, answers, expected):
    """The kernel keeps the old binding for a while, but somebody tried."""
    acquainted.namespace.sysctl("net/ipv4/neigh/t0/locktime", 3000)
    acquainted.know(PEER_MAC, PEER_IP, "reachable")
    if is_asked:
        acquainted.question(PEER_IP)
    acquainted.receive(*(answer(mac, PEER_IP) for mac in answers))
    assert lab.said(acquainted.namespace) == expected
    assert PEER_MAC in acquainted.namespace.neighbour(PEER_IP, "t0"), "the kernel took it: this tested nothing"


@pytest.mark.causes("arp-static-overwrite", by="an announcement of a permanent neighbour's address")
def test_a_permanent_binding_is_attacked(lab, acquainted):
    acquainted.know(PEER_MAC, PEER_IP, "permanent")
    acquainted.receive(announcement(FOREIGN_MAC, PEER_IP))
    assert lab.said(acquainted.namespace) == {"err arp-static-overwrite": 1}
    assert_fields(lab.only(acquainted.namespace), OLD_MAC=PEER_MAC, NEW_MAC=FOREIGN_MAC, NUD_OLD="PERMANENT")
    assert PEER_MAC in acquainted.namespace.neighbour(PEER_IP, "t0")


def test_a_failover_and_a_failback(lab, acquainted):
    acquainted.receive(announcement(FOREIGN_MAC, PEER_IP), announcement(PEER_MAC, PEER_IP))
    assert lab.said(acquainted.namespace) == {
        "notice arp-binding-change announced": 1, "notice arp-flip-flop returned": 1, "also arp-binding-change": 1,
        "notice arp-duplicate-claim moved": 1}


@pytest.mark.causes("arp-flip-flop", by="the eighth announced change of a neighbour's MAC")
def test_announcements_in_turns_that_go_on(lab, acquainted):
    acquainted.receive(*(announcement(mac, PEER_IP) for mac in (FOREIGN_MAC, PEER_MAC) * 4))
    assert lab.said(acquainted.namespace) == {
        "notice arp-binding-change announced": 1, "notice arp-flip-flop returned": 6, "err arp-flip-flop": 1,
        "also arp-binding-change": 7, "notice arp-duplicate-claim moved": 7}


@pytest.mark.causes("arp-flip-flop", by="a neighbour's MAC that is changed back by a request")
def test_a_neighbour_that_flips(lab, acquainted):
    """No announcement explains it: the first way back is enough."""
    acquainted.receive(*(question(mac, PEER_IP, OWN_IP) for mac in (FOREIGN_MAC, PEER_MAC, FOREIGN_MAC)))
    assert lab.said(acquainted.namespace) == {
        "warning arp-binding-change applied": 1, "err arp-flip-flop": 2, "also arp-binding-change": 2,
        "notice arp-duplicate-claim moved": 2}
    last = lab.entries(acquainted.namespace, RULE="arp-flip-flop")[-1]
    assert_fields(last, OLD_MAC=PEER_MAC, NEW_MAC=FOREIGN_MAC, ARP_SENDER_IP=PEER_IP)


def test_a_neighbour_that_answers_with_two_cards(lab, acquainted):
    """ARP flux: all changes came from answers to what was asked."""
    acquainted.question(PEER_IP)
    for mac in (FOREIGN_MAC, PEER_MAC, FOREIGN_MAC):
        acquainted.receive(answer(mac, PEER_IP))
        time.sleep(TICK_SECONDS)
    assert lab.said(acquainted.namespace) == {
        "notice arp-binding-change answered": 1, "notice arp-flip-flop answered": 2, "also arp-binding-change": 2,
        "notice arp-duplicate-claim both-answer": 2}


def test_a_third_mac_is_no_flip(lab, acquainted):
    acquainted.receive(*(announcement(mac, PEER_IP) for mac in (FOREIGN_MAC, OTHER_MAC, "02:66:00:00:00:04")))
    assert lab.said(acquainted.namespace) == {
        "notice arp-binding-change announced": 3, "notice arp-duplicate-claim moved": 2}


GATEWAYS = {
    "a route": (f"route add default via {PEER_IP}",),
    "a route of a metric, behind another": (
        f"route add default via {OTHER_IP} metric 5", f"route add default via {PEER_IP} metric 9"),
    "two next hops": (f"route add default nexthop via {OTHER_IP} nexthop via {PEER_IP}",),
    "a next-hop object": (f"nexthop add id 7 via {PEER_IP} dev t0", "route add default nhid 7"),
}


@pytest.mark.parametrize("case", GATEWAYS)
def test_the_default_gateway_is_marked(lab, acquainted, case):
    acquainted.namespace.ip(*GATEWAYS[case])
    acquainted.receive(question(FOREIGN_MAC, PEER_IP, OWN_IP), announcement(OTHER_MAC, PEER_IP))
    assert lab.said(acquainted.namespace) == {
        "err arp-binding-change applied": 1, "notice arp-binding-change announced": 1,
        "notice arp-duplicate-claim moved": 1}
    for entry in lab.entries(acquainted.namespace):
        assert_fields(entry, GATEWAY="yes")
        assert f"the default gateway {PEER_IP}" in entry["MESSAGE"]


@pytest.mark.parametrize("routes", [
    (f"route add default via {OTHER_IP}",), (f"route add 0.0.0.0/1 via {PEER_IP}",),
    (f"route add 192.0.2.0/24 via {PEER_IP}",), ("route add default dev t0",),
], ids=["another has it", "half of all addresses", "a subnet", "a route without a gateway"])
def test_no_other_next_hop_is(lab, acquainted, routes):
    acquainted.namespace.ip(*routes)
    acquainted.receive(question(FOREIGN_MAC, PEER_IP, OWN_IP))
    assert lab.said(acquainted.namespace) == {"warning arp-binding-change applied": 1}
    assert "NETANOMALY_GATEWAY" not in lab.only(acquainted.namespace)


def test_the_gateway_is_that_of_the_namespace(lab, acquainted, make_host):
    """Of two hosts on networks of the same numbers one has that gateway."""
    other = make_host()
    other.know(PEER_MAC, PEER_IP)
    acquainted.namespace.ip(f"route add default via {PEER_IP}")
    for host in (acquainted, other):
        host.receive(question(FOREIGN_MAC, PEER_IP, OWN_IP))
    assert lab.said(acquainted.namespace) == {"err arp-binding-change applied": 1}
    assert lab.said(other.namespace) == {"warning arp-binding-change applied": 1}


def silence(host):
    """One question instead of three, and no second to wait for its answer."""
    host.namespace.sysctl("net/ipv4/neigh/t0/mcast_solicit", 1)
    host.namespace.sysctl("net/ipv4/neigh/t0/retrans_time_ms", 50)


@pytest.mark.causes("arp-resolution-failed", by="a datagram to an address nobody has")
def test_resolution_failed(lab, host):
    silence(host)
    host.ask("10.66.0.77")
    lab.daemon.records.wait(RULE="arp-resolution-failed", NETNS=host.namespace.inode)
    assert lab.said(host.namespace) == {"info arp-resolution-failed": 1}
    assert_fields(lab.only(host.namespace), IFNAME="t0", ARP_TARGET_IP="10.66.0.77", NUD_NEW="FAILED")


def test_a_gateway_that_does_not_answer(lab, host):
    silence(host)
    host.namespace.ip(f"route add default via {PEER_IP}")
    host.ask("192.0.2.1")
    lab.daemon.records.wait(RULE="arp-resolution-failed", NETNS=host.namespace.inode)
    assert lab.said(host.namespace) == {"warning arp-resolution-failed": 1}
    assert_fields(lab.only(host.namespace), GATEWAY="yes", ARP_TARGET_IP=PEER_IP)


@pytest.mark.resembles("arp-resolution-failed", by="a neighbour that answers the second question")
def test_a_late_answer_is_no_failure(lab, host):
    host.namespace.sysctl("net/ipv4/neigh/t0/retrans_time_ms", 50)
    host.ask(PEER_IP)
    host.receive(answer(PEER_MAC, PEER_IP))
    lab.silent(host.namespace)
    assert PEER_MAC in host.namespace.neighbour(PEER_IP, "t0")


@pytest.mark.causes("arp-unsolicited-reply", by="a reply to us that nobody asked for")
def test_an_answer_to_no_question(lab, host):
    lab.forget()
    host.receive(answer(PEER_MAC, PEER_IP), answer(OTHER_MAC, OTHER_IP, to_mac=PEER_MAC, to_ip=PEER_IP),
                 answer(FOREIGN_MAC, OWN_IP, FOREIGN_MAC, PEER_IP, op=REPLY, destination=FOREIGN_MAC))
    assert lab.said(host.namespace) == {"info arp-unsolicited-reply": 1, "crit arp-address-conflict claim": 1}
