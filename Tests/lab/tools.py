"""Programs from Debian's packages that tests run: those installed, and those only unpacked into a cache folder.

Unpacked are packages that would start a service on the machine (arpwatch, arpalert), that exclude each other
(iputils-arping and arping), and the kernel for a guest. `packaging/test` fetches all of them.
"""

import os
import pathlib
import shutil

import pytest

_CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
#: Where `packaging/test` unpacks Debian's packages.
UNPACKED = pathlib.Path(os.environ.get("NETANOMALY_TEST_TOOLS") or _CACHE / "netanomalyd" / "tools")


def installed(program, package=None):
    """The program's path; skips the test and names the package when there is none."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"no {program}: install the package {package or program}")
    return path


def unpacked(path, package):
    """A file of an unpacked package by its path inside; skips the test and names the package when there is none."""
    found = UNPACKED / path
    if not found.exists():
        pytest.skip(f"no {found}: packaging/test unpacks the package {package} there")
    return found
