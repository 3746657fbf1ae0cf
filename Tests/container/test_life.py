"""The service's life under systemd, as its user lives it: reloaded, restarted, killed, hung, and it watches on."""

import itertools
import json
import re
import time

import pytest

import service as services
from daemon import EXIT_CONFIGURATION, assert_conserved
from segment import wait_until
from service import RULE, UNIT, UNLIMITED

BAD = "[Limits]\nDedupIntervalSec=soon\n"
#: As systemd-analyze takes its threshold.
EXPOSURE_TENTHS = 10
#: 50 ms is the target; the programs that ask for it are started within the time, too.
RELOAD_SECONDS = 2 * 0.05
#: What is off as installed.
OFF = ("arp-trace", "arp-unicast-request", "gso-trace")


#: Which senders show that it watches: each time others, and not the steady ones, which begin with 1.
WATCHES = itertools.count(1)


@pytest.fixture(autouse=True)
def events(service, anomalies):
    """Real ones all the while, within the default limits."""
    with anomalies.steadily(5):
        yield


@pytest.fixture
def watches(service, machine):
    """Asserts that an anomaly made from now on is written; on a tap beside the steady ones."""
    made = []

    def check():
        made.append(services.Anomalies(machine, f"t{len(made) + 1}"))
        made[-1].made = next(WATCHES) << 16
        return service.assert_watches(made[-1])

    yield check
    for anomalies in made:
        anomalies.close()


def restarted(service, before):
    """Waits until systemd has put another process in the place of `before`."""
    wait_until(lambda: service.show("ActiveState") == "active" and service.pid() not in ("0", before),
               "systemd has started it again", 20)


def test_status_says_that_it_watches(service, watches):
    watches()
    text = r"Watching: (\d+) of \1 probes, [1-9]\d* entries, 0 lost"
    wait_until(lambda: re.fullmatch(text, service.show("StatusText")), "the status text follows", 5)
    shown = service.systemctl("status", "--no-pager", "--full", UNIT).stdout
    assert "Active: active (running)" in shown and 'Status: "Watching: ' in shown, shown


def test_the_journal_finds_it_by_unit_and_field_and_explains(service, watches):
    watches()
    found = service.machine.journal(f"--unit={UNIT}", f"NETANOMALY_RULE={RULE}")
    assert found and all(entry["NETANOMALY_RULE"] == RULE for entry in found)
    told = service.machine.run("journalctl", "--no-pager", "--catalog", "--lines=1", "-u", "netanomalyd",
                               f"NETANOMALY_RULE={RULE}").stdout
    assert "Subject: ARP claims an impossible IP address on t" in told and "Documentation: man:netanomalyd(8)" in told


def test_a_good_reload_is_in_force_when_the_command_returns(service, watches):
    pid, seen = service.pid(), service.status()["rules"][RULE]["seen"]
    service.configure(f"[Rule {RULE}]\nPriority=notice\n")
    service.systemctl("reload", UNIT)
    assert watches()["PRIORITY"] == "5"
    assert service.pid() == pid and service.status()["rules"][RULE]["seen"] >= seen, "the counters began anew"
    assert service.wait_entry("NETANOMALY_RULE=daemon-reloaded")


def test_a_reload_is_quick(service):
    took = []
    for _ in range(5):
        began = time.monotonic()
        service.machine.run("netanomalyd", "--reload")
        took.append(time.monotonic() - began)
    assert min(took) <= RELOAD_SECONDS, took


def test_a_bad_reload_fails_is_told_three_times_and_changes_nothing(service, watches):
    pid = service.pid()
    service.configure(BAD)
    done = service.systemctl("reload", UNIT, check=False)
    assert done.returncode != 0
    shown = service.systemctl("status", "--no-pager", "--full", UNIT).stdout
    where = re.escape(f"{services.CONFIGURATION}:2:")
    assert re.search(rf"ExecReload=.*status={EXIT_CONFIGURATION}", shown), shown
    assert re.search(rf'Status: ".*old.*{where}', shown), shown
    entry = service.wait_entry("NETANOMALY_RULE=daemon-reload-failed")
    assert int(entry["PRIORITY"]) <= 3 and re.search(where, entry["MESSAGE"] + entry["NETANOMALY_PROBLEM"])
    assert watches()["PRIORITY"] == "4" and service.pid() == pid
    service.configure("")
    service.systemctl("reload", UNIT)
    wait_until(lambda: service.show("StatusText").startswith("Watching:"), "the status is as before", 5)


def test_a_bad_configuration_is_not_started_again_and_again(service):
    service.configure(BAD)
    assert service.systemctl("restart", UNIT, check=False).returncode != 0
    assert service.show("ExecMainStatus") == str(EXIT_CONFIGURATION)
    assert (service.show("ActiveState"), service.show("NRestarts")) == ("failed", "0")


def test_a_restart_watches_again(service, watches):
    pid = service.pid()
    service.systemctl("restart", UNIT)
    restarted(service, pid)
    watches()


def test_killed_it_comes_back(service, watches):
    pid = service.pid()
    service.signal("KILL")
    restarted(service, pid)
    watches()
    assert service.show("NRestarts") == "1"


def test_hung_it_is_replaced(service, watches):
    service.begin(drop_in="[Service]\nWatchdogSec=2s\n")
    pid = service.pid()
    service.signal("STOP")
    restarted(service, pid)
    watches()
    assert service.machine.journal(f"--unit={UNIT}", "--grep=Watchdog timeout")


def test_working_it_feeds_the_watchdog_also_under_a_flood(service, machine):
    service.begin(UNLIMITED, "[Service]\nWatchdogSec=2s\n")
    flood = services.Anomalies(machine, "flood0")
    flood.made = 1 << 30
    try:
        with flood.steadily(5000):
            time.sleep(5)
    finally:
        flood.close()
    assert service.show("NRestarts") == "0" and service.show("ActiveState") == "active"


def test_systemd_may_execute_itself_anew(service, watches):
    pid = service.pid()
    service.systemctl("daemon-reexec")
    assert service.pid() == pid
    service.configure(f"[Rule {RULE}]\nPriority=err\n")
    service.systemctl("reload", UNIT)
    before = service.show("StatusText")
    assert watches()["PRIORITY"] == "3"
    wait_until(lambda: service.show("StatusText") != before, "STATUS=", 10)


def test_a_stop_during_a_flood_settles_the_accounts(service, machine):
    invocation = service.show("InvocationID")
    flood = services.Anomalies(machine, "flood0")
    flood.made = 2 << 30
    try:
        with flood.steadily(5000):
            time.sleep(1)
            service.systemctl("stop", UNIT)
    finally:
        flood.close()
    ours = f"_SYSTEMD_INVOCATION_ID={invocation}"
    last = service.wait_entry(ours, "NETANOMALY_RULE=daemon-accounting")
    assert last["NETANOMALY_PENDING"] == "0"
    fates = [name for name in last if re.fullmatch("NETANOMALY_(WRITTEN|DEDUPLICATED|LIMITED|OVERFLOW|LOST_.*)", name)]
    assert int(last["NETANOMALY_SEEN"]) == sum(int(last[name]) for name in fates) > 1000
    numbers = services.sequence(service.entries(ours, fields=["NETANOMALY_SEQ"]))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "entries are missing, or out of order"
    assert service.show("Result") == "success"


def test_a_storm_of_reloads_ends_with_the_last_configuration(service, watches):
    pid = service.pid()
    for number in range(200):
        service.configure(f"[Rule {RULE}]\nPriority={'notice' if number % 2 else 'err'}\n")
        if number % 10 == 0:
            service.machine.run("sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9 10; do kill -HUP {pid}; done")
    service.systemctl("kill", "--signal=HUP", UNIT)
    service.systemctl("reload", UNIT)
    assert watches()["PRIORITY"] == "5" and service.pid() == pid
    assert_conserved(service.status())


def test_a_configuration_that_changes_while_it_is_read(service, watches):
    """An editor that writes in pieces: half a file is refused, or is one; what is read is never mixed."""
    pid = service.pid()
    lines = f"[Rule {RULE}]\\nPriority=%s\\n#{'x' * 4000}\\n"
    script = f"""while :; do for word in notice err; do
        printf '{lines}' $word > {services.CONFIGURATION}; done; done"""
    writer = service.machine.popen("sh", "-c", script)
    try:
        statuses = {service.systemctl("reload", UNIT, check=False).returncode for _ in range(20)}
    finally:
        service.machine.run("pkill", "--full", "while :", check=False)
        writer.wait(timeout=10)
    assert statuses & {0}, "no reload was good"
    assert watches()["PRIORITY"] in ("3", "4", "5") and service.pid() == pid


def test_a_missing_and_an_unreadable_configuration(service, watches):
    """A file that is there and cannot be read is no reason to do without it."""
    path = service.machine.path("/etc/netanomaly.conf")
    text = path.read_text()
    path.unlink()
    try:
        assert service.systemctl("reload", UNIT, check=False).returncode == 0
        path.write_text(text)
        path.chmod(0o600)
        assert service.systemctl("reload", UNIT, check=False).returncode != 0
        watches()
    finally:
        path.write_text(text)
        path.chmod(0o644)
    service.systemctl("reload", UNIT)


def test_a_second_daemon_is_refused_and_the_first_goes_on(service, watches):
    second = service.machine.run("netanomalyd", "--output", "journal", check=False)
    assert second.returncode == 1 and "/run/netanomaly/control" in second.stderr, second
    watches()
    assert service.status()["state"] == "watching"


def test_a_few_descriptors_are_said_to_be_too_few(service):
    """16 are not enough for the maps and programs: it ends, and says which limit it was. In a restart systemd says so,
    which has no room for those it has kept."""
    service.systemctl("stop", UNIT)
    service.drop_in("[Service]\nLimitNOFILE=16\n")
    service.systemctl("start", UNIT, check=False)
    wait_until(lambda: service.machine.journal(f"--unit={UNIT}", "--grep=Too many open files"), "it is said", 10)


@pytest.mark.parametrize("megabytes", [32, 40, 48, 64, 128])
def test_little_address_space_is_enough_or_it_is_said(service, watches, megabytes):
    """MemoryMax= holds nobody back here, RLIMIT_AS does. Where Swift's runtime itself finds no memory it ends the process
    by a signal; in either case it is back as soon as there is enough."""
    service.drop_in(f"[Service]\nLimitAS={megabytes}M\nRestart=no\n")
    if service.systemctl("restart", UNIT, check=False).returncode != 0:
        assert service.show("Result") in ("exit-code", "signal")
        service.begin()
        watches()
    elif service.status()["state"] == "watching":
        watches()
    else:
        assert service.wait_entry("NETANOMALY_RULE=daemon-probe-degraded")


def test_without_a_place_for_its_control_socket_it_ends_with_the_reason(service):
    service.drop_in("[Service]\nRuntimeDirectory=\nReadOnlyPaths=/run\nRestart=no\n")
    assert service.systemctl("restart", UNIT, check=False).returncode != 0
    said = service.machine.journal(f"--unit={UNIT}", "--lines=1", "--grep=Read-only file system")
    assert said and "/run/netanomaly/control" in said[0]["MESSAGE"]


def test_interfaces_and_namespaces_come_and_go_while_events_flow(service, machine, watches):
    """Each is gone before its anomaly is written; what was seen of it is known from the kernel's half."""
    before = service.drained()["rules"][RULE]["seen"]
    churned = 60
    for number in range(churned):
        short = services.Anomalies(machine, f"churn{number}")
        short.made = (3 << 30) + number * 16
        short.cause(3)
        if number % 2:
            machine.ip(f"link set churn{number} name gone{number}")
        short.close()
        if number % 10 == 0:
            space = f"n{number}"
            add = f"ip netns add {space} && ip -n {space} link add v0 type veth"
            machine.run("sh", "-c", f"{add} && ip netns del {space}")
    status = service.drained()
    assert_conserved(status)
    assert status["rules"][RULE]["seen"] - before >= 3 * churned
    for number in (0, 1, churned - 1):
        first = service.wait_entry(f"NETANOMALY_ETH_SRC={services.mac((3 << 30) + number * 16 + 1)}")
        assert first["NETANOMALY_IFNAME"] == f"churn{number}"
    watches()


def test_its_exposure_is_low_and_every_rule_works(service):
    """The self-test makes what it can make beside the hardened service, which has to see all of it, too."""
    service.begin("".join(f"[Rule {rule}]\nEnabled=yes\n" for rule in OFF))
    service.machine.run("systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE_TENTHS}", UNIT)
    done = service.machine.run("netanomalyd", "--self-test", "--json", timeout=30)
    made = {result["rule"] for result in json.loads(done.stdout)["results"] if result["result"] == "seen"}
    rules = service.drained()["rules"]
    assert len(made) > 35 and not [rule for rule in made if rules[rule]["seen"] == 0]
    assert_conserved(service.status())


def test_by_hand_it_needs_no_service_manager(service, anomalies):
    service.systemctl("stop", UNIT)
    control = "/run/by-hand"
    child = service.machine.popen("netanomalyd", "--output", "journal", "--control", control)
    try:
        status = ("netanomalyctl", "--control", control, "status")
        wait_until(lambda: "watching" in service.machine.run(*status, check=False).stdout, "it watches")
        service.wait_entry(f"NETANOMALY_ETH_SRC={services.mac(anomalies.made + 1)}")
    finally:
        service.machine.run("pkill", "netanomalyd", check=False)
        assert child.wait(timeout=10) == 0
