"""A Debian machine with a real systemd as PID 1: what a test runs, reads and writes there.

Real: systemd, journald with its sockets and limits, systemctl, dpkg and apt, the hardening, BPF. Not here: a kernel of
its own, a clock of its own, and the memory and CPU controllers, so MemoryMax= and CPUQuota= hold nobody back.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess

from namespaces import run, setns

BOOT = pathlib.Path(__file__).with_name("boot")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


class NoMachine(Exception):
    """It did not come up, and why."""


class Machine:
    """One running machine of that Debian suite; gone with all it wrote at `close()`, or when the test run is killed."""

    def __init__(self, suite, folder):
        console = folder / "console"
        with open(console, "w") as errors:
            self._boot = subprocess.Popen([BOOT, suite], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                          text=True)
        # The tree is unpacked first, where that was not done before.
        self._pid = self._boot.stdout.readline().strip()
        if not self._pid:
            self.close()
            raise NoMachine(f"{suite} does not boot: {console.read_text()[-1000:]}")
        #: The machine's files, seen from here.
        self.root = pathlib.Path(f"/proc/{self._pid}/root")

    def _inside(self, command):
        spaces = ("mount", "pid", "uts", "ipc", "net", "cgroup")
        return ["nsenter", f"--target={self._pid}", *(f"--{space}" for space in spaces), "--", *map(str, command)]

    def run(self, *command, **options):
        """Runs a program there, as root, to its end."""
        return run(*self._inside(command), env=ENVIRONMENT, **options)

    def popen(self, *command, **options):
        """Starts a program there; it ends with the machine at the latest."""
        return subprocess.Popen(self._inside(command), env=ENVIRONMENT, stdin=subprocess.DEVNULL, **options)

    def path(self, name):
        """A file there, by its absolute name; no part of it may be an absolute link."""
        return self.root / name.lstrip("/")

    def write(self, name, text):
        """Writes a file there, and the folders above it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def copy(self, source, folder="/root"):
        """Copies a file of ours into a folder there; its name there."""
        shutil.copy(source, self.path(folder))
        return f"{folder}/{pathlib.Path(source).name}"

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in the machine's network: sockets and taps opened inside belong to it for good."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        target = os.open(f"/proc/{self._pid}/ns/net", os.O_RDONLY)
        try:
            setns(target)
            yield self
        finally:
            setns(home)
            os.close(target)
            os.close(home)

    def ip(self, *lines):
        """Runs `ip` command lines in one process, in the machine's network."""
        self.run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def journal(self, *words, check=True, timeout=60):
        """Entries of its journal, as `journalctl` with these words finds them."""
        found = self.run("journalctl", "--quiet", "--output=json", "--all", "--no-pager", *words, check=check,
                         timeout=timeout)
        return [json.loads(line) for line in found.stdout.splitlines()]

    def close(self):
        """Ends every process there; mounts and cgroup follow."""
        self._boot.stdin.close()
        self._boot.wait(timeout=30)
        self._boot.stdout.close()
