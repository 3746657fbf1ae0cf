"""The daemon with bpftrace when something happens to bpftrace: each fault is caused for real."""

import os
import pathlib
import shutil
import signal
import time

import pytest

import scripted
from daemon import EXIT_NOT_PERMITTED, NETANOMALYD, assert_conserved
from gso import tcp4, tso4
from hosts import PEER_IP, PEER_MAC, answer
from laboratory import anomalies
from namespaces import run
from scripted import CONFLICT, LIMITS, child, children_of, is_alive, kill, pid_of, wait_gone
from tools import installed

pytestmark = pytest.mark.usefixtures("bpftrace")
BTF = pathlib.Path("/sys/kernel/btf/vmlinux")


@pytest.fixture(scope="module")
def bpftrace():
    """The program, or the module is skipped by its name."""
    return installed("bpftrace")


@pytest.fixture
def start(tmp_path):
    """Starts daemons that end with the test."""
    started = []

    def start(configuration=LIMITS, **options):
        started.append(scripted.start(tmp_path / f"daemon{len(started)}", configuration, **options))
        return started[-1]

    yield start
    for daemon in started:
        daemon.close()


@pytest.fixture
def folder():
    """Where scripts may lie."""
    folder = scripted.RootFolder()
    yield folder
    folder.close()


def counted(daemon, namespace):
    """How many events the entries of the namespace stand for."""
    return sum(int(item["NETANOMALY_COUNT"]) for item in anomalies(daemon.records, namespace))


def must_see(daemon, host, count=1):
    """The daemon sees a conflict that happens now."""
    before = counted(daemon, host.namespace)
    host.receive(CONFLICT)
    deadline = time.monotonic() + 8
    while counted(daemon, host.namespace) < before + count:
        assert time.monotonic() < deadline, "a conflict was not seen"
        time.sleep(0.05)


def balance(daemon):
    """Stops the daemon; its last account: what the entries stand for, and what bpftrace lost."""
    assert daemon.stop() == 0
    account = daemon.records.find(RULE="daemon-accounting")[-1]
    parts = ("WRITTEN", "DEDUPLICATED", "LIMITED", "OVERFLOW", "LOST_RING", "LOST_JOURNAL", "PENDING")
    assert int(account["NETANOMALY_SEEN"]) == sum(int(account[f"NETANOMALY_{part}"]) for part in parts), account
    return int(account["NETANOMALY_SEEN"]), int(account.get("NETANOMALY_LOST_BACKEND", "0"))


def now():
    """CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


# MARK: A child in trouble


def test_a_reload_during_the_start_is_not_its_end(start):
    daemon = start(ready=False)
    deadline = time.monotonic() + 20
    while not daemon.control.exists():
        assert time.monotonic() < deadline, "no control socket"
        time.sleep(0.01)
    assert daemon.reload().returncode == 0
    assert not daemon.records.find(RULE="daemon-started"), "it was too quick: this test tested nothing"
    assert not daemon.notify.count("READY") and not daemon.notify.count("RELOADING")
    daemon.wait_ready(timeout=60)
    assert daemon.notify.wait("READY", timeout=5) is not None


def test_a_killed_child_leaves_a_gap_that_is_told(start, host):
    daemon = start()
    must_see(daemon, host)
    first, died = pid_of(daemon, "arp"), now()
    kill(first)
    gap = daemon.records.wait(RULE="daemon-backend-restarted", DETECTOR="arp", timeout=10)[0]
    begin, end = (int(gap[f"NETANOMALY_{name}_BOOTTIME_NS"]) for name in ("FIRST", "LAST"))
    # It says something every five seconds.
    assert died - 5.5e9 < begin < died + 0.2e9 and died < end < now()
    assert "signal 9" in gap["MESSAGE"] and "not seen" in gap["MESSAGE"]
    failed = daemon.records.find(RULE="daemon-backend-failed")
    assert [entry["NETANOMALY_DETECTOR"] for entry in failed] == ["arp"] and "signal 9" in failed[0]["MESSAGE"]
    second = pid_of(daemon, "arp", other_than=first)
    assert children_of(daemon.process.pid) == sorted([second, pid_of(daemon, "tun-gso")])
    assert child(daemon, "arp")["restarts"] == 1
    must_see(daemon, host)
    assert_conserved(daemon.drained())
    seen, lost = balance(daemon)
    assert (counted(daemon, host.namespace), lost) == (2, 0) and seen >= 2
    wait_gone(second, timeout=1)


def test_a_stopped_child_loses_nothing_uncounted(start, host):
    daemon, frames = start(), 300
    pid = pid_of(daemon, "arp")
    os.kill(pid, signal.SIGSTOP)
    host.receive(*[CONFLICT] * frames)
    time.sleep(2)
    assert counted(daemon, host.namespace) == 0, "the child was not stopped"
    os.kill(pid, signal.SIGCONT)
    status = daemon.drained()
    assert status["rules"]["arp-address-conflict"]["seen"] == frames and status["lost_unjudged"] == 0
    assert pid_of(daemon, "arp") == pid and child(daemon, "arp")["restarts"] == 0
    assert balance(daemon)[1] == 0


@pytest.mark.timeout(70)
def test_a_child_that_stands_still_is_killed_and_started_again(start, host):
    daemon = start()
    pid = pid_of(daemon, "arp")
    os.kill(pid, signal.SIGSTOP)
    failed = daemon.records.wait(RULE="daemon-backend-failed", DETECTOR="arp", timeout=30)[0]
    assert "said nothing for 20 s" in failed["MESSAGE"]
    pid_of(daemon, "arp", other_than=pid)
    assert not is_alive(pid)
    gap = daemon.records.wait(RULE="daemon-backend-restarted", DETECTOR="arp")[0]
    assert int(gap["NETANOMALY_LAST_BOOTTIME_NS"]) - int(gap["NETANOMALY_FIRST_BOOTTIME_NS"]) > 20e9
    must_see(daemon, host)


def test_a_hangup_of_all_of_it_reloads_and_ends_nothing(start, host):
    """As `systemctl kill --signal=HUP` does, and a terminal that goes."""
    daemon = start()
    pids = children_of(daemon.process.pid)
    for pid in [daemon.process.pid, *pids]:
        os.kill(pid, signal.SIGHUP)
    for pid in {os.getpgid(pid) for pid in pids} - {os.getpgid(0)}:
        os.killpg(pid, signal.SIGHUP)
    daemon.records.wait(RULE="daemon-reloaded")
    must_see(daemon, host)
    assert children_of(daemon.process.pid) == pids


def test_an_interrupt_from_a_terminal_is_the_daemons_alone(start):
    """Ctrl+C goes to a whole group: children in it would end before the daemon has asked them to."""
    daemon = start()
    groups = {os.getpgid(pid) for pid in children_of(daemon.process.pid)}
    assert len(groups) == 2 and os.getpgid(daemon.process.pid) not in groups


def test_a_killed_daemon_leaves_no_child(start):
    daemon = start()
    pids = children_of(daemon.process.pid)
    assert len(pids) == 2
    kill(daemon.process.pid)
    wait_gone(*pids, timeout=1)


def test_a_stop_balances_to_the_last_frame(start, host):
    """While frames come: those that bpftrace throws away when it is told to end are counted."""
    daemon, frames = start(LIMITS.replace("2s", "1h")), 2000
    for _ in range(frames):
        host.receive(CONFLICT)
    pids = children_of(daemon.process.pid)
    seen, lost = balance(daemon)
    assert counted(daemon, host.namespace) == seen and seen + lost == frames
    assert not any(is_alive(pid) for pid in pids)
    assert not daemon.records.find(RULE="daemon-backend-failed")
    assert not daemon.records.find(RULE="daemon-backend-restarted")


@pytest.mark.timeout(90)
def test_a_crash_loop_is_given_up_and_says_so_once(start, host):
    daemon, pid = start(), None
    for _ in range(5):
        pid = pid_of(daemon, "arp", other_than=pid)
        kill(pid)
    degraded = daemon.records.wait(RULE="daemon-backend-degraded", timeout=10)
    assert len(degraded) == 1 and degraded[0]["PRIORITY"] == "3" and degraded[0]["NETANOMALY_DETECTOR"] == "arp"
    assert "10 minutes" in degraded[0]["MESSAGE"]
    assert len(daemon.records.find(RULE="daemon-backend-failed")) == 4
    status = daemon.status()
    states = [child(daemon, title)["state"] for title in ("arp", "tun-gso")]
    assert status["state"] == "degraded" and states == ["broken", "running"]
    told = daemon.ctl("status").stdout
    assert "degraded" in told.splitlines()[0] and "arp: bpftrace was killed by signal 9" in told
    # It follows what happens at most once a second.
    deadline = time.monotonic() + 5
    while not daemon.notify.messages[-1].get("STATUS", "").startswith("Degraded"):
        assert time.monotonic() < deadline, daemon.notify.messages[-1]
        time.sleep(0.05)
    # A reload tries again.
    daemon.reload()
    pid_of(daemon, "arp")
    must_see(daemon, host)
    assert daemon.status()["state"] == "watching"


# MARK: What bpftrace says


def test_what_bpftrace_complains_of_is_told_and_limited(start, folder, bpftrace):
    noisy = folder.program("bpftrace", f"""
for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do echo "remark $number" >&2; done
exec {bpftrace} "$@"
""")
    daemon = start(LIMITS + f"[Daemon]\nBpftracePath={noisy}\n")
    told = daemon.records.wait(20, RULE="daemon-backend-message")
    assert {entry["NETANOMALY_DETECTOR"] for entry in told} == {"arp", "tun-gso"}
    assert [entry["MESSAGE"] for entry in told if entry["NETANOMALY_DETECTOR"] == "arp"] == [
        f"bpftrace (arp): remark {number}" for number in range(1, 11)]
    assert daemon.stop() == 0
    rest = daemon.records.find(RULE="daemon-backend-message")[20:]
    assert sorted(entry["MESSAGE"] for entry in rest) == [
        f"bpftrace ({title}): 5 more lines, not shown" for title in ("arp", "tun-gso")]


# MARK: bpftrace that cannot be


def attempt(tmp_path, configuration, *prefix, backend="bpftrace"):
    """Runs a daemon that shall not come up."""
    path = tmp_path / "netanomaly.conf"
    path.write_text(f"[Daemon]\nBackend={backend}\n{configuration}")
    path.chmod(0o644)
    return run(*prefix, NETANOMALYD, "--config", path, "--output", "json", "--control", tmp_path / "control",
               check=False, timeout=40)


@pytest.mark.parametrize("program, sentence", [
    ("missing", "is not there: install bpftrace"), ("plain", "cannot be run (Permission denied)"),
    ("folder", "cannot be run (Permission denied)"),
])
def test_a_bpftrace_that_cannot_be_run_is_one_sentence(tmp_path, folder, program, sentence):
    path = folder.path / program
    if program == "plain":
        path.write_text("no program")
    elif program == "folder":
        path.mkdir()
    done = attempt(tmp_path, f"BpftracePath={path}\n")
    assert done.returncode == 1 and f"{path} {sentence}" in done.stderr, done
    assert len(done.stderr.strip().splitlines()) == 1 and "daemon-started" not in done.stdout
    # Each child's reason, and nothing else.
    assert done.stdout.count("daemon-backend-degraded") == 2


@pytest.mark.timeout(60)
def test_a_program_that_is_not_bpftrace_is_given_up(start):
    daemon = start(LIMITS + "[Daemon]\nBpftracePath=/bin/true\n")
    daemon.records.wait(2, RULE="daemon-backend-degraded", timeout=30)
    failed = daemon.records.find(RULE="daemon-backend-failed")
    assert all("bpftrace ended by itself with status 0" in entry["MESSAGE"] for entry in failed)
    assert daemon.status()["state"] == "degraded"


def test_bpftrace_that_is_missing_is_no_fallback(tmp_path):
    """libbpf works: nobody asks for bpftrace."""
    daemon = scripted.start(tmp_path / "daemon", LIMITS + "[Daemon]\nBpftracePath=/nonexistent\n", backend="auto")
    try:
        assert daemon.status()["backend"] == "libbpf" and not children_of(daemon.process.pid)
        assert not daemon.records.find(RULE="daemon-backend-fallback")
    finally:
        daemon.close()


@pytest.fixture
def public(tmp_path):
    """A copy of the daemon that any user may run, in a folder where any user may make a socket."""
    path = pathlib.Path("/run") / f"netanomaly-lab-{os.getpid()}-public"
    path.mkdir()
    path.chmod(0o777)
    shutil.copy(NETANOMALYD, path / "netanomalyd")
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("restriction", [
    ("--reuid=65534", "--regid=65534", "--clear-groups"), ("--bounding-set=-bpf,-perfmon,-sys_admin",),
], ids=["nobody", "root without the capabilities"])
def test_without_the_right_to_trace_it_ends_with_77(public, restriction):
    path = public / "netanomaly.conf"
    path.write_text("[Daemon]\nBackend=bpftrace\n")
    done = run("setpriv", *restriction, public / "netanomalyd", "--config", path, "--output", "json",
               "--control", public / "control", check=False, timeout=30)
    assert done.returncode == EXIT_NOT_PERMITTED, done
    assert "bpftrace is not permitted to trace" in done.stderr and "CAP_SYS_ADMIN" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


# MARK: auto


HIDDEN = 'mount -t tmpfs -o ro none /sys/kernel/btf && exec "$@"'


def hiding_types(*command):
    """The command line of a program for which the kernel publishes no types."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", HIDDEN, "sh", *command]


@pytest.fixture
def types(tmp_path):
    """A copy of the kernel's types, as an administrator may give bpftrace one."""
    copy = tmp_path / "vmlinux.btf"
    shutil.copyfile(BTF, copy)
    return copy


def test_auto_falls_back_and_says_why(start, host, types):
    daemon = start(backend="auto", wrap=hiding_types, environment={"BPFTRACE_BTF": str(types)})
    notice, = daemon.records.find(RULE="daemon-backend-fallback")
    assert notice["PRIORITY"] == "4" and "BTF" in notice["NETANOMALY_PROBLEM"]
    assert notice["NETANOMALY_PROBLEM"] in notice["MESSAGE"]
    assert daemon.status()["backend"] == "bpftrace"
    must_see(daemon, host)
    assert {item["NETANOMALY_BACKEND"] for item in anomalies(daemon.records, host.namespace)} == {"bpftrace"}


def test_auto_without_either_tells_the_first_reason(tmp_path):
    done = attempt(tmp_path, "BpftracePath=/nonexistent\n", *hiding_types(), backend="auto")
    assert done.returncode == 1 and "BTF" in done.stderr and len(done.stderr.strip().splitlines()) == 1, done
    assert "daemon-backend-fallback" not in done.stdout


def test_libbpf_is_taken_at_its_word(tmp_path):
    done = attempt(tmp_path, "", *hiding_types(), backend="libbpf")
    assert done.returncode == 1 and "BTF" in done.stderr and "daemon-backend" not in done.stdout, done


# MARK: Reload


def reload(daemon, text):
    """Puts another configuration in force."""
    before = len(daemon.records.find(RULE="daemon-reloaded"))
    daemon.configure(text)
    done = daemon.reload()
    assert done.returncode == 0, done
    return daemon.records.wait(before + 1, RULE="daemon-reloaded")[-1]


def test_a_changed_threshold_starts_that_script_again_alone(start, bridge):
    daemon = start()
    arp, gso = pid_of(daemon, "arp"), pid_of(daemon, "tun-gso")
    bridge.first.write(tso4(100), tcp4(payload=400))
    daemon.drained()
    assert not anomalies(daemon.records, bridge.namespace)
    told = reload(daemon, LIMITS + "[Rule gso-tiny-size]\nMinSegmentBytes=200\n")
    assert "tun-gso" in told["MESSAGE"] and "arp" not in told["MESSAGE"]
    pid_of(daemon, "tun-gso", other_than=gso)
    assert pid_of(daemon, "arp") == arp and not is_alive(gso)
    bridge.first.write(tso4(100), tcp4(payload=400))
    entries = daemon.records.wait(2, RULE="gso-tiny-size", NETNS=bridge.namespace.inode)
    assert {entry["NETANOMALY_GSO_SIZE"] for entry in entries} == {"100"}
    # It was asked to end, and so it did not fail.
    assert not daemon.records.find(RULE="daemon-backend-failed")


def test_changed_limits_and_trust_start_no_script_again(start, host):
    daemon = start()
    pids = children_of(daemon.process.pid)
    must_see(daemon, host)
    reload(daemon, LIMITS.replace("2s", "0") + "[Trust]\nKnownBindings=10.66.0.2=02:66:00:00:00:99\n")
    assert children_of(daemon.process.pid) == pids
    before = daemon.account("arp-address-conflict")
    host.receive(CONFLICT)
    after = daemon.drained()["rules"]["arp-address-conflict"]
    assert (after["seen"], after["trusted"]) == (before["seen"], before["trusted"] + 1)
    reload(daemon, LIMITS.replace("2s", "0"))
    for _ in range(3):
        must_see(daemon, host)
    assert children_of(daemon.process.pid) == pids


def test_what_was_asked_is_remembered_over_a_reload(start, host):
    """Else the answers to what hosts asked before would be unasked."""
    daemon = start("[Limits]\nDedupIntervalSec=0\n")
    time.sleep(5.1)
    host.question(PEER_IP)
    reload(daemon, "[Limits]\nDedupIntervalSec=0\n[Rule gso-tiny-size]\nMinSegmentBytes=200\n")
    host.receive(answer(PEER_MAC, PEER_IP))
    daemon.drained()
    assert not anomalies(daemon.records, host.namespace)


def test_a_bad_configuration_keeps_the_old_one_and_the_scripts(start, host):
    daemon = start()
    pids = children_of(daemon.process.pid)
    daemon.configure("[Limits]\nDedupIntervalSec=soon\n")
    assert daemon.reload().returncode == 78
    daemon.records.wait(RULE="daemon-reload-failed")
    assert children_of(daemon.process.pid) == pids
    must_see(daemon, host)


def test_another_backend_takes_effect_at_the_next_start(start):
    daemon = start()
    daemon.backend = "libbpf"
    told = reload(daemon, LIMITS)
    assert "next start" in told["MESSAGE"]
    assert daemon.status()["backend"] == "bpftrace" and len(children_of(daemon.process.pid)) == 2


def test_a_detector_that_is_off_is_not_run(start, host):
    daemon = start(LIMITS + "[TunGSO]\nEnabled=no\n")
    assert len(children_of(daemon.process.pid)) == 1
    must_see(daemon, host)
    reload(daemon, LIMITS)
    assert len(children_of(daemon.process.pid)) == 2
    pid_of(daemon, "tun-gso")
    reload(daemon, LIMITS + "[ARP]\nEnabled=no\n")
    assert children_of(daemon.process.pid) == [pid_of(daemon, "tun-gso")]
