"""Segmentation over taps and tunnels by the programs that use it: iperf3, tunnels in user space, a virtual machine.

Not one entry may appear: healthy segmentation has no sub-case that deserves a notice.
"""

import contextlib
import socket
import threading
import time

import pytest

from capture import ETH_P_ALL, PACKET_OUTGOING
from guest import Guest
from namespaces import run
from relay import RIGHT_IP, Relay
from segment import QUIET, reaches, wait_until
from tap import IFF_NAPI, IFF_TAP, IFF_TUN
from tools import installed

# As shipped.
CONFIGURATION = ""
INSIDE = "10.78.0.{}"
TRANSFER = "4M"
SPARE = 9


def iperf3(client, server, address):
    """Four TCP streams to the server, then four from it."""
    for direction in ([], ["--reverse"]):
        listener = server.popen(installed("iperf3"), "--server", "--one-off", **QUIET)
        words = ("iperf3", "--client", address, "--bytes", TRANSFER, "--parallel", 4, *direction)
        wait_until(lambda words=words: client.run(*words, check=False).returncode == 0, "iperf3 through the tunnel")
        listener.wait(timeout=5)


@pytest.mark.resembles("gso-*", by="iperf3 over a tap pair: TSO, GRO, several queues, tun")
@pytest.mark.parametrize("options", [
    {"flags": IFF_TAP}, {"flags": IFF_TAP, "queues": 4}, {"flags": IFF_TAP | IFF_NAPI}, {"flags": IFF_TUN, "queues": 4},
], ids=["tap", "tap with 4 queues", "tap with GRO", "tun with 4 queues"])
def test_iperf3(healthy, make_namespace, options):
    hosts = make_namespace(), make_namespace()
    relay = Relay(*hosts, **options)
    try:
        iperf3(*hosts, RIGHT_IP)
        assert relay.large, "no packet was ever segmented by the device: this test tested nothing"
        assert len(relay.used) > 2 or "queues" not in options, "only one queue of each device was used"
        healthy()
    finally:
        relay.close()


@pytest.mark.resembles("gso-*", by="WireGuard in user space (wireguard-go)")
def test_wireguard(healthy, wire, tmp_path):
    wg, program = installed("wg", "wireguard-tools"), installed("wireguard-go")
    secrets = [run(wg, "genkey").stdout for _ in range(2)]
    keys = [run(wg, "pubkey", input=secret).stdout.strip() for secret in secrets]
    for own, host, other_ip in ((0, wire.left, wire.right_ip), (1, wire.right, wire.left_ip)):
        device, secret = f"wg{own}", tmp_path / f"secret{own}"
        secret.write_text(secrets[own])
        host.popen(program, "--foreground", device, **QUIET)
        wait_until(lambda host=host, device=device: host.run(wg, "show", device, check=False).returncode == 0,
                   "wireguard-go listens")
        host.run(wg, "set", device, "listen-port", 51820, "private-key", secret, "peer", keys[1 - own],
                 "allowed-ips", "10.78.0.0/24", "endpoint", f"{other_ip}:51820")
        host.ip(f"addr add {INSIDE.format(own)}/24 dev {device}", f"link set {device} up")
    iperf3(wire.left, wire.right, INSIDE.format(1))
    healthy()


@pytest.mark.resembles("gso-*", by="OpenVPN over tun and tap")
@pytest.mark.parametrize("kind", ["tun", "tap"])
def test_openvpn(healthy, wire, tmp_path, kind):
    openvpn, key = installed("openvpn"), tmp_path / "key"
    run(openvpn, "--genkey", "secret", key)
    for own, host, other_ip in ((1, wire.left, wire.right_ip), (2, wire.right, wire.left_ip)):
        end = INSIDE.format(3 - own) if kind == "tun" else "255.255.255.0"
        host.popen(openvpn, "--dev", f"{kind}7", "--dev-type", kind, "--remote", other_ip, "--disable-dco",
                   "--ifconfig", INSIDE.format(own), end, "--secret", key, "--cipher", "AES-256-CBC", **QUIET)
    wait_until(lambda: wire.left.has(f"{kind}7") and reaches(wire.left, INSIDE.format(2)), "the tunnel is up")
    iperf3(wire.left, wire.right, INSIDE.format(2))
    healthy()


GUEST_SCRIPT = """
ip addr add {own}/24 broadcast + dev eth0 && ip link set eth0 up && ping -c 2 {peer} &&
dd if=/dev/zero bs=64k count=64 2>/dev/null | nc {peer} 7001 && nc {peer} 7002 | wc -c
"""
GUEST_BYTES, FULL_FRAME = 64 << 16, 1514


@pytest.fixture
def server(segment):
    """On host 1: takes in what comes on port 7001, then gives as much on 7002."""
    received = []
    with segment[1].entered():
        listeners = [socket.create_server((segment.ip(1), port)) for port in (7001, 7002)]

    def serve():
        with listeners[0].accept()[0] as connection:
            while data := connection.recv(1 << 16):
                received.append(len(data))
        with listeners[1].accept()[0] as connection:
            connection.sendall(bytes(GUEST_BYTES))

    threading.Thread(target=serve, daemon=True).start()
    yield received
    for listener in listeners:
        listener.close()


def largest_received(sniffer):
    """The length of the largest frame that has come in since."""
    longest = 0
    # The device goes when the guest does.
    with contextlib.suppress(OSError):
        while True:
            length, origin = sniffer.recvfrom_into(bytearray(1), 0, socket.MSG_TRUNC)
            longest = max(longest, length if origin[2] != PACKET_OUTGOING else 0)
    return longest


@pytest.mark.timeout(90)
@pytest.mark.resembles("gso-*", "arp-local-spoof", "arp-malformed", by="a Linux guest under qemu, on a tap")
def test_a_guest_on_a_tap(healthy, segment, server, tmp_path):
    script = GUEST_SCRIPT.format(own=segment.ip(SPARE), peer=segment.ip(1))
    guest = Guest(segment.switch, "vm0", segment.mac(SPARE), script, tmp_path)
    wait_until(lambda: segment.switch.has("vm0"), "qemu made its tap")
    segment.switch.ip("link set vm0 master br0 up")
    with segment.switch.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ETH_P_ALL) as sniffer:
        sniffer.bind(("vm0", ETH_P_ALL))
        sniffer.setblocking(False)
        longest = 0
        while guest.runs():
            longest = max(longest, largest_received(sniffer))
            time.sleep(0.05)
    assert str(GUEST_BYTES) in guest.finish() and sum(server) == GUEST_BYTES
    assert longest > FULL_FRAME, "no packet was left to the tap to segment: this test tested nothing"
    healthy()
