/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What judging ARP needs of the kernel. */
#ifndef NA_ARP_ENVIRONMENT_BPF_H
#define NA_ARP_ENVIRONMENT_BPF_H

#include "arp_frame.bpf.h"
#include "arp_trust.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct arp_heard);
} last_heard SEC(".maps");

static __always_inline struct arp_heard *arp_heard_slot(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&last_heard, &zero);
}

/* The command that sends a frame, as two words of a key. */
static __always_inline void na_read_command(__u64 *words)
{
	/* Linux 6.1 leaves what lies behind the name's end, which would make another key of it. */
	words[0] = words[1] = 0;
	bpf_get_current_comm(words, 2 * sizeof(*words));
}

#endif
