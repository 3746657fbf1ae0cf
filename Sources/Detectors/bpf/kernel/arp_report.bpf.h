/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From what a frame breaks to its entry: trust, the most telling rule, the key, the gate. */
#ifndef NA_ARP_REPORT_BPF_H
#define NA_ARP_REPORT_BPF_H

#include "judge/arp_entry.h"

/*
 * Hands a judged frame to the gate; once more before, where every hit of a hook is traced, as the detector's origin, a
 * script, printed them. A trace has no key but its hook.
 */
static __noinline int report_frame(void *ctx, struct sk_buff *skb, __u32 worker)
{
	struct na_origin origin = {
		.dev = skb->dev,
		.probe = worker == ARP_WORKER_SENT ? ARP_PROBE_NET_DEV_QUEUE : ARP_PROBE_NETIF_RECEIVE_SKB,
		.direction = worker == ARP_WORKER_SENT ? NA_DIRECTION_TX : NA_DIRECTION_RX,
	};
	struct arp_work *work = bpf_map_lookup_elem(&works, &worker);

	if (!work)
		return 0;
	if (work->is_traced)
		set_trace_key(&work->key, origin.probe, &work->trace);
	for (int i = 0; i < 2; i++) {
		struct arp_event *event;

		if (!(i == 0 ? work->is_traced : work->rules != 0))
			continue;
		origin.address = i == 0 ? 0 : work->frame.sender_ip;
		event = na_gate(ctx, i == 0 ? &work->trace : &work->key, &origin, work->now, sizeof(*event));
		if (!event)
			continue;
		fill_frame(event, &work->frame, &work->facts);
		if (i == 1)
			fill_verdict(event, work);
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

#endif
