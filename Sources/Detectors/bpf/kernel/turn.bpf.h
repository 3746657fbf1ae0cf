/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration, and whose programs judge by it. Each detector includes this once, by way of the gate.
 */
#ifndef NA_TURN_BPF_H
#define NA_TURN_BPF_H

#include "core.h"
#include "na_event.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct na_config);
} config SEC(".maps");

static __always_inline struct na_config *na_config_slot(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

/*
 * Whose turn these programs wait for. When one process of the daemon follows another, the programs of both are on their
 * hooks with the same tables: one store into the configuration passes the turn on, so that no packet is missed by both.
 */
const volatile __u64 na_turn SEC(".rodata.turn") = 0;

/*
 * Whose programs have judged last at each hook, so that a packet is not judged by both if the turn is passed on between
 * them: the older ones are always called first. They take their mark away with the next call, and a process takes all
 * marks away before the older programs leave their hooks.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NA_HOOKS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} turns SEC(".maps");

/* The configuration if these programs are to judge by it; where a hook's work begins. */
static __always_inline struct na_config *na_config_in_force(__u32 hook)
{
	struct na_config *known = na_config_slot();
	__u64 *last = bpf_map_lookup_elem(&turns, &hook);

	if (!known || !last)
		return NULL;
	if (known->turn == na_turn && (!*last || *last == na_turn)) {
		*last = na_turn;
		return known;
	}
	if (known->turn == na_turn || *last == na_turn)
		*last = 0;
	return NULL;
}

#endif
