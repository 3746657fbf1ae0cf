"""One daemon and one journald for the tests of a module, and the questions those tests ask."""

import collections
import itertools
import struct
import time

from daemon import Daemon, assert_conserved
from frames import GSO_TCPV4, TCP, arp_frame, ethernet, ipv4, tcp, vnet_header
from journald import Journald
from namespaces import Namespace, bury
from records import brief, is_anomaly, key
from tap import Tap


NOTICE = 5
PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
#: How long the daemon takes a reply for the answer to a request.
ASKED_SECONDS = 5


class Laboratory:
    """A running daemon that writes to a private journald, and a beacon to know that it has caught up.

    The beacon is a tap on which one bad ARP packet and one bad GSO packet appear; when both are in the journal,
    everything their detectors saw before them is there too: the way from the kernel to the journal keeps the order.
    """

    def __init__(self, folder, **options):
        self.journald = Journald(folder / "journald")
        self.daemon = Daemon(folder / "daemon", journald=self.journald, **options)
        self._started = time.monotonic()
        self._beacon = Namespace()
        self._tap = Tap(self._beacon, "beacon0")
        self._numbers = itertools.count(1)
        self._is_dark = False
        #: True when a test has looked at what came of its traffic; each test begins with False.
        self.is_settled = False

    def settle(self, timeout=10.0):
        """Returns when everything caused so far is in the journal.

        A beacon that stayed dark once is not waited for again: the daemon is broken, and the run shall end soon.
        """
        assert not self._is_dark, "an earlier test's beacon was never reported"
        self._is_dark = True
        number = struct.pack("!H", next(self._numbers)).hex(":")
        mac = f"02:be:ac:00:{number}"
        address = "198.18." + ".".join(str(int(part, 16)) for part in number.split(":"))
        self._tap.write(vnet_header(), arp_frame(mac, "198.18.0.1", "198.18.0.2", op=0))
        segment = tcp(address, "198.18.0.2", 1, 2, bytes(100))
        frame = ethernet("02:be:ac:ff:ff:ff", mac, 0x0800, ipv4(address, "198.18.0.2", TCP, segment))
        self._tap.write(vnet_header(GSO_TCPV4, 1, 54, 34, 16), frame)
        where = {"NETNS": self._beacon.inode, "timeout": timeout}
        self.daemon.records.wait(RULE="arp-malformed", ETH_SRC=mac, **where)
        self.daemon.records.wait(RULE="gso-tiny-size", L3_SRC=address, **where)
        self._is_dark = False
        self.is_settled = True

    def entries(self, namespace, **fields):
        """The anomalies of one namespace, once everything caused so far is in the journal."""
        self.settle()
        return anomalies(self.daemon.records, namespace, **fields)

    def only(self, namespace, **fields):
        """The one anomaly of a namespace (of one interface... where named); AssertionError on more or none."""
        found = self.entries(namespace, **fields)
        assert len(found) == 1, f"expected one entry with {fields}, got {len(found)}: {brief(found)}"
        assert_complete(found[0])
        return found[0]

    def silent(self, *namespaces):
        """No anomaly of any rule in these namespaces."""
        self.settle()
        for namespace in namespaces:
            found = anomalies(self.daemon.records, namespace)
            assert not found, f"normal traffic was reported: {brief(found)}"

    def said(self, namespace):
        """How many packets the entries are about: `err arp-local-spoof`, `warning arp-scan by-process`, and `also arp-x`
        for rules named beside the entry's own. With DedupIntervalSec=0 that is one each, but for what found no room in
        the ring of a daemon that had to wait for a CPU: the next entry counts it."""
        self.settle()
        return self.tally(namespace)

    def tally(self, namespace):
        """The same of what has been read so far, for tests that settle once for many namespaces."""
        counts = collections.Counter()
        for entry in anomalies(self.daemon.records, namespace):
            count = int(entry["NETANOMALY_COUNT"])
            counts[f"{priority_name(entry)} {named(entry)}"] += count
            for rule in entry.get("NETANOMALY_ALSO", "").split():
                counts[f"also {rule}"] += count
        return dict(counts)

    def forget(self):
        """Returns when what was asked for before the daemon came can no longer be answered: until then a reply that
        nobody asked for is taken for an answer."""
        time.sleep(max(0, self._started + ASKED_SECONDS - time.monotonic()))

    def healthy(self, namespaces, expected=(), possible=()):
        """Of these namespaces: what is expected (`rule` or `rule case`), perhaps what is possible, none above notice."""
        self.settle()
        found = [entry for namespace in namespaces for entry in anomalies(self.daemon.records, namespace)]
        loud = [entry for entry in found if int(entry["PRIORITY"]) < NOTICE]
        assert not loud, f"healthy traffic was reported above notice: {brief(loud)}"
        said = {named(entry) for entry in found} - set(possible)
        assert said == set(expected), f"expected {expected}: {brief(found)}"

    def close(self):
        """Checks the books a last time, then ends daemon, beacon and journald."""
        try:
            if self.daemon.process.poll() is None:
                assert_conserved(self.daemon.drained())
        finally:
            self._tap.close()
            self._beacon.close()
            self.daemon.close()
            self.journald.close()
            bury()


def priority_name(entry):
    """`err` for 3."""
    return PRIORITIES[int(entry["PRIORITY"])]


def named(entry):
    """The rule, with the case where the rule has several: `arp-binding-change announced`."""
    return " ".join(entry[name] for name in ("NETANOMALY_RULE", "NETANOMALY_DETAIL") if name in entry)


def anomalies(records, namespace, **fields):
    """The anomalies of a namespace that were read so far."""
    return [item for item in records.find(NETNS=namespace.inode, **fields)
            if is_anomaly(item) and int(item["NETANOMALY_BOOTTIME_NS"]) >= namespace.created_ns]


ALWAYS = (
    "MESSAGE", "MESSAGE_ID", "PRIORITY", "DOCUMENTATION", "NETANOMALY_DETECTOR", "NETANOMALY_BACKEND",
    "NETANOMALY_PROBE",
    "NETANOMALY_FUNCTION", "NETANOMALY_SEQ", "NETANOMALY_BOOTTIME_NS", "NETANOMALY_IFNAME", "NETANOMALY_IFINDEX",
    "NETANOMALY_CONTEXT", "NETANOMALY_STACK", "NETANOMALY_COUNT",
)


def assert_complete(entry):
    """An entry carries what every entry must; a field is absent or says something, never empty."""
    missing = [name for name in ALWAYS if name not in entry]
    assert not missing, f"{entry['NETANOMALY_RULE']} lacks {missing}"
    empty = [name for name, value in entry.items() if name.startswith("NETANOMALY_") and value == ""]
    assert not empty, f"{entry['NETANOMALY_RULE']} has empty {empty}"
    assert len(entry["MESSAGE_ID"]) == 32 and "\n" not in entry["MESSAGE"]


def assert_fields(entry, **expected):
    """The entry says exactly this; all differences at once."""
    wrong = {key(name): (entry.get(key(name)), str(value)) for name, value in expected.items()
             if entry.get(key(name)) != str(value)}
    assert not wrong, f"{entry['NETANOMALY_RULE']}: (is, should be) {wrong}"
