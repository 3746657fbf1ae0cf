"""Frames and virtio-net headers, byte by byte, so that a test can break exactly one field."""

import ipaddress
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
ZERO_MAC = "00:00:00:00:00:00"

ETH_IPV4, ETH_ARP, ETH_RARP, ETH_VLAN, ETH_IPV6 = 0x0800, 0x0806, 0x8035, 0x8100, 0x86DD
TCP, UDP, ICMP = 6, 17, 1
REQUEST, REPLY = 1, 2

NEEDS_CSUM = 1
GSO_NONE, GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_UDP_L4 = 0, 1, 3, 4, 5
GSO_UDP_TUNNEL_IPV4 = 0x20


def mac_bytes(text):
    """`02:66:00:00:00:01` as six bytes."""
    return bytes.fromhex(text.replace(":", ""))


def ip_bytes(text):
    """An IPv4 or IPv6 address as 4 or 16 bytes."""
    return ipaddress.ip_address(text).packed


def ethernet(destination, source, ethertype, payload, vlan=None):
    """An Ethernet frame, tagged in the frame itself when `vlan` is a number."""
    tag = b"" if vlan is None else struct.pack("!HH", ETH_VLAN, vlan)
    return mac_bytes(destination) + mac_bytes(source) + tag + struct.pack("!H", ethertype) + payload


def arp(sha, spa, tpa, op=REQUEST, tha=ZERO_MAC, hrd=1, pro=ETH_IPV4, hln=6, pln=4):
    """An ARP packet of RFC 826; the four type and length fields lie when a test says so."""
    head = struct.pack("!HHBBH", hrd, pro, hln, pln, op)
    return head + mac_bytes(sha) + ip_bytes(spa) + mac_bytes(tha) + ip_bytes(tpa)


def arp_frame(sha, spa, tpa, op=REQUEST, tha=ZERO_MAC, source=None, destination=BROADCAST, vlan=None, **lies):
    """An ARP packet in Ethernet; `source` is the Ethernet source when it is not `sha`."""
    return ethernet(destination, source or sha, ETH_ARP, arp(sha, spa, tpa, op, tha, **lies), vlan)


def checksum(data):
    """The Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload, ttl=64):
    """An IPv4 packet without options."""
    fields = (0x45, 0, 20 + len(payload), 1, 0, ttl, protocol)
    addresses = ip_bytes(source) + ip_bytes(destination)
    zeroed = struct.pack("!BBHHHBBH", *fields, 0) + addresses
    return struct.pack("!BBHHHBBH", *fields, checksum(zeroed)) + addresses + payload


def ipv6(source, destination, protocol, payload):
    """An IPv6 packet without extension headers."""
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    return head + ip_bytes(source) + ip_bytes(destination) + payload


def pseudo_sum(source, destination, protocol, length):
    """What CHECKSUM_PARTIAL expects in the checksum field: the pseudo-header's sum, not inverted."""
    pseudo = ip_bytes(source) + ip_bytes(destination) + struct.pack("!II", length, protocol)
    return ~checksum(pseudo) & 0xFFFF


def tcp(source, destination, sport, dport, payload, flags=0x10):
    """A TCP segment whose checksum is left to the device (partial)."""
    partial = pseudo_sum(source, destination, TCP, 20 + len(payload))
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, flags, 65535, partial, 0) + payload


def udp(source, destination, sport, dport, payload, partial=True):
    """A UDP datagram, checksum left to the device, or absent (0) when not `partial`."""
    length = 8 + len(payload)
    check = pseudo_sum(source, destination, UDP, length) if partial else 0
    return struct.pack("!HHHH", sport, dport, length, check) + payload


def vxlan(vni, frame):
    """A VXLAN header of RFC 7348 and the frame inside."""
    return struct.pack("!II", 0x08000000, vni << 8) + frame


def vnet_header(gso_type=GSO_NONE, gso_size=0, header_length=0, csum_start=None, csum_offset=0, flags=None):
    """struct virtio_net_hdr, 10 bytes, little-endian; NEEDS_CSUM is set when `csum_start` is given."""
    if flags is None:
        flags = 0 if csum_start is None else NEEDS_CSUM
    return struct.pack("<BBHHHH", flags, gso_type, header_length, gso_size, csum_start or 0, csum_offset)


def vnet_tunnel_header(outer_transport, inner_network, **common):
    """struct virtio_net_hdr_v1_hash_tunnel, 24 bytes: num_buffers and the hash are zero."""
    hash_value, hash_report, buffers = 0, 0, 0
    return vnet_header(**common) + struct.pack(
        "<HIHHHH", buffers, hash_value, hash_report, 0, outer_transport, inner_network)
