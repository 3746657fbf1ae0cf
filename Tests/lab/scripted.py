"""A daemon with bpftrace, and bpftrace's processes below it."""

import os
import pathlib
import shutil
import signal
import tempfile
import time

import backends
from daemon import Daemon
from frames import arp_frame
from hosts import FOREIGN_MAC, OWN_IP, PEER_IP

LIMITS = "[Limits]\nDedupIntervalSec=2s\nRateLimitIntervalSec=1s\nRateLimitBurst=10000\n"
#: Breaks arp-address-conflict at a host.
CONFLICT = arp_frame(FOREIGN_MAC, OWN_IP, PEER_IP)


def start(folder, configuration=LIMITS, **options):
    """A daemon with bpftrace that writes JSON lines."""
    return Daemon(folder, configuration, backend=options.pop("backend", backends.BPFTRACE), **options)


def source(daemon, title):
    """What the status tells of a detector, or of `script <name>`."""
    found = [source for source in daemon.status()["detectors"] if source["name"] == title]
    return found[0] if found else None


def child(daemon, title):
    """The counters and the state of a source's bpftrace."""
    return source(daemon, title)["bpftrace"]


def pid_of(daemon, title, other_than=None, timeout=20.0):
    """The process of a source's bpftrace, once there is one that watches."""
    deadline = time.monotonic() + timeout
    while True:
        found = child(daemon, title)
        if found["state"] == "running" and found.get("pid") not in (None, other_than):
            return found["pid"]
        assert time.monotonic() < deadline, f"bpftrace of {title}: {found}"
        time.sleep(0.05)


def children_of(pid):
    """The living processes whose parent that is."""
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return sorted(int(word) for word in text.split() if is_alive(int(word)))


def is_alive(pid):
    """False for a zombie as well."""
    try:
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_gone(*pids, timeout):
    """Waits until none of these processes is there."""
    deadline = time.monotonic() + timeout
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{[pid for pid in pids if is_alive(pid)]} live on"
        time.sleep(0.01)


def kill(pid):
    """As the kernel's OOM killer does."""
    os.kill(pid, signal.SIGKILL)


class RootFolder:
    """A folder that only root can write to, and so can every folder above it: scripts must lie so."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="netanomaly-lab-", dir="/run"))
        self.path.chmod(0o755)

    def script(self, name, text):
        """Writes a script; its path."""
        path = self.path / f"{name}.bt"
        path.write_text(text)
        path.chmod(0o644)
        return path

    def program(self, name, text):
        """Writes a shell script that can be run; its path."""
        path = self.path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def close(self):
        shutil.rmtree(self.path)
