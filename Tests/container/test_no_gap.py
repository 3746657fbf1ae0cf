"""No gap: killed, restarted and upgraded, the daemon goes on where it was. Each anomaly is in the journal once or is
counted, and NETANOMALY_SEQ goes on."""

import collections
import re
import time

import pytest

import service as services
from daemon import SETTLED, assert_conserved
from segment import wait_until
from service import OURS, RULE, UNIT, UNLIMITED, sequence

KILLS, PER_SECOND = 10, 200
LAYOUT = re.compile(rb"(netanomalyd-state-layout-)(\d)")
DAEMON = "usr/sbin/netanomalyd"


def of_another_layout(deb, folder):
    """The package of a build that keeps its state otherwise."""
    def change(tree):
        program = (tree / DAEMON).read_bytes()
        assert LAYOUT.search(program), "the daemon names no state layout"
        (tree / DAEMON).write_bytes(LAYOUT.sub(lambda found: found[1] + b"%d" % ((int(found[2]) + 1) % 10), program))

    return services.repacked(deb, folder, change)


def replaced(service, before):
    """Waits until another process than `before` is up; its number."""
    wait_until(lambda: service.show("ActiveState") == "active" and service.pid() not in ("0", before),
               "the daemon is back", 20)
    return service.pid()


def cursor(service):
    """The service's newest entry. journalctl 252 skips one more if the cursor's own does not match."""
    return service.machine.journal("--lines=1", OURS)[0]["__CURSOR"]


def counted(status):
    """The rule's events that came to the daemon and have no entry."""
    return sum(status["rules"][RULE][name] for name in SETTLED if name not in ("written", "pending"))


@pytest.mark.parametrize("how", ["kill", "restart", "upgrade"])
def test_one_end_is_no_gap(service, anomalies, deb, how):
    """The smallest case of each, to begin the search with."""
    assert_no_gap(service, anomalies, [lambda: end(service, deb, how)])


def test_ten_kills_a_restart_and_an_upgrade_are_no_gap(service, anomalies, deb):
    ends = ["kill"] * (KILLS // 2) + ["upgrade"] + ["kill"] * (KILLS // 2) + ["restart"]
    assert_no_gap(service, anomalies, [lambda how=how: end(service, deb, how) for how in ends])


def end(service, deb, how):
    """Ends the process in that way."""
    if how == "kill":
        service.signal("KILL")
    elif how == "restart":
        service.systemctl("restart", UNIT)
    else:
        service.install(deb)


def assert_no_gap(service, anomalies, ends):
    """Makes anomalies at a steady rate while the process ends in these ways, and looks for each of them."""
    service.begin(UNLIMITED)
    before, first = service.drained(), anomalies.made + 1
    start = cursor(service)
    with anomalies.steadily(PER_SECOND):
        for end_it in ends:
            time.sleep(1)
            pid = service.pid()
            end_it()
            replaced(service, pid)
        time.sleep(1)
    after = service.drained()
    assert_conserved(after)
    service.wait_entry(f"NETANOMALY_ETH_SRC={anomalies.cause()}")
    entries = service.machine.journal(OURS, f"--after-cursor={start}",
                                      "--output-fields=NETANOMALY_SEQ,NETANOMALY_ETH_SRC")
    senders = collections.Counter(entry.get("NETANOMALY_ETH_SRC") for entry in entries)
    made = [services.mac(number) for number in range(first, anomalies.made)]
    twice = [sender for sender in made if senders[sender] > 1]
    assert not twice, f"{len(twice)} of {len(made)} have two entries: {twice[:5]}"
    never = [sender for sender in made if not senders[sender]]
    known = counted(after) - counted(before)
    assert len(never) == known, f"{len(never)} of {len(made)} are not in the journal, {known} are counted: {never[:5]}"
    numbers = sorted(sequence(entries))
    missing = set(range(before["next_seq"], numbers[-1] + 1)) - set(numbers)
    assert len(numbers) == len(set(numbers)), "a number was used twice"
    lost = services.lost(after) - services.lost(before)
    assert len(missing) == lost, f"numbers that are missing and of which {lost} are counted: {sorted(missing)[:20]}"


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_what_was_written_lately_is_still_known(service, anomalies, deb, how):
    """A repetition after the end is one, and is counted; the daemon that ended had written the first."""
    service.begin("[Limits]\nDedupIntervalSec=1h\n")
    sender = anomalies.cause()
    service.wait_entry(f"NETANOMALY_ETH_SRC={sender}")
    before = service.drained()["rules"][RULE]["deduplicated"]
    pid = service.pid()
    end(service, deb, how)
    replaced(service, pid)
    anomalies.made -= 1
    anomalies.cause()
    service.assert_watches(anomalies)
    assert service.drained()["rules"][RULE]["deduplicated"] == before + 1
    assert len(service.entries(f"NETANOMALY_ETH_SRC={sender}")) == 1


def test_a_state_of_another_layout_is_told_and_given_up(service, anomalies, deb, tmp_path):
    """It starts clean, in both directions; what is lost with the state is counted and told, what comes after is whole.

    An anomaly of the very moment may be told by both: they do not share what would tell them.
    """
    service.begin(UNLIMITED)
    for package in (of_another_layout(deb, tmp_path), deb):
        pid, start, before = service.pid(), cursor(service), anomalies.made
        with anomalies.steadily(PER_SECOND):
            time.sleep(1)
            service.install(package)
            replaced(service, pid)
            books, first = services.Books(service), anomalies.made + 1
            time.sleep(1)
        assert books.close() == 0
        service.wait_entry(f"NETANOMALY_ETH_SRC={services.mac(first)}")
        entries = service.machine.journal(OURS, f"--after-cursor={start}")
        told = [entry["MESSAGE"] for entry in entries if entry["NETANOMALY_RULE"] == "daemon-state-discarded"]
        assert any("netanomalyd-state-layout-" in message for message in told), told
        senders = collections.Counter(entry.get("NETANOMALY_ETH_SRC") for entry in entries)
        made = [services.mac(number) for number in range(before + 1, anomalies.made + 1)]
        assert sum(senders[sender] > 1 for sender in made) <= 1
        never = [sender for sender in made if not senders[sender]]
        assert len(never) == service.status()["rules"][RULE]["lost_ring"], never[:5]
