"""The metrics file ([Metrics] TextFile=): what Prometheus' own tools and node_exporter make of it, and its troubles."""

import pathlib
import re
import urllib.request

import pytest

import scripted
from daemon import CONFIGURATION, REPOSITORY, Daemon
from frames import arp_frame
from journald import Journald
from keeper import KeptDaemon
from namespaces import run
from segment import QUIET, wait_until
from tap import Tap
from test_own_scripts import BELL, ring, section
from tools import installed, unpacked

RULES = REPOSITORY / "examples/prometheus-rules.yml"
RULE = "arp-malformed"
FATES = ("written", "deduplicated", "limited", "overflow", "lost_ring", "lost_journal")
SAMPLE = re.compile(r"^(netanomalyd_\w+)(?:\{(.*)\})? ([0-9.e+]+)$", re.MULTILINE)
SCRIPT = frozenset({("detector", "script"), ("rule", "bell")})
LABEL = re.compile(r'(\w+)="([^"]*)"')


def configured(path, interval="1s"):
    """The lab's configuration with a metrics file."""
    return f"{CONFIGURATION}[Metrics]\nTextFile={path}\nIntervalSec={interval}\n"


def figures(text):
    """{(name, its labels): value} of all samples that are the daemon's."""
    return {(name, frozenset(LABEL.findall(labels))): int(float(value)) for name, labels, value in SAMPLE.findall(text)}


def value(found, name, **labels):
    """The figure of one series."""
    return found[f"netanomalyd_{name}", frozenset(labels.items())]


def promtool(*words, **options):
    """Prometheus' checker of files."""
    return run(unpacked("usr/bin/promtool", "prometheus"), *words, **options)


@pytest.fixture
def path(tmp_path):
    """Where the metrics go."""
    return tmp_path / "metrics" / "netanomalyd.prom"


@pytest.fixture
def daemon(tmp_path, path):
    """A daemon that writes them every second."""
    path.parent.mkdir()
    daemon = Daemon(tmp_path / "daemon", configured(path))
    wait_until(path.exists, "the first file")
    yield daemon
    daemon.close()


@pytest.fixture
def tap(namespace):
    """Where anomalies are made."""
    tap = Tap(namespace, "t0", vnet=False)
    yield tap
    tap.close()


def cause(tap, count):
    """That many, of one key."""
    for _ in range(count):
        tap.write(b"", arp_frame("02:66:00:00:00:66", "10.66.0.1", "10.66.0.2", op=0))


def assert_same(found, status):
    """The file's figures are the status'."""
    for rule, account in status["rules"].items():
        detector = "arp" if rule.startswith("arp-") else "tun-gso"
        labels = {"detector": detector, "rule": rule}
        assert value(found, "events_total", **labels) == account["seen"], rule
        assert value(found, "events_trusted_total", **labels) == account["trusted"], rule
        for fate in FATES:
            assert value(found, "events_settled_total", fate=fate, **labels) == account[fate], (rule, fate)
    for detector in status["detectors"]:
        attached = sum(probe["attached"] for probe in detector["probes"])
        assert value(found, "probes_attached", detector=detector["name"]) == attached
        assert value(found, "probes_wanted", detector=detector["name"]) == len(detector["probes"])
    for cause, count in status["output"]["lost"].items():
        assert value(found, "records_lost_total", cause=cause) == count
    assert value(found, "output_kept") == ("problem" not in status["output"])


def test_promtool_finds_nothing_to_complain_about(daemon, path):
    done = promtool("check", "metrics", input=path.read_text(), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done


def test_node_exporter_serves_what_the_status_says(daemon, path, tap, namespace):
    program = unpacked("usr/bin/prometheus-node-exporter", "prometheus-node-exporter")
    namespace.popen(program, "--web.listen-address=127.0.0.1:9100", "--collector.disable-defaults",
                    "--collector.textfile", f"--collector.textfile.directory={path.parent}", **QUIET)
    cause(tap, 23)
    daemon.records.wait(RULE=RULE, IFNAME="t0")
    # Nothing more comes: the count's summary is in the journal.
    daemon.records.wait(RULE=RULE, SUPPRESSED="22")
    status = daemon.drained()
    assert status["rules"][RULE]["seen"] == 23

    def scraped():
        with namespace.entered():
            with urllib.request.urlopen("http://127.0.0.1:9100/metrics", timeout=5) as answer:
                return answer.read().decode()

    def is_current():
        try:
            text = scraped()
        except OSError:
            return False
        return (value(figures(text), "events_total", detector="arp", rule=RULE) == 23
                and value(figures(text), "records_total") == status["next_seq"] - 1)

    wait_until(is_current, "node_exporter has the present file")
    text = scraped()
    assert_same(figures(text), status)
    assert "node_textfile_scrape_error 0\n" in text
    assert f'node_textfile_mtime_seconds{{file="{path}"}}' in text
    # It repeats types and helps only where it has understood them.
    assert "# TYPE netanomalyd_events_settled_total counter\n" in text
    assert "# TYPE netanomalyd_queue_records gauge\n" in text


def test_a_reader_never_sees_half_a_file(daemon, path):
    whole = len(figures(path.read_text()))
    seen = set()

    def read():
        with open(path, encoding="utf-8") as file:
            seen.add(pathlib.Path(f"/proc/self/fd/{file.fileno()}").stat().st_ino)
            assert len(figures(file.read())) == whole
        return len(seen) == 3

    wait_until(read, "three files")
    assert [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")] == [path.name]


def test_a_stop_leaves_the_closed_books_behind(daemon, path, tap):
    cause(tap, 5)
    daemon.records.wait(RULE=RULE, IFNAME="t0")
    assert daemon.stop() == 0
    found = figures(path.read_text())
    [accounting] = daemon.records.find(RULE="daemon-accounting")
    assert value(found, "running") == 0
    assert value(found, "events_total", detector="arp", rule=RULE) == 5
    settled = sum(count for (name, labels), count in found.items()
                  if name == "netanomalyd_events_settled_total" and ("rule", RULE) in labels)
    assert settled == 5 and accounting["NETANOMALY_PENDING"] == "0"
    assert value(found, "records_total") == max(int(item["NETANOMALY_SEQ"]) for item in daemon.records.all())


def counters(path):
    """The figures that only grow."""
    return {series: count for series, count in figures(path.read_text()).items() if series[0].endswith("_total")}


def test_a_kill_and_a_restart_take_nothing_back(tmp_path, namespace, tap, path):
    """With systemd's descriptor store: what a process has counted, the next one goes on with."""
    path.parent.mkdir()
    journald = Journald(tmp_path / "journald")
    # Killed in the middle of an interval: the next file is not to be behind the last.
    daemon = KeptDaemon(tmp_path / "daemon", journald, configured(path))
    try:
        wait_until(path.exists, "the first file")
        for round, end in enumerate((daemon.kill, daemon.stop), start=1):
            cause(tap, 7)
            wait_until(lambda: value(figures(path.read_text()), "events_total", detector="arp", rule=RULE) == 7 * round,
                       "the file has this round's")
            assert daemon.reload().returncode == 0
            wait_until(lambda: value(figures(path.read_text()), "config_reloads_total", result="applied") == 1,
                       "and its reload")
            before, started = counters(path), value(figures(path.read_text()), "start_time_seconds")
            end()
            assert value(figures(path.read_text()), "running") == (1 if end == daemon.kill else 0)
            path.unlink()
            daemon.start()
            wait_until(path.exists, "the next process' file")
            found = counters(path)
            assert found.keys() == before.keys()
            back = {series for series in before if found[series] < before[series]}
            assert back == {("netanomalyd_config_reloads_total", frozenset({("result", "applied")}))}, back
            assert value(found, "events_total", detector="arp", rule=RULE) == 7 * round
            assert value(figures(path.read_text()), "start_time_seconds") > started - 1
            assert value(figures(path.read_text()), "running") == 1
    finally:
        daemon.close()
        journald.close()


def test_a_script_that_was_away_has_each_series_once_and_loses_no_count(tmp_path, path):
    """What comes twice in a file makes node_exporter throw away all of it."""
    installed("bpftrace")
    path.parent.mkdir()
    folder = scripted.RootFolder()
    script = section("bell", folder.script("bell", BELL + '{ printf("n=%d\\n", args->who); }'), "DedupIntervalSec=0")
    daemon = Daemon(tmp_path / "daemon", configured(path) + script)

    def shows(count):
        text = path.read_text()
        # promtool does not look for them.
        series = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
        assert len(series) == len(set(series))
        found = figures(text)
        settled = sum(figure for (name, labels), figure in found.items()
                      if name == "netanomalyd_events_settled_total" and ("rule", "bell") in labels)
        return found.get(("netanomalyd_events_total", SCRIPT)) == settled == count

    try:
        for round in range(1, 4):
            ring(times=2)
            wait_until(lambda: shows(2 * round), "the script's reports")
            for text in (configured(path), configured(path) + script):
                daemon.configure(text)
                assert daemon.reload().returncode == 0
                before = path.stat().st_ino
                wait_until(lambda: path.stat().st_ino != before, "another file")
                assert shows(2 * round)
        account = daemon.drained()["rules"]["bell"]
        assert account["seen"] == 6 and account["written"] == 6
    finally:
        daemon.close()
        folder.close()


def test_rules_that_scripts_invent_with_each_start_do_not_add_up_for_ever(tmp_path, path):
    """Else the file, the status and the state for the next process would grow until the last has no room."""
    installed("bpftrace")
    path.parent.mkdir()
    journald = Journald(tmp_path / "journald")
    daemon = KeptDaemon(tmp_path / "daemon", journald, configured(path))
    scripts, most = ("bell-a", "bell-b", "bell-c", "bell-d"), 16 * 32

    def rules(word):
        return {rule: account for rule, account in daemon.status()["rules"].items() if word in rule}

    def all_ring(round):
        ring()
        return len(rules(f"-{round}-")) == len(scripts)

    try:
        for round in range(5):
            text = configured(path)
            for name in scripts:
                # In its own /run, see journald.py.
                run(*journald.inside(["tee", f"/run/{name}.bt"]),
                    input=BELL + f'{{ printf("rule={name}-{round}-%d\\n", args->who); }}')
                text += section(name, f"/run/{name}.bt")
            daemon.configure(text)
            assert daemon.reload().returncode == 0
            wait_until(lambda: all_ring(round), "the scripts report")
            # Of the first round's rules the fewest are seen.
            for number in range(32):
                ring(number, times=50 if round else 1)
            wait_until(lambda: len(rules(f"-{round}-")) == 32 * len(scripts), "all of this round's")
            daemon.configure(configured(path))
            assert daemon.reload().returncode == 0
        for restart in (daemon.reload, lambda: (daemon.kill(), daemon.start())):
            restart()
            daemon.drained()
            found = rules("bell-")
            assert len(found) == most
            assert not any("-0-" in rule for rule in found), "the least seen are forgotten"
            assert all(account["seen"] == account["written"] + account["deduplicated"] for account in found.values())
    finally:
        daemon.close()
        journald.close()


def test_a_reload_moves_the_file_and_counts(daemon, path):
    before = figures(path.read_text())
    other = path.with_name("other.prom")
    daemon.configure(configured(other))
    assert daemon.reload().returncode == 0
    wait_until(other.exists, "the file is where the new configuration wants it")
    assert path.exists(), "nothing is removed"
    found = figures(other.read_text())
    assert value(found, "config_reloads_total", result="applied") == 1
    assert value(found, "start_time_seconds") == value(before, "start_time_seconds")

    daemon.configure("[Metrics]\nTextFile=relative.prom\n")
    assert daemon.reload().returncode == 78
    wait_until(lambda: value(figures(other.read_text()), "config_last_reload_successful") == 0, "the refusal shows")
    assert value(figures(other.read_text()), "config_reloads_total", result="refused") == 1

    daemon.configure(CONFIGURATION)
    assert daemon.reload().returncode == 0
    other.unlink()
    daemon.drained()
    assert not other.exists(), "no file is wanted any more"


# On a small disk of the daemon's own; all of it goes with the daemon.
SMALL_DISK = 'mount -t tmpfs -o size=256k,mode=755 disk "$0" && exec "$@"'


def test_each_trouble_is_told_once_with_what_to_do_and_again_when_it_works(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    path = disk / "metrics" / "netanomalyd.prom"
    daemon = Daemon(tmp_path / "daemon", configured(path),
                    wrap=lambda *command: ["unshare", "--mount", "sh", "-c", SMALL_DISK, disk, *command])
    inside = pathlib.Path(f"/proc/{daemon.process.pid}/root{disk}")

    def told(count, words):
        entry = daemon.records.wait(count=count, RULE="daemon-metrics-failed")[-1]
        assert all(word in entry["MESSAGE"] for word in words), entry["MESSAGE"]
        assert entry["PRIORITY"] == "4" and words[0] in entry["NETANOMALY_PROBLEM"]

    try:
        told(1, ["No such file or directory", f"Make the folder {path.parent}"])
        (inside / "metrics").mkdir()
        assert str(path) in daemon.records.wait(RULE="daemon-metrics-written")[0]["MESSAGE"]
        mounted = (inside / "metrics" / path.name).read_text()
        filling = inside / "filling"
        fill(filling)
        told(2, ["No space left on device", "Make room there"])
        assert figures((inside / "metrics" / path.name).read_text()).keys() == figures(mounted).keys(), "the old one stays"
        assert [entry.name for entry in (inside / "metrics").iterdir()] == [path.name], "no half file is left"
        filling.unlink()
        daemon.records.wait(count=2, RULE="daemon-metrics-written")
        run("nsenter", f"--target={daemon.process.pid}", "--mount", "mount", "-o", "remount,ro", disk)
        told(3, ["Read-only file system", f"ReadWritePaths={path.parent}"])
        run("nsenter", f"--target={daemon.process.pid}", "--mount", "mount", "-o", "remount,rw", disk)
        daemon.records.wait(count=3, RULE="daemon-metrics-written")
        assert len(daemon.records.find(RULE="daemon-metrics-failed")) == 3, "each once"
        assert daemon.stop() == 0
    finally:
        daemon.close()


def fill(path):
    """Takes all that is left of a disk."""
    try:
        with open(path, "ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        pass


def test_the_alert_rules_are_in_order():
    assert "3 rules found" in promtool("check", "rules", RULES).stdout
    promtool("test", "rules", pathlib.Path(__file__).with_name("prometheus_rules_test.yml"))
