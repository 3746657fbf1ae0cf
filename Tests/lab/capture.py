"""The ARP frames that really went over a device, to count what a program sent by another means than the daemon's."""

import collections
import contextlib
import socket
import struct

from frames import ETH_ARP, REPLY, REQUEST
from segment import wait_until

ETH_P_ALL, PACKET_OUTGOING, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 3, 4, 33, 35
BUFFER_BYTES = 8 << 20

Frame = collections.namedtuple("Frame", "at_seconds is_sent destination source operation sha spa tpa")


class Capture:
    """Every ARP frame that a device of a namespace sends or receives, from now on."""

    def __init__(self, namespace, device="e0"):
        self._frames = []
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.bind((device, ETH_P_ALL))
            self._socket.setblocking(False)

    def frames(self):
        """All of them so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, origin = self._socket.recvmsg(2000, socket.CMSG_SPACE(16))
                if int.from_bytes(data[12:14], "big") == ETH_ARP and len(data) >= 42:
                    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                    self._frames.append(Frame(
                        seconds + nanoseconds / 1e9, origin[2] == PACKET_OUTGOING, data[:6].hex(":"), data[6:12].hex(":"), data[21],
                        data[22:28].hex(":"), socket.inet_ntoa(data[28:32]), socket.inet_ntoa(data[38:42])))
        return self._frames

    def claims(self, *addresses):
        """The replies the device has sent in the name of one of these addresses."""
        return [frame for frame in self.frames()
                if frame.is_sent and frame.operation == REPLY and frame.spa in addresses]

    def wait_claims(self, count, *addresses):
        """Waits until so many of them were sent."""
        wait_until(lambda: len(self.claims(*addresses)) >= count, f"{count} claims of {addresses}")

    def questions(self):
        """The requests the device has sent, in order; announcements ask for nobody."""
        return [frame for frame in self.frames() if frame.is_sent and frame.operation == REQUEST and frame.spa != frame.tpa]
