"""Attacks by the programs that attackers use: the right entry at each host, once for each frame, and no other.

Every event is an entry of its own here, so that entries can be counted. What was sent is counted on the wire.
"""

import collections

import pytest

from backends import priority_of_a_gateway
from capture import Capture
from namespaces import stop
from segment import QUIET
from tools import installed

# With memory for all that several hosts at once hear of a scan: of what is forgotten, the count begins anew.
CONFIGURATION = ("[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=1s\nRateLimitBurst=100000\n"
                 "MaxMemory=524288\n")
GATEWAY, VICTIM, ATTACKER = 1, 2, 3
SCAN_TARGETS, FLOOD_REQUESTS, FLOOD_ANNOUNCEMENTS = 64, 5, 12
SCAN_SECONDS, FLOOD_SECONDS = 10, 2


@pytest.fixture
def lan(lab, peers, segment):
    """A gateway, its client and an attacker, who know each other, and a daemon that knows what it was asked."""
    peers.watch(segment, VICTIM)
    segment[VICTIM].ip(f"route add default via {segment.ip(GATEWAY)}")
    for host in segment.hosts.values():
        # What came before shall not protect the old binding for its first second.
        host.sysctl("net/ipv4/neigh/e0/locktime", 0)
    lab.forget()
    segment.introduce()
    return segment


@pytest.mark.causes("arp-local-spoof", by="arpspoof, on the attacker's host")
@pytest.mark.causes("arp-binding-change", by="arpspoof, of the gateway to its client")
@pytest.mark.causes("arp-duplicate-claim", by="arpspoof, of the gateway to its client")
@pytest.mark.causes("arp-unsolicited-reply", by="arpspoof, of the gateway to its client")
def test_arpspoof(lab, lan):
    capture = Capture(lan[ATTACKER])
    tool = lan[ATTACKER].popen(
        installed("arpspoof", "dsniff"), "-i", "e0", "-t", lan.ip(VICTIM), lan.ip(GATEWAY), **QUIET)
    capture.wait_claims(2, lan.ip(GATEWAY))
    stop(tool)
    sent = len(capture.claims(lan.ip(GATEWAY)))
    assert lab.said(lan[ATTACKER]) == {"err arp-local-spoof": sent}
    priority = priority_of_a_gateway()
    assert lab.said(lan[VICTIM]) == {
        f"{priority} arp-duplicate-claim unasked": 1, "also arp-unsolicited-reply": 1,
        f"{priority} arp-binding-change applied": 1, "info arp-unsolicited-reply": sent - 1}
    lab.silent(lan[GATEWAY])
    spoof = lab.entries(lan[ATTACKER])[0]
    assert spoof["NETANOMALY_COMM"] == "arpspoof" and spoof["NETANOMALY_PID"] == str(tool.pid)


@pytest.mark.causes("arp-local-spoof", by="ettercap, on the attacker's host")
@pytest.mark.causes("arp-binding-change", by="ettercap, between a gateway and its client")
@pytest.mark.causes("arp-duplicate-claim", by="ettercap, between a gateway and its client")
@pytest.mark.causes("arp-unsolicited-reply", by="ettercap, between a gateway and its client")
def test_ettercap(request, lab, lan):
    capture = Capture(lan[ATTACKER])
    ends = lan.ip(GATEWAY), lan.ip(VICTIM)
    tool = lan[ATTACKER].popen(installed("ettercap", "ettercap-text-only"), "-T", "-q", "-i", "e0", "-M", "arp:remote",
                               *(f"/{address}//" for address in ends), **QUIET)
    capture.wait_claims(4, *ends)
    stop(tool)
    assert lab.said(lan[ATTACKER]) == {"err arp-local-spoof": len(capture.claims(*ends))}
    for host, claimed, change in ((VICTIM, GATEWAY, priority_of_a_gateway()), (GATEWAY, VICTIM, "warning")):
        sent = len(capture.claims(lan.ip(claimed)))
        said = lab.said(lan[host])
        # Two replies within one tick of the kernel's clock: the first of them counts as too early.
        request.node.by_chance = ["arp-binding-change refused"]
        said.pop(f"{change} arp-binding-change refused", None)
        assert said == {
            f"{change} arp-duplicate-claim unasked": 1, "also arp-unsolicited-reply": 1,
            f"{change} arp-binding-change applied": 1, "info arp-unsolicited-reply": sent - 1}


@pytest.mark.causes("arp-static-overwrite", by="arpspoof, against a static entry")
def test_arpspoof_against_a_static_entry(lab, lan):
    lan[VICTIM].ip(f"neigh replace {lan.ip(GATEWAY)} lladdr {lan.mac(GATEWAY)} dev e0 nud permanent")
    capture = Capture(lan[ATTACKER])
    tool = lan[ATTACKER].popen(
        installed("arpspoof", "dsniff"), "-i", "e0", "-t", lan.ip(VICTIM), lan.ip(GATEWAY), **QUIET)
    capture.wait_claims(1, lan.ip(GATEWAY))
    stop(tool)
    sent = len(capture.claims(lan.ip(GATEWAY)))
    found = lab.said(lan[VICTIM])
    assert found.get("err arp-static-overwrite") == sent and not any("binding-change" in name for name in found)
    assert lan.mac(GATEWAY) in lan[VICTIM].neighbour(lan.ip(GATEWAY), "e0")


@pytest.mark.causes("arp-address-conflict", by="arping -U for another host's address")
@pytest.mark.causes("arp-local-spoof", by="arping -U for another host's address")
@pytest.mark.causes("arp-binding-change", by="arping -U for another host's address")
def test_arping_announces_an_address_of_another_host(lab, lan):
    lan[ATTACKER].run(installed("arping"), "-U", "-i", "e0", "-c", 1, "-w", 1, "-S", lan.ip(VICTIM), lan.ip(VICTIM),
                      check=False)
    assert lab.said(lan[ATTACKER]) == {"err arp-local-spoof": 1}
    assert lab.said(lan[VICTIM]) == {"crit arp-address-conflict claim": 1}
    assert lab.said(lan[GATEWAY]) == {"notice arp-binding-change announced": 1, "notice arp-duplicate-claim moved": 1}


@pytest.mark.causes("arp-bogon-sender", by="arping with a sender of another network")
def test_arping_from_another_network(lab, lan):
    lan[ATTACKER].run(installed("arping"), "-i", "e0", "-c", 1, "-W", 0.1, "-S", "192.0.2.9", lan.ip(VICTIM),
                      check=False)
    assert lab.said(lan[ATTACKER]) == {"err arp-local-spoof": 1}
    assert lab.said(lan[VICTIM]) == {"notice arp-bogon-sender asks-us": 1}
    assert lab.said(lan[GATEWAY]) == {"info arp-bogon-sender": 1}


SCANNERS = {
    "arp-scan": ("arp-scan", "--interface=e0", "--quiet", "--retry=1"),
    "nmap -sn -PR": ("nmap", "-sn", "-PR", "-n", "-e", "e0"),
}


def judged(questions, stretch=1):
    """What must be said of these requests of one sender, for windows that last `stretch` times as long: the scan, the
    floods, and the floods that are part of the scan."""
    counts, targets, scan_ends, floods = collections.Counter(), set(), 0, {}
    for question in questions:
        if question.at_seconds >= scan_ends:
            targets, scan_ends = set(), question.at_seconds + SCAN_SECONDS * stretch
        targets.add(question.tpa)
        ends, times = floods.get(question.tpa, (0, 0))
        if question.at_seconds >= ends:
            ends, times = question.at_seconds + FLOOD_SECONDS * stretch, 0
        floods[question.tpa] = ends, times + 1
        is_scan, is_flood = len(targets) > SCAN_TARGETS, times + 1 > FLOOD_REQUESTS
        counts["scan"] += is_scan and not is_flood
        counts["warning arp-request-flood"] += is_flood
        counts["also arp-scan"] += is_scan and is_flood
    return counts


def scans(lab, peers, segment, scanner):
    """Runs one of them over the whole subnet."""
    peers.watch(segment, VICTIM)
    capture = Capture(segment[ATTACKER])
    program, *options = SCANNERS[scanner]
    segment[ATTACKER].run(installed(program), *options, "10.66.1.0/24")
    # nmap measures the way to one host by asking it six times: within two seconds that is a flood, too. A request at a
    # window's very end is in it for one host and not for the next.
    expected = [judged(capture.questions(), stretch) for stretch in (1, 0.97, 1.03)]
    assert expected[0]["scan"] > 150, "the scan was not seen whole: this test tested nothing"

    def said_as(scan):
        return [{scan if name == "scan" else name: count for name, count in counts.items() if count}
                for counts in expected]

    assert lab.said(segment[ATTACKER]) in said_as("warning arp-scan by-process")
    arp = next(detector for detector in lab.daemon.status()["detectors"] if detector["name"] == "arp")
    assert arp["forgotten"] == 0, "how many were asked for was forgotten: see MaxMemory="
    for host in (segment[GATEWAY], segment[VICTIM], segment.switch):
        assert lab.said(host) in said_as("notice arp-scan received")


@pytest.mark.causes("arp-scan", by="arp-scan over a /24")
def test_arp_scan(lab, peers, segment):
    scans(lab, peers, segment, "arp-scan")


@pytest.mark.causes("arp-scan", by="nmap -sn -PR over a /24")
def test_nmap(lab, peers, segment):
    scans(lab, peers, segment, "nmap -sn -PR")


@pytest.mark.causes("arp-request-flood", by="arping, 20 times in 0.4 s")
def test_a_flood_of_requests(lab, peers, segment):
    peers.watch(segment, VICTIM)
    capture = Capture(segment[ATTACKER])
    segment[ATTACKER].run(installed("arping"), "-i", "e0", "-c", 20, "-W", 0.02, segment.ip(77), check=False)
    beyond = len(capture.questions()) - FLOOD_REQUESTS
    assert beyond == 15
    for host in (segment[ATTACKER], segment[VICTIM], segment.switch):
        assert lab.said(host) == {"warning arp-request-flood": beyond}


@pytest.mark.causes("arp-gratuitous-flood", by="arping -U, 30 times in 0.6 s")
def test_a_flood_of_announcements(lab, peers, segment):
    peers.watch(segment, VICTIM)
    own = segment.ip(ATTACKER)
    segment[ATTACKER].run(installed("arping"), "-U", "-i", "e0", "-c", 30, "-W", 0.02, "-w", 5, "-S", own, own,
                          check=False)
    for host in (segment[VICTIM], segment.switch):
        assert lab.said(host) == {"warning arp-gratuitous-flood one-address": 30 - FLOOD_ANNOUNCEMENTS}
    lab.silent(segment[ATTACKER])
