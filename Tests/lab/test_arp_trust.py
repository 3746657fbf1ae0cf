"""[Trust] and the lists of single rules, frame by frame: what they name is counted as trusted, its neighbour is not."""

import pytest

from hosts import OTHER_IP, OTHER_MAC, OWN_IP, PEER_IP, PEER_MAC, announcement, answer, question
from laboratory import assert_fields

# Numbers that no other test has: the counters are the whole machine's.
BOUND_IP, BOUND_MAC, STANDBY_MAC = "10.66.0.31", "02:7e:00:00:00:31", "02:7e:00:00:00:32"
SERVICE_IP, BESIDE_IP = "10.66.0.40", "10.66.0.44"
FABRIC_MAC, LEAF_MAC, BESIDE_MAC = "02:7f:fa:00:00:01", "02:7e:00:00:00:41", "02:7f:fb:00:00:01"
SCANNER_MAC, STRANGER_IP = "02:7e:00:00:00:51", "192.0.2.77"

CONFIGURATION = f"""[Limits]
DedupIntervalSec=0
RateLimitIntervalSec=1s
RateLimitBurst=100000
[Trust]
VirtualMACs=02:7f:fa:*
KnownBindings={BOUND_IP}={BOUND_MAC} {BOUND_IP}={STANDBY_MAC}
ServiceAddresses=10.66.0.40/30
WatchInterfaces=t* e* beacon*
IgnoreInterfaces=t9
[Rule arp-scan]
MaxTargets=4
IgnoreMACs={SCANNER_MAC}
[Rule arp-bogon-sender]
IgnoreAddresses=192.0.2.64/26
[Rule arp-sender-mismatch]
IgnoreInterfaces=t[5-8]
"""


@pytest.fixture
def trusted(lab):
    """How many events of a rule were excused since the test began, or since last asked."""
    last = {rule: account["trusted"] for rule, account in lab.daemon.status()["rules"].items()}

    def count(rule):
        lab.settle()
        now = lab.daemon.account(rule)["trusted"]
        grown, last[rule] = now - last[rule], now
        return grown

    return count


def test_a_virtual_mac_in_one_header(lab, host, trusted):
    host.receive(announcement(FABRIC_MAC, PEER_IP, source=LEAF_MAC),
                 announcement(BESIDE_MAC, OTHER_IP, source=LEAF_MAC))
    assert lab.said(host.namespace) == {"warning arp-sender-mismatch": 1}
    assert_fields(lab.only(host.namespace), ARP_SENDER_MAC=BESIDE_MAC)


def test_a_virtual_mac_is_changed_to(lab, host):
    """A binding's change to it is told, as to any virtual router's, and no flip-flop."""
    host.know(LEAF_MAC, PEER_IP)
    host.receive(*(question(mac, PEER_IP, OWN_IP, source=LEAF_MAC) for mac in (FABRIC_MAC, LEAF_MAC) * 2))
    assert lab.said(host.namespace) == {"notice arp-binding-change virtual-router": 4}


def test_a_known_binding_may_change_to_its_other_mac(lab, host, trusted):
    host.know(BOUND_MAC, BOUND_IP)
    host.receive(*(announcement(mac, BOUND_IP) for mac in (STANDBY_MAC, BOUND_MAC) * 2))
    lab.silent(host.namespace)
    assert trusted("arp-binding-change") == 4 and trusted("arp-flip-flop") == 3 and trusted("arp-duplicate-claim") == 3


def test_a_known_binding_is_claimed_by_another(lab, host, trusted):
    host.receive(announcement(PEER_MAC, BOUND_IP))
    assert lab.said(host.namespace) == {"err arp-duplicate-claim known-binding": 1}
    assert_fields(lab.only(host.namespace), ARP_SENDER_IP=BOUND_IP, ARP_SENDER_MAC=PEER_MAC)
    assert "[Trust]" in lab.only(host.namespace)["MESSAGE"]


def test_a_known_binding_of_ours(lab, make_host, trusted):
    """The pair's other node has the address, too; a third one is in conflict."""
    host = make_host(address=f"{BOUND_IP}/24")
    host.receive(question(STANDBY_MAC, BOUND_IP, PEER_IP), question(PEER_MAC, BOUND_IP, PEER_IP))
    assert lab.said(host.namespace) == {"crit arp-address-conflict claim": 1}
    assert trusted("arp-address-conflict") == 1


@pytest.mark.parametrize("address, said", [
    (SERVICE_IP, {}), (BESIDE_IP, {"notice arp-binding-change announced": 1, "notice arp-flip-flop returned": 3,
                                   "also arp-binding-change": 3, "notice arp-duplicate-claim moved": 3}),
])
def test_a_service_address_moves(lab, host, trusted, address, said):
    host.know(OTHER_MAC, address)
    host.receive(*(announcement(mac, address) for mac in (PEER_MAC, OTHER_MAC) * 2))
    assert lab.said(host.namespace) == said
    assert trusted("arp-binding-change") == (0 if said else 4)


def test_a_service_address_is_still_not_to_be_held_twice(lab, make_host):
    host = make_host(address=f"{SERVICE_IP}/24")
    host.receive(question(PEER_MAC, SERVICE_IP, PEER_IP))
    assert lab.said(host.namespace) == {"crit arp-address-conflict claim": 1}


def test_a_service_address_is_spoken_for(lab, segment, trusted):
    """By a program, in the name of another station: what would be a spoof."""
    segment[1].send("e0", answer(segment.mac(9), SERVICE_IP, segment.mac(2), segment.ip(2), source=segment.mac(1)))
    assert trusted("arp-local-spoof") == 1
    assert_fields(lab.only(segment[1]), RULE="arp-sender-mismatch", DIRECTION="tx")


@pytest.mark.parametrize("device", ["t9", "x0"], ids=["ignored", "not watched"])
def test_an_interface_left_alone(lab, make_host, trusted, device):
    host = make_host(device=device)
    host.receive(question(LEAF_MAC, OWN_IP, PEER_IP))
    lab.silent(host.namespace)
    assert trusted("arp-address-conflict") == 1


def test_an_interface_left_alone_by_one_rule(lab, make_host, trusted):
    """The other rules that the frame breaks have their entry, which does not name the one."""
    host = make_host(device="t6")
    host.receive(announcement(LEAF_MAC, OWN_IP, source=PEER_MAC))
    assert "NETANOMALY_ALSO" not in lab.only(host.namespace, RULE="arp-address-conflict")
    assert trusted("arp-sender-mismatch") == 1


def test_a_scanner_that_is_known(lab, host, trusted):
    for mac in (SCANNER_MAC, LEAF_MAC):
        host.receive(*(question(mac, PEER_IP if mac == LEAF_MAC else OTHER_IP, f"10.66.0.{60 + number}")
                       for number in range(6)))
    assert lab.said(host.namespace) == {"notice arp-scan received": 2}
    assert trusted("arp-scan") == 2


def test_a_stranger_that_is_known(lab, host, trusted):
    host.receive(question(LEAF_MAC, STRANGER_IP, OWN_IP), question(LEAF_MAC, "192.0.2.60", OWN_IP))
    assert_fields(lab.only(host.namespace), RULE="arp-bogon-sender", ARP_SENDER_IP="192.0.2.60")
    assert trusted("arp-bogon-sender") == 1
