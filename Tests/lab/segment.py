"""Hosts on one switch, as in a rack or a virtual network: what most tests with real programs happen in."""

import subprocess
import time

from frames import arp_frame
from namespaces import ping, veth
from tap import IFF_TAP, Tap

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def wait_until(condition, what, timeout=10.0):
    """Polls; AssertionError when it did not come true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
        time.sleep(0.02)


def addresses(host, *where):
    """The host's IPv4 addresses, all or those of one device (`"dev", "e0"`)."""
    listed = host.run("ip", "-4", "-o", "addr", "show", *where).stdout
    return [line.split()[3].split("/")[0] for line in listed.splitlines()]


def reaches(host, address):
    """True when one ping is answered; without a route yet, none is."""
    try:
        ping(host, address)
    except OSError:
        return False
    return True


class Segment:
    """Host n is 10.66.1.n on e0, with the MAC 02:66:01:00:00:0n; the switch is the bridge br0 of a namespace.

    `plug` is one more port of the switch, held by the test: frames written there reach the hosts as if a machine that
    nobody watches had sent them.
    """

    def __init__(self, make_namespace, numbers=(1, 2, 3)):
        self._make_namespace = make_namespace
        self.switch = make_namespace()
        # A port shall forward at once, as an edge port of a real switch does.
        self.switch.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0", "link set br0 up")
        self.plug = Tap(self.switch, "plug0", flags=IFF_TAP, vnet=False)
        self.switch.ip("link set plug0 master br0")
        self.hosts = {}
        for number in numbers:
            self.join(number)

    def __getitem__(self, number):
        """The namespace of a host."""
        return self.hosts[number]

    def ip(self, number):
        """The address of a host."""
        return f"10.66.1.{number}"

    def mac(self, number):
        """The MAC of a host."""
        return f"02:66:01:00:00:{number:02x}"

    def join(self, number, addressed=True):
        """A further host, with its address or without any."""
        host = self.hosts[number] = self._make_namespace()
        self.cable(host, "e0", number)
        if addressed:
            host.ip(f"addr add {self.ip(number)}/24 brd + dev e0")
        return host

    def cable(self, host, device, number):
        """Connects a device of a host, with the MAC of that number, to port p<number> of the switch."""
        veth(host, device, self.switch, f"p{number}", f"address {self.mac(number)}")
        self.switch.ip(f"link set p{number} master br0")

    def meet(self, *numbers):
        """Each of these hosts pings every other: all know each other afterwards."""
        for number in numbers:
            for other in numbers:
                if other != number:
                    ping(self[number], self.ip(other))

    def introduce(self):
        """Every host announces itself and is in the others' tables, and none had to ask: an answer is then unasked."""
        for number, host in self.hosts.items():
            host.send("e0", arp_frame(self.mac(number), self.ip(number), self.ip(number)))
            host.ip(*(f"neigh replace {self.ip(other)} lladdr {self.mac(other)} dev e0 nud stale"
                      for other in self.hosts if other != number))

    def must_reach(self, host, address):
        """Pings until it is answered, as long as a failover may take."""
        wait_until(lambda: reaches(host, address), f"{address} is reached")

    def write(self, *frames):
        """Sends frames from the machine nobody watches."""
        for frame in frames:
            self.plug.write(b"", frame)

    def close(self):
        self.plug.close()
