"""What runs the daemon's probes in this run, and what tests bpftrace cannot pass: its blind spots, each with its reason.

`pytest --backend=bpftrace` runs the same tests with `[Daemon] Backend=bpftrace`. A blind spot's test is run as well, and
one that passes is an error: the list says neither more nor less than what is so.
"""

import fnmatch

import pytest

LIBBPF, BPFTRACE = "libbpf", "bpftrace"
#: What runs the probes where a test does not say it.
chosen = LIBBPF

NO_ROUTES = "bpftrace has no call that looks into the routing table, so nobody is known as a gateway"
#: Test, rule, and why bpftrace cannot see it; `*` stands for a test's parameters.
BLIND = {
    "test_arp_neighbours.py::test_the_default_gateway_is_marked*": ("arp-binding-change", NO_ROUTES),
    "test_arp_neighbours.py::test_the_gateway_is_that_of_the_namespace": ("arp-binding-change", NO_ROUTES),
    "test_arp_neighbours.py::test_a_gateway_that_does_not_answer": ("arp-resolution-failed", NO_ROUTES),
    "test_arp_repetition.py::test_the_gateway_claimed_by_a_second": ("arp-duplicate-claim", NO_ROUTES),
}

#: Files whose tests say themselves what runs the probes, or do without a daemon: one run of them is enough.
OF_NO_BACKEND = {
    "test_bpftrace_backend.py", "test_bpftrace_load.py", "test_example_scripts.py", "test_journal_drops.py",
    "test_own_scripts.py", "test_scripts_by_hand.py", "test_self_test.py",
}

GROUPS = {"neigh": "neigh", "kfree": "skb"}


def probe(hook):
    """The hook as NETANOMALY_PROBE names it."""
    if chosen == LIBBPF:
        return f"tp_btf:{hook}"
    return f"tracepoint:{GROUPS.get(hook.split('_')[0], 'net')}:{hook}"


def priority_of_a_gateway():
    """Of what is a warning for any other neighbour."""
    return "err" if chosen == LIBBPF else "warning"


def configured(text, backend=None):
    """The configuration with the backend behind it, so that its lines keep their numbers."""
    return f"{text}[Daemon]\nBackend={backend or chosen}\n"


def name_of(item):
    """`test_arp_rules.py::test_x[case]`, wherever pytest was started."""
    return item.nodeid.rpartition("/")[2]


def mark_blind(items, is_whole):
    """Marks the tests of the list; returns the entries that fit none, where whole files were collected."""
    used, files = set(), {item.path.name for item in items}
    for item in items:
        about = item.get_closest_marker(LIBBPF)
        if about:
            item.add_marker(pytest.mark.skip(reason=about.args[0]))
        for pattern, (rule, reason) in BLIND.items():
            if fnmatch.fnmatchcase(name_of(item), pattern.replace("[", "[[]")):
                used.add(pattern)
                item.add_marker(pytest.mark.xfail(
                    reason=f"{rule}: {reason}", strict=True, raises=AssertionError))
    return [pattern for pattern in BLIND if is_whole and pattern.split("::")[0] in files and pattern not in used]
