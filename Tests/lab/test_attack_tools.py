"""The tools that an attacker and an administrator really use, against a small network of three hosts."""

import subprocess

import pytest

from laboratory import assert_fields
from namespaces import ping, veth

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Network:
    """Three hosts on a switch: .1 is the gateway, .2 the victim, .3 the attacker; each has its address on e0."""

    def __init__(self, make_namespace):
        self.switch = make_namespace()
        self.switch.ip("link add br0 type bridge mcast_snooping 0", "link set br0 up")
        self.gateway, self.victim, self.attacker = (self._host(make_namespace(), number) for number in (1, 2, 3))

    def _host(self, host, number):
        veth(host, "e0", self.switch, f"p{number}", f"address {self.mac(number)}")
        host.ip(f"addr add {self.ip(number)}/24 brd + dev e0")
        self.switch.ip(f"link set p{number} master br0")
        return host

    def ip(self, number):
        return f"10.66.1.{number}"

    def mac(self, number):
        return f"02:66:01:00:00:0{number}"


@pytest.fixture
def network(make_namespace):
    """A switch with three hosts."""
    return Network(make_namespace)


def test_arpspoof_shows_at_the_attacker_and_at_the_victim(lab, network):
    ping(network.victim, network.ip(1))
    ping(network.attacker, network.ip(2))
    tool = network.attacker.popen("arpspoof", "-i", "e0", "-t", network.ip(2), network.ip(1), **QUIET)
    spoof = lab.daemon.records.wait(RULE="arp-local-spoof", NETNS=network.attacker.inode, timeout=3)[0]
    assert_fields(spoof, PRIORITY="3", COMM="arpspoof", PID=tool.pid, CONTEXT="process", DIRECTION="tx", IFNAME="e0",
                  ARP_OP="reply", ARP_SENDER_IP=network.ip(1), ARP_SENDER_MAC=network.mac(3))
    change = lab.daemon.records.wait(RULE="arp-binding-change", NETNS=network.victim.inode, timeout=3)[0]
    assert_fields(change, IFNAME="e0", OLD_MAC=network.mac(1), NEW_MAC=network.mac(3))
    assert network.ip(1) in change["MESSAGE"]
    lab.silent(network.switch, network.gateway)


def test_arping_for_an_address_of_another_host_is_a_spoof(lab, network):
    """Taking over an address by announcing it is what arping -S does when the host does not hold it."""
    network.attacker.run("arping", "-c", 1, "-i", "e0", "-S", network.ip(1), network.ip(2), check=False, timeout=5)
    entry = lab.only(network.attacker)
    assert_fields(entry, RULE="arp-local-spoof", COMM="arping", ARP_SENDER_IP=network.ip(1), ARP_OP="request")


def test_arping_asks_and_announces_in_silence(lab, network):
    network.attacker.run("arping", "-c", 2, "-W", 0.1, "-i", "e0", network.ip(1), timeout=5)
    network.attacker.run("arping", "-U", "-c", 1, "-W", 0.1, "-w", 1, "-i", "e0", "-S", network.ip(3), network.ip(3),
                         check=False, timeout=5)
    # RFC 5227's question whether an address is free, as DHCP clients have it asked.
    network.attacker.run("arping", "-0", "-c", 1, "-w", 1, "-i", "e0", network.ip(9), check=False, timeout=5)
    lab.silent(network.attacker, network.victim, network.gateway, network.switch)
