"""What every test of the lab gets: checks of the machine, a limit on its time, namespaces that go away.

Run as root: `/usr/bin/python3 -m pytest Tests/lab`. NETANOMALYD and NETANOMALYCTL name
other binaries than the debug build.
"""

import os
import pathlib
import shutil
import signal

import pytest

import backends
import daemon
import evidence
import gso
import journald
import programs
from evidence import Evidence
from hosts import Host
from laboratory import Laboratory
from namespaces import Namespace, bury, ping, remove_leftovers, veth
from peers import Peers
from segment import Segment
from tap import Macvtap, Tap

DEFAULT_TIMEOUT_SECONDS = 45
KERNEL_TAINT = pathlib.Path("/proc/sys/kernel/tainted")
TOOLS = ("ip", "tc", "nsenter", "unshare", "setpriv", "journalctl", "arpspoof", "arping", "iperf3")


def missing_from_machine():
    """Why the lab cannot run here: one sentence for each reason."""
    reasons = []
    if os.geteuid() != 0:
        reasons.append("not root: namespaces, taps and BPF need it")
    if not pathlib.Path("/sys/kernel/btf/vmlinux").exists():
        reasons.append("the kernel has no BTF: /sys/kernel/btf/vmlinux is missing")
    if not pathlib.Path("/dev/net/tun").exists():
        reasons.append("no /dev/net/tun: the tun module is not loaded")
    if not pathlib.Path(journald.SYSTEMD_JOURNALD).exists():
        reasons.append(f"no {journald.SYSTEMD_JOURNALD}")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    reasons += [f"no {tool} in PATH" for tool in TOOLS if not shutil.which(tool, path=path)]
    if programs.clang() is None:
        reasons.append("no clang beside swift or in PATH")
    return reasons


EVIDENCE = Evidence()


def pytest_addoption(parser):
    parser.addoption("--evidence", choices=("write", "check"), help="what to do with docs/EVIDENCE.md after the run")
    parser.addoption("--backend", choices=(backends.LIBBPF, backends.BPFTRACE), default=backends.LIBBPF,
                     help="what runs the daemon's probes; see backends.py")


def pytest_configure(config):
    config.addinivalue_line("markers", "timeout(seconds): the test may take this long instead of the default")
    config.addinivalue_line("markers", "causes(rule, by): see evidence.py")
    config.addinivalue_line("markers", "resembles(rules..., by): see evidence.py")
    config.addinivalue_line("markers", "libbpf(why): the test is about that backend")
    backends.chosen = config.getoption("--backend")
    if backends.chosen != backends.LIBBPF and config.getoption("--evidence"):
        raise pytest.UsageError("docs/EVIDENCE.md is about libbpf: --evidence and --backend exclude each other")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if backends.chosen == backends.BPFTRACE:
        elsewhere = [item for item in items if item.path.name in backends.OF_NO_BACKEND]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]
        unknown = backends.mark_blind(items, is_whole=not any("::" in word for word in config.args))
        if unknown:
            raise pytest.UsageError(f"backends.py names tests that are not there: {unknown}")


def pytest_collection_finish(session):
    EVIDENCE.expect(session.items)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """A test that passed is evidence for what it is marked with."""
    if "lab" in item.funcargs:
        item.funcargs["lab"].is_settled = False
    outcome = yield
    if outcome.excinfo is None and backends.chosen == backends.LIBBPF:
        EVIDENCE.record(item)


def pytest_sessionfinish(session):
    action = session.config.getoption("--evidence")
    if not action or not EVIDENCE.rows:
        return
    problems = evidence.close(EVIDENCE, action)
    for problem in problems:
        print(f"\n{evidence.FILE.name}: {problem}", end="")
    if problems:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def machine():
    """Skips the whole lab by name where it cannot run; fails where only the build is missing."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    reasons = missing_from_machine()
    if reasons:
        pytest.skip("live lab cannot run: " + "; ".join(reasons))
    for binary in (daemon.NETANOMALYD, daemon.NETANOMALYCTL):
        if not os.access(binary, os.X_OK):
            pytest.exit(f"{binary} is not built: run swift build first", returncode=2)
    remove_leftovers()
    before = KERNEL_TAINT.read_text()
    yield
    bury()
    assert KERNEL_TAINT.read_text() == before, "a packet of the lab made the kernel warn: see dmesg"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Ends a test that hangs, its set-up and tear-down included."""
    marker = item.get_closest_marker("timeout")
    seconds = marker.args[0] if marker else DEFAULT_TIMEOUT_SECONDS

    def expire(number, frame):
        # Once more for the tear-down, should that hang too.
        signal.alarm(seconds)
        raise TimeoutError(f"{item.name} took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def lab(tmp_path_factory, request):
    """A daemon and a journald for the module; a module's CONFIGURATION replaces the lab's."""
    options = {}
    if hasattr(request.module, "CONFIGURATION"):
        options["configuration"] = request.module.CONFIGURATION
    laboratory = Laboratory(tmp_path_factory.mktemp("lab"), **options)
    yield laboratory
    laboratory.close()


@pytest.fixture
def make_namespace():
    """Makes namespaces that end with the test."""
    made = []

    def make(**options):
        made.append(Namespace(**options))
        return made[-1]

    make.made = made
    yield make
    for namespace in made:
        namespace.close()


@pytest.fixture
def namespace(make_namespace):
    """One namespace."""
    return make_namespace()


@pytest.fixture
def make_host(make_namespace):
    """Makes hosts on a tap, each in a namespace of its own or in the one named; they end with the test."""
    made = []

    def make(namespace=None, **options):
        made.append(Host(namespace or make_namespace(), **options))
        return made[-1]

    yield make
    for host in made:
        host.close()


@pytest.fixture
def host(make_host):
    """A host with 10.66.0.2/24 on the tap t0."""
    return make_host()


class Wire:
    """Two hosts on one cable: `left` is 10.66.0.1 on l0, `right` is 10.66.0.2 on r0."""

    left_ip, right_ip, nobody_ip = "10.66.0.1", "10.66.0.2", "10.66.0.77"
    left_mac, right_mac, stranger_mac = "02:66:00:00:00:01", "02:66:00:00:00:02", "02:66:00:00:00:99"

    def __init__(self, left, right):
        self.left, self.right = left, right
        veth(left, "l0", right, "r0", f"address {self.left_mac}", f"address {self.right_mac}")
        left.ip(f"addr add {self.left_ip}/24 brd + dev l0")
        right.ip(f"addr add {self.right_ip}/24 brd + dev r0")

    def ping(self, count=1):
        """Left asks right and is answered: both know each other afterwards."""
        ping(self.left, self.right_ip, count)


@pytest.fixture
def wire(make_namespace):
    """Two namespaces with a cable between them."""
    return Wire(make_namespace(), make_namespace())


@pytest.fixture
def segment(make_namespace):
    """A switch with three hosts."""
    segment = Segment(make_namespace)
    yield segment
    segment.close()


@pytest.fixture
def bridge(namespace):
    """Two taps on a bridge."""
    bridge = gso.Bridge(namespace)
    yield bridge
    bridge.close()


@pytest.fixture
def tap(namespace):
    """One tap; the host behind it takes no notice of the packets."""
    tap = Tap(namespace, "t0")
    yield tap
    tap.close()


@pytest.fixture
def macvtap(make_namespace, tmp_path):
    """A macvtap on one end of a cable."""
    near, far = make_namespace(), make_namespace()
    veth(near, "v0", far, "v1")
    near.ip("link add link v0 name mt0 type macvtap mode bridge", "link set mt0 up")
    macvtap = Macvtap(near, "mt0", tmp_path)
    yield macvtap
    macvtap.close()


@pytest.fixture
def peers(tmp_path):
    """arpwatch and arpalert, once a test has them watch a host."""
    return Peers(tmp_path)


@pytest.fixture
def healthy(request, lab, make_namespace):
    """Asserts that the daemon said just this, as `rule case`, of all the test's namespaces, and none above notice."""

    def check(*expected, possible=()):
        request.node.by_chance = possible
        lab.healthy(make_namespace.made, expected, possible)

    return check
