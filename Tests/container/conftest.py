"""A machine and an installed service for each module; `--suite` says of which Debian.

Run as root: `/usr/bin/python3 -m pytest --suite=bookworm Tests/container`. NETANOMALYD_DEB names another package than
the newest in dist/.
"""

import os
import pathlib
import shutil

import pytest

import service as services
from machine import Machine, NoMachine
from namespaces import run


TOOLS = ("mmdebstrap", "nsenter", "setpriv", "unshare")


def missing_from_machine():
    """Why no machine can run here: one sentence for each reason."""
    reasons = []
    if os.geteuid() != 0:
        reasons.append("not root: namespaces, mounts and BPF need it")
    if not pathlib.Path("/sys/kernel/btf/vmlinux").exists():
        reasons.append("the kernel has no BTF: /sys/kernel/btf/vmlinux is missing")
    if not pathlib.Path("/dev/net/tun").exists():
        reasons.append("no /dev/net/tun: the tun module is not loaded")
    if run("findmnt", "--types", "cgroup2", check=False).returncode != 0:
        reasons.append("no cgroup2 is mounted")
    reasons += [f"no {tool} in PATH" for tool in TOOLS if not shutil.which(tool)]
    return reasons


def pytest_addoption(parser):
    parser.addoption("--suite", choices=("bookworm", "trixie"), default="bookworm", help="the machines' Debian")


@pytest.fixture(scope="session")
def deb():
    """The package under test."""
    found = services.package()
    if found is None:
        pytest.exit("no package to install: run make deb first, or set NETANOMALYD_DEB", returncode=2)
    return found


@pytest.fixture(scope="session")
def suite(request):
    """Whose machines are booted; all tests are skipped by name where none can be."""
    reasons = missing_from_machine()
    if reasons:
        pytest.skip("no machine can run: " + "; ".join(reasons))
    return request.config.getoption("--suite")


@pytest.fixture(scope="module")
def machine(suite, tmp_path_factory):
    """A machine of the module's own."""
    try:
        machine = Machine(suite, tmp_path_factory.mktemp(suite))
    except NoMachine as reason:
        pytest.skip(str(reason))
    yield machine
    machine.close()


@pytest.fixture(scope="module")
def installed(machine, deb):
    """The service, installed and enabled, and the machine's anomalies."""
    service = services.Service(machine)
    service.install(deb)
    service.systemctl("enable", "--now", services.UNIT)
    return service


@pytest.fixture(scope="module")
def anomalies(machine):
    """A tap to make anomalies on."""
    anomalies = services.Anomalies(machine)
    yield anomalies
    anomalies.close()


@pytest.fixture
def service(installed):
    """The service as it is after its installation, running."""
    installed.begin()
    return installed
