"""Many hosts: Debian's systemd-journal-upload and systemd-journal-remote collect the entries of two into one journal, and
prometheus-node-exporter serves what the hardened service writes; both set up by the commands of docs/FLEET.md.
"""

import re

import pytest

from machine import Machine, NoMachine
from namespaces import run
from segment import wait_until
from service import OURS, REPOSITORY, UNIT, UNLIMITED, Anomalies, Service, sequence

COLLECTOR = "192.0.2.1"
#: What of an entry the collector must have as its host has it.
SAME = ("MESSAGE", "MESSAGE_ID", "PRIORITY", "_HOSTNAME", "_MACHINE_ID", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER")
RULE = "NETANOMALY_RULE=arp-bad-sender-ip"
CERTIFICATES = "/etc/netanomaly-fleet"
METRICS = "/var/lib/prometheus/node-exporter/netanomalyd.prom"
SCRAPE = "import urllib.request as u; print(u.urlopen('http://localhost:9100/metrics', timeout=5).read().decode())"
#: Uploads an entry as anybody could; prints the answer. Its argument is a folder with a certificate, or nothing.
FORGE = r"""
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/etc/netanomaly-fleet/ca.pem")
if sys.argv[1]:
    context.load_cert_chain(sys.argv[1] + "/cert.pem", sys.argv[1] + "/key.pem")
entry = "__REALTIME_TIMESTAMP=1\n__MONOTONIC_TIMESTAMP=1\n_BOOT_ID=" + 32 * "1" + "\nMESSAGE=" + sys.argv[2] + "\n\n"
request = urllib.request.Request("https://collector:19532/upload", data=entry.encode(),
                                 headers={"Content-Type": "application/vnd.fdo.journal"})
print(urllib.request.urlopen(request, context=context, timeout=10).status)
"""
AUTHORITY, CERTIFICATE, COLLECT, UPLOAD, READ, METRICS_FILE = range(6)


def recipe(number, replaced=()):
    """Commands of docs/FLEET.md with other names; what they would fetch from a mirror or show is there already."""
    text = (REPOSITORY / "docs/FLEET.md").read_text()
    commands = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[number]
    for old, new in replaced:
        assert old in commands
        commands = commands.replace(old, new)
    return re.sub(r"^(apt install|curl) .*\n", "", commands, flags=re.MULTILINE)


class Certificates:
    """A certificate authority and what it signs, in a folder."""

    def __init__(self, folder):
        folder.mkdir()
        self._folder = folder
        run("sh", "-ec", recipe(AUTHORITY), cwd=folder)

    def install(self, machine, name, folder=CERTIFICATES):
        """Gives a machine a key, which the owner may read, and a certificate."""
        run("sh", "-ec", recipe(CERTIFICATE, [("host1.example.org", name)]), cwd=self._folder)
        for source, target in ((f"{name}.key", "key.pem"), (f"{name}.pem", "cert.pem"), ("ca.pem", "ca.pem")):
            machine.write(f"{folder}/{target}", (self._folder / source).read_text())


class Fleet:
    """A collector and two hosts with the service, each with a cable to it."""

    names = ("alpha", "beta")

    def __init__(self, suite, deb, folder):
        self.machines = {}
        self.folder = folder
        try:
            for name in ("collector", *self.names):
                (folder / name).mkdir()
                machine = self.machines[name] = Machine(suite, folder / name)
                machine.run("python3", "-c", f"import socket; socket.sethostname({name!r})")
            self.certificates = Certificates(folder / "certificates")
            self.collector = self.machines["collector"]
            self.certificates.install(self.collector, "collector")
            self.collector.run("sh", "-ec", recipe(COLLECT))
            self.services = {name: self._join(number, name, deb) for number, name in enumerate(self.names)}
            self.anomalies = {name: Anomalies(self.machines[name]) for name in self.names}
        except BaseException:
            self.close()
            raise

    def _join(self, number, name, deb):
        machine = self.machines[name]
        run("ip", "link", "add", f"to-{name}", "netns", pid(self.collector), "type", "veth", "peer", "name", "e0",
            "netns", pid(machine))
        near = f"192.0.2.{10 + number}"
        self.collector.ip(f"addr add {COLLECTOR}/32 dev to-{name}", f"link set to-{name} up",
                          f"route add {near}/32 dev to-{name}")
        machine.ip(f"addr add {near}/24 dev e0", "link set e0 up")
        machine.write("/etc/hosts", f"127.0.0.1 localhost\n{COLLECTOR} collector\n")
        service = Service(machine)
        service.install(deb)
        service.configure(UNLIMITED)
        machine.run("systemctl", "enable", "--now", UNIT)
        self.certificates.install(machine, name)
        machine.run("sh", "-ec", recipe(UPLOAD, [("collector.example.org", "collector"), ("Sec=10s", "Sec=1s")]))
        return service

    def collected(self, *words):
        """The service's entries in the collector's journals."""
        return self.collector.journal("--directory=/var/log/journal/remote", "-u", "netanomalyd", *words,
                                      check=False)

    def arrived(self):
        """The numbers of the entries that the collector has, by the name of their host."""
        return {name: set(sequence(self.collected(OURS, f"_HOSTNAME={name}"))) for name in self.names}

    def wait_equal(self):
        """Every entry that the hosts have is at the collector, and no other; their numbers, as `arrived`."""
        wanted = {name: set(sequence(service.entries())) for name, service in self.services.items()}
        wait_until(lambda: all(found >= wanted[name] for name, found in self.arrived().items()),
                   "the collector has every entry", 60.0)
        assert self.arrived() == wanted
        return wanted

    def close(self):
        """Ends all of them."""
        for anomalies in getattr(self, "anomalies", {}).values():
            anomalies.close()
        for machine in self.machines.values():
            machine.close()


def pid(machine):
    """Its PID 1 as this machine counts."""
    return machine.root.parent.name


@pytest.fixture(scope="module")
def fleet(suite, deb, tmp_path_factory):
    """Three machines."""
    try:
        fleet = Fleet(suite, deb, tmp_path_factory.mktemp("fleet"))
    except NoMachine as reason:
        pytest.skip(str(reason))
    yield fleet
    fleet.close()


def cause(fleet, count):
    """That many anomalies on each host. The machines have one kernel, so each daemon sees those of both."""
    macs = [fleet.anomalies[name].cause(count) for name in fleet.names]
    for service in fleet.services.values():
        service.drained()
    return macs


def test_one_journal_has_the_entries_of_two_hosts(fleet):
    cause(fleet, 9)
    fleet.wait_equal()
    identities = set()
    for name in fleet.names:
        found = fleet.collected(f"_HOSTNAME={name}", RULE)
        own = fleet.services[name].entries(RULE)
        assert len(found) == len(own) == 18
        identities |= {entry["_MACHINE_ID"] for entry in found}
        for here, there in zip(own, found):
            fields = [field for field in here if field in SAME or field.startswith("NETANOMALY_")]
            assert len(fields) > len(SAME) + 10
            assert {field: there.get(field) for field in fields} == {field: here[field] for field in fields}
    assert len(identities) == 2
    both = fleet.collector.journal("--merge", "-u", "netanomalyd", RULE)
    assert len(both) == 36, "journalctl finds the folder by itself"


def test_the_commands_for_reading_find_something(fleet):
    cause(fleet, 1)
    fleet.wait_equal()
    replaced = [("host1", "beta"), ("arp-address-conflict", "arp-bad-sender-ip"),
                ("02:66:00:00:00:01", fleet.collected(RULE)[0]["NETANOMALY_ETH_SRC"])]
    commands = re.split(r"\n(?=journalctl)", recipe(READ, replaced))
    assert len(commands) == 5
    for command in commands:
        assert "alpha" in fleet.collector.run("sh", "-ec", command).stdout or "_HOSTNAME=beta" in command
        assert "beta" in fleet.collector.run("sh", "-ec", command).stdout


def test_what_comes_while_the_collector_is_away_is_there_later(fleet):
    before = fleet.wait_equal()
    fleet.collector.run("systemctl", "stop", "systemd-journal-remote.socket", "systemd-journal-remote.service")
    cause(fleet, 50)
    assert fleet.arrived() == before, "nobody listens"
    fleet.collector.run("systemctl", "start", "systemd-journal-remote.socket")
    after = fleet.wait_equal()
    assert all(len(after[name]) == len(before[name]) + 100 for name in fleet.names)


def test_nobody_uploads_without_a_certificate_of_the_fleet(fleet):
    stranger, machine = "/etc/stranger", fleet.machines["alpha"]
    others = Certificates(fleet.folder / "others")
    others.install(machine, "alpha", stranger)
    for folder, text in (("", "nobody"), (stranger, "stranger")):
        done = machine.run("python3", "-c", FORGE, folder, text, check=False)
        # Whoever is refused sees that, or only that the other side has hung up, whichever is first.
        assert "202" not in done.stdout and ("SSL" in done.stderr or "Connection reset" in done.stderr), done
    # The same with one of the fleet shows that the others were not refused for something else.
    assert machine.run("python3", "-c", FORGE, CERTIFICATES, "member").stdout == "202\n"
    wait_until(lambda: fleet.collector.journal("--merge", "MESSAGE=member", check=False), "the member's entry")
    assert not fleet.collector.journal("--merge", "MESSAGE=nobody", "+", "MESSAGE=stranger", check=False)
    # Nor is there a way around stunnel for who is on the collector.
    by_hand = "import socket; socket.socket(socket.AF_UNIX).connect('/run/netanomaly-fleet.socket')"
    done = fleet.collector.run("setpriv", "--reuid=nobody", "--clear-groups", "python3", "-c", by_hand, check=False)
    assert "PermissionError" in done.stderr


def test_a_host_uploads_nothing_to_a_collector_that_it_does_not_know(fleet):
    before = fleet.wait_equal()
    impostor = Certificates(fleet.folder / "impostor")

    def become(certificates):
        certificates.install(fleet.collector, "collector")
        fleet.collector.run("systemctl", "restart", "netanomaly-fleet")

    def complaints(machine):
        return machine.journal("--unit=systemd-journal-upload", "--grep=certificate", check=False)

    assert not any(map(complaints, fleet.machines.values()))
    become(impostor)
    cause(fleet, 1)
    for name in fleet.names:
        wait_until(lambda: complaints(fleet.machines[name]), "it is told")
    assert fleet.arrived() == before
    become(fleet.certificates)
    fleet.wait_equal()


def test_the_hardened_service_writes_metrics_that_node_exporter_serves(fleet):
    service, machine = fleet.services["alpha"], fleet.machines["alpha"]
    service.configure(f"{UNLIMITED}[Metrics]\nTextFile={METRICS}\nIntervalSec=1s\n")
    service.systemctl("reload", UNIT)
    told = service.wait_entry("NETANOMALY_RULE=daemon-metrics-failed")
    assert "Read-only file system" in told["MESSAGE"] and "ReadWritePaths=" in told["MESSAGE"]
    machine.run("sh", "-ec", recipe(METRICS_FILE))
    wait_until(machine.path(METRICS).exists, "the first file")
    owner = machine.run("stat", "--format=%U:%G %a", METRICS).stdout.strip()
    assert owner == "netanomalyd:netanomalyd 644"
    machine.ip("link set lo up")
    machine.run("systemctl", "start", "prometheus-node-exporter")
    fleet.anomalies["alpha"].cause(5)
    status = service.drained()
    line = ('netanomalyd_events_settled_total{detector="arp",fate="written",rule="arp-bad-sender-ip"} '
            f'{status["rules"]["arp-bad-sender-ip"]["written"]}\n')
    wait_until(lambda: line in machine.run("python3", "-c", SCRAPE, check=False).stdout, "node_exporter serves it", 20.0)
    service.systemctl("stop", UNIT)
    assert "netanomalyd_running 0\n" in machine.path(METRICS).read_text()


def test_metrics_conf_says_in_its_first_lines_what_the_manual_does(fleet):
    text = fleet.machines["beta"].path("/usr/share/netanomalyd/metrics.conf").read_text()
    steps = re.findall(r"^#     (.*)$", text, re.MULTILINE)
    assert len(steps) == 3 and "\n".join(steps) in recipe(METRICS_FILE)
