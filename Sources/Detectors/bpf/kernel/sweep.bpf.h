/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sweep over the gate's keys: what quiet ones have suppressed is written as a summary, idle ones are forgotten. */
#ifndef NA_SWEEP_BPF_H
#define NA_SWEEP_BPF_H

#include "gate.bpf.h"

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
	head->is_gateway = state->is_gateway;
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
