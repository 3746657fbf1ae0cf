"""The daemon is killed, restarted, replaced: every anomaly is in the journal once, or counted, and none is missed.

Real: kernel, journald, SIGKILL at any instant. The descriptor store is that of keeper.py; Tests/container has systemd's.
"""

import collections
import contextlib
import pathlib
import random
import signal
import struct
import threading
import time

import pytest

from daemon import NETANOMALYD, assert_conserved, assert_gapless
from frames import REPLY, arp_frame
from journald import Journald
from keeper import KeptDaemon
from namespaces import Namespace
from segment import wait_until
from tap import Tap

RULE = "arp-bad-sender-ip"
ALL = """[Limits]
DedupIntervalSec=0
RateLimitIntervalSec=1s
RateLimitBurst=100000
MaxKeys=65536
"""
#: Written a second while the daemon comes and goes; the ring holds 450, so that nobody may be there for 2.2 s.
RATE = 200
#: The same where the next process may be killed, too, before it is there.
SLOW_RATE = 40


@pytest.fixture
def journald(tmp_path):
    journald = Journald(tmp_path / "journald")
    yield journald
    journald.close()


@pytest.fixture
def namespace():
    with contextlib.closing(Namespace()) as namespace:
        yield namespace


@pytest.fixture
def inject(namespace):
    """Begins to write anomalies."""
    running = []

    def begin(rate=RATE):
        running.append(Injector(Tap(namespace, "t0", vnet=False), rate))
        return running[-1]

    yield begin
    for injector in running:
        injector.end()


@pytest.fixture
def start(tmp_path, journald):
    """Starts the daemon with a configuration."""
    running = []

    def begin(configuration=ALL):
        running.append(KeptDaemon(tmp_path / "daemon", journald, configuration))
        return running[-1]

    yield begin
    for daemon in running:
        daemon.close()


def mac(number):
    """A sender of its own for each anomaly."""
    return "02:99:" + struct.pack("!I", number).hex(":")


class Injector(threading.Thread):
    """Writes anomalies at a steady rate until it is ended."""

    def __init__(self, tap, rate):
        super().__init__(daemon=True)
        self._tap, self._rate, self._ending = tap, rate, threading.Event()
        self.made = 0
        self.start()

    def run(self):
        began = time.monotonic()
        while not self._ending.is_set():
            while self.made < (time.monotonic() - began) * self._rate:
                self.made += 1
                self._tap.write(b"", arp_frame(mac(self.made), "0.0.0.0", "10.66.0.2", op=REPLY))
            self._ending.wait(1 / self._rate)

    def end(self):
        self._ending.set()
        self.join()
        return self.made


def senders(daemon, namespace):
    """How often each sender has an entry."""
    entries = daemon.records.find(RULE=RULE, NETNS=namespace.inode)
    return collections.Counter(entry["NETANOMALY_ETH_SRC"] for entry in entries)


def must_have_all(daemon, namespace, made):
    """Each anomaly has exactly one entry, and no number is missing or was used twice."""
    assert daemon.account(RULE)["lost_ring"] == 0
    daemon.records.wait(made, timeout=20, RULE=RULE, NETNS=namespace.inode)
    found = senders(daemon, namespace)
    twice = [sender for sender, count in found.items() if count > 1]
    missing = [number for number in range(1, made + 1) if mac(number) not in found]
    assert not twice and not missing, (len(twice), twice[:5], len(missing), missing[:5])
    status = daemon.drained()
    assert_conserved(status)
    assert status["rules"][RULE]["seen"] >= made
    assert_gapless(daemon.records.all())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "restarted"])
def test_nothing_is_missed_or_told_twice(start, inject, namespace, how):
    daemon = start()
    injector = inject()
    chance = random.Random(5)
    for _ in range(10):
        time.sleep(chance.uniform(0.1, 0.8))
        daemon.process.send_signal(how)
        daemon.process.wait(timeout=10)
        time.sleep(chance.uniform(0, 0.1))
        daemon.start()
    made = injector.end()
    must_have_all(daemon, namespace, made)
    told = daemon.records.find(RULE="daemon-started")
    assert len(told) == 11 and all("without a gap" in entry["MESSAGE"] for entry in told[1:])


def test_killed_at_any_moment_of_its_start_the_next_goes_on(start, inject, namespace):
    """Also where two sessions' programs are on the hooks, and the store holds what belongs to both."""
    daemon = start()
    injector = inject(SLOW_RATE)
    chance = random.Random(6)
    for _ in range(6):
        for _ in range(2):
            daemon.kill()
            daemon.begin()
            time.sleep(chance.uniform(0, 0.4))
        daemon.kill()
        daemon.start()
    assert not daemon.records.find(RULE="daemon-state-discarded")
    must_have_all(daemon, namespace, injector.end())


def test_what_came_while_nobody_was_there_is_written(start, namespace):
    daemon = start()
    tap = Tap(namespace, "t0", vnet=False)
    daemon.kill()
    for number in range(1, 101):
        tap.write(b"", arp_frame(mac(number), "0.0.0.0", "10.66.0.2", op=REPLY))
    daemon.start()
    must_have_all(daemon, namespace, 100)


def test_what_found_no_room_while_nobody_was_there_is_counted(start, namespace):
    daemon = start()
    tap = Tap(namespace, "t0", vnet=False)
    daemon.kill()
    made = 3000
    for number in range(1, made + 1):
        tap.write(b"", arp_frame(mac(number), "0.0.0.0", "10.66.0.2", op=REPLY))
    daemon.start()
    account = daemon.drained()["rules"][RULE]
    assert account["seen"] == made and account["lost_ring"] > 0
    assert account["written"] + account["lost_ring"] == made
    daemon.records.wait(account["written"], RULE=RULE, NETNS=namespace.inode)


def test_a_known_key_is_still_known_after_a_kill(start, namespace):
    daemon = start("[Limits]\nDedupIntervalSec=1h\nRateLimitBurst=100000\n")
    tap = Tap(namespace, "t0", vnet=False)
    frame = arp_frame(mac(1), "0.0.0.0", "10.66.0.2", op=REPLY)
    tap.write(b"", frame)
    daemon.records.wait(RULE=RULE, NETNS=namespace.inode)
    for _ in range(3):
        daemon.kill()
        tap.write(b"", frame)
        daemon.start()
        tap.write(b"", frame)
    account = daemon.drained()["rules"][RULE]
    assert (account["seen"], account["written"], account["deduplicated"]) == (7, 1, 6)
    assert senders(daemon, namespace) == {mac(1): 1}


def test_what_was_suppressed_before_a_kill_is_told(start, namespace):
    """Although nothing comes any more that would wake the next process."""
    daemon = start("[Limits]\nDedupIntervalSec=2s\n")
    tap = Tap(namespace, "t0", vnet=False)
    frame = arp_frame(mac(1), "0.0.0.0", "10.66.0.2", op=REPLY)
    tap.write(b"", frame)
    daemon.records.wait(RULE=RULE, NETNS=namespace.inode)
    for _ in range(8):
        tap.write(b"", frame)
    daemon.kill()
    daemon.start()
    summary = daemon.records.wait(2, RULE=RULE, NETNS=namespace.inode)[-1]
    assert summary["NETANOMALY_COUNT"] == "8"


def test_what_waited_for_a_hung_journal_is_delivered_by_the_next_process(start, namespace, journald):
    daemon = start()
    tap = Tap(namespace, "t0", vnet=False)
    journald.signal(signal.SIGSTOP)
    made = 1500
    for number in range(1, made + 1):
        tap.write(b"", arp_frame(mac(number), "0.0.0.0", "10.66.0.2", op=REPLY))
        if number % 100 == 0:
            wait_until(lambda: daemon.account(RULE)["seen"] == number, "all are seen")
    assert daemon.status()["output"]["waiting"] > 500
    daemon.kill()
    journald.signal(signal.SIGCONT)
    daemon.start()
    must_have_all(daemon, namespace, made)


def other_layout(folder):
    """The daemon as another version would be: one that writes its state down in another way."""
    program = pathlib.Path(folder) / "netanomalyd-2"
    content = pathlib.Path(NETANOMALYD).read_bytes()
    name = b"netanomalyd-state-layout-"
    assert name + b"1\0" in content
    program.write_bytes(content.replace(name + b"1\0", name + b"2\0"))
    program.chmod(0o755)
    return program


def test_state_of_another_version_is_counted_and_not_used(start, namespace, tmp_path):
    daemon = start()
    tap = Tap(namespace, "t0", vnet=False)

    def make(numbers):
        for number in numbers:
            tap.write(b"", arp_frame(mac(number), "0.0.0.0", "10.66.0.2", op=REPLY))

    make(range(1, 51))
    daemon.records.wait(50, RULE=RULE, NETNS=namespace.inode)
    daemon.kill()
    make(range(51, 81))
    daemon.start(other_layout(tmp_path))
    make(range(81, 101))
    daemon.records.wait(70, RULE=RULE, NETNS=namespace.inode)
    assert set(senders(daemon, namespace)) == {mac(number) for number in [*range(1, 51), *range(81, 101)]}
    told = daemon.records.find(RULE="daemon-state-discarded")
    assert "netanomalyd-state-layout-1" in told[0]["MESSAGE"]
    rules = daemon.drained()["rules"]
    assert (rules[RULE]["seen"], rules[RULE]["lost_ring"]) == (50, 30)
    lost = sum(account["lost_ring"] for account in rules.values())
    assert sum(int(entry.get("NETANOMALY_LOST_RING", 0)) for entry in told) == lost
    assert not daemon.records.find(RULE="daemon-balance-error")


def test_tables_of_another_size_are_made_anew(start, namespace):
    daemon = start()
    tap = Tap(namespace, "t0", vnet=False)
    daemon.kill()
    tap.write(b"", arp_frame(mac(1), "0.0.0.0", "10.66.0.2", op=REPLY))
    daemon.configure(ALL.replace("65536", "1024"))
    daemon.start()
    tap.write(b"", arp_frame(mac(2), "0.0.0.0", "10.66.0.2", op=REPLY))
    daemon.records.wait(RULE=RULE, NETNS=namespace.inode)
    assert senders(daemon, namespace) == {mac(2): 1}
    assert daemon.drained()["rules"][RULE]["lost_ring"] == 1
    assert_gapless(daemon.records.all())
