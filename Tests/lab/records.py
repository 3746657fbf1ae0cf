"""A growing list of JSON objects, read line by line by a thread: the daemon's own output or `journalctl --follow`."""

import json
import threading
import time


class Records:
    """What a stream has said so far; waits have a deadline and wake up when something new arrives."""

    def __init__(self, stream):
        self._stream = stream
        self._items = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            for line in self._stream:
                item = json.loads(line)
                with self._changed:
                    self._items.append(item)
                    self._changed.notify_all()
        except ValueError as error:
            # A stream closed under the reader is the end; a line that is no JSON is a defect, and shown as a record.
            if "closed file" not in str(error):
                with self._changed:
                    self._items.append({"NETANOMALY_RULE": "lab-unreadable-line", "MESSAGE": str(error)})
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def all(self):
        """A copy of everything up to now."""
        with self._changed:
            return list(self._items)

    def find(self, **fields):
        """Every record with these values; `RULE="x"` stands for `NETANOMALY_RULE`, names in capitals stay."""
        return [item for item in self.all() if matches(item, fields)]

    def wait(self, count=1, timeout=5.0, **fields):
        """The records with these values once there are `count` of them; AssertionError with what came instead."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [item for item in self._items if matches(item, fields)]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    break
                self._changed.wait(left)
        why = "the stream ended" if self._ended else f"{timeout} s passed"
        last = brief(self.all()[-8:])
        raise AssertionError(f"{why}, {len(found)} of {count} records with {fields}; the last ones: {last}")

    def join(self):
        """Waits until the stream has ended and all of it is read."""
        self._thread.join(timeout=10)


PLAIN_FIELDS = {"MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "DOCUMENTATION"}


def key(name):
    """The journal field behind a short name."""
    return name if name in PLAIN_FIELDS or name.startswith("_") else f"NETANOMALY_{name}"


def matches(item, fields):
    """True when the record has every one of the values."""
    return all(item.get(key(name)) == str(value) for name, value in fields.items())


def is_anomaly(item):
    """True for a detector's record, false for the daemon's own."""
    return not item.get("NETANOMALY_RULE", "daemon-").startswith("daemon-")


def brief(items):
    """Records in a form a failure message can carry."""
    names = ("NETANOMALY_RULE", "NETANOMALY_DETAIL", "PRIORITY", "NETANOMALY_IFNAME", "NETANOMALY_DIRECTION",
             "NETANOMALY_COUNT", "MESSAGE")
    return [" | ".join(str(item[name]) for name in names if name in item) for item in items]
