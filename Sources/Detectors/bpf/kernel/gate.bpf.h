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

#include "devices.bpf.h"
#include "na_event.h"
#include "route.bpf.h"
#include "turn.bpf.h"

#define NA_RING_BYTES (256 * 1024) /* some 450 events: twice the default burst of a rule */
#define NA_KEYS_DEFAULT 8192	   /* the daemon sets MaxKeys= before load */
#define NA_TOKEN_TRIES 4	   /* lost races for a token before the event counts as limited */
#define NA_OVERFLOW_INTERVAL_NS 1000000000ULL
#define NA_FORGET_NS 10000000000ULL /* a key is kept this long after its last event, however short its interval */

/* Where an event was seen; probe and direction are kept with its key, because a summary has no packet to ask. */
struct na_origin {
	struct net_device *dev; /* may be NULL */
	__u32 probe;
	__u32 direction;
	__be32 address; /* the one that the event is about, if it is told when that is the default gateway; or 0 */
};

struct na_key_state {
	__u64 first_ns;
	__u64 last_ns;
	__u64 emitted_ns; /* of the last emitted event or summary; 0: none yet */
	__u64 suppressed; /* since then */
	__u32 probe;
	__u16 direction;
	__u16 is_gateway; /* as the last entry said */
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

/* What becomes of an event: the counters of na_rule_totals, in their order. */
enum na_fate {
	NA_FATE_EMITTED,
	NA_FATE_DEDUPLICATED,
	NA_FATE_LIMITED,
	NA_FATE_OVERFLOW,
	NA_FATE_LOST_RING,
	NA_FATE_TRUSTED,
	NA_FATE_COUNT,
};

/* A program on one hook may interrupt one on another on the same CPU: per-CPU counters need atomic additions too. */
#define na_count(counter) __sync_fetch_and_add(&(counter), 1)

static __always_inline void na_book(struct na_rule_totals *total, __u32 fate)
{
	/* The verifier wants to see that it is within the counters, where the compiler knows. */
	barrier_var(fate);
	if (fate < NA_FATE_COUNT)
		na_count((&total->emitted)[fate]);
}

/* Books a fate for the first of several rules and returns the others. Global: the verifier looks at it once. */
__noinline __u32 na_book_first(__u32 rules, __u32 fate)
{
	__u32 rule = __builtin_ctz(rules);
	struct na_rule_totals *total = bpf_map_lookup_elem(&totals, &rule);

	if (total) {
		if (fate != NA_FATE_TRUSTED)
			na_count(total->seen);
		na_book(total, fate);
	}
	return rules & (rules - 1);
}

__noinline int na_book_rules(__u32 rules, __u32 fate)
{
	for (int i = 0; i < NA_RULES_MAX && rules; i++)
		rules = na_book_first(rules, fate);
	return 0;
}

/* Books an event's fate for its rule and for the others that the packet breaks. */
static __always_inline void na_settle(struct na_rule_totals *total, __u32 also, __u32 fate)
{
	na_book(total, fate);
	if (also)
		na_book_rules(also, fate);
}

/* One token of the rule's bucket, if there is one. Global, like na_admit(): the verifier looks at it once. */
__noinline int na_take_token(__u32 rule, __u64 now)
{
	struct na_rule_settings *limits = bpf_map_lookup_elem(&settings, &rule);
	__u64 *spent_until = bpf_map_lookup_elem(&buckets, &rule);

	if (!spent_until || !limits)
		return 0;
	for (int i = 0; i < NA_TOKEN_TRIES; i++) {
		__u64 old = *(volatile __u64 *)spent_until, from = old > now ? old : now, next;

		/* A debt from before a reload, made under a longer window, ends where the new one's would. */
		if (from - now > limits->burst_window_ns)
			from = now + limits->burst_window_ns - limits->token_interval_ns;
		next = from + limits->token_interval_ns;
		if (next - now > limits->burst_window_ns)
			return 0;
		if (__sync_val_compare_and_swap(spent_until, old, next) == old)
			return 1;
	}
	return 0;
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

/*
 * What becomes of an event whose key had its last entry at `emitted`; NA_FATE_EMITTED when it may have one itself: the
 * caller must have room for it, or give `emitted` back to state->emitted_ns.
 */
__noinline int na_admit(__u32 rule, struct na_key_state *state, __u64 emitted, __u64 interval, __u64 now)
{
	if (!state)
		return NA_FATE_LIMITED;
	/* Another CPU may have emitted after our clock reading: that too is within the interval. */
	if (emitted && (emitted > now || now - emitted < interval))
		return NA_FATE_DEDUPLICATED;
	if (!na_take_token(rule, now))
		return NA_FATE_LIMITED;
	if (__sync_val_compare_and_swap(&state->emitted_ns, emitted, now) != emitted)
		return NA_FATE_DEDUPLICATED;
	return NA_FATE_EMITTED;
}

/* The names of the device and of its master, and whether the event is about the namespace's gateway. */
static __always_inline void na_read_device(struct na_event_head *head, struct net_device *dev, __be32 address)
{
	__u64 number = 0;

	if (!dev)
		return;
	na_read_ifname(head->ifname, dev);
	/* As a number: that is what global functions take. */
	bpf_probe_read_kernel(&number, sizeof(number), &dev);
	na_read_ifname(head->master, (void *)na_master_of(number));
	if (address)
		head->is_gateway = na_is_gateway(number, address);
}

/* What an entry tells beyond its key: times, device, who ran, and the kernel stack. */
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
	na_read_device(head, origin->dev, origin->address);
	state->is_gateway = head->is_gateway;
	head->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(head->comm, sizeof(head->comm));
	na_read_cgroup(head->cgroup);
	bytes = bpf_get_stack(ctx, head->stack, sizeof(head->stack), 0);
	if (bytes > 0)
		head->stack_depth = (__u32)bytes / sizeof(head->stack[0]);
}

/*
 * Counts one event of `key` and of the rules in key->also, and decides about it. Returns zeroed ring memory of `size`
 * bytes with the head filled in, or NULL when the event was counted and that is all. The caller adds what its detector
 * knows and submits. `now` is the clock's reading for this event.
 */
static __always_inline void *na_gate(void *ctx, const struct na_key *key, const struct na_origin *origin, __u64 now,
				     __u64 size)
{
	__u32 rule = key->rule;
	struct na_rule_settings *limits = bpf_map_lookup_elem(&settings, &rule);
	struct na_rule_totals *total = bpf_map_lookup_elem(&totals, &rule);
	struct na_key_state *state, *in_table;
	struct na_event_head *head;
	__u64 emitted;
	__u32 fate;

	if (!limits || !total)
		return NULL;
	na_count(total->seen);
	in_table = na_key_state(key, origin, now);
	state = in_table ? in_table : bpf_map_lookup_elem(&overflows, &rule);
	if (!state)
		return NULL;
	emitted = *(volatile __u64 *)&state->emitted_ns;
	state->last_ns = now;
	fate = na_admit(rule, state, emitted, in_table ? limits->dedup_interval_ns : NA_OVERFLOW_INTERVAL_NS, now);
	if (!in_table) {
		/* The key found no room: it leaves no trace but its rule's count. */
		state->first_ns = now;
		state->suppressed = 0;
		if (fate != NA_FATE_EMITTED)
			fate = NA_FATE_OVERFLOW;
	}
	if (fate == NA_FATE_EMITTED) {
		head = bpf_ringbuf_reserve(&events, size, 0);
		if (head) {
			na_settle(total, key->also, NA_FATE_EMITTED);
			__builtin_memset(head, 0, size);
			na_fill(ctx, head, key, origin, state, now);
			return head;
		}
		fate = NA_FATE_LOST_RING;
		state->emitted_ns = emitted;
	}
	na_count(state->suppressed);
	na_settle(total, key->also, fate);
	return NULL;
}

#endif
