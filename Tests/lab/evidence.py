"""docs/EVIDENCE.md: what was done to the daemon and what it said, written down by the tests that did it.

A test says what it is evidence for by a marker; what it then finds in the journal, and what arpwatch and arpalert said,
is taken from the run, never from the test's text:

    @pytest.mark.causes("arp-scan", by="arp-scan over a /24")    this rule; without a name, every rule seen, if any
    @pytest.mark.resembles("arp-flip-flop", by="keepalived: failover and failback")    or of "gso-*"

`pytest --evidence=write` writes the file, `--evidence=check` compares: what was seen must be in the file, and what is
in the file must have been seen, unless the test for it was skipped.
"""

import collections
import fnmatch
import json
import pathlib

from daemon import NETANOMALYD, REPOSITORY
from laboratory import anomalies, named, priority_name
from namespaces import run

FILE = REPOSITORY / "docs" / "EVIDENCE.md"
#: Between the facts of one cell.
BREAK = "<br>"
NOTHING, NOT_RUN = "nothing", "–"

PEERS = ("arpwatch", "arpalert")
CAUSES = ("Rule", "Caused by", "Seen: priority, case, probe", *PEERS)
SILENT = "Look-alikes that stayed silent"
RESEMBLES = ("Look-alike", "Resembles", "Said", *PEERS)

#: Rules that no test can cause on a running kernel, and why.
PREDICATE_ONLY = {
    "gso-mixed-types": "No way into a kernel of today sets the bits of two protocols: virtio headers and programs name "
                       "one, and receive offload merges packets of one.",
    "gso-unsupported-type": "The kernel segments what a device cannot take just before it hands it over: only a device "
                            "that changes its mind in between shows such a packet.",
}

HEAD = """# Evidence

Written by the live tests (`make evidence`) and compared with them by `make test`; do not edit. Every row is a test that
made the traffic with the program named, in network namespaces, under the default configuration but for the limits.
*arpwatch* and *arpalert*, where they ran beside the daemon on the host concerned, are Debian 12's with their defaults;
that both announce every new host is left out. "–": did not run.

## Anomalies

"""
SECOND = """
## Look-alikes

Healthy traffic. *Resembles* names the rules it could be taken for, *Said* everything the daemon said about it.

"""
LAST = """
## Rules without a row above

"""


class Evidence:
    """What the tests of a session have shown so far: cells of facts, by row."""

    def __init__(self):
        #: (rule, by) or (by,) -> column -> facts.
        self.rows = collections.defaultdict(lambda: collections.defaultdict(set))
        self._expected = collections.Counter()
        self._passed = collections.Counter()

    def expect(self, items):
        """Notes the rows that the collected tests are evidence for."""
        for item in items:
            self._expected.update(row for row, _ in marked(item))

    def record(self, item):
        """Takes down what a test that passed has shown."""
        markers = list(marked(item))
        if not markers:
            return
        peers = item.funcargs["peers"].reports() if "peers" in item.funcargs else {}
        # What a test allows but does not expect depends on who was quicker: another run would not confirm it.
        by_chance = getattr(item, "by_chance", ())
        entries = [entry for entry in seen_by(item) if named(entry) not in by_chance]
        for row, rules in markers:
            if len(row) == 1:
                self._resembles(row, rules, entries, by_chance)
                written = [row]
            else:
                written = self._causes(row, entries)
            for key in written:
                for name, kinds in peers.items():
                    self.rows[key][name] |= kinds or {NOTHING}
            self._passed[row] += 1

    def _causes(self, row, entries):
        rule, by = row
        found = [entry for entry in entries if rule in (None, entry["NETANOMALY_RULE"])]
        assert found or rule is None, f"marked as the cause of {rule}, and saw none"
        for entry in found:
            facts = [said(entry), entry["NETANOMALY_PROBE"].removeprefix("tp_btf:")]
            self.rows[entry["NETANOMALY_RULE"], by][CAUSES[2]].add(", ".join(facts))
        return {(entry["NETANOMALY_RULE"], by) for entry in found}

    def _resembles(self, row, rules, entries, by_chance):
        facts = {f"{entry['NETANOMALY_RULE']}: {said(entry)}" for entry in entries}
        facts |= {"{}: at times {}".format(*name.split(" ", 1)) for name in by_chance}
        self.rows[row][RESEMBLES[1]].update(rules)
        self.rows[row][RESEMBLES[2]] |= facts or {NOTHING}

    def is_complete(self, row):
        """True when every test for that row ran and passed; rows named by a marker without a rule follow their `by`."""
        keys = [key for key in self._expected if key == row or (key[0] is None and key[1:] == row[1:])]
        return all(self._passed[key] == self._expected[key] for key in keys)

    def merged(self, written):
        """The rows of this run, and from the file those facts that this run could not see again."""
        rows = {key: {column: set(facts) for column, facts in cells.items()} for key, cells in self.rows.items()}
        for key, cells in written.items():
            for column, facts in cells.items():
                if self._is_kept(key, column):
                    rows.setdefault(key, {}).setdefault(column, set()).update(facts)
        return rows

    def _is_kept(self, key, column):
        """True for a fact in the file whose tests did not all pass here, or ran without arpwatch and arpalert."""
        is_known = any(row == key or (row[0] is None and row[1:] == key[1:]) for row in self._expected)
        if not self.is_complete(key):
            return is_known
        return key in self.rows and column in PEERS and column not in self.rows[key]


def marked(item):
    """The rows a test is evidence for: ((rule or None, by), ()) or ((by,), rules)."""
    for marker in item.iter_markers("causes"):
        yield (marker.args[0] if marker.args else None, marker.kwargs["by"]), ()
    for marker in item.iter_markers("resembles"):
        yield (marker.kwargs["by"],), marker.args


def seen_by(item):
    """Every anomaly in the namespaces of a test."""
    laboratory = item.funcargs["lab"]
    if not laboratory.is_settled:
        laboratory.settle()
    return [entry for namespace in item.funcargs["make_namespace"].made
            for entry in anomalies(laboratory.daemon.records, namespace)]


def said(entry):
    """`warning announced`."""
    words = [priority_name(entry), entry.get("NETANOMALY_DETAIL", "")]
    return " ".join(word for word in words if word)


def line(cells):
    """One line of a table."""
    return f"| {' | '.join(cells)} |\n"


def cell(facts):
    """The facts of one cell, in an order of their own."""
    return BREAK.join(sorted(set(facts) - {NOTHING} or facts)) if facts else NOT_RUN


def render(rows):
    """The file's text."""
    causes = sorted(key for key in rows if len(key) == 2)
    lookalikes = sorted(key for key in rows if len(key) == 1)
    text = HEAD + line((*CAUSES, SILENT)) + line(["---"] * 6)
    before = None
    for rule, by in causes:
        silent = {key[0] for key in lookalikes
                  if any(fnmatch.fnmatch(rule, pattern) for pattern in rows[key][RESEMBLES[1]])
                  and not any(fact.startswith(rule + ":") for fact in rows[key][RESEMBLES[2]])}
        cells = [cell(rows[rule, by].get(column, ())) for column in CAUSES[2:]]
        text += line((f"`{rule}`", by, *cells, BREAK.join(sorted(silent)) if rule != before else ""))
        before = rule
    text += SECOND + line(RESEMBLES) + line(["---"] * 5)
    for key in lookalikes:
        text += line((*key, *(cell(rows[key].get(column, ())) for column in RESEMBLES[1:])))
    missing = sorted(set(PREDICATE_ONLY) - {rule for rule, _ in causes})
    text += LAST + "".join(f"- `{rule}`: predicate test only. {PREDICATE_ONLY[rule]}\n" for rule in missing)
    return text if missing else text + "None.\n"


def parse(text):
    """The rows of a written file."""
    rows = {}
    for row in text.splitlines():
        cells = [part.strip() for part in row.strip("|").split(" | ")] if row.startswith("| ") else []
        if len(cells) < 5 or cells[0] in (CAUSES[0], RESEMBLES[0], "---"):
            continue
        is_cause = cells[0].startswith("`")
        key = (cells[0].strip("`"), cells[1]) if is_cause else (cells[0],)
        columns = CAUSES[2:] if is_cause else RESEMBLES[1:]
        facts = cells[len(key):len(key) + len(columns)]
        rows[key] = {column: set(fact.split(BREAK)) for column, fact in zip(columns, facts) if fact != NOT_RUN}
    return rows


def rule_names():
    """Every rule of the daemon under test."""
    return [rule["name"] for rule in json.loads(run(NETANOMALYD, "--list-rules", "--json").stdout)]


def close(evidence, action, file=None):
    """Writes or checks the file; what is wrong with it, line by line, is returned."""
    file = pathlib.Path(file or FILE)
    before = file.read_text() if file.exists() else ""
    rules = rule_names()
    rows = evidence.merged(parse(before))
    after = render(rows)
    without = sorted(set(rules) - {key[0] for key in rows if len(key) == 2} - set(PREDICATE_ONLY))
    problems = [f"{rule}: no test causes it, and nothing says why" for rule in without]
    if action == "write":
        file.write_text(after)
    elif before != after:
        old, new = before.splitlines(), after.splitlines()
        problems += [f"not seen: {row}" for row in old if row not in new]
        problems += [f"not in {file.name}: {row}" for row in new if row not in old]
    return problems
