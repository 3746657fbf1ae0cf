"""Floods: however many come and whatever becomes of them, the books are exact.

Each test has a daemon of its own with the limits it is about, and a rule of its own: the counters of a rule are the
whole machine's, and only what the test's namespace does must be in them.
"""

import signal
import struct
import threading
import time

import pytest

import backends
from daemon import SETTLED, Daemon, assert_conserved, assert_gapless
from frames import REPLY, arp_frame
from laboratory import anomalies
from tap import IFF_MULTI_QUEUE, IFF_TAP, Tap

OWN_IP, FOREIGN_MAC = "10.66.0.2", "02:66:00:00:00:99"


def limits(dedup="2s", burst=10000, keys=8192):
    """A configuration with these limits."""
    return (f"[Limits]\nDedupIntervalSec={dedup}\nRateLimitIntervalSec=1s\nRateLimitBurst={burst}\nMaxKeys={keys}\n")


@pytest.fixture
def start(tmp_path):
    """Starts daemons that write JSON lines and end with the test."""
    started = []

    def start(configuration):
        started.append(Daemon(tmp_path / f"daemon{len(started)}", configuration))
        return started[-1]

    yield start
    for daemon in started:
        daemon.close()


@pytest.fixture
def queues(namespace):
    """Two queues of one tap: two threads can write to it at the same time, and no packet is ever dropped on the way."""
    made = [Tap(namespace, "t0", flags=IFF_TAP | IFF_MULTI_QUEUE, vnet=False) for _ in range(2)]
    namespace.ip(f"addr add {OWN_IP}/24 brd + dev t0")
    yield made
    for tap in made:
        tap.close()


def unique_frames(count):
    """Frames of one rule (arp-bad-sender-ip), each with a key of its own."""
    for number in range(count):
        mac = "02:99:" + struct.pack("!I", number).hex(":")
        yield arp_frame(mac, "0.0.0.0", OWN_IP, op=REPLY)


def counted(daemon, namespace):
    """How many events the entries of the namespace stand for."""
    return sum(int(item["NETANOMALY_COUNT"]) for item in anomalies(daemon.records, namespace))


def wait_counted(daemon, namespace, count, timeout=15.0):
    """Waits until the entries stand for `count` events, and not one more."""
    deadline = time.monotonic() + timeout
    while counted(daemon, namespace) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert counted(daemon, namespace) == count


def must_add_up(daemon, namespace, count):
    """The same of a flood, of which bpftrace may lose a part: that is known to the last one only when it has ended."""
    assert_conserved(daemon.drained(timeout=20))
    if backends.chosen == backends.LIBBPF:
        return wait_counted(daemon, namespace, count)
    assert daemon.stop() == 0
    lost = int(daemon.records.find(RULE="daemon-accounting")[-1].get("NETANOMALY_LOST_BACKEND", "0"))
    assert counted(daemon, namespace) + lost == count


def test_a_full_key_table_does_not_hide_an_attack(start, queues, namespace):
    daemon = start(limits(keys=16, dedup="60s"))
    for frame in unique_frames(200):
        queues[0].write(b"", frame)
    queues[0].write(b"", arp_frame(FOREIGN_MAC, OWN_IP, "10.66.0.1"))
    daemon.records.wait(RULE="arp-address-conflict", NETNS=namespace.inode, ARP_SENDER_MAC=FOREIGN_MAC)
    assert_conserved(daemon.drained())


def test_a_reload_ends_the_debt_of_longer_limits(start, queues, namespace):
    configuration = "[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=%s\nRateLimitBurst=%d\n"
    daemon = start(configuration % ("1h", 1))
    frames = list(unique_frames(20))
    queues[0].write(b"", frames[0])
    daemon.records.wait(RULE="arp-bad-sender-ip", NETNS=namespace.inode)
    daemon.configure(configuration % ("1s", 100))
    daemon.reload()
    for frame in frames[1:]:
        # The new limits give one entry back in 10 ms.
        time.sleep(0.02)
        queues[0].write(b"", frame)
    daemon.records.wait(2, RULE="arp-bad-sender-ip", NETNS=namespace.inode)


def test_one_key_from_two_processors(start, queues):
    """Equal frames on two CPUs at once: few entries, and every frame in one of them."""
    daemon, each = start(limits()), 15000
    frame = arp_frame(FOREIGN_MAC, OWN_IP, "10.66.0.1")

    def write(tap):
        for _ in range(each):
            tap.write(b"", frame)

    began = time.monotonic()
    threads = [threading.Thread(target=write, args=(tap,)) for tap in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    must_add_up(daemon, queues[0].namespace, 2 * each)
    lasted = time.monotonic() - began
    entries = anomalies(daemon.records, queues[0].namespace)
    # One at once, one for each interval begun, one when the key has gone quiet.
    assert len(entries) <= 3 + lasted / 2, f"{len(entries)} entries for {lasted:.1f} s of one key"
    assert_gapless(daemon.records.all())


def test_more_keys_than_the_table_and_the_limit_take(start, queues):
    """What an attacker does: every frame from another MAC."""
    daemon, frames, keys, burst = start(limits(burst=20, keys=64)), 3000, 64, 20
    before = daemon.account("arp-bad-sender-ip")
    for frame in unique_frames(frames):
        queues[0].write(b"", frame)
    status = daemon.drained()
    after = status["rules"]["arp-bad-sender-ip"]
    grown = {name: after[name] - before[name] for name in after}
    # The lab is alone on the machine, so what bpftrace has lost is of these.
    lost = status["lost_unjudged"]
    assert grown["seen"] + lost == frames and grown["overflow"] >= frames - keys - burst - lost, grown
    if backends.chosen == backends.LIBBPF:
        assert grown["limited"] >= keys - 2 * burst, grown
    else:
        # The daemon itself gives a new key no room while its rule may not write.
        assert grown["limited"] == 0, grown
    assert_conserved(status)
    wait_counted(daemon, queues[0].namespace, frames - lost - grown["overflow"])
    assert_gapless(daemon.records.all())


BOTH = ("arp-bad-sender-ip", "arp-sender-mismatch")


def two_rules(count, keys):
    """Frames that break both rules, of so many keys."""
    for number in range(count):
        mac = "02:98:00:00:" + struct.pack("!H", number % keys).hex(":")
        yield arp_frame(mac, "224.0.0.1", OWN_IP, source=FOREIGN_MAC)


@pytest.mark.parametrize("configuration, keys", [
    (limits(dedup="0"), 1), (limits(dedup="60s"), 1), (limits(dedup="60s", burst=20), 300),
    (limits(dedup="60s", keys=16), 300),
], ids=["written", "deduplicated", "limited", "overflow"])
def test_a_second_rule_shares_the_fate_of_the_first(start, queues, configuration, keys):
    daemon, frames = start(configuration), 600
    before = {rule: daemon.account(rule) for rule in BOTH}
    for frame in two_rules(frames, keys):
        queues[0].write(b"", frame)
    status = daemon.drained()
    grown = [{name: status["rules"][rule][name] - before[rule][name] for name in SETTLED} for rule in BOTH]
    assert grown[0] == grown[1] and sum(grown[0].values()) == frames
    assert_conserved(status)
    entries = anomalies(daemon.records, queues[0].namespace)
    assert {(entry["NETANOMALY_RULE"], entry["NETANOMALY_ALSO"]) for entry in entries} == {BOTH}


def test_what_is_trusted_is_in_no_other_count(start, queues):
    """Of two rules that each frame breaks, one does not judge the sender."""
    daemon, frames = start(limits() + f"[Rule {BOTH[1]}]\nIgnoreMACs=02:98:*\n"), 500
    before = {rule: daemon.account(rule) for rule in BOTH}
    for frame in two_rules(frames, 1):
        queues[0].write(b"", frame)
    wait_counted(daemon, queues[0].namespace, frames)
    status = daemon.drained()
    grown = [status["rules"][rule][name] - before[rule][name] for rule in BOTH for name in ("seen", "trusted")]
    assert grown == [frames, 0, 0, frames]
    assert not [entry for entry in anomalies(daemon.records, queues[0].namespace) if "NETANOMALY_ALSO" in entry]
    assert_conserved(status)


def test_a_memory_that_is_too_small_is_told(start, queues):
    """Thousands of addresses claimed at once, and room for a thousand memories: what was pushed out is counted."""
    daemon = start(limits() + "MaxMemory=1024\n")
    arp = next(detector for detector in daemon.status()["detectors"] if detector["name"] == "arp")
    assert arp["forgotten"] == 0
    if backends.chosen == backends.LIBBPF:
        assert arp["kernel_memory_bytes"] > 1024 * 32
    for number in range(4000):
        mac = "02:97:00:00:" + struct.pack("!H", number).hex(":")
        queues[0].write(b"", arp_frame(mac, f"10.66.{number >> 8}.{number & 255}", OWN_IP))
    arp = next(detector for detector in daemon.drained()["detectors"] if detector["name"] == "arp")
    assert arp["forgotten"] > 4000
    assert f"arp: {arp['forgotten']} memories were given up" in daemon.ctl("status").stdout
    assert_conserved(daemon.drained())


def test_every_frame_is_an_entry_without_deduplication(start, queues):
    daemon = start(limits(dedup="0"))
    for _ in range(50):
        queues[0].write(b"", arp_frame(FOREIGN_MAC, OWN_IP, "10.66.0.1"))
    wait_counted(daemon, queues[0].namespace, 50)
    assert {item["NETANOMALY_COUNT"] for item in anomalies(daemon.records, queues[0].namespace)} == {"1"}


def test_summary_of_a_quiet_key_comes_by_itself(start, queues):
    daemon, namespace = start(limits(dedup="1s")), queues[0].namespace
    for _ in range(10):
        queues[0].write(b"", arp_frame(FOREIGN_MAC, OWN_IP, "10.66.0.1"))
    wait_counted(daemon, namespace, 10, timeout=5)
    first, summary = anomalies(daemon.records, namespace)
    assert (first["NETANOMALY_COUNT"], summary["NETANOMALY_COUNT"]) == ("1", "9")
    assert int(summary["NETANOMALY_FIRST_BOOTTIME_NS"]) < int(summary["NETANOMALY_LAST_BOOTTIME_NS"])
    assert "NETANOMALY_STACK" not in summary, "a summary has no stack of its own"


def test_stop_writes_what_was_suppressed_and_the_accounts(start, queues):
    daemon, namespace = start(limits(dedup="1h")), queues[0].namespace
    for _ in range(500):
        queues[0].write(b"", arp_frame(FOREIGN_MAC, OWN_IP, "10.66.0.1"))
    assert daemon.stop() == 0
    records = daemon.records.all()
    assert_gapless(records)
    rules = [record["NETANOMALY_RULE"] for record in records]
    assert rules[-2:] == ["daemon-accounting", "daemon-stopped"], rules[-5:]
    # bpftrace throws away what it is about to print when it is told to end, but not without counting it.
    lost = int(records[-2].get("NETANOMALY_LOST_BACKEND", "0"))
    assert counted(daemon, namespace) + lost == 500 and int(records[-2]["NETANOMALY_SEEN"]) + lost >= 500


@pytest.mark.libbpf("bpftrace has no ring: see test_bpftrace_load.py")
def test_a_full_ring_loses_stacks_but_no_counts(start, queues):
    """The daemon stands still while more keys come than the ring can hold: the rest is told of afterwards."""
    daemon, frames = start(limits(burst=100000, keys=16384)), 1500
    before = daemon.account("arp-bad-sender-ip")
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        for frame in unique_frames(frames):
            queues[0].write(b"", frame)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    wait_counted(daemon, queues[0].namespace, frames)
    status = daemon.drained()
    account = status["rules"]["arp-bad-sender-ip"]
    assert account["seen"] - before["seen"] == frames
    assert account["lost_ring"] > 0, "the ring held everything: this test tested nothing"
    assert_conserved(status)
