"""A host on a tap: what is written to the tap is what it receives as from a wire, and no sender is reported as well."""

import socket

from frames import REPLY, arp_frame
from tap import Tap

OWN_MAC, OWN_IP = "02:66:00:00:00:02", "10.66.0.2"
PEER_MAC, PEER_IP = "02:66:00:00:00:01", "10.66.0.1"
OTHER_MAC, OTHER_IP = "02:66:00:00:00:03", "10.66.0.3"
FOREIGN_MAC = "02:66:00:00:00:99"
VRRP_MAC = "00:00:5e:00:01:07"


class Host:
    """10.66.0.2/24 on t0, unless it is to have another device or no address."""

    def __init__(self, namespace, device="t0", address=f"{OWN_IP}/24", mac=OWN_MAC):
        self.namespace, self.device = namespace, device
        self._tap = Tap(namespace, device, vnet=False, address=mac)
        if address:
            namespace.ip(f"addr add {address} brd + dev {device}")

    def receive(self, *frames):
        """Takes them in."""
        for frame in frames:
            self._tap.write(b"", frame)

    def ask(self, *addresses):
        """Sends each a datagram, for which the kernel asks by ARP where it knows no MAC."""
        with self.namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for address in addresses:
                sender.sendto(b"x", (address, 9))

    def question(self, address):
        """Asks by a packet socket, in the host's own name, whether or not the kernel knows the answer."""
        self.namespace.send(self.device, question(OWN_MAC, OWN_IP, address))

    def know(self, mac, ip, state="stale"):
        """Has the neighbour in its table, without any ARP."""
        self.namespace.ip(f"neigh replace {ip} lladdr {mac} dev {self.device} nud {state}")

    def close(self):
        """Removes the tap."""
        self._tap.close()


def announcement(mac, ip, **lies):
    """A gratuitous request."""
    return arp_frame(mac, ip, ip, **lies)


def question(mac, ip, target, **lies):
    """A broadcast request."""
    return arp_frame(mac, ip, target, **lies)


def answer(mac, ip, to_mac=OWN_MAC, to_ip=OWN_IP, **lies):
    """A unicast reply."""
    return arp_frame(mac, ip, to_ip, **{"op": REPLY, "tha": to_mac, "destination": to_mac, **lies})
