"""Many hosts: Debian's systemd-journal-upload and systemd-journal-remote collect the entries of two into one journal, and
prometheus-node-exporter serves what the hardened service writes; both as docs/FLEET.md tells a user to set them up."""


import pytest

from machine import Machine, NoMachine
from namespaces import run
from segment import wait_until
from service import OURS, UNIT, UNLIMITED, Anomalies, Service, sequence

COLLECTOR = "192.0.2.1"
#: What of an entry the collector must have as its host has it.
SAME = ("MESSAGE", "MESSAGE_ID", "PRIORITY", "_HOSTNAME", "_MACHINE_ID", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER")
METRICS = "/var/lib/prometheus/node-exporter/netanomalyd.prom"
SCRAPE = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9100/metrics', timeout=5).read().decode())"


class Certificates:
    """A certificate authority and what it signs, in a folder; by the commands of docs/FLEET.md."""

    def __init__(self, folder):
        self._folder = folder
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=fleet",
                      "-keyout", "ca.key", "-out", "ca.pem")

    def _openssl(self, *words):
        run("openssl", *words, cwd=self._folder)

    def sign(self, name):
        """Key and certificate of a host."""
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-addext",
                      f"subjectAltName=DNS:{name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "3650", "-copy_extensions", "copy", "-out", f"{name}.pem")

    def install(self, machine, name, group):
        """Gives a machine what it needs; the key to that group only."""
        for source, target in ((f"{name}.key", "key.pem"), (f"{name}.pem", "cert.pem"), ("ca.pem", "ca.pem")):
            machine.write(f"/etc/netanomaly-fleet/{target}", (self._folder / source).read_text())
        machine.run("chgrp", group, "/etc/netanomaly-fleet/key.pem")
        machine.run("chmod", "640", "/etc/netanomaly-fleet/key.pem")


def certificate_settings(section):
    """For journal-upload.conf or journal-remote.conf."""
    return (f"[{section}]\nServerKeyFile=/etc/netanomaly-fleet/key.pem\n"
            "ServerCertificateFile=/etc/netanomaly-fleet/cert.pem\nTrustedCertificateFile=/etc/netanomaly-fleet/ca.pem\n")


class Fleet:
    """A collector and two hosts with the service, each with a cable to it."""

    names = ("alpha", "beta")

    def __init__(self, suite, deb, folder):
        self.machines = {}
        try:
            for name in ("collector", *self.names):
                (folder / name).mkdir()
                machine = self.machines[name] = Machine(suite, folder / name)
                machine.run("python3", "-c", f"import socket; socket.sethostname({name!r})")
            (folder / "certificates").mkdir()
            self._certificates = Certificates(folder / "certificates")
            self._collect()
            self.services = {name: self._join(number, name, deb) for number, name in enumerate(self.names)}
            self.anomalies = {name: Anomalies(self.machines[name]) for name in self.names}
        except BaseException:
            self.close()
            raise

    def _collect(self):
        machine = self.machines["collector"]
        self._certificates.sign("collector")
        self._certificates.install(machine, "collector", "systemd-journal-remote")
        machine.write("/etc/systemd/journal-remote.conf.d/fleet.conf", certificate_settings("Remote"))
        machine.run("systemctl", "enable", "--now", "systemd-journal-remote.socket")

    def _join(self, number, name, deb):
        machine, collector = self.machines[name], self.machines["collector"]
        run("ip", "link", "add", f"to-{name}", "netns", pid(collector), "type", "veth", "peer", "name", "e0", "netns",
            pid(machine))
        near = f"192.0.2.{10 + number}"
        collector.ip(f"addr add {COLLECTOR}/32 dev to-{name}", f"link set to-{name} up",
                     f"route add {near}/32 dev to-{name}")
        machine.ip(f"addr add {near}/24 dev e0", "link set e0 up")
        machine.write("/etc/hosts", f"127.0.0.1 localhost\n{COLLECTOR} collector\n")
        self._certificates.sign(name)
        self._certificates.install(machine, name, "systemd-journal")
        machine.write("/etc/systemd/journal-upload.conf.d/fleet.conf",
                      certificate_settings("Upload") + "URL=https://collector\n")
        machine.write("/etc/systemd/system/systemd-journal-upload.service.d/fleet.conf",
                      "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=1s\n")
        service = Service(machine)
        service.install(deb)
        service.configure(UNLIMITED)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "enable", "--now", UNIT, "systemd-journal-upload")
        return service

    def collected(self, *words):
        """The service's entries in the collector's journals."""
        return self.machines["collector"].journal("--directory=/var/log/journal/remote", "-u", "netanomalyd", *words,
                                                  check=False)

    def wait_equal(self):
        """Every entry that the hosts have is at the collector, once."""
        wanted = {name: sequence(service.entries()) for name, service in self.services.items()}
        found = {}

        def arrived():
            found.update({name: sequence(self.collected(OURS, f"_HOSTNAME={name}")) for name in wanted})
            return all(set(found[name]) >= set(wanted[name]) for name in wanted)

        wait_until(arrived, "the collector has every entry", 60.0)
        assert {name: sorted(numbers) for name, numbers in found.items()} == wanted, "an entry came twice"
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
        found = fleet.collected(f"_HOSTNAME={name}", "NETANOMALY_RULE=arp-bad-sender-ip")
        own = fleet.services[name].entries("NETANOMALY_RULE=arp-bad-sender-ip")
        assert len(found) == len(own) == 18
        identities |= {entry["_MACHINE_ID"] for entry in found}
        for here, there in zip(own, found):
            fields = [field for field in here if field in SAME or field.startswith("NETANOMALY_")]
            assert len(fields) > len(SAME) + 10
            assert {field: there.get(field) for field in fields} == {field: here[field] for field in fields}
    assert len(identities) == 2
    files = fleet.machines["collector"].path("/var/log/journal/remote").iterdir()
    assert {file.name for file in files} == {f"remote-CN={name}.journal" for name in fleet.names}
    both = fleet.machines["collector"].journal("--merge", "-u", "netanomalyd", "NETANOMALY_RULE=arp-bad-sender-ip")
    assert len(both) == 36, "journalctl finds the folder by itself"


def test_what_comes_while_the_collector_is_away_is_there_later_once(fleet):
    collector = fleet.machines["collector"]
    before = fleet.wait_equal()
    collector.run("systemctl", "stop", "systemd-journal-remote.socket", "systemd-journal-remote.service")
    cause(fleet, 50)
    assert len(fleet.collected(OURS)) == sum(map(len, before.values())), "nobody listens"
    collector.run("systemctl", "start", "systemd-journal-remote.socket")
    after = fleet.wait_equal()
    assert all(len(after[name]) == len(before[name]) + 100 for name in fleet.names)


def test_the_hardened_service_writes_metrics_that_node_exporter_serves(fleet):
    service, machine = fleet.services["alpha"], fleet.machines["alpha"]
    service.configure(f"{UNLIMITED}[Metrics]\nTextFile={METRICS}\nIntervalSec=1s\n")
    service.systemctl("reload", UNIT)
    told = service.wait_entry("NETANOMALY_RULE=daemon-metrics-failed")
    assert "Read-only file system" in told["MESSAGE"] and "ReadWritePaths=" in told["MESSAGE"]
    follow("/usr/share/netanomalyd/metrics.conf", machine)
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


def follow(name, machine):
    """Does what the first lines of a file tell a person to do."""
    steps = [line[1:].strip() for line in machine.path(name).read_text().splitlines() if line.startswith("#     ")]
    assert len(steps) == 3
    for step in steps:
        machine.run("sh", "-c", step)
