"""arpwatch and arpalert beside the daemon: what they report about the same traffic."""

import re
import time

from frames import arp_frame
from segment import QUIET
from tools import UNPACKED

ARPWATCH, ARPALERT = UNPACKED / "usr/sbin/arpwatch", UNPACKED / "usr/sbin/arpalert"
#: Both report every host they have not met before; that is their directory, not an alarm.
INTRODUCTIONS = {"new station", "new"}
WITHOUT_NAMES = "mount --bind /dev/null /etc/resolv.conf; exec stdbuf -oL \"$@\""
LAST_IP, LAST_MAC = "10.66.1.250", "02:66:01:00:00:fa"
#: arpwatch: the subject of a mail, or a line of the log. arpalert: the type in a line of its log.
ARPWATCH_KIND = re.compile(r"^(?:Subject|arpwatch): ([a-z -]+?) \(?\d", re.MULTILINE)
ARPALERT_KIND = re.compile(r" type=(\w+)")

ARPALERT_CONFIGURATION = """use syslog = false
log file = "{folder}/arpalert.log"
lock file = "{folder}/arpalert.pid"
maclist leases file = "{folder}/arpalert.leases"
"""


class Peers:
    """Both programs on the e0 of one host of a segment, from `watch` to `reports`; nothing where they are missing."""

    def __init__(self, folder):
        self.folder = folder
        self._segment = None

    def watch(self, segment, number):
        """Starts both, with their defaults, and returns when both listen."""
        if not (ARPWATCH.exists() and ARPALERT.exists()):
            return
        self._segment, host = segment, segment[number]
        (self.folder / "arp.dat").touch()
        (self.folder / "arpalert.conf").write_text(ARPALERT_CONFIGURATION.format(folder=self.folder))
        with open(self.folder / "arpwatch.log", "w") as log:
            # It asks for each host's name, and would wait for a server that no route leads to.
            host.popen("unshare", "--mount", "sh", "-c", WITHOUT_NAMES, "arpwatch", ARPWATCH, "-d", "-i", "e0",
                       "-f", self.folder / "arp.dat", stdout=log, stderr=log, cwd=self.folder)
        host.popen(ARPALERT, "-f", self.folder / "arpalert.conf", "-i", "e0", **QUIET)
        deadline = time.monotonic() + 5
        while host.run("cat", "/proc/net/packet").stdout.count("\n") < 3:
            assert time.monotonic() < deadline, "arpwatch and arpalert do not listen: " + self._said("arpwatch.log")
            time.sleep(0.02)

    def _said(self, log):
        path = self.folder / log
        return path.read_text(errors="replace") if path.exists() else ""

    def reports(self):
        """What each has reported, by name; nothing when they do not run.

        Both read in batches: a host that has not been heard before introduces itself until both have noticed.
        """
        if self._segment is None:
            return {}
        last = arp_frame(LAST_MAC, LAST_IP, LAST_IP)
        deadline = time.monotonic() + 10
        while not all(LAST_IP in self._said(log) for log in ("arpwatch.log", "arpalert.log")):
            assert time.monotonic() < deadline, "arpwatch or arpalert reads no more"
            self._segment.write(last)
            time.sleep(0.2)
        found = {"arpwatch": ARPWATCH_KIND.findall(self._said("arpwatch.log")),
                 "arpalert": ARPALERT_KIND.findall(self._said("arpalert.log"))}
        return {name: set(kinds) - INTRODUCTIONS for name, kinds in found.items()}
