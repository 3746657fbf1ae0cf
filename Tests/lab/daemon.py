"""The real netanomalyd: started, asked, reloaded and stopped as systemd would, minus systemd."""

import collections
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import backends
from namespaces import bound, run, stop
from records import Records

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
NETANOMALYD = os.environ.get("NETANOMALYD", str(REPOSITORY / ".build/debug/netanomalyd"))
NETANOMALYCTL = os.environ.get("NETANOMALYCTL", str(REPOSITORY / ".build/debug/netanomalyctl"))

SETTLED = ("written", "deduplicated", "limited", "overflow", "lost_ring", "lost_journal", "pending")
EXIT_CONFIGURATION, EXIT_NOT_PERMITTED = 78, 77

#: Short windows, so that a test sees a key go quiet; a burst no rule test comes near.
CONFIGURATION = """[Limits]
DedupIntervalSec=2s
RateLimitIntervalSec=1s
RateLimitBurst=10000
"""


class NotifySocket:
    """What systemd's NOTIFY_SOCKET receives, message by message; a thread reads it, as PID 1 does, until `ignore`."""

    def __init__(self, path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.05)
        self._ending = False
        #: Each message is a dictionary of its lines.
        self.messages = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self._ending:
            with contextlib.suppress(TimeoutError):
                text = self._socket.recv(65536).decode()
                self.messages.append(dict(line.split("=", 1) for line in text.splitlines() if "=" in line))

    def count(self, name):
        """How many messages had that key so far."""
        return sum(name in message for message in list(self.messages))

    def wait(self, name, after=0, timeout=5.0):
        """The index of the first message with that key at or after index `after`."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for index, message in enumerate(list(self.messages)):
                if index >= after and name in message:
                    return index
            time.sleep(0.01)
        raise AssertionError(f"no {name}= within {timeout} s, only {self.messages[after:]}")

    def ignore(self):
        """Reads no more: what a hung service manager does."""
        self._ending = True
        self._thread.join()

    def close(self):
        """Frees the descriptor."""
        self.ignore()
        self._socket.close()


class Daemon:
    """One running netanomalyd with a folder of its own for configuration, control socket and standard error.

    `backend` is what [Daemon] Backend= says, without it that of the test run; `wrap` makes the command line of another
    program of the daemon's, which becomes the daemon. With `journald` it writes there and `records` are what journalctl
    reads back; without, `records` are its own JSON lines. The constructor returns when every probe is attached.
    """

    def __init__(self, folder, configuration=CONFIGURATION, journald=None, environment=None, ready=True, backend=None,
                 wrap=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.configuration = self.folder / "netanomaly.conf"
        self.backend = backend
        self.configure(configuration)
        self.control = self.folder / "control"
        self.notify = NotifySocket(self.folder / "notify")
        self.errors = self.folder / "stderr"
        self._writes_journal = journald is not None
        output = "journal" if journald else "json"
        command = [NETANOMALYD, "--config", self.configuration, "--output", output, "--control", self.control]
        if journald:
            command = journald.inside(command)
        if wrap:
            command = wrap(*command)
        with open(self.errors, "w") as errors:
            self.process = subprocess.Popen(
                bound(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                env={**os.environ, "NOTIFY_SOCKET": str(self.notify.path), **(environment or {})})
        self.records = journald.follow() if journald else Records(self.process.stdout)
        if ready:
            try:
                self.wait_ready()
            except BaseException:
                self.close()
                raise

    def configure(self, text):
        """Writes another configuration, which a reload puts in force; what runs the probes stays."""
        self.configuration.write_text(backends.configured(text, self.backend))

    def wait_ready(self, timeout=20.0):
        """Waits for the daemon's word that every probe is attached; a daemon that died says why."""
        deadline = time.monotonic() + timeout
        while not self.records.find(RULE="daemon-started"):
            if self.process.poll() is not None:
                raise AssertionError(f"netanomalyd ended with {self.process.returncode}: {self.said()}")
            if time.monotonic() > deadline:
                status = self.ctl("status", check=False).stdout
                raise AssertionError(f"no daemon-started within {timeout} s: {self.said()}{status}")
            time.sleep(0.01)

    def said(self):
        """The end of what it wrote to standard error."""
        return self.errors.read_text()[-2000:]

    def ctl(self, *words, **options):
        """Runs netanomalyctl on this daemon's control socket."""
        return run(NETANOMALYCTL, "--control", self.control, *words, **options)

    def status(self, timeout=5):
        """The whole answer of `status --json`."""
        return json.loads(self.ctl("status", "--json", timeout=timeout).stdout)

    def account(self, rule):
        """One rule's counters."""
        return self.status()["rules"][rule]

    def drained(self, timeout=5.0):
        """The status once nothing is on its way any more."""
        deadline = time.monotonic() + timeout
        before, since = None, time.monotonic()
        while True:
            status, now = self.status(), time.monotonic()
            came = on_the_way(status)
            if came != before:
                before, since = came, now
            is_quiet = not came.lines or now - since > QUIET_SECONDS
            if is_quiet and came.pending == 0 or now > deadline:
                return status
            if came.lines:
                time.sleep(0.02)

    def reload(self):
        """`netanomalyd --reload` for this daemon; the exit code is the answer."""
        return run(NETANOMALYD, "--reload", "--config", self.configuration, "--control", self.control, check=False)

    def stop(self, timeout=10):
        """SIGTERM; the exit code, once everything it said has been read."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=timeout)
        if not self._writes_journal:
            self.records.join()
        return code

    def close(self):
        """Ends it whatever its state."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        stop(self.process)
        self.notify.close()


#: Between the kernel and the daemon lines of bpftrace are in no count: twice as long as it may take over them.
QUIET_SECONDS = 0.4
OnTheWay = collections.namedtuple("OnTheWay", "pending lines")


def on_the_way(status):
    """What is pending in the rules' accounts, and how many lines of bpftrace came or were lost so far."""
    children = [detector["bpftrace"] for detector in status["detectors"] if "bpftrace" in detector]
    return OnTheWay(sum(account["pending"] for account in status["rules"].values()),
                    tuple(child["received"] + child["lost"] for child in children))


def assert_conserved(status):
    """Every event a rule saw is accounted for, exactly."""
    wrong = {
        rule: account
        for rule, account in status["rules"].items()
        if account["seen"] != sum(account[name] for name in SETTLED)
    }
    assert not wrong, f"seen is not the sum of what became of it: {wrong}"


def assert_gapless(entries):
    """NETANOMALY_SEQ counts up by one from entry to entry of one daemon."""
    numbers = [int(entry["NETANOMALY_SEQ"]) for entry in entries]
    gaps = [(left, right) for left, right in zip(numbers, numbers[1:]) if right != left + 1]
    assert numbers and not gaps, f"gaps or repetitions in NETANOMALY_SEQ: {gaps[:10]}"
