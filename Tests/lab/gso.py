"""GSO packets as the owner of a tap writes them: correct headers, of which a test breaks one field."""

import time

from frames import (
    ETH_IPV4, ETH_IPV6, GSO_TCPV4, GSO_UDP_L4, TCP, UDP, ethernet, ipv4, ipv6, tcp, udp, vnet_header,
)
from tap import Tap

GUEST, PEER = "02:66:00:00:00:01", "02:66:00:00:00:02"
SOURCE, TARGET = "198.51.100.1", "198.51.100.2"
SOURCE6, TARGET6 = "2001:db8::1", "2001:db8::2"
#: Where the transport header starts in an untagged frame.
L4_OVER_IPV4, L4_OVER_IPV6 = 34, 54
CHECK_IN_TCP, CHECK_IN_UDP = 16, 6
#: Fields of the IPv4 and of the TCP header in such a frame.
TOTAL_LENGTH, DATA_OFFSET = slice(16, 18), slice(46, 47)
CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG = "2", "3", "4", "5", "6", "7"


def tcp4(payload=3000, vlan=None):
    """A TCP segment over IPv4, far longer than a packet on the wire may be."""
    packet = ipv4(SOURCE, TARGET, TCP, tcp(SOURCE, TARGET, 5001, 443, bytes(payload)))
    return ethernet(PEER, GUEST, ETH_IPV4, packet, vlan)


def udp4(payload=3000):
    """A UDP datagram over IPv4 of that size."""
    return ethernet(PEER, GUEST, ETH_IPV4, ipv4(SOURCE, TARGET, UDP, udp(SOURCE, TARGET, 5001, 443, bytes(payload))))


def tcp6(payload=3000):
    """A TCP segment over IPv6 of that size."""
    segment = tcp(SOURCE6, TARGET6, 5001, 443, bytes(payload))
    return ethernet(PEER, GUEST, ETH_IPV6, ipv6(SOURCE6, TARGET6, TCP, segment))


def tso4(size=1000, **other):
    """The header of a correct TCP segmentation request over IPv4."""
    return vnet_header(**{"gso_type": GSO_TCPV4, "gso_size": size, "header_length": 54, "csum_start": L4_OVER_IPV4,
                          "csum_offset": CHECK_IN_TCP, **other})


def uso4(size=1000, **other):
    """The header of a correct UDP segmentation request over IPv4."""
    return vnet_header(**{"gso_type": GSO_UDP_L4, "gso_size": size, "header_length": 42, "csum_start": L4_OVER_IPV4,
                          "csum_offset": CHECK_IN_UDP, **other})


def with_bytes(frame, where, value):
    """The frame with other bytes at one place."""
    assert len(value) == where.stop - where.start
    return frame[:where.start] + value + frame[where.stop:]


class Bridge:
    """Two taps on a bridge: what the owner of t0 writes goes out to the owner of t1."""

    def __init__(self, namespace, **first):
        self.namespace = namespace
        self.first, self.second = Tap(namespace, "t0", **first), Tap(namespace, "t1")
        namespace.ip("link add br0 type bridge mcast_snooping 0", "link set t0 master br0", "link set t1 master br0",
                     "link set br0 up")
        time.sleep(0.05)

    def close(self):
        self.first.close()
        self.second.close()
