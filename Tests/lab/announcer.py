"""A program that speaks for an address which no device has, as MetalLB's speaker does in its layer-2 mode."""

import select
import socket
import threading
import time

from frames import BROADCAST, ETH_ARP, REPLY, REQUEST, arp_frame, ip_bytes, mac_bytes

# MetalLB announces a new address for 5 s, at this pace, once as a request and once as a reply.
ROUNDS, PAUSE_SECONDS = 5, 1.1


class Announcer:
    """Announces the address from the device and answers for it; the host takes in what is sent to it (on lo)."""

    def __init__(self, host, device, mac, address):
        self._mac, self._address = mac, address
        host.ip(f"addr add {address}/32 dev lo")
        # As kube-proxy sets it: the kernel leaves the answer to the program.
        host.sysctl("net/ipv4/conf/all/arp_ignore", 1)
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ARP))
            self._socket.bind((device, ETH_ARP))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        for _ in range(ROUNDS):
            until = time.monotonic() + PAUSE_SECONDS
            for operation in (REQUEST, REPLY):
                self._socket.send(arp_frame(self._mac, self._address, self._address, op=operation, tha=BROADCAST))
            while (left := until - time.monotonic()) > 0:
                if select.select([self._socket], [], [], left)[0]:
                    self._answer(self._socket.recv(2000))

    def _answer(self, frame):
        asker_mac, asker_ip = frame[22:28], frame[28:32]
        if frame[20:22] != b"\0\1" or frame[38:42] != ip_bytes(self._address) or asker_mac == mac_bytes(self._mac):
            return
        asker = asker_mac.hex(":")
        self._socket.send(arp_frame(self._mac, self._address, socket.inet_ntoa(asker_ip), op=REPLY, tha=asker,
                                    destination=asker))

    def finish(self):
        """Returns when the announcements are over."""
        self._thread.join()
        self._socket.close()
