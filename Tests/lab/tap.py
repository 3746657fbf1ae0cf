"""The owner's side of a tun or tap device: what a hypervisor does, with a header as wrong as a test wants it."""

import errno
import fcntl
import os
import select
import stat
import struct

import pytest

from namespaces import run

TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TUN, IFF_TAP, IFF_NAPI, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x1, 0x2, 0x10, 0x100, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO_ECN = 0x01, 0x02, 0x04, 0x08
TUN_F_USO4, TUN_F_USO6 = 0x20, 0x40
TUN_F_UDP_TUNNEL_GSO, TUN_F_UDP_TUNNEL_GSO_CSUM = 0x080, 0x100

ALL_OFFLOADS = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6
TUNNEL_OFFLOADS = ALL_OFFLOADS | TUN_F_UDP_TUNNEL_GSO | TUN_F_UDP_TUNNEL_GSO_CSUM


class Tap:
    """One open queue of a device in `namespace`; the device goes when its last one is closed.

    `flags` adds to IFF_NO_PI | IFF_VNET_HDR. The device is up on return.
    """

    def __init__(self, namespace, name, flags=IFF_TAP, offloads=ALL_OFFLOADS, header_size=10, vnet=True, address=None):
        self.namespace, self.name = namespace, name
        self.header_size = header_size if vnet else 0
        flags |= IFF_NO_PI | (IFF_VNET_HDR if vnet else 0)
        with namespace.entered():
            self.descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        if vnet and header_size != 10:
            fcntl.ioctl(self.descriptor, TUNSETVNETHDRSZ, struct.pack("i", header_size))
        if offloads is not None:
            self.offer(offloads)
        if address:
            namespace.ip(f"link set {name} address {address}")
        namespace.ip(f"link set {name} up")

    def offer(self, offloads):
        """Tells the kernel what the owner takes; UDP segmentation only where the kernel knows it (6.2)."""
        try:
            fcntl.ioctl(self.descriptor, TUNSETOFFLOAD, offloads)
            self.takes_udp_segments = bool(offloads & TUN_F_USO4)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            if offloads & TUN_F_UDP_TUNNEL_GSO:
                pytest.skip("this kernel's TUN takes no tunnel offload (Linux 6.17 does)")
            fcntl.ioctl(self.descriptor, TUNSETOFFLOAD, offloads & ~(TUN_F_USO4 | TUN_F_USO6))
            self.takes_udp_segments = False

    def needs_udp_segments(self):
        """Skips the test where the kernel refuses every header of that type."""
        if not self.takes_udp_segments:
            pytest.skip("this kernel's TUN takes no UDP segmentation (Linux 6.2 does)")

    def write(self, header, frame):
        """Gives the kernel one packet; raises OSError(EINVAL) where the kernel refuses the header."""
        return os.write(self.descriptor, header + frame)

    def writev(self, *parts):
        """The same from several buffers: the kernel puts only the first bytes in the linear area."""
        return os.writev(self.descriptor, parts)

    def read(self, timeout=0.0):
        """The next packet from the kernel as (header, frame), or None when none comes in time.

        Never call this on a device that may hold a packet with a GSO size and no type: the kernel answers with a
        warning of its own (WARN_ON_ONCE in tun_put_user).
        """
        if not select.select([self.descriptor], [], [], timeout)[0]:
            return None
        data = os.read(self.descriptor, 70000)
        return data[: self.header_size], data[self.header_size :]

    def drain(self):
        """Reads all there is."""
        packets = []
        while (packet := self.read()) is not None:
            packets.append(packet)
        return packets

    def close(self):
        """Removes the device."""
        os.close(self.descriptor)


class Macvtap(Tap):
    """The one queue of a macvtap that exists already; its owner's packets go out through the device below it.

    udev is not here to make /dev/tapN: the node is made in `folder`, from the numbers in the namespace's sysfs.
    """

    def __init__(self, namespace, name, folder):
        self.namespace, self.name, self.header_size = namespace, name, 10
        number = namespace.ifindex(name)
        path = f"/sys/class/net/{name}/macvtap/tap{number}/dev"
        major, minor = run("ip", "netns", "exec", namespace.name, "cat", path).stdout.split(":")
        node = folder / f"tap{number}"
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(int(major), int(minor)))
        with namespace.entered():
            self.descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
            flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
            fcntl.ioctl(self.descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        self.offer(ALL_OFFLOADS)
