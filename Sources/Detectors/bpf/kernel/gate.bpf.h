/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The gate: what every detected anomaly passes before it may cost anything.
 *
 *   seen = emitted + deduplicated + limited + overflow + lost_ring, per rule, exactly, whatever happens.
 *
 * An event of a known key within the rule's interval is only counted. What passes must get a token of its rule, because
 * whoever sends packets chooses the keys; only then are ring memory, the stack and a wake-up of the daemon paid for.
 * Keys live in a preallocated hash, never an LRU: an LRU forgets counts in silence. When it is full, new keys are
 * counted as overflow. Suppressed events stay with their key until its next emitted event, or until the sweep, run by
 * the daemon when a key has gone quiet, writes their number as a summary.
 *
 * Each detector includes this once and so has maps of its own: a flood in one cannot take the other's room.
 */
#ifndef NA_GATE_BPF_H
#define NA_GATE_BPF_H

#include "core.h"
#include "na_event.h"

#define NA_RING_BYTES (256 * 1024) /* some 450 events: twice the default burst of a rule */
#define NA_KEYS_DEFAULT 8192	   /* the daemon sets MaxKeys= before load */
#define NA_TOKEN_TRIES 4	   /* lost races for a token before the event counts as limited */
#define NA_OVERFLOW_INTERVAL_NS 1000000000ULL
#define NA_FORGET_NS 10000000000ULL /* a key is kept this long after its last event, however short its interval */

/* Where an event was seen; kept with its key, because a summary has no packet to ask. */
struct na_origin {
	struct net_device *dev; /* may be NULL */
	__u32 probe;
	__u32 direction;
};

struct na_key_state {
	__u64 first_ns;
	__u64 last_ns;
	__u64 emitted_ns; /* of the last emitted event or summary; 0: none yet */
	__u64 suppressed; /* since then */
	__u32 probe;
	__u32 direction;
	char ifname[NA_IFNAME_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, NA_RING_BYTES);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NA_KEYS_DEFAULT);
	__type(key, struct na_key);
	__type(value, struct na_key_state);
} keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NA_RULES_MAX);
	__type(key, __u32);
	__type(value, struct na_rule_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NA_RULES_MAX);
	__type(key, __u32);
	__type(value, struct na_rule_totals);
} totals SEC(".maps");

/*
 * When each rule last had an entry although the key table was full. Whoever fills the table must not be able to hide
 * what comes after: one such event a second and rule is emitted, the others are counted as overflow.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NA_RULES_MAX);
	__type(key, __u32);
	__type(value, struct na_key_state);
} overflows SEC(".maps");

/* One token bucket per rule as a single number: the time until which its tokens are spent (GCRA). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NA_RULES_MAX);
	__type(key, __u32);
	__type(value, __u64);
} buckets SEC(".maps");

/* A program on one hook may interrupt one on another on the same CPU: per-CPU counters need atomic additions too. */
#define na_count(counter) __sync_fetch_and_add(&(counter), 1)

static __always_inline bool na_take_token(__u32 rule, const struct na_rule_settings *limits, __u64 now)
{
	__u64 *spent_until = bpf_map_lookup_elem(&buckets, &rule);

	if (!spent_until)
		return false;
	for (int i = 0; i < NA_TOKEN_TRIES; i++) {
		__u64 old = *(volatile __u64 *)spent_until, from = old > now ? old : now, next;

		/* A debt from before a reload, made under a longer window, ends where the new one's would. */
		if (from - now > limits->burst_window_ns)
			from = now + limits->burst_window_ns - limits->token_interval_ns;
		next = from + limits->token_interval_ns;
		if (next - now > limits->burst_window_ns)
			return false;
		if (__sync_val_compare_and_swap(spent_until, old, next) == old)
			return true;
	}
	return false;
}

static __always_inline void na_read_ifname(char *name, struct net_device *dev)
{
	if (dev)
		bpf_core_read_str(name, NA_IFNAME_LEN, &dev->name);
}

/* The key's state, made if there is none; NULL when the table is full. */
static __always_inline struct na_key_state *na_key_state(const struct na_key *key, const struct na_origin *origin,
							 __u64 now)
{
	struct na_key_state *state = bpf_map_lookup_elem(&keys, key);

	if (!state) {
		struct na_key_state fresh = {
			.first_ns = now,
			.last_ns = now,
			.probe = origin->probe,
			.direction = origin->direction,
		};

		na_read_ifname(fresh.ifname, origin->dev);
		/* Fails when another CPU was faster, which is as good, or when the table is full. */
		bpf_map_update_elem(&keys, key, &fresh, BPF_NOEXIST);
		state = bpf_map_lookup_elem(&keys, key);
	}
	return state;
}

/* Which namespace and device a key belongs to. */
static __always_inline void na_set_place(struct na_key *key, struct net_device *dev, const bool is_direct)
{
	struct net *net = NA_READ(is_direct, dev, nd_net.net);

	key->ifindex = NA_READ(is_direct, dev, ifindex);
	key->netns = NA_READ(is_direct, net, ns.inum);
	if (bpf_core_field_exists(net->net_cookie))
		key->netns_cookie = NA_READ(is_direct, net, net_cookie);
}

static __always_inline __u32 na_threshold(__u32 rule)
{
	struct na_rule_settings *rule_settings = bpf_map_lookup_elem(&settings, &rule);

	return rule_settings ? rule_settings->threshold : 0;
}

/* Leaf directory of the task's control group; empty for the root. */
static __always_inline void na_read_cgroup(char *name)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	bpf_probe_read_kernel_str(name, NA_CGROUP_LEN, BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, name));
}

/* What an emitted event tells beyond its key: times, device, who ran, and the kernel stack. */
static __always_inline void na_fill(void *ctx, struct na_event_head *head, const struct na_key *key,
				    const struct na_origin *origin, struct na_key_state *state, __u64 now)
{
	long bytes;

	head->key = *key;
	head->kind = NA_KIND_EVENT;
	head->boottime_ns = now;
	head->first_ns = state->first_ns;
	head->last_ns = now;
	head->suppressed = __sync_lock_test_and_set(&state->suppressed, 0);
	head->probe = origin->probe;
	head->direction = origin->direction;
	na_read_ifname(head->ifname, origin->dev);
	head->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(head->comm, sizeof(head->comm));
	na_read_cgroup(head->cgroup);
	bytes = bpf_get_stack(ctx, head->stack, sizeof(head->stack), 0);
	if (bytes > 0)
		head->stack_depth = (__u32)bytes / sizeof(head->stack[0]);
}

/*
 * Whether an event of a key that is in the table gets an entry. If not, it is counted here and stays with its key; if
 * so, the caller must have room for it or give `*before` back to state->emitted_ns.
 */
static __always_inline bool na_admit(__u32 rule, struct na_rule_totals *total, const struct na_rule_settings *limits,
				     struct na_key_state *state, __u64 now, __u64 *before)
{
	__u64 emitted = *(volatile __u64 *)&state->emitted_ns;

	*before = emitted;
	/* Another CPU may have emitted after our clock reading: that too is within the interval. */
	if (emitted && (emitted > now || now - emitted < limits->dedup_interval_ns)) {
		na_count(total->deduplicated);
		return false;
	}
	if (!na_take_token(rule, limits, now)) {
		na_count(total->limited);
		return false;
	}
	if (__sync_val_compare_and_swap(&state->emitted_ns, emitted, now) != emitted) {
		na_count(total->deduplicated);
		return false;
	}
	return true;
}

/* The same for an event whose key found no room; it leaves no trace but its rule's count. */
static __always_inline bool na_admit_overflow(__u32 rule, const struct na_rule_settings *limits,
					      struct na_key_state *state, __u64 now)
{
	__u64 emitted = *(volatile __u64 *)&state->emitted_ns;

	if (emitted && (emitted > now || now - emitted < NA_OVERFLOW_INTERVAL_NS))
		return false;
	return na_take_token(rule, limits, now) &&
	       __sync_val_compare_and_swap(&state->emitted_ns, emitted, now) == emitted;
}

/*
 * Counts one event of `key` and decides about it. Returns zeroed ring memory of `size` bytes with the head filled in,
 * or NULL when the event was counted and that is all. The caller adds what its detector knows and submits.
 */
static __always_inline void *na_gate(void *ctx, const struct na_key *key, const struct na_origin *origin, __u64 size)
{
	__u32 rule = key->rule;
	struct na_rule_settings *limits = bpf_map_lookup_elem(&settings, &rule);
	struct na_rule_totals *total = bpf_map_lookup_elem(&totals, &rule);
	struct na_key_state *state, *in_table;
	struct na_event_head *head;
	__u64 now, before = 0;

	if (!limits || !total || !limits->enabled)
		return NULL;
	na_count(total->seen);
	now = bpf_ktime_get_boot_ns();
	in_table = na_key_state(key, origin, now);
	state = in_table ? in_table : bpf_map_lookup_elem(&overflows, &rule);
	if (!state)
		return NULL;
	if (!in_table) {
		if (!na_admit_overflow(rule, limits, state, now)) {
			na_count(total->overflow);
			return NULL;
		}
		state->first_ns = now;
	} else {
		state->last_ns = now;
		if (!na_admit(rule, total, limits, state, now, &before)) {
			na_count(state->suppressed);
			return NULL;
		}
	}
	head = bpf_ringbuf_reserve(&events, size, 0);
	if (!head) {
		na_count(total->lost_ring);
		if (in_table) {
			state->emitted_ns = before;
			na_count(state->suppressed);
		}
		return NULL;
	}
	na_count(total->emitted);
	__builtin_memset(head, 0, size);
	na_fill(ctx, head, key, origin, state, now);
	return head;
}

/* When a key wants attention: its interval ends, or it has been idle long enough to be forgotten. */
static __always_inline __u64 na_key_deadline(const struct na_key_state *state, __u64 interval)
{
	if (state->suppressed)
		return (state->emitted_ns ? state->emitted_ns : state->first_ns) + interval;
	return state->last_ns + (interval > NA_FORGET_NS ? interval : NA_FORGET_NS);
}

/* Writes the key's summary into the ring; the count moves from the key to the record in one exchange. */
static __always_inline bool na_write_summary(const struct na_key *key, struct na_key_state *state, __u64 now)
{
	struct na_event_head *head = bpf_ringbuf_reserve(&events, sizeof(*head), 0);

	if (!head)
		return false;
	__builtin_memset(head, 0, sizeof(*head));
	head->key = *key;
	head->kind = NA_KIND_SUMMARY;
	head->boottime_ns = now;
	head->first_ns = state->first_ns;
	head->last_ns = state->last_ns;
	head->probe = state->probe;
	head->direction = state->direction;
	__builtin_memcpy(head->ifname, state->ifname, sizeof(head->ifname));
	state->emitted_ns = now;
	head->suppressed = __sync_lock_test_and_set(&state->suppressed, 0);
	bpf_ringbuf_submit(head, BPF_RB_NO_WAKEUP);
	return true;
}

static long na_sweep_key(struct bpf_map *map, struct na_key *key, struct na_key_state *state, struct na_sweep *sweep)
{
	__u32 rule = key->rule;
	struct na_rule_settings *limits = bpf_map_lookup_elem(&settings, &rule);
	__u64 interval = limits ? limits->dedup_interval_ns : 0;
	__u64 deadline = na_key_deadline(state, interval);
	struct na_key copy = *key;

	if (state->suppressed && (sweep->is_final || deadline <= sweep->now_ns) && sweep->budget) {
		if (!na_write_summary(&copy, state, sweep->now_ns)) {
			sweep->ring_full = 1;
			sweep->next_ns = sweep->now_ns;
			sweep->keys++;
			return 1;
		}
		sweep->budget--;
		deadline = na_key_deadline(state, interval);
	} else if (!state->suppressed && deadline <= sweep->now_ns) {
		bpf_map_delete_elem(&keys, &copy);
		return 0;
	}
	sweep->keys++;
	if (!sweep->next_ns || deadline < sweep->next_ns)
		sweep->next_ns = deadline;
	return 0;
}

/* Run by the daemon: summaries of quiet keys, then idle keys are forgotten. */
SEC("syscall")
int sweep_keys(struct na_sweep *argument)
{
	struct na_sweep sweep = {
		.now_ns = argument->now_ns,
		.budget = argument->budget,
		.is_final = argument->is_final,
	};

	bpf_for_each_map_elem(&keys, na_sweep_key, &sweep, 0);
	*argument = sweep;
	return 0;
}

#endif
