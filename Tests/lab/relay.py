"""A software switch between two hosts: its owner copies packets, virtio headers and all, from tap to tap."""

import select
import socket
import threading

from tap import IFF_MULTI_QUEUE, Tap

LEFT_IP, RIGHT_IP = "10.77.0.1", "10.77.0.2"
HAS_SIZE = slice(4, 6)


class Relay:
    """Taps named t0 in two namespaces, with `queues` queues each; what comes from one goes out at the other."""

    def __init__(self, left, right, queues=1, **options):
        if queues > 1:
            options["flags"] |= IFF_MULTI_QUEUE
        self.taps = [[Tap(host, "t0", **options) for _ in range(queues)] for host in (left, right)]
        left.ip(f"addr add {LEFT_IP}/24 dev t0")
        right.ip(f"addr add {RIGHT_IP}/24 dev t0")
        #: Packets with a segment size, and the queues that had packets.
        self.large, self.used = 0, set()
        self._ending = False
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def _copy(self):
        ways = {}
        for left, right in zip(*self.taps):
            ways |= {left.descriptor: (left, right), right.descriptor: (right, left)}
        while not self._ending:
            for descriptor in select.select(list(ways), [], [], 0.05)[0]:
                source, target = ways[descriptor]
                self.used.add(descriptor)
                for header, frame in source.drain():
                    self.large += header[HAS_SIZE] not in (b"", b"\0\0")
                    target.write(header, frame)

    def needs_udp_segments(self):
        """Skips the test where the kernel refuses every header of that type."""
        self.taps[0][0].needs_udp_segments()

    def close(self):
        self._ending = True
        self._thread.join()
        for queues in self.taps:
            for tap in queues:
                tap.close()


def transfer(left, right, address=RIGHT_IP, size=4 << 20):
    """Sends `size` bytes over TCP from left to right."""
    with right.entered():
        listener = socket.create_server((address, 7000))
    got = []

    def serve():
        connection = listener.accept()[0]
        with connection:
            while data := connection.recv(1 << 16):
                got.append(len(data))

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    with left.entered(), socket.create_connection((address, 7000), timeout=10) as client:
        client.sendall(bytes(size))
    server.join(timeout=20)
    listener.close()
    assert sum(got) == size
