"""What an administrator declares in [Trust] is silent, counted as trusted, and trusts nothing else."""

import pytest

from announcer import Announcer
from frames import arp_frame
from redundancy import VIP, fail_over_and_back
from tap import Tap
from tools import installed

CONFIGURATION = f"""[Trust]
ServiceAddresses={VIP}
KnownBindings=10.66.1.1=02:66:01:00:00:01
VirtualMACs=02:aa:*
IgnoreInterfaces=storage[0-9]
"""
ANYCAST_MAC, LEAF_MAC = "02:aa:00:00:00:01", "02:66:01:00:00:aa"


def trusted(lab, rule):
    """How many events of a rule were excused so far."""
    return lab.daemon.account(rule)["trusted"]


@pytest.mark.resembles("arp-address-conflict", "arp-binding-change",
                       by="keepalived for the default gateway, its address in ServiceAddresses=")
def test_a_service_address_moves(lab, healthy, segment, tmp_path):
    segment[3].ip(f"route add default via {VIP}")
    before = trusted(lab, "arp-binding-change")
    fail_over_and_back(segment, tmp_path)
    # As without [Trust], where the old holder is slow to give the address up.
    healthy(possible=["arp-address-conflict takeover"])
    assert trusted(lab, "arp-binding-change") >= before + 2


@pytest.mark.resembles("arp-local-spoof", by="MetalLB's announcements, rebuilt, with ServiceAddresses=")
def test_a_service_address_is_spoken_for(lab, healthy, segment):
    before = trusted(lab, "arp-local-spoof")
    announcer = Announcer(segment[1], "e0", segment.mac(1), VIP)
    segment.must_reach(segment[3], VIP)
    announcer.finish()
    healthy()
    assert trusted(lab, "arp-local-spoof") > before


@pytest.mark.resembles("arp-sender-mismatch", by="an anycast gateway, its MAC in VirtualMACs=")
def test_an_anycast_gateway(lab, healthy, segment):
    """Each leaf of a fabric speaks for the gateway's MAC from its own."""
    segment.write(arp_frame(ANYCAST_MAC, segment.ip(254), segment.ip(2), source=LEAF_MAC))
    healthy()


def test_an_interface_left_alone(lab, healthy, namespace):
    tap = Tap(namespace, "storage0", vnet=False)
    try:
        namespace.ip("addr add 10.66.0.2/24 dev storage0")
        tap.write(b"", arp_frame(LEAF_MAC, "10.66.0.2", "10.66.0.1"))
        healthy()
    finally:
        tap.close()


@pytest.mark.causes("arp-duplicate-claim", by="arping -U for an address that KnownBindings= gives to another MAC")
def test_a_stranger_claims_a_known_binding(lab, segment):
    gateway = segment.ip(1)
    segment[3].run(installed("arping"), "-U", "-i", "e0", "-c", 1, "-w", 1, "-S", gateway, gateway, check=False)
    entry, = lab.entries(segment[2], RULE="arp-duplicate-claim")
    assert (entry["PRIORITY"], entry["NETANOMALY_DETAIL"]) == ("3", "known-binding")
