"""A journal that takes entries and drops them in silence: found out, told, and told again when it is over."""

import contextlib
import itertools
import os
import pathlib
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time

import pytest

import daemon as daemons
from daemon import Daemon
from frames import REPLY, arp_frame
from journald import Journald
from namespaces import Namespace, run
from tap import Tap

#: All limits as they are shipped.
CONFIGURATION = ""
DISK_BYTES = 24 << 20
#: As the unit has it, for systemd's links: microseconds, and entries.
SHIPPED = {"rate_limit_interval": 1_000_000, "rate_limit_burst": 10_000}


class Anomalies:
    """Causes anomalies, each with a key of its own."""

    def __init__(self):
        self._namespace = Namespace()
        self._tap = Tap(self._namespace, "t0", vnet=False)
        self._numbers = itertools.count(1)

    def cause(self, count=1):
        for number in itertools.islice(self._numbers, count):
            mac = "02:99:" + struct.pack("!I", number).hex(":")
            self._tap.write(b"", arp_frame(mac, "0.0.0.0", "10.66.0.2", op=REPLY))

    def close(self):
        self._tap.close()
        self._namespace.close()


@pytest.fixture
def anomalies():
    """What causes them."""
    source = Anomalies()
    yield source
    source.close()


@pytest.fixture
def unit():
    """A control group with the name of a unit, by which journald knows the unit of who is in it."""
    root = pathlib.Path(run("findmnt", "--types", "cgroup2", "--noheadings", "--output=TARGET").stdout.split()[0])
    for left in root.glob("nalab-*.service"):
        with contextlib.suppress(OSError):  # one that is in use
            left.rmdir()
    folder = root / f"nalab-{os.getpid()}.service"
    folder.mkdir()
    yield folder
    deadline = time.monotonic() + 5
    while folder.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # its last process is not buried yet
            folder.rmdir()


@contextlib.contextmanager
def running(folder, journald, **options):
    """A daemon on that journald, as long as the body runs."""
    process = Daemon(folder, CONFIGURATION, journald=journald, **options)
    try:
        yield process
    finally:
        process.close()


def inside(unit):
    """For `wrap`: the command is run in the unit's control group."""
    return lambda *command: ["sh", "-c", f"echo $$ > {unit}/cgroup.procs && exec \"$@\"", "sh", *command]


def until(what, does, timeout):
    """Calls `does` until it is true; fails with `what` after that many seconds."""
    deadline = time.monotonic() + timeout
    while not (found := does()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.05)
    return found


def status_lines(process):
    """What systemctl status showed, one after the other."""
    return [message["STATUS"] for message in list(process.notify.messages) if "STATUS" in message]


def fill(disk):
    """Takes all room that is left."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def say(journald, count):
    """Another program writes to the same journal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(journald.socket))
        for _ in range(count):
            sender.send(b"MESSAGE=noise\nSYSLOG_IDENTIFIER=noise\nNOISE=" + os.urandom(500).hex().encode() + b"\n")


def missing(journald):
    """Numbers of NETANOMALY_SEQ that are not in the journal, up to the last one that is."""
    numbers = {int(entry["NETANOMALY_SEQ"]) for entry in journald.entries()}
    return set(range(1, max(numbers))) - numbers


def test_our_limits_as_shipped_stay_below_the_units(tmp_path, anomalies, unit):
    journald = Journald(tmp_path / "journald")
    journald.limit_unit(unit.name, **SHIPPED)
    journald.configure("RateLimitBurst=1")  # the unit's has precedence
    try:
        with running(tmp_path / "daemon", journald, wrap=inside(unit)) as process:
            anomalies.cause(2000)
            process.drained()
            assert process.stop() == 0
        until("its last entry", lambda: [e for e in journald.entries() if e["NETANOMALY_RULE"] == "daemon-stopped"], 10)
        assert missing(journald) == set()
        assert not process.records.find(RULE="daemon-journal-limit")
    finally:
        journald.close()


def test_a_rate_limit_below_ours_is_told_at_the_start_and_at_a_reload(tmp_path, anomalies, unit):
    journald = Journald(tmp_path / "journald")
    journald.limit_unit(unit.name, rate_limit_interval=30_000_000, rate_limit_burst=4)
    try:
        with running(tmp_path / "daemon", journald, wrap=inside(unit)) as process:
            told = process.records.wait(RULE="daemon-journal-limit")[0]
            assert f"takes 4 of a kind in 30.0 s from {unit.name}" in told["MESSAGE"], told["MESSAGE"]
            assert told["PRIORITY"] == "4" and "LogRateLimitBurst=" in told["NETANOMALY_PROBLEM"]
            assert process.reload().returncode == 0
            process.records.wait(RULE="daemon-journal-limit", count=2)
            # The limit is real. With room on its disk, journald lets up to ten times as many through.
            anomalies.cause(300)
            process.drained()
            assert process.stop() == 0
            until("a gap, and the last word in another group", lambda: missing(journald), 10)
    finally:
        journald.close()


@pytest.mark.parametrize("line, words", [
    ("Storage=none", "Storage=none"), ("MaxLevelStore=warning", "nothing less urgent than warning"),
    ("RateLimitIntervalSec=1s\nRateLimitBurst=10", "takes 10 of a kind in 1.0 s"),
])
def test_what_journald_conf_drops_is_told(tmp_path, unit, line, words):
    journald = Journald(tmp_path / "journald")
    journald.configure(line)  # not in force before journald is restarted, so that the entry is there to be read
    try:
        with running(tmp_path / "daemon", journald, wrap=inside(unit)) as process:
            told = process.records.wait(RULE="daemon-journal-limit")[0]
            assert words in told["MESSAGE"], told["MESSAGE"]
            if line == "Storage=none":
                until("a status", lambda: status_lines(process), 5)
                assert status_lines(process)[-1].startswith("Degraded: the journal keeps nothing (Storage=none)")
                assert "Storage=none" in process.status()["output"]["problem"]
    finally:
        journald.close()


def test_a_syslog_daemon_instead_of_storage_is_no_fault(tmp_path, unit):
    journald = Journald(tmp_path / "journald")
    journald.configure("Storage=none\nForwardToSyslog=yes")  # not in force, as above
    with contextlib.closing(journald), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(journald.folder / "socket" / "syslog"))
        with running(tmp_path / "daemon", journald, wrap=inside(unit)) as process:
            process.records.wait(RULE="daemon-started")
            assert process.reload().returncode == 0
            process.records.wait(RULE="daemon-reloaded")
            assert not process.records.find(RULE="daemon-journal-limit")
            assert not process.status()["output"].get("problem")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("what", ["restart", "rotate", "hang", "kill"])
def test_a_journal_that_only_stumbles_is_not_called_deaf(tmp_path, anomalies, what):
    """Entries all the while, for longer than a deaf one would need to be found out; then none, which is no fault."""
    journald = Journald(tmp_path / "journald")
    try:
        with running(tmp_path / "daemon", journald) as process:
            ends = time.monotonic() + 9
            for step in itertools.count():
                if time.monotonic() > ends:
                    break
                anomalies.cause()
                if step == 10:
                    stumble(journald, what)
                time.sleep(0.1)
            process.drained()
            time.sleep(7)
            assert not process.status()["output"].get("problem"), process.said()
            found = {entry["NETANOMALY_RULE"] for entry in journald.entries()}
            assert not found & {"daemon-journal-deaf", "daemon-journal-gap"}
    finally:
        journald.close()


def stumble(journald, what):
    """What happens to a journal that is well."""
    if what == "rotate":
        journald.signal(signal.SIGUSR2)
    elif what == "hang":
        journald.signal(signal.SIGSTOP)
        threading.Timer(7, journald.signal, [signal.SIGCONT]).start()
    else:
        journald.kill(remove_socket=what == "restart")
        journald.start()


@pytest.mark.timeout(180)
def test_a_full_disk_is_told_and_which_entries_may_be_missing(tmp_path, anomalies):
    journald = Journald(tmp_path / "journald", disk_bytes=DISK_BYTES)
    try:
        with running(tmp_path / "daemon", journald) as process:
            anomalies.cause(5)
            process.drained()
            filler = fill(journald.disk)

            def is_deaf():
                say(journald, 200)  # until the file that there is, is full, too
                anomalies.cause()
                return process.status()["output"].get("problem")

            problem = until("that the journal is deaf", is_deaf, 60)
            assert "does not store them, its disk is full" in problem, problem
            until("a status", lambda: problem in status_lines(process)[-1], 5)
            assert status_lines(process)[-1].startswith("Degraded: ")
            assert problem[1:] in process.said()

            filler.unlink()

            def is_over():
                anomalies.cause()
                return process.records.find(RULE="daemon-journal-gap")

            gap = until("that it is over", is_over, 30)[0]
            until("a good status", lambda: status_lines(process)[-1].startswith("Watching"), 5)
            lost = missing(journald)
            told = range(int(gap["NETANOMALY_FIRST_SEQ"]), int(gap["NETANOMALY_LAST_SEQ"]) + 1)
            assert lost and lost <= set(told), (sorted(lost), told)
    finally:
        journald.close()


@pytest.fixture
def public():
    """A copy of the daemon and a folder for it that every user may use."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="netanomaly-lab-"))
    folder.chmod(0o777)
    shutil.copy(daemons.NETANOMALYD, folder / "netanomalyd")
    mask = os.umask(0)
    yield folder
    os.umask(mask)
    shutil.rmtree(folder)


@pytest.mark.libbpf("the service's user cannot run bpftrace")
@pytest.mark.timeout(180)
def test_the_service_s_user_sees_it_without_the_right_to_read(tmp_path, anomalies, public):
    """On a disk, where journald turns to a journal in memory, which others than root are not shown."""
    def as_service(*command):
        at = command.index(daemons.NETANOMALYD)
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+bpf,+perfmon",
                "--ambient-caps=-all,+bpf,+perfmon", "--bounding-set=-all,+bpf,+perfmon", "--pdeathsig=KILL",
                public / "netanomalyd", *command[at + 1:]]

    journald = Journald(tmp_path / "journald", disk_bytes=DISK_BYTES, is_kept=True)
    try:
        wrap = lambda *command: journald.inside(as_service(*command))
        with running(public / "daemon", journald, wrap=wrap) as process:
            anomalies.cause(5)
            process.drained()
            fill(journald.disk)

            def is_deaf():
                say(journald, 200)
                anomalies.cause()
                return process.status()["output"].get("problem")

            problem = until("that the journal is deaf", is_deaf, 60)
            assert "its disk is full" in problem and "/run/log/journal" in problem, problem
    finally:
        journald.close()
