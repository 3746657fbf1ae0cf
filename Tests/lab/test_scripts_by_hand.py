"""The tracepoint variants of the two scripts by hand: what bpftrace/README.md says that they print."""

import os
import re
import signal
import subprocess
import time

import pytest

from daemon import REPOSITORY
from frames import GSO_UDP
from gso import tcp4, tcp6, tso4, udp4, uso4
from hosts import OWN_IP, OWN_MAC, PEER_IP, PEER_MAC, question
from namespaces import bound, stop
from tools import installed

ARP = REPOSITORY / "bpftrace" / "trace-abnormal-arp-tracepoints.bt"
GSO = REPOSITORY / "bpftrace" / "tun-abnormal-gso-type-tracepoints.bt"
CLOCK = r"\d\d:\d\d:\d\d\.\d{6}"


class ByHand:
    """A script as somebody at a terminal runs it; `blocks` are what it has printed so far, hit by hit."""

    def __init__(self, bpftrace, script):
        self._child = subprocess.Popen(
            bound([bpftrace, "-B", "line", str(script)]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        os.set_blocking(self._child.stdout.fileno(), False)
        self.text = ""

    def _read(self):
        self.text += (self._child.stdout.read() or b"").decode()

    def blocks(self):
        """Those that are complete: an empty line ends each."""
        self._read()
        return [block.strip("\n") for block in self.text.split("\n\n")[:-1] if block.strip("\n")]

    def wait(self, pattern, cause=lambda: None, timeout=15.0):
        """The first block whose first line matches; `cause` is called until there is one."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            cause()
            time.sleep(0.1)
            for block in self.blocks():
                if re.match(pattern, block):
                    return block
        raise AssertionError(f"no {pattern} in {self.text[-2000:]}")

    def interrupt(self, cause):
        """Ctrl+C; what it says last.

        A signal that comes while bpftrace 0.17 prints is heeded with the next hit only: `cause` makes one.
        """
        self._child.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 10
        while self._child.poll() is None:
            assert time.monotonic() < deadline, "it goes on"
            cause()
            self._read()
            time.sleep(0.1)
        self._read()
        return self.text

    def close(self):
        stop(self._child)


@pytest.fixture
def by_hand():
    """Runs scripts; they end with the test."""
    bpftrace = installed("bpftrace")
    running = []

    def run(script):
        running.append(ByHand(bpftrace, script))
        return running[-1]

    yield run
    for one in running:
        one.close()


def frames_of(block):
    """The kernel stack below the first line."""
    return [line.strip() for line in block.splitlines()[1:]]


def test_arp_is_shown_with_process_addresses_and_stack(by_hand, host):
    def ask():
        host.receive(question(PEER_MAC, PEER_IP, OWN_IP))

    script = by_hand(ARP)
    asked = script.wait(
        rf"{CLOCK} tracepoint:net:netif_receive_skb pid {os.getpid()} \S+  t0: request {PEER_IP} \({PEER_MAC}\) -> "
        rf"{OWN_IP} \(00:00:00:00:00:00\), frame {PEER_MAC} > FF:FF:FF:FF:FF:FF, op 1\n", ask)
    assert any(frame.startswith("tun_get_user+") for frame in frames_of(asked))
    # bpftrace attaches one probe after the other: the first answer may have gone out before this one was there.
    answered = script.wait(
        rf"{CLOCK} tracepoint:net:net_dev_queue .+  t0: reply {OWN_IP} \({OWN_MAC}\) -> {PEER_IP} ", ask)
    assert any(frame.startswith("arp_process+") for frame in frames_of(answered))
    said = script.interrupt(ask)
    assert said.startswith("Attaching") and "Tracing ARP at the kernel's tracepoints. Ctrl+C stops." in said
    assert re.search(r"@hits\[tracepoint:net:netif_receive_skb\]: [1-9]", said)


def test_a_neighbour_that_does_not_answer_is_shown(by_hand, host):
    host.namespace.sysctl("net/ipv4/neigh/t0/mcast_solicit", 1)
    host.namespace.sysctl("net/ipv4/neigh/t0/retrans_time_ms", 50)
    by_hand(ARP).wait(rf"{CLOCK} tracepoint:neigh:neigh_timer_handler .+  t0: no answer from {PEER_IP}\n",
                      lambda: host.ask(PEER_IP))


def test_gso_packets_are_shown_with_numbers_flow_and_stack(by_hand, tap):
    def small():
        tap.write(tso4(40), tcp4(payload=400))

    script = by_hand(GSO)
    block = script.wait(
        rf"{CLOCK} tracepoint:net:netif_receive_skb_entry pid {os.getpid()} \S+  t0: gso_type 0x3 \(tcpv4\) gso_size 40 "
        r"segs 0, length \d+, 198\.51\.100\.1 port 5001 > 198\.51\.100\.2 port 443 tcp\n",
        small)
    assert any(frame.startswith("tun_get_user+") for frame in frames_of(block))
    script.wait(rf"{CLOCK} .+  t0: gso_type 0x3 \(tcpv4\) .+, 2001:db8::1 port 5001 > 2001:db8::2 port 443 tcp\n",
                lambda: tap.write(tso4(csum_start=54, header_length=74), tcp6()))
    script.wait(rf"{CLOCK} .+  t0: gso_type 0x10002 \(udp\) .+ udp\n",
                lambda: tap.write(uso4(gso_type=GSO_UDP), udp4()))
    assert re.search(r"@hits\[tracepoint:net:netif_receive_skb_entry\]: [1-9]", script.interrupt(small))


def test_a_refused_header_is_shown(by_hand, tap):
    def refused():
        with pytest.raises(OSError):
            tap.write(tso4(size=0), tcp4())

    block = by_hand(GSO).wait(rf"{CLOCK} tracepoint:skb:kfree_skb pid {os.getpid()} \S+  .*: dropped by tun_get_user, ",
                              refused)
    assert any(frame.startswith("tun_get_user+") for frame in frames_of(block))


def test_normal_packets_are_not_shown(by_hand, bridge):
    """A bad one before and after: the script is there all the time."""
    script = by_hand(GSO)
    script.wait(rf"{CLOCK} .+  t0: gso_type 0x3 \(tcpv4\) gso_size 40 ", lambda: bridge.first.write(tso4(40), tcp4(400)))
    for _ in range(20):
        bridge.first.write(tso4(), tcp4())
        assert bridge.second.read(timeout=2)
    script.wait(rf"{CLOCK} .+  t0: gso_type 0x3 \(tcpv4\) gso_size 41 ", lambda: bridge.first.write(tso4(41), tcp4(400)))
    assert not [block for block in script.blocks() if "gso_size 1000 " in block]
