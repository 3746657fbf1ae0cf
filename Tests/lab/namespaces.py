"""Private network namespaces: every packet of the lab stays inside one of them.

A name carries the pid of the test run (`nalab-<pid>-<n>`), so a later run can tell a living run's namespace from what a
killed run left behind. Namespaces are named (mounted in /run/netns) because `ip -n` and `tc -n` want names.
"""

import contextlib
import ctypes
import itertools
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

from frames import checksum

NETNS_DIR = pathlib.Path("/run/netns")
PREFIX = "nalab-"
CLONE_NEWNET = 0x40000000
ECHO_REQUEST, ECHO_REPLY = 8, 0

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()
_closed = []


def run(*command, check=True, timeout=20, **options):
    """Runs a command to its end; a failure carries what the command said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()}")
    return done


def bound(command):
    """The command line that ends with this process, so that a killed run leaves no program behind."""
    return ["setpriv", "--pdeathsig", "KILL", *[str(word) for word in command]]


def setns(descriptor):
    """Moves the calling thread; `os.setns` came only with Python 3.12."""
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"setns: {os.strerror(errno)}")


class Namespace:
    """One network namespace, gone at `close()` together with every process started in it by `popen`."""

    def __init__(self, ipv6=False):
        self.name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
        self._children = []
        #: CLOCK_BOOTTIME; what was seen under this inode before was seen in somebody else's dead namespace.
        self.created_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        run("ip", "netns", "add", self.name)
        self.path = NETNS_DIR / self.name
        #: What the daemon writes as NETANOMALY_NETNS.
        self.inode = str(self.path.stat().st_ino)
        if not ipv6:
            # Router solicitations and neighbour discovery are traffic no test asked for.
            self.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
            self.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        self.ip("link set lo up")

    @contextlib.contextmanager
    def entered(self):
        """The calling thread lives in this namespace: sockets and taps opened inside belong to it for good."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        target = os.open(self.path, os.O_RDONLY)
        try:
            setns(target)
            yield self
        finally:
            setns(home)
            os.close(target)
            os.close(home)

    def sysctl(self, name, value):
        """Sets a sysctl of this namespace; `name` with slashes, below /proc/sys."""
        with self.entered():
            pathlib.Path("/proc/sys", name).write_text(str(value))

    def ip(self, *lines):
        """Runs `ip` command lines in one process."""
        run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def tc(self, line):
        """Runs one `tc` command line."""
        return run("tc", "-n", self.name, *line.split())

    def run(self, *command, **options):
        """Runs a program inside, to its end."""
        return run("nsenter", f"--net={self.path}", *command, **options)

    def popen(self, *command, **options):
        """Starts a program inside; ends with the namespace at the latest.

        setpriv and nsenter replace themselves by the program, so the process's pid is the program's.
        """
        words = bound(["nsenter", f"--net={self.path}", *command])
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, **options)
        self._children.append(child)
        return child

    def ifindex(self, device):
        """The interface's number, as NETANOMALY_IFINDEX has it."""
        with self.entered():
            return str(socket.if_nametoindex(device))

    def has(self, device):
        """True when there is such a device."""
        with self.entered():
            return device in (name for _, name in socket.if_nameindex())

    def neighbour(self, address, device):
        """One neighbour's line of `ip neigh`, or an empty string."""
        return run("ip", "-n", self.name, "neigh", "show", address, "dev", device).stdout.strip()

    def send(self, device, *frames):
        """Sends frames as a packet socket does, as arpspoof and arping do: the sender is this very process."""
        with self.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((device, 0))
            for frame in frames:
                sender.send(frame)

    def close(self):
        """Ends the processes; the namespace itself stays until `bury`.

        The kernel gives a deleted namespace's inode to the next one at once, and a daemon that lives on would take the
        next test's first anomaly for a repetition of this one's.
        """
        for child in self._children:
            stop(child)
        _closed.append(self)


def stop(child, sig=signal.SIGKILL):
    """Ends a child that may have ended already, and reaps it."""
    if child.poll() is None:
        child.send_signal(sig)
    child.wait(timeout=10)
    for stream in (child.stdout, child.stderr):
        if stream:
            stream.close()


def veth(left, left_device, right, right_device, left_options="", right_options=""):
    """A cable between two namespaces, both ends up; options such as `address 02:66:00:00:00:01`."""
    left.ip(
        f"link add {left_device} {left_options} type veth peer name {right_device} {right_options} netns {right.name}",
        f"link set {left_device} up",
    )
    right.ip(f"link set {right_device} up")


def bury():
    """Deletes the closed namespaces, with their devices and routes."""
    while _closed:
        run("ip", "netns", "delete", _closed.pop().name, check=False)


def ping(namespace, address, count=1):
    """ICMP echo to `address`, each answered within two seconds, or TimeoutError."""
    body = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, 0) + bytes(32)
    echo = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as prober:
        prober.settimeout(2)
        for _ in range(count):
            prober.sendto(echo, (address, 0))
            while prober.recv(1500)[20] != ECHO_REPLY:
                pass


def remove_leftovers():
    """Deletes the namespaces of runs that are no more: killed ones could not clean up."""
    if not NETNS_DIR.is_dir():
        return
    for entry in NETNS_DIR.iterdir():
        owner = entry.name.removeprefix(PREFIX).split("-")[0]
        if not entry.name.startswith(PREFIX) or pathlib.Path("/proc", owner).exists():
            continue
        for pid in run("ip", "netns", "pids", entry.name, check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "delete", entry.name, check=False)
