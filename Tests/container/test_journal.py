"""journald restarted, killed, hung, gone, full and stingy, under the systemd that keeps its sockets: after each the
books balance, or it is said here by how much they cannot."""

import contextlib
import re
import time

import pytest

import service as services
from daemon import assert_conserved
from segment import wait_until
from service import RULE, UNIT, UNLIMITED, Books

JOURNALD = "systemd-journald.service"
SOCKETS = ("systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald-audit.socket")
#: As many datagrams wait in journald's socket (net.unix.max_dgram_qlen), and one more is in journald's hands.
IN_FLIGHT = 513
#: journald's word for what its rate limit took.
SUPPRESSED = "a596d6fe7bfa4994828e72309e95d61e"
#: What the queue may take, records and bytes (RecordQueue), and room for what an allocator does.
GROWTH_KILOBYTES = 16 * 1024
#: Far less than the watchdog gives, for the programs that ask and the answer together.
ANSWER_SECONDS = 8.0
#: So long the queue holds 5,000 entries a second at the least; a restart of journald takes a third of it on a machine
#: that has nothing else to do.
QUEUED_SECONDS = 1.0
#: A hang that outlives every timeout of a sender; a second one of a few seconds would show nothing new.
HUNG_SECONDS = {"bookworm": 60, "trixie": 10}


@pytest.fixture
def service(installed):
    """The service without limits of its own, and with a watchdog that notices when it waits for journald."""
    repair(installed)
    installed.begin(UNLIMITED, "[Service]\nWatchdogSec=5s\n")
    yield installed
    repair(installed)
    assert installed.show("NRestarts") == "0", "it did not live through the fault"
    wait_until(lambda: not problem(installed), "the journal is not called deaf", 20)


def repair(service):
    """journald as it was, whatever a test did to it."""
    service.systemctl("reset-failed", JOURNALD, *SOCKETS, check=False)
    service.systemctl("start", *SOCKETS, JOURNALD, check=False)


def journald_pid(service):
    """journald's main process."""
    return service.systemctl("show", "--value", "--property=MainPID", JOURNALD).stdout.strip()


def kill(service, name):
    """Signals journald."""
    service.systemctl("kill", f"--signal={name}", JOURNALD)


@contextlib.contextmanager
def hung(service):
    """journald hangs while the block runs, as on a disk that does not answer."""
    pid = journald_pid(service)
    service.machine.run("kill", "-STOP", pid)
    try:
        yield
    finally:
        service.machine.run("kill", "-CONT", pid)


def resident_kilobytes(service, pid):
    """What the daemon holds of the machine's memory."""
    return int(re.search(r"VmRSS:\s*(\d+)", service.machine.path(f"/proc/{pid}/status").read_text())[1])


def answers(service):
    """The daemon answers at once."""
    began = time.monotonic()
    status = service.status()
    assert time.monotonic() - began < ANSWER_SECONDS
    return status


def told(service, count, since):
    """The loss is in the journal by its number, in one entry or several."""
    def sums_up():
        entries = service.entries("NETANOMALY_RULE=daemon-journal-loss", f"_SYSTEMD_INVOCATION_ID={since}")
        return sum(int(entry["NETANOMALY_COUNT"]) for entry in entries) == count
    wait_until(sums_up, f"the loss of {count} is told", 10)


def test_nothing_is_lost_over_restarts_of_journald_at_5000_a_second(service, anomalies):
    books, before, longest = Books(service), anomalies.made, 0
    with anomalies.steadily(5000):
        for _ in range(2):
            time.sleep(1)
            began = time.monotonic()
            service.systemctl("restart", JOURNALD)
            longest = max(longest, time.monotonic() - began)
        time.sleep(1)
    made = anomalies.made - before
    assert made >= 6000, "the machine is too slow for the rate"
    lost = books.close()
    assert lost == 0 or longest > QUEUED_SECONDS
    assert service.status()["rules"][RULE]["written"] >= made


def test_killed_journald_loses_at_most_what_it_had_in_hand(service, anomalies):
    """What it has taken from its socket and not yet put into the file is gone with it; no sender can know. Of two
    kills at 5,000 entries a second mostly none loses anything."""
    books, kills = Books(service), 2
    with anomalies.steadily(5000):
        for _ in range(kills):
            time.sleep(1)
            kill(service, "KILL")
        time.sleep(1)
    status = service.drained()
    assert_conserved(status)
    assert books.lost(status) == 0
    assert len(books.missing(status)) <= kills


def test_a_hung_journald_holds_nobody_up(service, anomalies, suite):
    """By senders that repeat: what is remembered of each, some 2 kB up to MaxKeys=, is not the queue's memory."""
    books, pid = Books(service), service.pid()
    before = resident_kilobytes(service, pid)
    most = before
    with hung(service), anomalies.steadily(500, senders=1000):
        deadline = time.monotonic() + HUNG_SECONDS[suite]
        while time.monotonic() < deadline:
            answers(service)
            most = max(most, resident_kilobytes(service, pid))
            time.sleep(0.5)
    assert most - before < GROWTH_KILOBYTES, f"{before} kB before, {most} kB while journald hung"
    anomalies.cause()
    lost = books.close()
    assert lost > 0, "the queue held everything: nothing was tested"
    told(service, lost, service.show("InvocationID"))


def test_a_short_hang_costs_nothing(service, anomalies):
    books = Books(service)
    with hung(service), anomalies.steadily(1000):
        time.sleep(2)
        assert answers(service)["output"]["waiting"] > 0
    assert books.close() == 0


def test_journald_that_systemd_has_given_up(service, anomalies):
    """Its sockets are closed with what is in them: sent, and taken by nobody. What was not yet sent waits."""
    books = Books(service)
    with anomalies.steadily(200):
        def given_up():
            kill(service, "KILL")
            return service.systemctl("is-failed", SOCKETS[0], check=False).returncode == 0
        wait_until(given_up, "systemd gives journald up", 20)
        time.sleep(1)
        assert answers(service)["output"]["waiting"] > 0
        repair(service)
    service.assert_watches(anomalies)
    status = service.drained()
    assert_conserved(status)
    assert 0 <= len(books.missing(status)) - books.lost(status) <= IN_FLIGHT


def test_a_socket_that_is_removed_and_bound_anew(service, anomalies):
    books = Books(service)
    with anomalies.steadily(200):
        service.machine.path("/run/systemd/journal/socket").unlink()
        time.sleep(0.5)
        service.systemctl("stop", *SOCKETS, JOURNALD)
        time.sleep(0.5)
        assert answers(service)["output"]["waiting"] > 0
        service.systemctl("start", *SOCKETS, JOURNALD)
    service.assert_watches(anomalies)
    status = service.drained()
    assert_conserved(status)
    assert 0 <= len(books.missing(status)) - books.lost(status) <= IN_FLIGHT


def test_no_journal_at_the_start(service, anomalies):
    service.systemctl("stop", *SOCKETS, JOURNALD)
    service.systemctl("restart", UNIT)
    first = anomalies.cause(10)
    assert answers(service)["output"]["waiting"] > 0
    service.systemctl("start", *SOCKETS, JOURNALD)
    service.wait_entry(f"NETANOMALY_ETH_SRC={first}")
    numbers = services.sequence(service.entries(f"_SYSTEMD_INVOCATION_ID={service.show('InvocationID')}"))
    assert numbers == list(range(numbers[0], service.status()["next_seq"])), "the queue kept all, in order"


def problem(service):
    """What the status says of the journal."""
    return service.status()["output"].get("problem")


def test_a_full_disk_is_told_and_which_entries_may_be_missing(service, machine, anomalies):
    """journald takes what it cannot store, and says nothing to the sender; the daemon finds out by itself.

    In memory alone: where only the disk is full, journald stores there instead. The files in memory are not shown to
    the service's user, so it is the room that tells.
    """
    folder = f"/run/log/journal/{machine.path('/etc/machine-id').read_text().strip()}"
    settings = "/run/systemd/journald.conf.d/test.conf"
    machine.write(settings, "[Journal]\nStorage=volatile\nRuntimeMaxUse=1G\nRuntimeKeepFree=1\n")
    machine.path(folder).mkdir(parents=True, exist_ok=True)
    machine.run("mount", "-t", "tmpfs", "-o", "size=48M", "small", folder)
    try:
        # The service, too: in a container, a running one does not see what is mounted later.
        service.systemctl("restart", JOURNALD, UNIT)
        service.assert_watches(anomalies)
        books = Books(service)
        machine.run("sh", "-c", f"cat /dev/zero > {folder}/filler", check=False)
        with anomalies.steadily(4000):
            time.sleep(4)
            answers(service)

        def is_deaf():
            anomalies.cause()  # whoever writes nothing cannot find out
            return problem(service)

        wait_until(is_deaf, "the status says so", 20)
        assert "its disk is full" in problem(service)
        wait_until(lambda: service.show("StatusText").startswith("Degraded: the journal"), "systemctl says so", 5)
        machine.path(f"{folder}/filler").unlink()
        service.assert_watches(anomalies)
        gap = service.wait_entry("NETANOMALY_RULE=daemon-journal-gap", timeout=20)
        wait_until(lambda: not problem(service), "the status is good again", 5)
        status = service.drained()
        assert_conserved(status)
        assert books.lost(status) == 0, "journald took them all"
        missing = books.missing(status)
        assert missing, "the disk was not full: nothing was tested"
        first, last = (int(gap[f"NETANOMALY_{name}_SEQ"]) for name in ("FIRST", "LAST"))
        assert first <= min(missing) and max(missing) <= last
    finally:
        machine.path(settings).unlink()
        service.systemctl("stop", *SOCKETS, JOURNALD)
        machine.run("umount", "--lazy", folder)
        repair(service)


def limit_told(service):
    """What this run of the service says of journald's limits."""
    return service.entries("NETANOMALY_RULE=daemon-journal-limit", f"_SYSTEMD_INVOCATION_ID={service.show('InvocationID')}")


def test_journalds_own_limit_below_ours_is_told_at_the_start(service, machine, anomalies):
    """journald drops in silence, and tells how many when the service writes again after the interval."""
    service.begin(UNLIMITED, "[Service]\nLogRateLimitIntervalSec=2s\nLogRateLimitBurst=100\n")
    service.wait_entry("NETANOMALY_RULE=daemon-journal-limit", f"_SYSTEMD_INVOCATION_ID={service.show('InvocationID')}")
    assert f"takes 100 of a kind in 2.0 s from {UNIT}" in limit_told(service)[0]["MESSAGE"]
    books = Books(service)
    anomalies.cause(2000)
    time.sleep(2)
    service.assert_watches(anomalies)
    status = service.drained()
    missing = books.missing(status)
    assert books.lost(status) == 0 and len(missing) > 1000
    suppressed = machine.journal(f"MESSAGE_ID={SUPPRESSED}", "--grep=netanomalyd")
    assert suppressed and int(suppressed[-1]["N_DROPPED"]) >= len(missing)


def test_our_own_limits_stay_below_journalds(installed, anomalies):
    """As installed, the worst that a flood can make it write is written."""
    repair(installed)
    installed.begin()
    books = Books(installed)
    with anomalies.steadily(5000):
        time.sleep(4)
    status = installed.drained()
    assert books.close() == 0
    assert services.total(status, "limited") + services.total(status, "overflow") > 5000
    assert not limit_told(installed) and not problem(installed)
