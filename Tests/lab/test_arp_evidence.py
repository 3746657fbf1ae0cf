"""What an entry tells of where a frame was: VLAN, master, the devices it crossed, and who dropped it."""

import pytest

import programs
from backends import probe
from frames import BROADCAST
from hosts import FOREIGN_MAC, OTHER_IP, OTHER_MAC, OWN_IP, PEER_IP, PEER_MAC, announcement, question
from laboratory import assert_fields
from tools import installed

CONFIGURATION = "[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=1s\nRateLimitBurst=100000\n"


@pytest.mark.parametrize("vlan", [None, 0, 7, 4094])
def test_the_vlan_in_the_frame_and_in_the_tag(lab, segment, vlan):
    """The switch's port gets the tag in the frame; the bridge takes it out, and its hosts get it beside the frame."""
    segment.write(question(BROADCAST, segment.ip(9), segment.ip(1), source="02:66:01:00:00:09", vlan=vlan))
    for namespace, device in ((segment.switch, "plug0"), (segment[1], "e0")):
        # The host answers to the MAC that it was told, which is everybody's.
        entry = lab.only(namespace, RULE="arp-bad-sender-mac")
        assert_fields(entry, IFNAME=device, DIRECTION="rx")
        # Id 0 gives a frame of the untagged network a priority.
        assert entry.get("NETANOMALY_VLAN") == (str(vlan) if vlan else None)


def test_the_master_of_a_port(lab, segment):
    """A frame on its way through a bridge is reported on the port where it came in, and at the hosts beyond."""
    segment.write(question(FOREIGN_MAC, "224.0.0.1", segment.ip(1)))
    assert_fields(lab.only(segment.switch), RULE="arp-bad-sender-ip", IFNAME="plug0", MASTER="br0")
    assert "NETANOMALY_MASTER" not in lab.only(segment[1])


@pytest.mark.parametrize("devices", [
    ("link set t0 master br0", f"addr add {OWN_IP}/24 brd + dev br0"),
    ("link set t0 master br0", "link add link br0 name mv0 type macvlan mode bridge", "link set mv0 up",
     f"addr add {OWN_IP}/24 brd + dev mv0"),
], ids=["a bridge", "a macvlan on a bridge"])
def test_a_conflict_with_what_is_stacked_on_a_port_is_reported_once(lab, make_host, devices):
    host = make_host(address=None)
    host.namespace.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0", "link set br0 up", *devices)
    host.receive(question(FOREIGN_MAC, OWN_IP, PEER_IP))
    assert_fields(lab.only(host.namespace), RULE="arp-address-conflict", PRIORITY="2", IFNAME="t0", DIRECTION="rx",
                  MASTER="br0", ARP_SENDER_IP=OWN_IP)


def filter_with_nft(namespace, verdict):
    """The classic filter: a table of the family arp."""
    nft = installed("nft", "nftables")
    namespace.run(nft, "add table arp lab; add chain arp lab in "
                       f"{{ type filter hook input priority 0; policy {verdict}; }}")


@pytest.mark.causes("arp-dropped", by="nft: a table of the family arp that drops")
def test_a_filter_drops_arp(lab, host):
    filter_with_nft(host.namespace, "drop")
    host.receive(*[question(PEER_MAC, PEER_IP, OWN_IP)] * 3)
    assert lab.said(host.namespace) == {"info arp-dropped": 3}
    entry = lab.entries(host.namespace)[0]
    assert_fields(entry, DROP_REASON="NETFILTER_DROP", IFNAME="t0", DIRECTION="rx", ARP_SENDER_MAC=PEER_MAC,
                  ARP_SENDER_IP=PEER_IP, PROBE=probe("kfree_skb"))
    assert entry["NETANOMALY_DROP_LOCATION"].startswith(entry["NETANOMALY_FUNCTION"] + "+")


@pytest.mark.causes("arp-dropped", by="tc: a BPF filter that drops")
@pytest.mark.parametrize("direction, reason", [("ingress", "TC_INGRESS"), ("egress", "TC_EGRESS")])
def test_a_program_drops_arp(lab, host, tmp_path, direction, reason):
    program = programs.compiled("drop", tmp_path)
    host.namespace.sysctl("net/ipv4/neigh/t0/mcast_solicit", 1)
    host.namespace.tc("qdisc add dev t0 clsact")
    host.namespace.tc(f"filter add dev t0 {direction} bpf direct-action object-file {program} section tc")
    if direction == "ingress":
        host.receive(question(PEER_MAC, PEER_IP, OWN_IP))
    else:
        host.ask(PEER_IP)
    dropped = lab.only(host.namespace, RULE="arp-dropped")
    assert_fields(dropped, DROP_REASON=reason, DIRECTION="rx" if direction == "ingress" else "tx", ARP_OP="request")


@pytest.mark.resembles("arp-dropped", by="ARP that Linux drops by itself, and a filter that lets it through")
def test_what_no_filter_dropped(lab, host):
    filter_with_nft(host.namespace, "accept")
    host.receive(question(PEER_MAC, PEER_IP, OTHER_IP), announcement(OTHER_MAC, OTHER_IP))
    lab.silent(host.namespace)


@pytest.mark.causes("arp-on-noarp-device", by="a frame to a device with ARP switched off")
def test_arp_where_it_is_switched_off(lab, host):
    host.namespace.ip("link set t0 arp off")
    # Judged no further, whatever else is wrong with it.
    host.receive(question(FOREIGN_MAC, OWN_IP, PEER_IP, source=PEER_MAC))
    assert lab.said(host.namespace) == {"info arp-on-noarp-device": 1}


@pytest.mark.resembles("arp-on-noarp-device", by="a bridge's port with ARP switched off")
def test_a_port_without_arp_hands_it_on(lab, make_host):
    host = make_host(address=None)
    host.namespace.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0", "link set t0 master br0 arp off",
                      f"addr add {OWN_IP}/24 brd + dev br0", "link set br0 up")
    host.receive(question(PEER_MAC, PEER_IP, OWN_IP))
    lab.silent(host.namespace)
