/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ARP frames that the host drops: by a filter, a program, or because a queue was full. */
#ifndef NA_ARP_DROP_BPF_H
#define NA_ARP_DROP_BPF_H

#include "arp_report.bpf.h"

/* The reasons that name somebody or something; the numbers differ between kernels and are looked up by name. */
enum skb_drop_reason {
	SKB_DROP_REASON_NETFILTER_DROP,
	SKB_DROP_REASON_QDISC_DROP,
	SKB_DROP_REASON_TC_INGRESS,
	SKB_DROP_REASON_TC_EGRESS,
	SKB_DROP_REASON_XDP,
	SKB_DROP_REASON_CPU_BACKLOG,
	SKB_DROP_REASON_FULL_RING,
	SKB_DROP_REASON_NOMEM,
};

#define IS_REASON(reason, name)                                    \
	(bpf_core_enum_value_exists(enum skb_drop_reason, name) && \
	 (reason) == bpf_core_enum_value(enum skb_drop_reason, name))

/* Global: the verifier looks at the list once. */
__noinline int is_telling(__u32 reason)
{
	return IS_REASON(reason, SKB_DROP_REASON_NETFILTER_DROP) || IS_REASON(reason, SKB_DROP_REASON_QDISC_DROP) ||
	       IS_REASON(reason, SKB_DROP_REASON_TC_INGRESS) || IS_REASON(reason, SKB_DROP_REASON_TC_EGRESS) ||
	       IS_REASON(reason, SKB_DROP_REASON_XDP) || IS_REASON(reason, SKB_DROP_REASON_CPU_BACKLOG) ||
	       IS_REASON(reason, SKB_DROP_REASON_FULL_RING) || IS_REASON(reason, SKB_DROP_REASON_NOMEM);
}

/* Where a received packet does not know yet which device it came in on. */
__noinline int is_before_reception(__u32 reason)
{
	return IS_REASON(reason, SKB_DROP_REASON_CPU_BACKLOG) || IS_REASON(reason, SKB_DROP_REASON_XDP) ||
	       IS_REASON(reason, SKB_DROP_REASON_TC_INGRESS);
}

static __noinline int dropped(void *ctx, struct sk_buff *skb, __u64 location, __u32 reason)
{
	struct na_origin origin = { .dev = skb->dev, .probe = ARP_PROBE_KFREE_SKB };
	struct na_config *known = na_config_in_force(ARP_PROBE_KFREE_SKB);
	struct net_device *dev = skb->dev;
	struct arp_event *event;
	struct arp_work *work;

	if (!known || !dev || !is_telling(reason))
		return 0;
	work = begin_work(ARP_WORKER_DROPPED);
	if (!work || !copy_frame(ctx, skb, dev, work))
		return 0;
	take_facts(work);
	na_set_place(&work->key, dev, true);
	work->key.rule = ARP_RULE_DROPPED;
	work->key.a = location;
	work->key.b = reason;
	origin.direction =
		skb->skb_iif == dev->ifindex || is_before_reception(reason) ? NA_DIRECTION_RX : NA_DIRECTION_TX;
	if (!na_left_by_trust(known, 1u << ARP_RULE_DROPPED, 0, na_device_address(skb)))
		return 0;
	event = na_gate(ctx, &work->key, &origin, bpf_ktime_get_boot_ns(), sizeof(*event));
	if (!event)
		return 0;
	fill_frame(event, &work->frame, &work->facts);
	event->head.location = location;
	event->head.drop_reason = reason;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
