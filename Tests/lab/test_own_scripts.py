"""[Script]: scripts of the administrator's own under the real bpftrace, from what they print to the journal."""

import ctypes
import os
import pathlib
import re
import shutil
import socket
import time

import pytest

import scripted
from daemon import EXIT_CONFIGURATION, NETANOMALYD, REPOSITORY, assert_conserved
from namespaces import run
from scripted import CONFLICT, child, kill, pid_of, source
from tools import installed

pytestmark = pytest.mark.usefixtures("bpftrace")
EXAMPLES = REPOSITORY / "bpftrace" / "examples"
LIMITS = "[Limits]\nDedupIntervalSec=0\nRateLimitIntervalSec=1s\nRateLimitBurst=10000\n"
NOBODY_MAC = "02:66:00:00:00:77"
#: The tracepoint of a call that nobody makes by accident: a test rings with a number, and the script reports it.
BELL_NUMBER = 77
BELL = f"tracepoint:syscalls:sys_enter_setpriority /args->which == {BELL_NUMBER}/"
LIBC, PR_SET_NAME = ctypes.CDLL(None), 15


@pytest.fixture(scope="module")
def bpftrace():
    """The program, or the module is skipped by its name."""
    return installed("bpftrace")


@pytest.fixture
def folder():
    """Where scripts may lie."""
    folder = scripted.RootFolder()
    yield folder
    folder.close()


def section(name, path, *lines):
    """A section of the configuration."""
    return "\n".join([f"[Script {name}]", f"Path={path}", *lines]) + "\n"


@pytest.fixture
def start(tmp_path):
    """Starts daemons that end with the test; libbpf's detectors keep out of the way of what is counted."""
    started = []

    def start(*sections, backend="libbpf", **options):
        configuration = LIMITS + "".join(sections)
        started.append(scripted.start(tmp_path / f"daemon{len(started)}", configuration, backend=backend, **options))
        return started[-1]

    yield start
    for daemon in started:
        daemon.close()


def ring(number=0, times=1):
    """Makes the call: it fails, and the tracepoint has seen it."""
    for _ in range(times):
        LIBC.setpriority(BELL_NUMBER, number, 0)


def ring_on(cpu):
    """Makes the call on that CPU."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    ring()
    os.sched_setaffinity(0, allowed)


def be_called(name):
    """Another command for this thread."""
    LIBC.prctl(PR_SET_NAME, name, 0, 0, 0)


def reports(daemon, rule, count=1, **fields):
    """The entries of a rule of a script, once there are so many."""
    return daemon.records.wait(count, RULE=rule, DETECTOR="script", timeout=8, **fields)


def books(daemon, title):
    """Once nothing comes any more: the status, and that of the script."""
    status = daemon.drained()
    assert_conserved(status)
    return status, next(one for one in status["detectors"] if one["name"] == title)


# MARK: What a report becomes


def test_rule_priority_and_fields_are_those_of_the_report(start, folder):
    path = folder.script("bell", BELL + r"""
{
    printf("rule=bell-rung priority=err who=%d name=\"a \\\"b\\\"\" pid=%d ifname=lo ifindex=1 boottime_ns=%llu message=\"rung by %d\"\n",
           args->who, pid, nsecs, args->who);
    printf("plain=yes\n");
    printf("{\"rule\": \"bell-json\", \"what\": \"x y\", \"n\": %d}\n", args->who);
    print(("rule", "bell-tuple", "who", args->who));
}
""")
    daemon = start(section("bell", path, "Priority=debug"))
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    ring(5)
    entry = reports(daemon, "bell-rung")[0]
    assert (entry["PRIORITY"], entry["MESSAGE"]) == ("3", "rung by 5")
    assert (entry["NETANOMALY_SCRIPT_WHO"], entry["NETANOMALY_SCRIPT_NAME"]) == ("5", 'a "b"')
    assert entry["NETANOMALY_PID"] == str(os.getpid())
    assert (entry["NETANOMALY_IFNAME"], entry["NETANOMALY_IFINDEX"]) == ("lo", "1")
    assert before < int(entry["NETANOMALY_BOOTTIME_NS"]) < time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert entry["NETANOMALY_PROBE"] == "bpftrace:bell" and entry["NETANOMALY_BACKEND"] == "bpftrace"
    plain = reports(daemon, "bell")[0]
    assert (plain["PRIORITY"], plain["NETANOMALY_SCRIPT_PLAIN"]) == ("7", "yes") and plain["MESSAGE"] == "bell: plain yes"
    assert reports(daemon, "bell-json")[0]["NETANOMALY_SCRIPT_WHAT"] == "x y"
    assert reports(daemon, "bell-tuple")[0]["NETANOMALY_SCRIPT_WHO"] == "5"
    assert len({entry["MESSAGE_ID"] for entry in daemon.records.find(DETECTOR="script")}) == 4
    status, script = books(daemon, "script bell")
    assert {rule for rule in status["rules"] if rule.startswith("bell")} == {
        "bell", "bell-rung", "bell-json", "bell-tuple"}
    assert script["unreadable_reports"] == 0 and status["lost_unjudged"] == 0


def test_reports_are_deduplicated_by_what_is_no_number(start, folder):
    path = folder.script("bell", BELL + '{ printf("peer=host%d times=%d\\n", args->who % 2, @n++); }')
    daemon = start(section("bell", path, "DedupIntervalSec=2s"))
    for number in range(10):
        ring(number)
    first = reports(daemon, "bell", 4)
    assert sorted(entry["NETANOMALY_COUNT"] for entry in first) == ["1", "1", "4", "4"]
    assert {entry["NETANOMALY_SCRIPT_PEER"] for entry in first} == {"host0", "host1"}
    account = books(daemon, "script bell")[0]["rules"]["bell"]
    assert (account["seen"], account["deduplicated"]) == (10, 8)


def test_key_fields_take_the_place_of_that(start, folder):
    path = folder.script("bell", BELL + '{ printf("peer=host%d times=%d\\n", args->who, args->who % 2); }')
    daemon = start(section("bell", path, "DedupIntervalSec=60s", "KeyFields=times"))
    for number in range(10):
        ring(number)
    assert [entry["NETANOMALY_SCRIPT_TIMES"] for entry in reports(daemon, "bell", 2)] == ["0", "1"]
    account = books(daemon, "script bell")[0]["rules"]["bell"]
    assert (account["written"], account["deduplicated"]) == (2, 8)


def test_a_burst_is_limited_and_counted(start, folder):
    path = folder.script("bell", BELL + '{ printf("peer=host%d\\n", args->who); }')
    daemon = start(section("bell", path, "RateLimitIntervalSec=60s", "RateLimitBurst=5"))
    for number in range(50):
        ring(number)
    reports(daemon, "bell", 5)
    account = books(daemon, "script bell")[0]["rules"]["bell"]
    assert (account["seen"], account["written"]) == (50, 5) and account["limited"] == 45


def test_arguments_reach_the_script(start, folder):
    path = folder.script("bell", BELL + '{ printf("first=%d second=%s\\n", $1, str($2)); }')
    daemon = start(section("bell", path, "Arguments=17 abc"))
    ring()
    entry = reports(daemon, "bell")[0]
    assert (entry["NETANOMALY_SCRIPT_FIRST"], entry["NETANOMALY_SCRIPT_SECOND"]) == ("17", "abc")


# MARK: What is no report


def test_lines_that_are_no_reports_are_counted_and_the_first_is_told(start, folder):
    path = folder.script("bell", BELL + """
{
    printf("what is this\\n"); printf("rule=arp-address-conflict\\n"); printf("x=1 x=2\\n"); printf("# for people\\n");
    printf("rule=bell-good\\n");
}
""")
    daemon = start(section("bell", path))
    ring(times=2)
    reports(daemon, "bell-good", 2)
    script = books(daemon, "script bell")[1]
    assert script["unreadable_reports"] == 6
    told, = daemon.records.find(RULE="daemon-script-unreadable")
    assert "script bell" in told["MESSAGE"] and "found 'what'" in told["MESSAGE"]
    assert "6 lines are no reports" in daemon.ctl("status").stdout
    assert not daemon.records.find(RULE="arp-address-conflict")
    assert daemon.stop() == 0
    assert daemon.records.find(RULE="daemon-accounting")[-1]["NETANOMALY_LOST_BACKEND"] == "6"


def test_a_report_is_what_one_printf_prints(start, folder):
    """With a newline at its end, with two, or with none, so that bpftrace writes half a line."""
    path = folder.script("bell", BELL + """
{ printf("rule=bell-a x=1"); printf("rule=bell-b x=2\\n\\n"); printf("\\n"); printf("rule=bell-c x=3\\n"); }
""")
    daemon = start(section("bell", path))
    ring()
    for rule, value in (("bell-a", "1"), ("bell-b", "2"), ("bell-c", "3")):
        assert reports(daemon, rule)[0]["NETANOMALY_SCRIPT_X"] == value
    assert books(daemon, "script bell")[1]["unreadable_reports"] == 0


def test_a_command_with_any_byte_is_no_way_into_the_journal(start, folder):
    """What a process calls itself is printed as it is: quotes, newlines, control characters, half of a character."""
    path = folder.script("bell", BELL + '{ print(("rule", "bell", "comm", comm, "name", comm)); }')
    daemon = start(section("bell", path))
    own = pathlib.Path("/proc/self/comm").read_bytes().strip()
    names = [b'x" rule="arp', b"\xff\xfe\xc3", b"a\nb=c", b"\x1b[31mred", b'{"a": 1}', b"\\u0041\\"]
    try:
        for name in names:
            be_called(name)
            ring()
    finally:
        be_called(own)
    entries = reports(daemon, "bell", len(names))
    assert {entry["NETANOMALY_RULE"] for entry in entries} == {"bell"}
    assert not any("\x1b" in entry["MESSAGE"] or "\n" in entry["MESSAGE"] for entry in entries)
    assert entries[0]["NETANOMALY_COMM"] == 'x" rule="arp'
    assert books(daemon, "script bell")[1]["unreadable_reports"] == 0


def test_a_line_of_more_than_64_kilobytes_is_passed_over_and_counted(start, folder):
    """A map of 4000 keys is one line of bpftrace's."""
    path = folder.script("bell", BELL + """
{
    $i = 0;
    while ($i < 1000) { $i++; @long[1000000000000000 + args->who, $i] = 1; }
    if (args->who == 4) { print(@long); printf("rule=bell-after\\n"); clear(@long); }
}
""")
    daemon = start(section("bell", path))
    for number in (1, 2, 3, 4):
        ring(number)
    reports(daemon, "bell-after")
    assert child(daemon, "script bell")["oversized"] == 1
    assert books(daemon, "script bell")[0]["lost_unjudged"] == 1


# MARK: Scripts that do not run


def test_a_syntax_error_is_told_with_its_line_and_the_others_run(start, folder):
    good = folder.script("good", BELL + '{ printf("x=1\\n"); }')
    bad = folder.script("bad", "// a comment\nBEGIN { printf(\"x\\n\"); }\n" + BELL + "{ nonsense(; }\n")
    daemon = start(section("bad", bad), section("good", good))
    degraded, = daemon.records.find(RULE="daemon-backend-degraded")
    assert "script bad" in degraded["MESSAGE"] and "line 3" in degraded["MESSAGE"]
    assert degraded["NETANOMALY_DETECTOR"] == "script"
    ring()
    reports(daemon, "good")
    status = daemon.status()
    assert status["state"] == "degraded" and source(daemon, "script bad")["running"] is False
    assert "line 3" in source(daemon, "script bad")["problem"]
    # It is not tried again and again.
    time.sleep(2)
    assert child(daemon, "script bad")["restarts"] == 0
    # Mended, a reload starts it.
    shutil.copy(good, bad)
    daemon.reload()
    pid_of(daemon, "script bad")
    ring()
    reports(daemon, "bad")
    assert daemon.status()["state"] == "watching"


def test_a_probe_that_is_not_there_is_named(start, folder):
    path = folder.script("odd", "tracepoint:net:no_such_thing { printf(\"x=1\\n\"); }")
    daemon = start(section("odd", path))
    degraded, = daemon.records.find(RULE="daemon-backend-degraded")
    assert "tracepoint:net:no_such_thing" in degraded["MESSAGE"]


def test_only_a_bad_script_and_the_detectors_go_on(start, folder, host):
    path = folder.script("bad", "not a script")
    daemon = start(section("bad", path), backend="bpftrace")
    host.receive(CONFLICT)
    daemon.records.wait(RULE="arp-address-conflict", NETNS=host.namespace.inode)
    assert daemon.status()["state"] == "degraded"


WRITABLE = {
    "the file": lambda folder, path: path.chmod(0o666),
    "its folder": lambda folder, path: folder.path.chmod(0o777),
    "its owner": lambda folder, path: os.chown(path, 65534, 0),
}


@pytest.mark.parametrize("case", WRITABLE)
def test_a_script_that_others_may_write_is_refused(folder, tmp_path, case):
    path = folder.script("bell", BELL + '{ printf("x=1\\n"); }')
    configuration = tmp_path / "netanomaly.conf"
    configuration.write_text(section("bell", path))
    assert run(NETANOMALYD, "--check-config", "--config", configuration).returncode == 0
    WRITABLE[case](folder, path)
    for options in (["--check-config"], ["--output", "json", "--control", tmp_path / "control"]):
        done = run(NETANOMALYD, "--config", configuration, *options, check=False)
        assert done.returncode == EXIT_CONFIGURATION, done
        told = done.stdout + done.stderr
        assert f"{configuration}:2:" in told and ("chmod" in told or "chown" in told), told
        assert "daemon-started" not in told
    folder.path.chmod(0o755)


def test_a_script_that_becomes_writable_is_not_run_again(start, folder):
    """Whoever kills the process of a script does not get another script run."""
    path = folder.script("bell", BELL + '{ printf("x=1\\n"); }')
    daemon = start(section("bell", path))
    pid = pid_of(daemon, "script bell")
    path.chmod(0o622)
    kill(pid)
    degraded = daemon.records.wait(RULE="daemon-backend-degraded", timeout=10)[0]
    assert str(path) in degraded["MESSAGE"] and "chmod" in degraded["MESSAGE"], degraded["MESSAGE"]
    assert "pid" not in child(daemon, "script bell")
    path.chmod(0o644)
    daemon.reload()
    pid_of(daemon, "script bell")


# MARK: Reload, losses, and both at once


def reload(daemon, *sections):
    """Puts other sections in force."""
    before = len(daemon.records.find(RULE="daemon-reloaded"))
    daemon.configure(LIMITS + "".join(sections))
    assert daemon.reload().returncode == 0
    return daemon.records.wait(before + 1, RULE="daemon-reloaded")[-1]


def test_a_reload_adds_changes_and_removes_scripts(start, folder):
    one = folder.script("one", BELL + '{ printf("x=%d\\n", $1); }')
    two = folder.script("two", BELL + '{ printf("x=2\\n"); }')
    daemon = start(section("one", one, "Arguments=5"))
    first = pid_of(daemon, "script one")
    reload(daemon, section("one", one, "Arguments=5", "Priority=warning"), section("two", two))
    assert pid_of(daemon, "script one") == first, "a priority needs no new process"
    second = pid_of(daemon, "script two")
    ring()
    assert reports(daemon, "one")[0]["PRIORITY"] == "4"
    assert reports(daemon, "two")[0]["PRIORITY"] == "5"
    reload(daemon, section("one", one, "Arguments=6"), section("two", two, "Enabled=no"))
    assert pid_of(daemon, "script one", other_than=first) != first
    assert source(daemon, "script two") is None
    ring()
    assert reports(daemon, "one", 2)[1]["NETANOMALY_SCRIPT_X"] == "6"
    reload(daemon)
    assert not scripted.children_of(daemon.process.pid) and not scripted.is_alive(second)
    # What they have counted stays in the books.
    rules = daemon.status()["rules"]
    assert (rules["one"]["written"], rules["two"]["written"]) == (2, 1)
    assert not daemon.records.find(RULE="daemon-backend-failed")


def test_lost_lines_are_counted(start, folder):
    """A script that prints faster than bpftrace can write."""
    path = folder.script("flood", BELL + """
{
    $i = 0;
    while ($i < 1000) { $i++; printf("n=%d padding=0123456789012345678901234567890123456789\\n", $i); @netanomaly_printed = count(); }
}
""")
    daemon = start(section("flood", path, "RateLimitBurst=10"))
    ring(times=300)
    # What a CPU has lost is told with its next event.
    for cpu in sorted(os.sched_getaffinity(0)):
        ring_on(cpu)
    daemon.records.wait(RULE="daemon-backend-loss", timeout=20)
    status, script = books(daemon, "script flood")
    assert script["bpftrace"]["lost"] > 0
    assert f"{status['lost_unjudged']} lines of bpftrace were lost" in daemon.ctl("status").stdout
    assert daemon.stop() == 0
    account = daemon.records.find(RULE="daemon-accounting")[-1]
    seen = int(re.search(r"^flood: (\d+) seen", account["NETANOMALY_BALANCE"], re.MULTILINE).group(1))
    assert seen + int(account["NETANOMALY_LOST_BACKEND"]) == (300 + os.cpu_count()) * 1000


def open_connections(wire, count):
    """Sockets on their way to a host that is not there."""
    sockets = []
    with wire.left.entered():
        for _ in range(count):
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            one.setblocking(False)
            one.connect_ex((wire.nobody_ip, 80))
            sockets.append(one)
    return sockets


def test_the_examples_make_entries(start, folder, wire):
    """Of connections that nobody answers, and of datagrams that nobody receives."""
    storm = folder.script("storm", (EXAMPLES / "tcp-retransmit-storm.bt").read_text())
    drops = folder.script("drops", (EXAMPLES / "drops-by-reason.bt").read_text())
    daemon = start(section("tcp-storm", storm, "Arguments=40", "Priority=warning"),
                   section("drops", drops, "Arguments=100"), backend="bpftrace")
    wire.left.ip(f"neigh add {wire.nobody_ip} lladdr {NOBODY_MAC} dev l0")
    sockets = open_connections(wire, 60)
    with wire.left.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(200):
            sender.sendto(b"x", (wire.right_ip, 9))
    report = reports(daemon, "tcp-storm", NETNS=wire.left.inode)[0]
    assert (report["PRIORITY"], report["NETANOMALY_SCRIPT_PEER"]) == ("4", f"[{wire.nobody_ip}]:80")
    assert report["MESSAGE"].endswith(f"TCP segments sent again to {wire.nobody_ip} port 80 within 10 s")
    report = reports(daemon, "drops", NETNS=wire.right.inode)[0]
    assert (report["PRIORITY"], report["NETANOMALY_SCRIPT_REASON"]) == ("5", "NO_SOCKET")
    assert (report["NETANOMALY_IFNAME"], report["NETANOMALY_IFINDEX"]) == ("r0", wire.right.ifindex("r0"))
    for one in sockets:
        one.close()
    assert books(daemon, "script drops")[1]["unreadable_reports"] == 0
