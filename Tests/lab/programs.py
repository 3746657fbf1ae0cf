"""BPF programs that bring a packet into a state no well-behaved program makes.

The kernel checks what it is given from outside; a tc program changes a packet behind that check, as the faulty tunnel
programs and drivers of the known incidents did. The programs are compiled when a test needs them.
"""

import ctypes
import pathlib
import platform
import shutil

from namespaces import run

SOURCES = pathlib.Path(__file__).parent / "bpf"
ARCHITECTURE_HEADERS = f"/usr/include/{platform.machine()}-linux-gnu"


def clang():
    """The Swift toolchain's clang, which builds the daemon's own programs; else the system's; None without either."""
    swift = shutil.which("swift")
    beside = pathlib.Path(swift).resolve().parent / "clang" if swift else None
    return str(beside) if beside and beside.exists() else shutil.which("clang")


def compiled(name, folder, *definitions):
    """Compiles `bpf/<name>.bpf.c` into `folder` and returns the object's path."""
    target = folder / f"{name}.bpf.o"
    run(clang(), "-target", "bpf", "-O2", "-g", "-Wall", "-Werror", f"-I{ARCHITECTURE_HEADERS}",
        *definitions, "-c", SOURCES / f"{name}.bpf.c", "-o", target)
    return target


def on_ingress(namespace, device, program):
    """Runs the compiled `program` on every packet the device receives."""
    _attach(namespace, device, "ingress", program)


def on_egress(namespace, device, program):
    """Runs the compiled `program` on every packet the device sends."""
    _attach(namespace, device, "egress", program)


def _attach(namespace, device, direction, program):
    namespace.tc(f"qdisc add dev {device} clsact")
    namespace.tc(f"filter add dev {device} {direction} bpf direct-action object-file {program} section tc")


class _Context(ctypes.Structure):
    """The part of struct __sk_buff (include/uapi/linux/bpf.h) that a test run takes over, up to gso_size."""

    _fields_ = [("before", ctypes.c_char * 176), ("gso_size", ctypes.c_uint32), ("after", ctypes.c_char * 12)]


class _TestRun(ctypes.Structure):
    """struct bpf_test_run_opts of libbpf 1.x, as far as it is used; `size` tells libbpf how far that is."""

    _fields_ = [
        ("size", ctypes.c_size_t), ("data_in", ctypes.c_char_p), ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32), ("data_size_out", ctypes.c_uint32),
        ("context_in", ctypes.c_void_p), ("context_out", ctypes.c_void_p),
        ("context_size_in", ctypes.c_uint32), ("context_size_out", ctypes.c_uint32),
        ("result", ctypes.c_int32), ("repeat", ctypes.c_int),
    ]


def test_run(namespace, program, frame, gso_size):
    """Runs the compiled `program` once, in `namespace`, on `frame` as a packet of that GSO size and no type."""
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    libbpf.bpf_object__open_file.restype = ctypes.c_void_p
    libbpf.bpf_object__next_program.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(libbpf.bpf_object__open_file(str(program).encode(), None))
    try:
        if libbpf.bpf_object__load(handle) != 0:
            raise OSError(ctypes.get_errno(), f"cannot load {program}")
        first = ctypes.c_void_p(libbpf.bpf_object__next_program(handle, None))
        context = _Context(gso_size=gso_size)
        options = _TestRun(
            size=ctypes.sizeof(_TestRun), data_in=frame, data_size_in=len(frame), repeat=1,
            context_in=ctypes.addressof(context), context_size_in=ctypes.sizeof(context))
        with namespace.entered():
            failed = libbpf.bpf_prog_test_run_opts(libbpf.bpf_program__fd(first), ctypes.byref(options))
        if failed or options.result:
            raise OSError(f"{program.name}: test run {failed}, program's result {options.result}")
    finally:
        libbpf.bpf_object__close(handle)
