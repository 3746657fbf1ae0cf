"""The two original scripts as an operator runs them, against real traffic; run inside a guest by original-scripts."""

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

TREE = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(TREE / "Tests/lab"))

from frames import GSO_TCPV4, GSO_TCPV6, GSO_UDP, TCP, arp_frame, ipv4, tcp  # noqa: E402
from gso import SOURCE, TARGET, Bridge, tcp4, tcp6, tso4, udp4  # noqa: E402
from namespaces import Namespace, bury, run, veth  # noqa: E402
from tap import IFF_TUN, Tap  # noqa: E402
from vhost import Vhost  # noqa: E402

#: An emulated machine takes 10 s to compile a script.
START_SECONDS, STOP_SECONDS = 120, 60
#: The kernel's list of kprobes, and how many each script makes.
KPROBES = pathlib.Path("/sys/kernel/debug/kprobes/list")
ARP, GSO = ("trace-abnormal-arp.bt", 4), ("tun-abnormal-gso-type", 6)
#: Three requests, a second apart, and then the neighbour is given up.
RESOLUTION_SECONDS = 20

LEFT, RIGHT, FORGED = "02:66:00:00:00:01", "02:66:00:00:00:02", "02:66:00:00:00:0A"
NOBODY, EVERYBODY = "00:00:00:00:00:00", "FF:FF:FF:FF:FF:FF"
HEAD = re.compile(r"\d\d:\d\d:\d\d\.\d{6} (?P<function>\w+) pid (?P<pid>\d+) (?P<command>\S+)  "
                  r"(?P<device>\w+): (?P<text>.+)")


@dataclasses.dataclass
class Block:
    """One hit: its first line in parts, and the functions of its stack."""
    function: str
    pid: int
    command: str
    device: str
    text: str
    stack: list


class Output:
    """What a script printed from its start to Ctrl+C."""

    def __init__(self, text):
        self.text = text
        self.blocks = []
        for line in text.splitlines():
            head = HEAD.fullmatch(line)
            if head:
                self.blocks.append(Block(head["function"], int(head["pid"]), *head.groups()[2:], []))
            elif line.startswith("        ") and self.blocks:
                self.blocks[-1].stack.append(line.strip().split("+")[0])

    def of(self, function, device, text=""):
        """The blocks of one function and device that say this."""
        return [block for block in self.blocks
                if (block.function, block.device) == (function, device) and text in block.text]

    def counts(self):
        """The counts at the end: function to number."""
        return {name: int(number) for name, number in re.findall(r"^@\w+\[(\w+)\]: (\d+)$", self.text, re.MULTILINE)}

    def blocks_per_function(self):
        return {name: sum(block.function == name for block in self.blocks)
                for name in {block.function for block in self.blocks}}


class Trace:
    """A running script; `output` is there when it has ended."""

    def __init__(self, script):
        self.path = pathlib.Path("/tmp", script + ".output")
        self.output = None

    def wait_for(self, text, seconds):
        deadline = time.monotonic() + seconds
        while text not in self.path.read_text():
            assert time.monotonic() < deadline, self.path.read_text()
            time.sleep(0.2)


@contextlib.contextmanager
def traced(script, kprobes):
    """Runs the script around the traffic."""
    trace = Trace(script)
    with trace.path.open("w") as file, subprocess.Popen(
            ["bpftrace", TREE / "bpftrace" / script], stdout=file, stderr=subprocess.STDOUT) as child:
        try:
            deadline = time.monotonic() + START_SECONDS
            while len(KPROBES.read_text().splitlines()) < kprobes:
                assert child.poll() is None and time.monotonic() < deadline, trace.path.read_text()
                time.sleep(0.2)
            yield trace
            time.sleep(1)
        finally:
            child.send_signal(signal.SIGINT)
            status = child.wait(timeout=STOP_SECONDS)
    trace.output = Output(trace.path.read_text())
    assert status == 0, trace.output.text
    print(trace.output.text)


@pytest.fixture(scope="module", autouse=True)
def modules():
    """What tun-abnormal-gso-type attaches to must be there before."""
    run("modprobe", "--all", "tun", "veth", "bridge", "vhost_net")
    yield
    bury()


@pytest.fixture(scope="module")
def arp():
    """A host announces itself, asks a neighbour that answers and one that does not; a third forges a reply."""
    left, right = Namespace(), Namespace()
    try:
        veth(left, "v0", right, "v1", f"address {LEFT}", f"address {RIGHT}")
        with traced(*ARP) as trace:
            left.sysctl("net/ipv4/conf/v0/arp_notify", 1)
            # The second line is what the kernel announces.
            left.ip("addr add 10.0.0.1/24 dev v0", f"link set v0 address {LEFT}")
            right.ip("addr add 10.0.0.2/24 dev v1")
            left.run("python3", "-c", "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
                     "s.sendto(b'asks', ('10.0.0.2', 9)); s.sendto(b'waits', ('10.0.0.77', 9))")
            right.send("v1", arp_frame(FORGED, "10.0.0.2", "10.0.0.1", op=2, tha=LEFT, source=RIGHT, destination=LEFT),
                       arp_frame(RIGHT, "10.0.0.2", "10.0.0.1", op=8, destination=LEFT))
            trace.wait_for("no answer", RESOLUTION_SECONDS)
        yield trace.output
    finally:
        left.close()
        right.close()


@pytest.fixture(scope="module")
def gso():
    """Owners of taps write packets with wrong metadata, and correct ones."""
    network = Namespace(ipv6=True)
    with contextlib.ExitStack() as owners:
        owners.callback(network.close)
        bridge = owners.enter_context(contextlib.closing(Bridge(network)))
        tun = owners.enter_context(contextlib.closing(Tap(network, "tun0", flags=IFF_TUN)))
        machine = owners.enter_context(contextlib.closing(Tap(network, "machine")))
        vhost = owners.enter_context(contextlib.closing(Vhost(machine)))
        healthy = owners.enter_context(contextlib.closing(Tap(network, "healthy")))
        with traced(*GSO) as trace:
            for header, frame in (
                    # The kernel finds no fault with where the checksum starts, and only later with the type.
                    (tso4(gso_type=GSO_TCPV6, csum_start=54), tcp4()),
                    (tso4(gso_type=GSO_TCPV4, csum_start=54), tcp6()),
                    (tso4(gso_type=GSO_TCPV4), udp4()),
                    (tso4(gso_type=GSO_UDP, csum_offset=6), udp4()),
                    (tso4(size=4999), tcp4(9000))):
                os.write(bridge.first.descriptor, header + frame)
            with pytest.raises(OSError):
                os.write(bridge.first.descriptor, tso4(gso_type=9) + tcp4())
            # Refused before the kernel has made a packet, where no tracepoint sees it.
            with pytest.raises(OSError):
                os.write(tun.descriptor, tso4(csum_start=30000) + tcp4())
            packet = ipv4(SOURCE, TARGET, TCP, tcp(SOURCE, TARGET, 5001, 443, bytes(3000)))
            os.write(tun.descriptor, tso4(size=20, csum_start=20, header_length=40) + packet)
            vhost.send(tso4(gso_type=9) + tcp4(9000))
            os.write(healthy.descriptor, tso4() + tcp4())
            os.write(healthy.descriptor, tso4(gso_type=0, size=0) + tcp4(500))
        yield trace.output


def the_one(blocks):
    assert len(blocks) == 1, blocks
    return blocks[0]


def test_an_announcement_is_seen_in_arp_send_with_its_process_and_stack(arp):
    block = the_one(arp.of("arp_send", "v0"))
    assert block.text == f"request 10.0.0.1 ({LEFT}) -> 10.0.0.1 ({NOBODY}), frame {LEFT} > {EVERYBODY}, op 1"
    assert block.command == "ip" and block.pid > 1
    assert block.stack[0] == "arp_send" and "netlink_sendmsg" in block.stack


def test_a_request_is_seen_where_it_is_made_and_where_it_is_judged(arp):
    text = f"request 10.0.0.1 ({LEFT}) -> 10.0.0.2 ({NOBODY}), frame {LEFT} > {EVERYBODY}, op 1"
    made, judged = the_one(arp.of("arp_create", "v0", text)), the_one(arp.of("arp_process", "v1", text))
    assert made.command == "python3"
    assert "udp_sendmsg" in made.stack and judged.stack[0] == "arp_process"


def test_a_reply_has_both_mac_addresses(arp):
    text = f"reply 10.0.0.2 ({RIGHT}) -> 10.0.0.1 ({LEFT}), frame {RIGHT} > {LEFT}, op 2"
    assert "arp_process" in the_one(arp.of("arp_create", "v1", text)).stack
    the_one(arp.of("arp_process", "v0", text))


def test_a_forged_reply_differs_from_its_frame(arp):
    the_one(arp.of("arp_process", "v0",
                   f"reply 10.0.0.2 ({FORGED}) -> 10.0.0.1 ({LEFT}), frame {RIGHT} > {LEFT}, op 2"))


def test_an_unknown_operation_is_told_by_its_number(arp):
    the_one(arp.of("arp_process", "v0",
                   f"other 10.0.0.2 ({RIGHT}) -> 10.0.0.1 ({NOBODY}), frame {RIGHT} > {LEFT}, op 8"))


def test_a_neighbour_that_does_not_answer_costs_the_packet_that_waited(arp):
    block = the_one(arp.of("arp_error_report", "v0"))
    assert block.text == "no answer from 10.0.0.77, dropped 10.0.0.1 -> 10.0.0.77, protocol 17, length 33"
    assert "neigh_timer_handler" in block.stack
    assert len(arp.of("arp_create", "v0", "-> 10.0.0.77")) == 3


def test_a_script_starts_with_one_line_that_says_what_and_how_to_stop(arp, gso):
    for output in arp, gso:
        lines = [line for line in output.text.splitlines() if not line.startswith(("Attaching", "Attached"))]
        assert lines[0].startswith("Tracing ") and lines[0].endswith(" Ctrl+C stops.") and HEAD.fullmatch(lines[2])


def test_the_arp_script_ends_with_what_it_printed_per_function(arp):
    assert arp.counts() == arp.blocks_per_function()
    assert set(arp.counts()) == {"arp_send", "arp_create", "arp_process", "arp_error_report"}


def flow(protocol, source=SOURCE, target=TARGET):
    return f"{source} port 5001 > {target} port 443 {protocol}"


@pytest.mark.parametrize("text", [
    f"gso_type 0x12 (tcpv6) gso_size 1000 segs 0, length 3040, {flow('tcp')}: TCPv6 segmentation, but not IPv6",
    "gso_type 0x3 (tcpv4) gso_size 1000 segs 0, length 3060, "
    f"{flow('tcp', '2001:db8::1', '2001:db8::2')}: TCPv4 segmentation, but not IPv4",
    f"gso_type 0x3 (tcpv4) gso_size 1000 segs 0, length 3028, {flow('udp')}: TCP segmentation, but not TCP",
    f"gso_type 0x10002 (udp) gso_size 1000 segs 0, length 3028, {flow('udp')}: "
    "UDP fragmentation, which Linux only emulates",
    f"gso_type 0x3 (tcpv4) gso_size 4999 segs 0, length 9040, {flow('tcp')}: segments longer than the MTU",
])
def test_a_packet_whose_metadata_is_wrong_is_seen_with_who_wrote_it(gso, text):
    block = the_one(gso.of("netif_receive_skb", "t0", text))
    assert (block.pid, block.command) == (os.getpid(), "python3")
    assert block.stack[:2] == ["netif_receive_skb", "tun_get_user"]


def test_a_packet_of_a_tun_is_seen_as_one_of_a_tap(gso):
    the_one(gso.of("netif_receive_skb", "tun0",
                   f"gso_size 20 segs 0, length 3040, {flow('tcp')}: TCP segments of less than 48 bytes"))


def test_a_packet_is_seen_where_the_other_owner_will_read_it(gso):
    block = the_one(gso.of("tun_net_xmit", "t1", "gso_size 4999 segs 2"))
    assert block.text.endswith(f"{flow('tcp')}: segments longer than the MTU")
    assert "dev_hard_start_xmit" in block.stack


@pytest.mark.parametrize("device", ["t0", "tun0"])
def test_a_refused_header_is_seen_with_its_device_and_who_wrote_it(gso, device):
    block = the_one(gso.of("tun_get_user", device))
    assert block.text == "refused with EINVAL: the virtio-net header, or the packet, is not valid"
    assert (block.pid, block.command) == (os.getpid(), "python3")
    assert "vfs_write" in block.stack


def test_a_header_that_vhost_brings_is_refused_in_tun_sendmsg(gso):
    block = the_one(gso.of("tun_sendmsg", "machine"))
    assert block.text.startswith("refused with EINVAL") and block.command == f"vhost-{os.getpid()}"


def test_correct_packets_are_not_printed(gso):
    assert "healthy" not in {block.device for block in gso.blocks}


def test_the_gso_script_ends_with_what_it_printed_per_function(gso):
    assert gso.counts() == gso.blocks_per_function()
