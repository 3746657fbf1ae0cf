"""More than bpftrace or the daemon can take: whatever becomes of a frame, it is in a count when the daemon has stopped."""

import re
import signal
import threading
import time

import pytest

import scripted
from frames import arp_frame
from gso import tcp4, tso4
from hosts import OTHER_IP, OTHER_MAC, OWN_IP, PEER_IP, question
from scripted import CONFLICT
from tap import IFF_MULTI_QUEUE, IFF_TAP, Tap
from tools import installed

pytestmark = pytest.mark.usefixtures("bpftrace")
#: A flood's: 40,000 frames of some 900 bytes a line are far more than bpftrace's buffers and the pipe hold.
FRAMES = 40_000
LIMITS = "[Limits]\nDedupIntervalSec=60s\nRateLimitIntervalSec=1s\nRateLimitBurst=200\n"


@pytest.fixture(scope="module")
def bpftrace():
    """The program, or the module is skipped by its name."""
    return installed("bpftrace")


@pytest.fixture
def daemon(tmp_path):
    """A daemon with limits as they are shipped."""
    daemon = scripted.start(tmp_path / "daemon", LIMITS)
    yield daemon
    daemon.close()


@pytest.fixture
def queues(namespace):
    """Two queues of one tap: two threads can write to it at the same time, and no frame is ever dropped on the way."""
    made = [Tap(namespace, "t0", flags=IFF_TAP | IFF_MULTI_QUEUE, vnet=False) for _ in range(2)]
    namespace.ip(f"addr add {OWN_IP}/24 brd + dev t0")
    yield made
    for tap in made:
        tap.close()


class HeldUp:
    """The daemon runs for a fifth of the time, as if its output were slow."""

    def __init__(self, daemon):
        self._daemon, self._ending = daemon, threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def _hold(self):
        while not self._ending.is_set():
            self._daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            self._daemon.process.send_signal(signal.SIGCONT)
            time.sleep(0.05)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()


def flood(taps, frames):
    """Each thread writes its frames to a queue of its own."""
    def write(tap, own):
        for frame in own:
            tap.write(b"", frame)

    threads = [threading.Thread(target=write, args=pair) for pair in zip(taps, frames)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def judged_and_lost(daemon, rule):
    """After a stop: how many events of the rule were seen, and how many lines were lost before anything judged them."""
    assert daemon.stop(timeout=30) == 0
    account = daemon.records.find(RULE="daemon-accounting")[-1]
    seen = re.search(rf"^{rule}: (\d+) seen = (.+)$", account["NETANOMALY_BALANCE"], re.MULTILINE)
    assert int(seen.group(1)) == sum(int(number) for number in re.findall(r"(\d+) [a-z]", seen.group(2)))
    return int(seen.group(1)), int(account.get("NETANOMALY_LOST_BACKEND", "0"))


def strangers(count, first):
    """Conflicts, each with a MAC of its own."""
    return [arp_frame(f"02:9{first}:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}", OWN_IP, PEER_IP)
            for number in range(count)]


@pytest.mark.timeout(90)
@pytest.mark.parametrize("case", ["one key", "many keys"])
def test_a_flood_into_a_slow_reader_is_counted_to_the_last_frame(daemon, queues, case):
    each = FRAMES // 2
    frames = [[CONFLICT] * each] * 2 if case == "one key" else [strangers(each, first) for first in (1, 2)]
    with HeldUp(daemon):
        flood(queues, frames)
    seen, lost = judged_and_lost(daemon, "arp-address-conflict")
    assert lost > 0, "everything was read in time: this test tested nothing"
    assert seen > 0 and seen + lost == 2 * each
    told = daemon.records.find(RULE="daemon-backend-loss", DETECTOR="arp")
    assert sum(int(entry["NETANOMALY_LOST_BACKEND"]) for entry in told) == lost


@pytest.mark.timeout(90)
def test_a_flood_that_breaks_nothing_brings_no_false_alarm(daemon, queues):
    """Questions and answers get lost alike: an answer whose question was lost is not unasked."""
    asked = [question(OTHER_MAC, OTHER_IP, f"10.66.0.{number}") for number in range(100, 108)]
    answers = [arp_frame(f"02:66:00:00:01:{number:02x}", f"10.66.0.{number}", OTHER_IP, op=2, tha=OTHER_MAC,
                         destination=OTHER_MAC) for number in range(100, 108)]
    pairs = [frame for pair in zip(asked, answers) for frame in pair]
    with HeldUp(daemon):
        flood(queues, [pairs * (FRAMES // 32)] * 2)
    status = daemon.drained(timeout=20)
    seen = {rule: account["seen"] for rule, account in status["rules"].items() if account["seen"]}
    # So many questions of one host are a flood indeed.
    assert set(seen) <= {"arp-request-flood"}, seen
    assert status["lost_unjudged"] > 0, "everything was read in time: this test tested nothing"


@pytest.mark.timeout(90)
def test_a_flood_of_arp_leaves_gso_alone(daemon, queues, bridge_beside):
    with HeldUp(daemon):
        flood(queues, [[CONFLICT] * (FRAMES // 2)] * 2)
    bridge_beside.write(tso4(40), tcp4(payload=400))
    daemon.records.wait(RULE="gso-tiny-size", NETNS=bridge_beside.namespace.inode, timeout=10)
    assert scripted.child(daemon, "tun-gso")["lost"] == 0


@pytest.fixture
def bridge_beside(make_namespace):
    """A tap of another host."""
    tap = Tap(make_namespace(), "t1")
    yield tap
    tap.close()


@pytest.mark.timeout(90)
def test_a_start_amid_a_flood_succeeds(tmp_path, queues):
    """What a script says when it is ready may be lost as well: the daemon must not wait for it for ever."""
    ending = threading.Event()

    def write(tap):
        while not ending.is_set():
            tap.write(b"", CONFLICT)

    threads = [threading.Thread(target=write, args=(tap,)) for tap in queues]
    for thread in threads:
        thread.start()
    try:
        daemon = scripted.start(tmp_path / "amid", LIMITS, ready=False)
        try:
            daemon.wait_ready(timeout=60)
            assert not daemon.records.find(RULE="daemon-backend-failed")
        finally:
            daemon.close()
    finally:
        ending.set()
        for thread in threads:
            thread.join()
