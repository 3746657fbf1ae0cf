"""netanomalyd as a user has it: installed from its package, run by systemd, asked by systemctl and journalctl."""

import contextlib
import json
import os
import pathlib
import shutil
import struct
import threading
import time

from daemon import SETTLED, assert_conserved
from frames import REPLY, arp_frame
from namespaces import run
from segment import wait_until
from tap import Tap

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
UNIT = "netanomalyd.service"
CONFIGURATION = "/etc/netanomaly.conf.d/test.conf"
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"
OURS = "SYSLOG_IDENTIFIER=netanomalyd"
RULE = "arp-bad-sender-ip"
APT = ("apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0")
#: Every anomaly is an entry, at any rate a test makes.
UNLIMITED = """[Limits]
DedupIntervalSec=0
RateLimitIntervalSec=1s
RateLimitBurst=100000
MaxKeys=131072
"""


def package():
    """The .deb that NETANOMALYD_DEB names, else the newest in dist/; None without any."""
    named = os.environ.get("NETANOMALYD_DEB")
    built = sorted(REPOSITORY.glob("dist/netanomalyd_*.deb"), key=lambda path: path.stat().st_mtime)
    return pathlib.Path(named) if named else built[-1] if built else None


def repacked(deb, folder, change):
    """The package with what `change` makes of its tree, where DEBIAN has what dpkg is told."""
    tree, target = folder / "tree", folder / deb.name
    folder.mkdir(exist_ok=True)
    run("dpkg-deb", "--raw-extract", deb, tree)
    change(tree)
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, target)
    shutil.rmtree(tree)
    return target


def mac(number):
    """The sender of an anomaly by its number."""
    return "02:99:" + struct.pack("!I", number).hex(":")


class Anomalies:
    """Real ones on a tap of the machine's: replies from no address, each by a sender of its own."""

    def __init__(self, machine, device="t0"):
        self._tap = Tap(machine, device, vnet=False)
        #: How many were made; they have the numbers from 1 on.
        self.made = 0

    def cause(self, count=1, senders=None):
        """Makes that many at once, if need be by so many senders in turn; the MAC of the last."""
        sender = ""
        for _ in range(count):
            self.made += 1
            sender = mac(self.made % senders if senders else self.made)
            self._tap.write(b"", arp_frame(sender, "0.0.0.0", "10.66.0.2", op=REPLY))
        return sender

    @contextlib.contextmanager
    def steadily(self, per_second, senders=None):
        """As many a second, for as long as the block runs; nobody else may make any meanwhile."""
        ending = threading.Event()
        began, first = time.monotonic(), self.made

        def make():
            while not ending.wait(0.005):
                # The tap's own queue holds 500 frames.
                due = int((time.monotonic() - began) * per_second) - (self.made - first)
                self.cause(min(due, 400), senders)

        thread = threading.Thread(target=make, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ending.set()
            thread.join(timeout=10)

    def close(self):
        """Removes the tap."""
        self._tap.close()


class Service:
    """The daemon in a machine."""

    def __init__(self, machine):
        self.machine = machine

    def install(self, deb, *options):
        """What the README says; also of a version that is there already, or a lower one."""
        return self.machine.run(*APT, *options, "install", "--reinstall", "--allow-downgrades", self.machine.copy(deb),
                                timeout=60)

    def systemctl(self, *words, **options):
        """Runs systemctl."""
        return self.machine.run("systemctl", *words, **options)

    def show(self, name):
        """A property of the unit."""
        return self.systemctl("show", "--value", f"--property={name}", UNIT).stdout.strip()

    def pid(self):
        """The main process, by its number in the machine."""
        return self.show("MainPID")

    def signal(self, name):
        """Sends the main process a signal, as `kill` does."""
        self.machine.run("kill", f"-{name}", self.pid())

    def status(self):
        """`netanomalyctl status --json`."""
        return json.loads(self.machine.run("netanomalyctl", "status", "--json").stdout)

    def drained(self, timeout=20.0):
        """The status once nothing is on its way to the journal any more."""
        last = []

        def settled():
            last[:] = [self.status()]
            return last[0]["output"]["waiting"] == 0 and all(a["pending"] == 0 for a in last[0]["rules"].values())

        wait_until(settled, "everything is written or counted", timeout)
        return last[0]

    def entries(self, *matches, fields=()):
        """Its own entries; with `fields` only these of each, which is quicker."""
        words = [f"--output-fields={','.join(fields)}"] if fields else []
        return self.machine.journal(OURS, *matches, *words)

    def wait_entry(self, *matches, timeout=10.0):
        """The newest of its entries with these matches, once there is one."""
        found = []

        def there():
            found[:] = self.machine.journal("--lines=1", OURS, *matches, check=False)
            return found

        wait_until(there, f"an entry with {matches}", timeout)
        return found[0]

    def assert_watches(self, anomalies, timeout=15.0):
        """An anomaly made now comes to the journal; one made while the daemon was starting may come before it."""
        wait_until(lambda: self.show("ActiveState") == "active", "the service runs", timeout)
        return self.wait_entry(f"NETANOMALY_ETH_SRC={anomalies.cause()}", timeout=timeout)

    def configure(self, text):
        """Writes the test's own configuration; a reload or restart puts it in force."""
        self.machine.write(CONFIGURATION, text)

    def drop_in(self, text):
        """Overrides the unit; a restart puts it in force."""
        self.machine.write(DROP_IN, text)
        self.systemctl("daemon-reload")

    def begin(self, configuration="", drop_in=""):
        """Starts it anew with these, whatever an earlier test left."""
        self.configure(configuration)
        self.drop_in(drop_in or "[Unit]\n")
        self.systemctl("reset-failed", UNIT, check=False)
        self.systemctl("restart", UNIT)


class Books:
    """What the daemon says it gave the journal, against what is there, from now to `close`."""

    def __init__(self, service):
        self._service = service
        before = service.drained()
        self._first, self._lost_before = before["next_seq"], lost(before)
        self._invocation = service.show("InvocationID")

    def close(self):
        """Every number of NETANOMALY_SEQ is in the journal once, but those that were counted as lost; how many."""
        status = self._service.drained()
        assert_conserved(status)
        counted = self.lost(status)
        missing = self.missing(status)
        assert len(missing) == counted, f"{counted} are counted as lost, {len(missing)} missing: {sorted(missing)[:20]}"
        return counted

    def lost(self, status):
        """Records that the journal has not taken since; what was lost before outlives a restart."""
        return lost(status) - self._lost_before

    def missing(self, status):
        """The numbers given to entries so far that the journal does not have."""
        wanted = set(range(self._first, status["next_seq"]))
        last = max(wanted, default=0)
        numbers = []

        def arrived():
            numbers[:] = sequence(self._service.entries(f"_SYSTEMD_INVOCATION_ID={self._invocation}",
                                                        fields=["NETANOMALY_SEQ"]))
            return last in numbers

        # journald may still be busy with what it was sent; where the last itself is lost, this is time for it.
        with contextlib.suppress(AssertionError):
            wait_until(arrived, "the last entry is in the journal", 10.0)
        assert len(numbers) == len(set(numbers)), "a number was used twice"
        return wanted - set(numbers)


def lost(status):
    """Records that the journal did not take, of whatever cause."""
    return sum(status["output"]["lost"].values())


def sequence(entries):
    """Their numbers, in the journal's order."""
    return [int(entry["NETANOMALY_SEQ"]) for entry in entries]


def total(status, name):
    """That count over all rules."""
    assert name in ("seen", *SETTLED)
    return sum(account[name] for account in status["rules"].values())
