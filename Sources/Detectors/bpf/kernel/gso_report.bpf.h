/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Handing a packet that broke a rule to the gate, and writing down what is known of it where it gets an entry. */
#ifndef NA_GSO_REPORT_BPF_H
#define NA_GSO_REPORT_BPF_H

#include "gso_read.bpf.h"
#include "trust.bpf.h"
#include "tun_device.bpf.h"
#include "judge/gso_view.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GSO_PROBE_COUNT);
	__type(key, __u32);
	__type(value, struct gso_view);
} views SEC(".maps");

static __always_inline struct gso_view *begin_view(__u32 probe, __u32 kind, __u32 direction)
{
	struct gso_view *view = bpf_map_lookup_elem(&views, &probe);

	if (!view)
		return NULL;
	/* All but the keys, which are written before they are read. */
	__builtin_memset(view, 0, __builtin_offsetof(struct gso_view, place));
	view->probe = probe;
	view->direction = direction;
	view->device_kind = kind;
	return view;
}

static __always_inline void fill_headers(struct gso_event *event, struct sk_buff *skb, const struct gso_view *view)
{
	__u32 start = skb->mac_header == NA_HEADER_UNSET ? na_data_offset(skb) : skb->mac_header;
	__u32 end = view->facts.linear_end, length = end > start ? end - start : 0;

	if (length > NA_HEADER_MAX)
		length = NA_HEADER_MAX;
	if (length && bpf_probe_read_kernel(event->headers, length, skb->head + start) == 0)
		event->headers_length = length;
}

static __always_inline void fill_packet(struct gso_event *event, struct sk_buff *skb, const struct gso_view *view)
{
	fill_view(event, view);
	event->length = skb->len;
	event->linear_length = skb->len - skb->data_len;
	event->protocol = bpf_ntohs(skb->protocol);
	event->tun_flags = view->tun_flags;
	if (!event->tun_flags && view->device_kind == GSO_DEVICE_TUN)
		event->tun_flags = tun_flags_of_device((void *)view->device);
	fill_headers(event, skb, view);
}

/* Hands a judged packet to the gate; once more before, where every hit of a hook is traced. */
static __noinline int report(void *ctx, struct sk_buff *skb, __u32 probe)
{
	struct gso_view *view = bpf_map_lookup_elem(&views, &probe);
	struct na_config *known = na_config_in_force(probe);
	__u64 now = bpf_ktime_get_boot_ns();
	struct na_origin origin = { .probe = probe };

	if (!view || !known)
		return 0;
	origin.dev = (void *)view->device;
	origin.direction = view->direction;
	for (int i = 0; i < 2; i++) {
		struct gso_event *event;

		if (!(i == 0 ? view->is_traced : view->rules))
			continue;
		event = na_gate(ctx, i == 0 ? &view->trace : &view->key, &origin, now, sizeof(*event));
		if (!event)
			continue;
		compare(view);
		fill_packet(event, skb, view);
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

#endif
