"""The example scripts of bpftrace/examples, run by hand: what they report of real trouble, and of ordinary traffic."""

import os
import shlex
import socket
import subprocess
import time

import pytest

from daemon import REPOSITORY
from namespaces import bound, stop
from tools import installed

EXAMPLES = REPOSITORY / "bpftrace" / "examples"
TCP_STORM, DROPS = "tcp-retransmit-storm.bt", "drops-by-reason.bt"
NOBODY_MAC = "02:66:00:00:00:77"


class Script:
    """A script under bpftrace, with COUNT as its parameter."""

    def __init__(self, bpftrace, name, count):
        self._child = subprocess.Popen(
            bound([bpftrace, "-B", "line", EXAMPLES / name, count]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        os.set_blocking(self._child.stdout.fileno(), False)
        self._text = b""
        #: Of every namespace on the machine: tracepoints see them all.
        self.reports = []

    def read(self):
        self._text += self._child.stdout.read() or b""
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            if b"=" in line:
                self.reports.append(dict(word.split("=", 1) for word in shlex.split(line.decode())))

    def wait(self, timeout=15.0, **facts):
        """The first report that says all this."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.read()
            for report in self.reports:
                if facts.items() <= report.items():
                    return report
            assert self._child.poll() is None, "bpftrace has ended"
            time.sleep(0.05)
        raise AssertionError(f"no report of {facts}, but {self.reports}")

    def close(self):
        stop(self._child)


@pytest.fixture
def script():
    """Runs example scripts; they end with the test."""
    bpftrace = installed("bpftrace")
    running = []

    def run(name, count):
        running.append(Script(bpftrace, name, count))
        return running[-1]

    yield run
    for one in running:
        one.close()


def send_to_closed_port(wire, until, count):
    """Datagrams that nobody receives, again and again until that report is there: only then is the script attached."""
    with wire.left.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(200):
            for _ in range(count):
                # Not connected: the ICMP error is not told.
                sender.sendto(b"x", (wire.right_ip, 9))
            until.read()
            for report in until.reports:
                if report["netns"] == wire.right.inode:
                    return report
            time.sleep(0.05)
    raise AssertionError("no report of datagrams to a closed port")


def open_connections(wire, address, port, count):
    """Sockets on their way to an address."""
    sockets = []
    with wire.left.entered():
        for _ in range(count):
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            one.setblocking(False)
            one.connect_ex((address, port))
            sockets.append(one)
    return sockets


def transfer(wire):
    """Ordinary traffic: a connection that is slower than the cable, and 300 short ones."""
    server = wire.right.popen("iperf3", "--server", "--one-off", "--forceflush", stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    wire.left.run("iperf3", "--client", wire.right_ip, "--time", 3, "--bitrate", "50M")
    with wire.right.entered():
        listener = socket.create_server((wire.right_ip, 80), backlog=64)
    with listener:
        for _ in range(300):
            with wire.left.entered():
                client = socket.create_connection((wire.right_ip, 80), timeout=5)
            with client, listener.accept()[0] as served:
                client.sendall(b"GET")
                served.sendall(served.recv(3) * 1000)
                while len(client.recv(3000, socket.MSG_PEEK)) < 3000:
                    pass
                client.recv(3000)
    wire.ping(count=50)


def test_connections_that_nobody_answers(script, wire):
    """A host that is gone: every SYN is sent again after a second."""
    storm = script(TCP_STORM, 40)
    wire.left.ip(f"neigh add {wire.nobody_ip} lladdr {NOBODY_MAC} dev l0")
    # The second at the latest comes when the script is attached: SYNs are sent again for a minute.
    sockets = open_connections(wire, wire.nobody_ip, 80, 60)
    report = storm.wait(netns=wire.left.inode)
    assert (report["kind"], report["peer"]) == ("open", f"[{wire.nobody_ip}]:80")
    assert int(report["retransmits"]) >= 40
    assert report["message"].endswith(f"TCP segments sent again to {wire.nobody_ip} port 80 within 10 s")
    for one in sockets:
        one.close()


def test_connections_that_break(script, wire):
    """A peer that goes away within its connections: data is sent again after 0.2 s."""
    storm = script(TCP_STORM, 40)
    with wire.right.entered():
        listener = socket.create_server((wire.right_ip, 443), backlog=64)
    wire.ping()
    sockets = open_connections(wire, wire.right_ip, 443, 60)
    served = [listener.accept()[0] for _ in sockets]
    wire.left.ip(f"neigh replace {wire.right_ip} lladdr {NOBODY_MAC} dev l0 nud permanent")
    for one in sockets:
        one.sendall(b"x" * 5000)
    report = storm.wait(netns=wire.left.inode)
    assert (report["kind"], report["peer"]) == ("data", f"[{wire.right_ip}]:443")
    for one in [*sockets, *served, listener]:
        one.close()


def test_drops_have_a_reason_and_a_place(script, wire):
    drops = script(DROPS, 100)
    report = send_to_closed_port(wire, drops, 50)
    assert (report["reason"], report["location"]) == ("NO_SOCKET", "__udp4_lib_rcv")
    assert (report["ifname"], report["ifindex"]) == ("r0", wire.right.ifindex("r0"))
    assert int(report["packets"]) >= 100
    assert report["message"].endswith(" packets dropped within 10 s by __udp4_lib_rcv: NO_SOCKET")


def test_ordinary_traffic_is_not_reported(script, wire):
    """Before and after it, trouble of the same kind is: the scripts see all of it."""
    storm, drops = script(TCP_STORM, 100), script(DROPS, 1000)
    wire.left.ip(f"neigh add {wire.nobody_ip} lladdr {NOBODY_MAC} dev l0")
    sockets = open_connections(wire, wire.nobody_ip, 80, 120)
    storm.wait(netns=wire.left.inode)
    send_to_closed_port(wire, drops, 500)
    transfer(wire)
    sockets += open_connections(wire, wire.nobody_ip, 81, 120)
    storm.wait(netns=wire.left.inode, peer=f"[{wire.nobody_ip}]:81")
    peers = {report["peer"] for report in storm.reports if report["netns"] == wire.left.inode}
    assert peers == {f"[{wire.nobody_ip}]:{port}" for port in (80, 81)}
    drops.read()
    ours = [report for report in drops.reports if report["netns"] in (wire.left.inode, wire.right.inode)]
    assert {report["reason"] for report in ours} == {"NO_SOCKET"}
    for one in sockets:
        one.close()
