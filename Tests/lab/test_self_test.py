"""The self-test as a user runs it: on this very machine, with a daemon beside it or without."""

import json
import os
import pathlib
import subprocess
import time

import pytest

from daemon import EXIT_NOT_PERMITTED, NETANOMALYCTL, NETANOMALYD, Daemon
from journald import Journald
from namespaces import bound, run, stop
from records import is_anomaly

DEVICES = "selftest*"
SECONDS = 10
RESULTS = {"seen", "not seen", "not made", "blind", "failed"}
#: Not made, here or anywhere.
HARMFUL = {"arp-table-overflow", "gso-tunnel-without-encapsulation"}


def rules():
    """The names of all rules."""
    return [rule["name"] for rule in json.loads(run(NETANOMALYD, "--list-rules", "--json").stdout)]


def results(done):
    """What a run with --json says, by rule."""
    found = {}
    for result in json.loads(done.stdout)["results"]:
        found.setdefault(result["rule"], []).append(result)
    return found


def orphans():
    """Programs of the daemon's in the kernel that no process holds."""
    programs = json.loads(run("bpftool", "-j", "prog", "show").stdout)
    ours = [program for program in programs if program.get("name", "").startswith("on_")]
    return {program["id"] for program in ours if not program.get("pids")}


def namespace_of(pid):
    """The network namespace of a process, as `ls -l /proc/PID/ns/net` shows it."""
    return os.readlink(f"/proc/{pid}/ns/net")


def test_every_rule_is_seen_or_it_is_said_why_not():
    done = run(NETANOMALYD, "--self-test", "--json", check=False, timeout=SECONDS)
    assert done.returncode == 0 and done.stderr == "", done
    report = json.loads(done.stdout)
    found = results(done)
    assert report["passed"] is True and list(found) == rules(), "each rule, in the order of --list-rules"
    assert HARMFUL <= {rule for rule, cases in found.items() if cases[0]["result"] == "not made"}
    for rule, cases in found.items():
        for case in cases:
            if case["result"] == "seen":
                assert case["probe"].startswith("tp_btf:") and 0 < case["latency_ns"] < SECONDS * 10**9, case
                assert case["made_by"], case
            else:
                assert case["result"] == "not made" and case["reason"], case
    assert all(probe["attached"] for probe in report["probes"]), report["probes"]


def test_the_table_names_every_rule_with_its_result():
    started = time.monotonic()
    done = run(NETANOMALYD, "--self-test", timeout=SECONDS)
    assert time.monotonic() - started < 6, "a person waits for it"
    head, *lines = done.stdout.split("\n\n")[0].splitlines()
    assert head.split()[:3] == ["RULE", "RESULT", "SEEN"], head
    for rule in rules():
        row = next((line for line in lines if line.split()[0] == rule), "")
        assert " seen  " in row or " not made  " in row, f"{rule}: {row}"
    assert "0 not seen" in done.stdout.splitlines()[-1]


def test_the_operators_tool_passes_on_output_and_exit_status(tmp_path):
    done = run(NETANOMALYCTL, "self-test", "--json", check=False, timeout=SECONDS)
    assert done.returncode == 0 and list(results(done)) == rules(), done
    # The netanomalyd beside it is the one that runs: one that fails, here.
    os.link(NETANOMALYCTL, tmp_path / "netanomalyctl")
    failing = tmp_path / "netanomalyd"
    failing.write_text('#!/bin/sh\necho "$*"\nexit 3\n')
    failing.chmod(0o755)
    done = run(tmp_path / "netanomalyctl", "self-test", check=False)
    assert (done.returncode, done.stdout) == (3, "--self-test\n"), done


def test_it_leaves_nothing_behind():
    before = orphans()
    process = subprocess.Popen(bound([NETANOMALYD, "--self-test"]), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + SECONDS
        while (private := namespace_of(process.pid)) == namespace_of("self"):
            assert time.monotonic() < deadline, "it never left this namespace"
        assert process.wait(timeout=SECONDS) == 0
    finally:
        stop(process)
    assert not list(pathlib.Path("/sys/class/net").glob(DEVICES)), "a device came out of the private namespace"
    alive = run("lsns", "--type", "net", "--noheadings", "--output", "NS").stdout.split()
    assert private.strip("net:[]") not in alive
    deadline = time.monotonic() + 5
    while orphans() - before:
        assert time.monotonic() < deadline, "BPF programs stayed in the kernel"


def test_nothing_of_it_is_in_the_journal(tmp_path):
    journald = Journald(tmp_path / "journald")
    try:
        done = run(*journald.inside([NETANOMALYD, "--self-test"]), timeout=SECONDS)
        assert "0 not seen" in done.stdout
        entries = [entry for entry in journald.entries() if "netanomaly" in json.dumps(entry).lower()]
        assert entries == []
    finally:
        journald.close()


@pytest.mark.parametrize("trust", ["", f"[Trust]\nIgnoreInterfaces={DEVICES}\n"])
def test_beside_a_running_daemon_both_work(tmp_path, trust):
    """The daemon sees what the self-test makes, as it sees all of the machine, unless it is told to pass over it."""
    daemon = Daemon(tmp_path / "daemon", configuration=f"[Limits]\nDedupIntervalSec=0\nRateLimitBurst=10000\n{trust}")
    try:
        done = run(NETANOMALYD, "--self-test", "--json", check=False, timeout=SECONDS)
        assert done.returncode == 0, done
        seen = {rule for rule, cases in results(done).items() if cases[0]["result"] == "seen"}
        daemon.drained()
        daemon.stop()
        entries = [entry for entry in daemon.records.all()
                   if is_anomaly(entry) and entry.get("NETANOMALY_IFNAME", "").startswith("selftest")]
        told = {rule for entry in entries
                for rule in [entry["NETANOMALY_RULE"], *entry.get("NETANOMALY_ALSO", "").split()]}
        off = {"arp-trace", "arp-unicast-request", "gso-trace"}
        assert told == (set() if trust else seen - off)
    finally:
        daemon.close()


@pytest.mark.parametrize("lacking", [("--reuid=65534", "--clear-groups"), ("--bounding-set=-sys_admin,-bpf",),
                                     ("--bounding-set=-sys_admin",)],
                         ids=["another user", "no BPF", "no namespaces"])
def test_without_the_right_to_it_ends_with_77(lacking):
    done = run("setpriv", *lacking, NETANOMALYD, "--self-test", check=False, timeout=SECONDS)
    assert done.returncode == EXIT_NOT_PERMITTED and done.stdout == "" and "ot permitted" in done.stderr, done
