/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is remembered about earlier packets, for the rules that repetition breaks.
 *
 * One array of small sets instead of a hash map: finding an entry costs no helper call, entries end by themselves, and
 * what has no room takes the place of what would have ended first, which is counted. CPUs share it without locks: in
 * the rare case that two fill one entry at the same time, one of them starts anew.
 */
#ifndef NA_MEMORY_H
#define NA_MEMORY_H

#include "where.h"

#ifdef __bpf__
#include "../kernel/memory.bpf.h"
#endif

/* Never 0, which is an entry that was never used. */
static __always_inline __u64 na_tag(__u64 seed, __u32 kind, __u64 x, __u64 y)
{
	return na_mix(na_mix(seed + kind, x), y) | 1;
}

/* The set and way of the entry for `tag`, as set << 2 | way; a new one is zero but for its tag and its end. */
NA_STEP int na_recall_slot(__u64 tag, __u64 now, __u64 lifetime)
{
	struct na_config *known = na_config_slot();
	struct na_memory *way, *chosen;
	struct na_memory_set *set;
	__u32 index, number = 0;

	if (!known)
		return -1;
	index = (tag >> 32) * known->memory_sets >> 32;
	set = na_memory_set_at(index);
	if (!set)
		return -1;
	chosen = &set->ways[0];
	for (__u32 i = 0; i < NA_MEMORY_WAYS; i++) {
		way = &set->ways[i];
		if (way->tag == tag) {
			if (way->until_ns > now)
				return index << 2 | i;
			chosen = way;
			number = i;
			break;
		}
		if (way->until_ns < chosen->until_ns) {
			chosen = way;
			number = i;
		}
	}
	if (chosen->until_ns > now)
		na_count_forgotten();
	chosen->tag = tag;
	chosen->a = 0;
	chosen->b = 0;
	chosen->until_ns = now + lifetime;
	return index << 2 | number;
}

static __always_inline struct na_memory *na_memory_at(int slot)
{
	struct na_memory_set *set;
	__u32 index = (__u32)slot >> 2;

	if (slot < 0)
		return NULL;
	set = na_memory_set_at(index);
	return set ? &set->ways[slot & (NA_MEMORY_WAYS - 1)] : NULL;
}

/* The entry for what `kind` remembers of x and y. NULL only if the map is not there. */
static __always_inline struct na_memory *na_recall(__u32 kind, __u64 x, __u64 y, __u64 now, __u64 lifetime)
{
	struct na_config *known = na_config_slot();

	return known ? na_memory_at(na_recall_slot(na_tag(known->seed, kind, x, y), now, lifetime)) : NULL;
}

/* The slot of an entry that there is, or -1. */
NA_STEP int na_peek_slot(__u64 tag, __u64 now)
{
	struct na_config *known = na_config_slot();
	struct na_memory_set *set;
	__u32 index;

	if (!known)
		return -1;
	index = (tag >> 32) * known->memory_sets >> 32;
	set = na_memory_set_at(index);
	if (!set)
		return -1;
	for (__u32 i = 0; i < NA_MEMORY_WAYS; i++)
		if (set->ways[i].tag == tag && set->ways[i].until_ns > now)
			return index << 2 | i;
	return -1;
}

/* What `kind` remembers of x and y, or NULL; nothing is entered. */
static __always_inline struct na_memory *na_peek(__u32 kind, __u64 x, __u64 y, __u64 now)
{
	struct na_config *known = na_config_slot();

	return known ? na_memory_at(na_peek_slot(na_tag(known->seed, kind, x, y), now)) : NULL;
}

/* How many times x and y have come, this one included, in a window that began with the first. */
static __always_inline __u64 na_count_in_window(__u32 kind, __u64 x, __u64 y, __u64 now, __u64 window)
{
	struct na_memory *entry = na_recall(kind, x, y, now, window);

	return entry ? __sync_fetch_and_add(&entry->a, 1) + 1 : 0;
}

/* How many different y have come with x, this one included, in a window that began with the first. */
static __always_inline __u64 na_count_different(__u32 kind, __u64 x, __u64 y, __u64 now, __u64 window)
{
	struct na_memory *whole = na_recall(kind, x, 0, now, window), *pair;
	__u64 until;

	if (!whole)
		return 0;
	until = whole->until_ns;
	pair = na_recall(kind, x, y + 1, now, window);
	/* Known in this window, or only in the one before? */
	if (!pair || pair->a == until)
		return whole->a;
	pair->a = until;
	return __sync_fetch_and_add(&whole->a, 1) + 1;
}

#endif
