"""The daemon as a service: what it tells systemd, how it takes a new configuration, how it starts and ends."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

import backends
from daemon import (
    CONFIGURATION, EXIT_CONFIGURATION, EXIT_NOT_PERMITTED, NETANOMALYCTL, NETANOMALYD, SETTLED, Daemon,
    assert_conserved,
)
from frames import arp_frame
from namespaces import run
from tap import Tap

RULES = {
    "arp-malformed", "arp-sender-mismatch", "arp-bad-sender-mac", "arp-bad-sender-ip", "arp-address-conflict",
    "arp-binding-change", "arp-resolution-failed", "arp-local-spoof", "gso-size-without-type", "gso-type-without-size",
    "gso-ip-mismatch", "gso-l4-mismatch", "gso-tunnel-without-encapsulation", "gso-tiny-size", "gso-header-rejected",
    "gso-segmentation-refused",
}
BAD_CONFIGURATION = """[Limits]
DedupIntervalSec=soon
[Rule arp-adress-conflict]
Enabled=yes
[Limits]
RateLimitBorst=5
"""
WATCHDOG_MICROSECONDS = 400_000


@pytest.fixture
def daemon(tmp_path):
    """A daemon that writes JSON lines and has a watchdog to feed."""
    daemon = Daemon(tmp_path / "daemon", environment={"WATCHDOG_USEC": str(WATCHDOG_MICROSECONDS)})
    yield daemon
    daemon.close()


@pytest.fixture
def tap(namespace):
    """A host with 10.66.0.2/24 on a tap."""
    tap = Tap(namespace, "t0", vnet=False)
    namespace.ip("addr add 10.66.0.2/24 brd + dev t0")
    yield tap
    tap.close()


def conflict(tap, number):
    """Makes one address conflict with a key of its own."""
    tap.write(b"", arp_frame(f"02:66:00:00:01:{number:02x}", "10.66.0.2", "10.66.0.1"))


def positions(text, path):
    """Line and column of every `FILE:LINE:COL: error:` of that file; a running daemon puts its name before."""
    return re.findall(rf"^(?:netanomalyd: )?{re.escape(str(path))}:(\d+):(\d+): error: .+", text, re.MULTILINE)


def test_bad_configuration_names_every_problem_and_exits_78(tmp_path):
    path = tmp_path / "bad.conf"
    path.write_text(BAD_CONFIGURATION)
    for options in (["--check-config"], ["--output", "json", "--control", tmp_path / "control"]):
        done = run(NETANOMALYD, "--config", path, *options, check=False)
        assert done.returncode == EXIT_CONFIGURATION, done
        told = done.stdout + done.stderr
        assert {line for line, _ in positions(told, path)} == {"2", "3", "6"}, told
        assert "arp-address-conflict" in told and "RateLimitBurst" in told, f"no nearest name suggested: {told}"
        assert "daemon-started" not in told


def test_good_configuration_passes_the_check(tmp_path):
    path = tmp_path / "good.conf"
    path.write_text(CONFIGURATION)
    assert run(NETANOMALYD, "--check-config", "--config", path).returncode == 0


def test_systemd_is_told_what_happens(daemon, tap):
    ready = daemon.notify.wait("READY")
    assert daemon.notify.messages[ready]["READY"] == "1"
    status = daemon.notify.wait("STATUS")
    assert daemon.notify.messages[status]["STATUS"]
    assert daemon.stop() == 0
    stopping = daemon.notify.wait("STOPPING")
    assert stopping > ready


def test_watchdog_is_fed_by_progress(daemon):
    """Twice per interval and more; a loop that stands still feeds nothing."""
    daemon.notify.wait("WATCHDOG")
    before = daemon.notify.count("WATCHDOG")
    time.sleep(4 * WATCHDOG_MICROSECONDS / 1e6)
    fed = daemon.notify.count("WATCHDOG") - before
    assert fed >= 4, f"{fed} in 4 intervals"


def test_a_deaf_service_manager_does_not_hang_the_daemon(daemon, tap):
    """PID 1 is busy, or executes itself anew: its socket is full, and the daemon has work to do."""
    daemon.notify.ignore()
    for number in range(40):
        conflict(tap, number)
        time.sleep(WATCHDOG_MICROSECONDS / 4e6)
    daemon.records.wait(count=40, RULE="arp-address-conflict", NETNS=tap.namespace.inode)
    assert_conserved(daemon.drained())
    assert daemon.stop() == 0


def links_of(daemon):
    """The kernel's numbers of what holds the daemon's programs on their hooks."""
    texts = [path.read_text() for path in pathlib.Path(f"/proc/{daemon.process.pid}/fdinfo").iterdir()]
    links = {found[1] for text in texts if (found := re.search(r"(?m)^link_id:\s*(\d+)$", text))}
    assert len(links) > 10 or backends.chosen != backends.LIBBPF
    return links


def test_reload_applies_a_good_configuration_without_a_gap(daemon, tap):
    conflict(tap, 1)
    daemon.records.wait(RULE="arp-address-conflict", NETNS=tap.namespace.inode)
    seen, links = daemon.drained()["rules"]["arp-address-conflict"]["seen"], links_of(daemon)
    told = len(daemon.notify.messages)
    daemon.configure(CONFIGURATION + "[Rule arp-address-conflict]\nPriority=warning\n")
    done = daemon.reload()
    assert done.returncode == 0, done
    reloading = daemon.notify.wait("RELOADING", after=told)
    assert int(daemon.notify.messages[reloading]["MONOTONIC_USEC"]) <= time.monotonic() * 1e6
    assert daemon.notify.wait("READY", after=reloading)
    daemon.records.wait(RULE="daemon-reloaded")
    conflict(tap, 2)
    entry = daemon.records.wait(count=2, RULE="arp-address-conflict", NETNS=tap.namespace.inode)[1]
    assert entry["PRIORITY"] == "4"
    assert daemon.account("arp-address-conflict")["seen"] >= seen + 1, "the counters began anew"
    assert links_of(daemon) == links, "a probe was taken off its hook"


def test_reload_refuses_a_bad_configuration_and_keeps_the_old_one(daemon, tap):
    daemon.configure(BAD_CONFIGURATION)
    done = daemon.reload()
    assert done.returncode == EXIT_CONFIGURATION
    assert len(positions(done.stderr + done.stdout, daemon.configuration)) == 3, done
    conflict(tap, 1)
    entry = daemon.records.wait(RULE="arp-address-conflict", NETNS=tap.namespace.inode)[0]
    assert entry["PRIORITY"] == "2"


@pytest.mark.parametrize("text, rule", [
    (CONFIGURATION, "daemon-reloaded"), (BAD_CONFIGURATION, "daemon-reload-failed"),
], ids=["good", "bad"])
def test_sighup_reloads_like_the_command(daemon, tap, text, rule):
    daemon.notify.wait("READY")
    told = len(daemon.notify.messages)
    daemon.configure(text)
    daemon.process.send_signal(signal.SIGHUP)
    entry = daemon.records.wait(RULE=rule)[0]
    reloading = daemon.notify.wait("RELOADING", after=told)
    ready = daemon.notify.wait("READY", after=reloading)
    if rule == "daemon-reload-failed":
        told = entry["MESSAGE"] + entry.get("NETANOMALY_PROBLEM", "")
        assert int(entry["PRIORITY"]) <= 3 and f"{daemon.configuration}:2:" in told
        said = " ".join(message.get("STATUS", "") for message in daemon.notify.messages[ready:])
        assert "old" in said.lower() and str(daemon.configuration) in said, said
    conflict(tap, 1)
    daemon.records.wait(RULE="arp-address-conflict", NETNS=tap.namespace.inode)


def test_a_storm_of_sighup_is_survived(daemon, tap):
    for _ in range(200):
        daemon.process.send_signal(signal.SIGHUP)
    conflict(tap, 1)
    daemon.records.wait(RULE="arp-address-conflict", NETNS=tap.namespace.inode)
    assert daemon.stop() == 0


def test_status_answers_for_every_rule(daemon, tap):
    status = daemon.drained()
    assert RULES <= set(status["rules"])
    for account in status["rules"].values():
        assert set(account) >= {"seen", *SETTLED}
    assert_conserved(status)
    conflict(tap, 1)
    daemon.records.wait(RULE="arp-address-conflict", NETNS=tap.namespace.inode)
    assert "arp-address-conflict" in daemon.ctl("status").stdout


def test_ctl_without_a_daemon_says_so(tmp_path):
    done = run(NETANOMALYCTL, "--control", tmp_path / "nobody", "status", check=False)
    assert done.returncode not in (0, None) and str(tmp_path / "nobody") in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3, done.stderr


def test_list_rules_as_json():
    listed = json.loads(run(NETANOMALYD, "--list-rules", "--json").stdout)
    rules = listed["rules"] if isinstance(listed, dict) and "rules" in listed else listed
    names = set(rules) if isinstance(rules, dict) else {rule["name"] for rule in rules}
    assert RULES <= names
    shown = run(NETANOMALYD, "--list-rules").stdout
    assert all(rule in shown for rule in RULES)


def test_dump_config_names_the_origin_of_a_value(tmp_path):
    path = tmp_path / "some.conf"
    path.write_text("[Limits]\nDedupIntervalSec=7s\n")
    shown = run(NETANOMALYD, "--dump-config", "--config", path).stdout
    assert f"# {path}:2\nDedupIntervalSec=7s\n" in shown
    assert "# default\nRateLimitBurst=200\n" in shown
    # What it prints is a configuration.
    path.write_text(shown)
    assert run(NETANOMALYD, "--check-config", "--config", path).stdout == ""


def test_version_and_wrong_usage():
    assert re.search(r"\d+\.\d+", run(NETANOMALYD, "--version").stdout)
    done = run(NETANOMALYD, "--no-such-option", check=False)
    assert done.returncode == 2 and "--no-such-option" in done.stderr


@pytest.fixture
def public_copy():
    """A copy of the daemon where any user may run it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="netanomaly-lab-"))
    folder.chmod(0o755)
    shutil.copy(NETANOMALYD, folder / "netanomalyd")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("restriction", [
    ["--reuid=65534", "--regid=65534", "--clear-groups"],
    ["--bounding-set=-bpf,-perfmon,-sys_admin"],
], ids=["nobody", "root without the capabilities"])
def test_missing_permission_is_one_clear_sentence(public_copy, restriction):
    path = public_copy / "netanomaly.conf"
    path.write_text(CONFIGURATION)
    done = run("setpriv", *restriction, public_copy / "netanomalyd", "--config", path, "--output", "json",
               "--control", public_copy / "control", check=False, timeout=10)
    assert done.returncode == EXIT_NOT_PERMITTED, done
    assert "CAP_BPF" in done.stderr and "CAP_PERFMON" in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3 and "libbpf:" not in done.stderr, done.stderr


def test_a_stale_control_socket_is_replaced_and_a_living_one_respected(tmp_path):
    first = Daemon(tmp_path / "daemon")
    second = run(NETANOMALYD, "--config", first.configuration, "--output", "json", "--control", first.control,
                 check=False, timeout=10)
    assert second.returncode == 1 and str(first.control) in second.stderr, second
    assert first.status()["rules"]
    first.close()
    assert first.control.exists(), "killed, it could not remove its socket"
    # The same folder: the socket file of the killed daemon lies in the way.
    (tmp_path / "daemon" / "notify").unlink()
    again = Daemon(tmp_path / "daemon")
    try:
        assert again.status()["rules"]
        assert again.stop() == 0 and not again.control.exists()
    finally:
        again.close()


def test_text_output_is_one_sentence_a_line(tmp_path, tap):
    path = tmp_path / "netanomaly.conf"
    path.write_text(CONFIGURATION)
    out = open(tmp_path / "out", "w+")
    child = subprocess.Popen([NETANOMALYD, "--config", path, "--output", "text", "--control", tmp_path / "control"],
                             stdout=out, stderr=out, env={**os.environ, "TERM": "dumb"})
    try:
        deadline = time.monotonic() + 10
        while run(NETANOMALYCTL, "--control", tmp_path / "control", "status", check=False).returncode != 0:
            assert time.monotonic() < deadline, (tmp_path / "out").read_text()
            time.sleep(0.05)
        conflict(tap, 1)
        while "02:66:00:00:01:01 claims 10.66.0.2" not in (tmp_path / "out").read_text():
            assert time.monotonic() < deadline, (tmp_path / "out").read_text()
            time.sleep(0.05)
    finally:
        child.terminate()
        child.wait(timeout=10)
        out.close()
    assert "\x1b" not in (tmp_path / "out").read_text(), "colour where no terminal is"
