"""A systemd-journald of the lab's own, in a mount namespace with its own /run: the machine's journal is not touched.

Real: journald and its sockets, the files, journalctl. Not here: systemd as PID 1, so nobody keeps the sockets open
while journald is away, which makes a restart harder for the daemon than on a real host.
"""

import json
import os
import pathlib
import signal
import subprocess
import time
import uuid

from namespaces import bound, run, stop
from records import Records

SYSTEMD_JOURNALD = "/lib/systemd/systemd-journald"
#: What PID 1 sets on a real host; the kernel's default of 10 would make every burst look like a hung journald.
DATAGRAM_QUEUE = 512

CONFIGURATION = """[Journal]
Storage=volatile
RuntimeMaxUse=512M
RateLimitIntervalSec=0
ReadKMsg=no
Audit=no
ForwardToSyslog=no
ForwardToWall=no
"""

# Runs in the new namespaces; $1 is the lab's folder, $2 where the journal lies, the others what is mounted there. The
# holder keeps them while journald comes and goes.
HOLDER = """
set -e
echo {queue} > /proc/sys/net/unix/max_dgram_qlen
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/systemd/journal /run/systemd/units /run/log/journal
mount --bind "$1/journald.conf" /etc/systemd/journald.conf
mount --bind "$1/machine-id" /etc/machine-id
mount --bind "$1/socket" /run/systemd/journal
mount --bind "$1/units" /run/systemd/units
mount $3 "$4" "$2"
echo ready
exec sleep infinity
"""


class Journald:
    """One journald with its files below `folder`; it can be stopped, killed and started again.

    With `disk_bytes` its files are on a file system of that size, `disk`: the machine's disk if `is_kept`, else memory.
    """

    def __init__(self, folder, disk_bytes=None, is_kept=False):
        self.folder = pathlib.Path(folder)
        for name in ("socket", "log", "units"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "journald.conf").write_text(CONFIGURATION)
        if is_kept:
            self.configure("Storage=persistent\nSystemMaxUse=512M")
            (self.folder / "socket" / "flushed").touch()
        place = "/var/log/journal" if is_kept else "/run/log/journal"
        mount = [f"-t tmpfs -o size={disk_bytes}", "disk"] if disk_bytes else ["--bind", str(self.folder / "log")]
        (self.folder / "machine-id").write_text(uuid.uuid4().hex + "\n")
        self._process = None
        self._readers = []
        command = ["unshare", "--mount", "--net", "--propagation", "private",
                   "sh", "-c", HOLDER.format(queue=DATAGRAM_QUEUE), "holder", str(self.folder),
                   place, *mount]
        self._holder = subprocess.Popen(bound(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "ready\n":
            raise RuntimeError("cannot make the mount namespace for a private journald")
        #: Where the journal lies, seen from outside.
        self.disk = pathlib.Path(f"/proc/{self._holder.pid}/root{place}")
        self.start()

    def configure(self, lines):
        """Adds to journald's configuration, which it reads when it starts."""
        with open(self.folder / "journald.conf", "a") as configuration:
            configuration.write(lines + "\n")

    def limit_unit(self, unit, **limits):
        """Leaves a unit's limits where systemd leaves them: `rate_limit_burst=100`."""
        for name, value in limits.items():
            (self.folder / "units" / f"log-{name.replace('_', '-')}:{unit}").symlink_to(str(value))

    @property
    def socket(self):
        """The native protocol's socket, seen from outside."""
        return self.folder / "socket" / "socket"

    def inside(self, command):
        """The command line that runs `command` where /run/systemd/journal is this journald's."""
        return ["nsenter", f"--target={self._holder.pid}", "--mount", *command]

    def start(self):
        """Starts journald and waits for its socket and its first file."""
        command = ["nsenter", f"--target={self._holder.pid}", "--mount", "--net", SYSTEMD_JOURNALD]
        with open(self.folder / "journald.err", "a") as errors:
            self._process = subprocess.Popen(bound(command), stdin=subprocess.DEVNULL, stderr=errors)
        deadline = time.monotonic() + 10
        while not (self.socket.exists() and any(self.disk.glob("*/*.journal"))):
            if time.monotonic() > deadline:
                raise RuntimeError("journald did not start: " + (self.folder / "journald.err").read_text())
            time.sleep(0.02)

    def signal(self, number):
        """SIGSTOP makes journald hang as a full disk would, SIGCONT ends that."""
        self._process.send_signal(number)

    def kill(self, remove_socket=False):
        """Ends journald at once; nothing then listens on the socket file, or there is none."""
        stop(self._process)
        if remove_socket:
            self.socket.unlink(missing_ok=True)

    def follow(self):
        """The entries of netanomalyd from the first on, as journalctl shows them, and those still to come."""
        reader = subprocess.Popen(
            bound(self.inside(["journalctl", "--output=json", "--all", "--follow", "--no-tail",
                               "SYSLOG_IDENTIFIER=netanomalyd"])),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._readers.append(reader)
        return Records(reader.stdout)

    def entries(self):
        """All of netanomalyd's entries, by a journalctl of their own that reads to the end."""
        listed = run(*self.inside(["journalctl", "--output=json", "--all", "SYSLOG_IDENTIFIER=netanomalyd", "--quiet"]),
                     check=False)
        return [json.loads(line) for line in listed.stdout.splitlines()]

    def close(self):
        """Ends everything; the mounts go with the namespace."""
        for process in (*self._readers, self._process, self._holder):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)
            process.kill()
            process.wait(timeout=10)
