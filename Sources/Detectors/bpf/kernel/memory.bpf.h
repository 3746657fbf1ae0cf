/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the kernel's programs keep what judge/memory.h remembers. */
#ifndef NA_MEMORY_BPF_H
#define NA_MEMORY_BPF_H

#include "gate.bpf.h"

#define NA_MEMORY_SETS_DEFAULT 4096 /* the daemon sets MaxMemory= / 4 before load */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NA_MEMORY_SETS_DEFAULT);
	__type(key, __u32);
	__type(value, struct na_memory_set);
} memory SEC(".maps");

/* Entries that were given up before their time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} forgotten SEC(".maps");

static __always_inline struct na_memory_set *na_memory_set_at(__u32 index)
{
	return bpf_map_lookup_elem(&memory, &index);
}

static __always_inline void na_count_forgotten(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&forgotten, &zero);

	if (count)
		na_count(*count);
}

#endif
