"""journald hangs, dies, loses its socket: the daemon goes on, and whatever is lost is counted."""

import signal
import struct
import time

import pytest

from daemon import Daemon, assert_conserved
from frames import REPLY, arp_frame
from journald import Journald
from namespaces import Namespace
from tap import Tap

CONFIGURATION = """[Limits]
DedupIntervalSec=1s
RateLimitIntervalSec=1s
RateLimitBurst=100000
MaxKeys=65536
"""
#: The daemon answers status out of memory; a second is a hang.
ANSWER_SECONDS = 1.0


class Bed:
    """A daemon on its own journald, and a tap to cause anomalies on."""

    def __init__(self, folder):
        self.journald = Journald(folder / "journald")
        self.daemon = Daemon(folder / "daemon", CONFIGURATION, journald=self.journald,
                             environment={"WATCHDOG_USEC": "500000"})
        self.namespace = Namespace()
        self.tap = Tap(self.namespace, "t0", vnet=False)
        self._made = 0

    def cause(self, count):
        """Causes that many anomalies, each with a key of its own."""
        for _ in range(count):
            self._made += 1
            mac = "02:99:" + struct.pack("!I", self._made).hex(":")
            self.tap.write(b"", arp_frame(mac, "0.0.0.0", "10.66.0.2", op=REPLY))
        return self._made

    def last(self):
        """Waits for the entry of the newest anomaly."""
        mac = "02:99:" + struct.pack("!I", self._made).hex(":")
        self.daemon.records.wait(ETH_SRC=mac, NETNS=self.namespace.inode, timeout=15)

    def assert_answers(self):
        """The daemon answers at once, and feeds its watchdog."""
        began = time.monotonic()
        self.daemon.status(timeout=ANSWER_SECONDS)
        assert time.monotonic() - began < ANSWER_SECONDS

    def missing(self):
        """How many numbers of NETANOMALY_SEQ are not in the journal."""
        numbers = sorted(int(entry["NETANOMALY_SEQ"]) for entry in self.journald.entries())
        assert len(numbers) == len(set(numbers)), "a number was used twice"
        return numbers[-1] - numbers[0] + 1 - len(numbers)

    def lost(self):
        """What the daemon says it lost on the way to the journal."""
        status = self.daemon.drained()
        assert_conserved(status)
        # Entries, not events: where the ring overflowed, the summaries that tell of it are among them.
        return sum(status["output"]["lost"].values())

    def close(self):
        self.tap.close()
        self.namespace.close()
        self.daemon.close()
        self.journald.close()


@pytest.fixture
def bed(tmp_path):
    """A daemon, its journald and a tap."""
    bed = Bed(tmp_path)
    yield bed
    bed.close()


def test_a_hung_journald_does_not_hang_the_daemon(bed):
    bed.journald.signal(signal.SIGSTOP)
    try:
        for _ in range(5):
            bed.cause(300)
            bed.assert_answers()
        fed = bed.daemon.notify.count("WATCHDOG")
        time.sleep(0.6)
        assert bed.daemon.notify.count("WATCHDOG") > fed, "the watchdog went hungry"
    finally:
        bed.journald.signal(signal.SIGCONT)
    bed.last()
    assert bed.missing() == bed.lost()


@pytest.mark.timeout(90)
def test_what_does_not_fit_in_the_queue_is_counted(bed):
    bed.journald.signal(signal.SIGSTOP)
    try:
        for _ in range(60):
            bed.cause(300)
            time.sleep(0.02)  # the ring between kernel and daemon shall not be what overflows
        bed.assert_answers()
    finally:
        bed.journald.signal(signal.SIGCONT)
    time.sleep(0.5)
    bed.cause(1)
    bed.last()
    lost = bed.lost()
    assert lost > 0, "the queue held everything: this test tested nothing"
    assert bed.missing() == lost


def test_a_new_socket_is_found_again(bed):
    """journald is gone with its socket, as after a failed start of systemd-journald.socket."""
    bed.cause(10)
    bed.last()
    bed.journald.kill(remove_socket=True)
    bed.cause(50)
    bed.assert_answers()
    bed.journald.start()
    deadline = time.monotonic() + 10
    found = []
    while not found and time.monotonic() < deadline:
        bed.cause(1)
        time.sleep(0.2)
        found = [entry for entry in bed.journald.entries() if int(entry["NETANOMALY_SEQ"]) > 61]
    assert found, "no entry after journald came back"
    bed.last()
    assert bed.missing() == bed.lost()


def test_no_socket_at_the_start(tmp_path):
    """Early at boot there may be no journal yet: the daemon waits for it, and nothing it saw is uncounted."""
    journald = Journald(tmp_path / "journald")
    journald.kill(remove_socket=True)
    daemon = Daemon(tmp_path / "daemon", CONFIGURATION, journald=journald, ready=False)
    try:
        daemon.notify.wait("READY")
        assert_conserved(daemon.status(timeout=ANSWER_SECONDS))
        journald.start()
        assert daemon.stop() == 0
    finally:
        daemon.close()
        journald.close()
