"""gso-trace: every GSO packet at every hook has an entry of its own, besides what it breaks."""

import pytest

from backends import probe
from gso import DEBUG, SOURCE, TARGET, tcp4, tso4
from frames import vnet_header
from laboratory import assert_fields

CONFIGURATION = """[Limits]
RateLimitIntervalSec=1s
RateLimitBurst=10000

[Rule gso-trace]
Enabled=yes
"""


@pytest.mark.causes("gso-trace", by="a GSO packet from a tap to another by a bridge, with the rule on")
def test_trace(lab, bridge):
    for _ in range(2):
        bridge.first.write(tso4(), tcp4())
    came_in = lab.entries(bridge.namespace, IFNAME="t0")
    went_out = lab.entries(bridge.namespace, IFNAME="t1")
    assert [entry["NETANOMALY_PROBE"] for entry in came_in] == [probe("netif_receive_skb_entry")] * 2
    assert [entry["NETANOMALY_PROBE"] for entry in went_out] == [probe("net_dev_queue"), probe("net_dev_start_xmit")] * 2
    for entry in came_in + went_out:
        assert_fields(entry, RULE="gso-trace", PRIORITY=DEBUG, COUNT="1", GSO_TYPE="0x3", GSO_SIZE="1000",
                      L3_SRC=SOURCE, L3_DST=TARGET, L4_SPORT="5001", L4_DPORT="443")
    assert_fields(went_out[1], GSO_SEGS="3", DIRECTION="tx")


def test_a_traced_packet_is_judged_too(lab, tap):
    tap.write(tso4(40), tcp4(400))
    rules = [entry["NETANOMALY_RULE"] for entry in lab.entries(tap.namespace)]
    assert sorted(rules) == ["gso-tiny-size", "gso-trace"]


@pytest.mark.resembles("gso-trace", by="packets on a tap that are no GSO packets, with the rule on")
def test_other_packets_are_not_traced(lab, bridge):
    bridge.first.write(vnet_header(), tcp4(1000))
    assert bridge.second.read(timeout=2)
    lab.silent(bridge.namespace)
