"""The two ARP rules that are off by default, switched on, as an administrator would for a while."""

import pytest

from backends import probe
from hosts import OWN_IP, OWN_MAC, PEER_IP, PEER_MAC, announcement, answer, question
from laboratory import assert_fields

# The trace is of the whole machine, and so is the limit of what it may write.
CONFIGURATION = """[Rule arp-trace]
Enabled=yes
RateLimitIntervalSec=1s
RateLimitBurst=100000
[Rule arp-unicast-request]
Enabled=yes
"""


def traced(lab, namespace):
    """Every frame that the trace told of."""
    return [(entry["NETANOMALY_DIRECTION"], entry["NETANOMALY_ARP_OP"], entry["NETANOMALY_ARP_SENDER_IP"])
            for entry in lab.entries(namespace, RULE="arp-trace")]


@pytest.mark.causes("arp-trace", by="ping between two hosts that do not know each other")
def test_the_trace_tells_every_frame(lab, wire):
    wire.ping()
    assert traced(lab, wire.left) == [("tx", "request", wire.left_ip), ("rx", "reply", wire.right_ip)]
    assert traced(lab, wire.right) == [("rx", "request", wire.left_ip), ("tx", "reply", wire.right_ip)]
    first = lab.entries(wire.left)[0]
    assert_fields(first, PRIORITY="7", IFNAME="l0", ARP_TARGET_IP=wire.right_ip, ETH_SRC=wire.left_mac,
                  PROBE=probe("net_dev_queue"))
    assert first["NETANOMALY_STACK"].startswith("__dev_queue_xmit")


def test_the_trace_tells_equal_frames_one_by_one(lab, host):
    host.receive(*[question(PEER_MAC, PEER_IP, OWN_IP)] * 3)
    entries = lab.entries(host.namespace, RULE="arp-trace", DIRECTION="rx")
    assert [entry["NETANOMALY_COUNT"] for entry in entries] == ["1"] * 3


def test_the_trace_tells_a_frame_and_what_it_breaks(lab, host):
    """The rule has its entry, and the trace its own: it is not one of the rules that a frame breaks."""
    host.receive(announcement(PEER_MAC, OWN_IP))
    rules = [entry["NETANOMALY_RULE"] for entry in lab.entries(host.namespace)]
    assert rules == ["arp-trace", "arp-address-conflict"]
    assert not [entry for entry in lab.entries(host.namespace) if "NETANOMALY_ALSO" in entry]


def test_the_trace_tells_who_does_not_answer(lab, host):
    host.namespace.sysctl("net/ipv4/neigh/t0/mcast_solicit", 1)
    host.namespace.sysctl("net/ipv4/neigh/t0/retrans_time_ms", 50)
    host.ask(PEER_IP)
    lab.daemon.records.wait(RULE="arp-trace", NETNS=host.namespace.inode, NUD_NEW="FAILED")
    failed = lab.only(host.namespace, RULE="arp-trace", NUD_NEW="FAILED")
    assert_fields(failed, ARP_TARGET_IP=PEER_IP, PROBE=probe("neigh_timer_handler"))


@pytest.mark.causes("arp-unicast-request", by="a request sent to the host's own MAC")
def test_a_question_to_us_alone(lab, host):
    host.receive(question(PEER_MAC, PEER_IP, OWN_IP, destination=OWN_MAC))
    assert_fields(lab.only(host.namespace, RULE="arp-unicast-request"), PRIORITY="6", ETH_DST=OWN_MAC)


@pytest.mark.parametrize("frame", [
    question(PEER_MAC, PEER_IP, OWN_IP), answer(PEER_MAC, PEER_IP),
    question(PEER_MAC, PEER_IP, OWN_IP, destination="02:66:00:00:00:08"),
], ids=["to all", "a reply", "to another"])
def test_no_other_frame_is_one(lab, host, frame):
    host.receive(frame)
    assert not lab.entries(host.namespace, RULE="arp-unicast-request")
