"""systemd's descriptor store, for a daemon that is killed and started again: FDSTORE= and what comes of it."""

import array
import contextlib
import os
import socket
import subprocess
import threading

from daemon import CONFIGURATION, NETANOMALYD, Daemon, NotifySocket
from namespaces import bound

#: Where passed descriptors begin, see sd_listen_fds(3).
FIRST = 3
MAX_AT_ONCE = 253


class Keeper(NotifySocket):
    """A NOTIFY_SOCKET that keeps what it is given, by name, until it is told to let go; the order is that of systemd."""

    def __init__(self, path):
        self.kept = []
        self._lock = threading.Lock()
        super().__init__(path)

    def _read(self):
        while not self._ending:
            with contextlib.suppress(TimeoutError):
                data, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(4 * MAX_AT_ONCE))
                descriptors = array.array("i")
                for level, kind, content in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                        descriptors.frombytes(content[:len(content) - len(content) % 4])
                message = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
                self._keep(message, list(descriptors))
                self.messages.append(message)

    def _keep(self, message, descriptors):
        with self._lock:
            if "FDSTORE" in message:
                # The newest first, as systemd lists them.
                self.kept[:0] = [(message["FDNAME"], descriptor) for descriptor in descriptors]
            elif "FDSTOREREMOVE" in message:
                for name, descriptor in self.kept:
                    if name == message["FDNAME"]:
                        os.close(descriptor)
                self.kept = [(name, descriptor) for name, descriptor in self.kept if name != message["FDNAME"]]

    def close(self):
        super().close()
        for _, descriptor in self.kept:
            os.close(descriptor)
        self.kept = []

    def read_all(self):
        """Returns when all that was sent so far has been read and kept."""
        after = len(self.messages)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"ALL_READ=1", str(self.path))
        self.wait("ALL_READ", after)

    def start(self, command, **options):
        """Starts a process with everything that is kept, as systemd does."""
        with self._lock:
            names, descriptors = [name for name, _ in self.kept], [descriptor for _, descriptor in self.kept]
        high = [os.dup(descriptor) for descriptor in descriptors]

        def arrange():
            top = max([*high, FIRST + len(high)], default=0) + 1
            moved = [os.dup2(descriptor, top + index) for index, descriptor in enumerate(high)]
            for index, descriptor in enumerate(moved):
                os.dup2(descriptor, FIRST + index, inheritable=True)

        environment = {**os.environ, "NOTIFY_SOCKET": str(self.path)}
        if names:
            environment |= {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
        shell = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"]
        try:
            return subprocess.Popen(bound([*shell, *command]), env=environment, preexec_fn=arrange, close_fds=False,
                                    stdin=subprocess.DEVNULL, **options)
        finally:
            for descriptor in high:
                os.close(descriptor)


class KeptDaemon(Daemon):
    """A daemon with --keep-state, whose processes come and go; its records are those of all of them."""

    def __init__(self, folder, journald, configuration=CONFIGURATION, program=NETANOMALYD):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.backend = folder, "libbpf"
        self.configuration = folder / "netanomaly.conf"
        self.configure(configuration)
        self.control, self.errors = folder / "control", folder / "stderr"
        self.notify = Keeper(folder / "notify")
        self._writes_journal, self._journald = True, journald
        self.records = journald.follow()
        self.start(program)

    def start(self, program=NETANOMALYD):
        """Starts the next process; returns when it watches."""
        after = len(self.notify.messages)
        self.begin(program)
        self.notify.wait("READY", after)

    def begin(self, program=NETANOMALYD):
        """Starts the next process, and does not wait for it."""
        command = [program, "--config", self.configuration, "--output", "journal", "--control", self.control,
                   "--keep-state"]
        with open(self.errors, "a") as errors:
            self.process = self.notify.start(self._journald.inside(command), stderr=errors, stdout=subprocess.DEVNULL)

    def kill(self):
        """As the kernel's OOM killer does."""
        self.process.kill()
        self.process.wait()
        self.notify.read_all()
