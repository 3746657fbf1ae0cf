"""A Linux guest under qemu on a tap, by emulation: Debian's kernel, a busybox and one shell script."""

import pathlib
import stat
import time

import pytest

from segment import QUIET
from tools import UNPACKED, installed

#: In the order in which they need each other.
MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "failover",
           "net_failover", "virtio_net")
KERNEL_ARGUMENTS = "console=ttyS0 quiet panic=-1 mitigations=off net.ifnames=0"
#: From power-on to power-off it takes 4 s on a quiet machine.
LIMIT_SECONDS = 60
BUSYBOX = pathlib.Path("/bin/busybox")

INIT = """#!/bin/sh
for program in mount insmod ip ping dd nc wc poweroff; do busybox ln -s busybox /bin/$program; done
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /$module.ko; done
ip link set lo up
{script}
echo guest: exit $?
poweroff -f
"""


def kernel():
    """Image and modules of the unpacked kernel; skips the test when there is none."""
    images = sorted(UNPACKED.glob("boot/vmlinuz-*"))
    if not images:
        pytest.skip(f"no guest kernel in {UNPACKED}: packaging/test unpacks the package linux-image-cloud-amd64 there")
    tree = UNPACKED / "lib/modules" / images[-1].name.removeprefix("vmlinuz-")
    return images[-1], [next(tree.rglob(f"{name}.ko")) for name in MODULES]


def entry(name, mode, content=b""):
    """One file of a cpio archive in the `newc` format, which the kernel unpacks as its first file system."""
    fields = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def initial_file_system(script, modules):
    """busybox as sh, the modules, and an init that runs `script`."""
    init = INIT.format(modules=" ".join(MODULES), script=script).encode()
    files = {"init": init, "bin/busybox": BUSYBOX.read_bytes(), **{path.name: path.read_bytes() for path in modules}}
    archive = b"".join(entry(folder, stat.S_IFDIR | 0o755) for folder in ("bin", "dev"))
    archive += b"".join(entry(name, stat.S_IFREG | 0o755, content) for name, content in files.items())
    return archive + entry("bin/sh", stat.S_IFLNK | 0o777, b"busybox") + entry("TRAILER!!!", 0)


class Guest:
    """A running guest whose network card is the tap `device`, which qemu makes in `namespace`."""

    def __init__(self, namespace, device, mac, script, folder):
        image, modules = kernel()
        if not BUSYBOX.exists():
            pytest.skip("no busybox: install the package busybox-static")
        initial = folder / "initrd"
        initial.write_bytes(initial_file_system(script, modules))
        self._console = folder / "console"
        self._deadline = time.monotonic() + LIMIT_SECONDS
        self._process = namespace.popen(
            installed("qemu-system-x86_64", "qemu-system-x86"), "-M", "q35", "-accel", "tcg,thread=multi", "-m", 256,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", f"file:{self._console}",
            "-kernel", image, "-initrd", initial, "-append", KERNEL_ARGUMENTS,
            "-netdev", f"tap,id=net,ifname={device},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=net,mac={mac},romfile=", **QUIET)

    def runs(self):
        """False once the guest has powered itself off; AssertionError when it does not."""
        if self._process.poll() is None:
            assert time.monotonic() < self._deadline, f"the guest does not end: {self._said()}"
            return True
        return False

    def _said(self):
        return self._console.read_text(errors="replace")[-1000:] if self._console.exists() else ""

    def finish(self):
        """What a guest printed that has ended well."""
        assert "guest: exit 0" in self._said(), self._said()
        return self._said()
