/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading a packet's GSO metadata. */
#ifndef NA_GSO_READ_BPF_H
#define NA_GSO_READ_BPF_H

#include "core.h"

struct gso_metadata {
	__u32 type; /* enum gso_type_bit */
	__u16 size;
	__u16 segs;
};

#ifdef GSO_READ_BY_CAST

/* A pointer that the verifier lets us read through without a helper call; since 6.2. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym;

static __always_inline struct gso_metadata gso_read(struct sk_buff *skb)
{
	struct skb_shared_info *info =
		bpf_rdonly_cast(skb->head + skb->end, bpf_core_type_id_kernel(struct skb_shared_info));
	struct gso_metadata gso = { .type = info->gso_type, .size = info->gso_size, .segs = info->gso_segs };

	return gso;
}

#else

/* The fields lie within 24 bytes of each other: one call of the helper for all three. */
static __always_inline struct gso_metadata gso_read(struct sk_buff *skb)
{
	const __u32 at_size = bpf_core_field_offset(struct skb_shared_info, gso_size);
	const __u32 to_segs = bpf_core_field_offset(struct skb_shared_info, gso_segs) - at_size;
	const __u32 to_type = bpf_core_field_offset(struct skb_shared_info, gso_type) - at_size;
	struct gso_metadata gso = {};
	__u8 fields[32] = {};

	bpf_probe_read_kernel(fields, to_type + sizeof(gso.type), skb->head + skb->end + at_size);
	gso.size = *(__u16 *)fields;
	gso.segs = *(__u16 *)(fields + to_segs);
	gso.type = *(__u32 *)(fields + to_type);
	return gso;
}

#endif

#endif
