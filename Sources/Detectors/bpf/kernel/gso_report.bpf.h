/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Handing a packet that broke a rule to the gate, and writing down what is known of it where it gets an entry. */
#ifndef NA_GSO_REPORT_BPF_H
#define NA_GSO_REPORT_BPF_H

#include "gso_packet.bpf.h"
#include "trust.bpf.h"
#include "tun_device.bpf.h"

/* Where a packet was judged, and what is known of it there. */
struct gso_view {
	struct na_origin origin;
	struct gso_metadata gso;
	struct gso_packet packet;
	__u64 location;
	__u32 tun_flags;
	__u32 drop_reason;
	__u32 device_kind;
	bool has_gso;
};

static __always_inline void fill_headers(struct gso_event *event, struct sk_buff *skb, const struct gso_packet *packet)
{
	__u32 start = skb->mac_header == NA_HEADER_UNSET ? na_data_offset(skb) : skb->mac_header;
	__u32 length = packet->linear_end > start ? packet->linear_end - start : 0;

	if (length > NA_HEADER_MAX)
		length = NA_HEADER_MAX;
	if (length && bpf_probe_read_kernel(event->headers, length, skb->head + start) == 0)
		event->headers_length = length;
}

static __always_inline void fill_ports(struct gso_event *event, struct sk_buff *skb, const struct gso_packet *packet)
{
	__be16 ports[2] = {};

	if (packet->l4_protocol != GSO_IPPROTO_TCP && packet->l4_protocol != GSO_IPPROTO_UDP &&
	    packet->l4_protocol != GSO_IPPROTO_SCTP)
		return;
	if (!gso_copy(skb, packet, packet->l4_offset, ports, sizeof(ports)))
		return;
	event->source_port = bpf_ntohs(ports[0]);
	event->destination_port = bpf_ntohs(ports[1]);
	event->has_ports = 1;
}

static __always_inline void fill_packet(struct gso_event *event, struct sk_buff *skb, const struct gso_view *view)
{
	const struct gso_packet *packet = &view->packet;

	event->head.location = view->location;
	event->gso_type = view->gso.type;
	event->gso_size = view->gso.size;
	event->gso_segs = view->gso.segs;
	event->has_gso = view->has_gso;
	event->length = skb->len;
	event->linear_length = skb->len - skb->data_len;
	event->protocol = bpf_ntohs(skb->protocol);
	event->encapsulation = BPF_CORE_READ_BITFIELD_PROBED(skb, encapsulation);
	event->ip_summed = BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed);
	event->device_kind = view->device_kind;
	event->tun_flags = view->tun_flags;
	if (!event->tun_flags && view->device_kind == GSO_DEVICE_TUN)
		event->tun_flags = tun_flags_of_device(view->origin.dev);
	event->head.drop_reason = view->drop_reason;
	event->ip_version = packet->ip_version;
	event->l4_protocol = packet->l4_protocol;
	__builtin_memcpy(event->source, packet->source, sizeof(event->source));
	__builtin_memcpy(event->destination, packet->destination, sizeof(event->destination));
	fill_ports(event, skb, packet);
	fill_headers(event, skb, packet);
}

/* An address as a key word: IPv4 as it is, IPv6 folded. A collision would only merge two flows' deduplication. */
static __always_inline __u64 address_word(const struct gso_packet *packet, const __u8 *address)
{
	__u64 high, low;

	__builtin_memcpy(&high, address, 8);
	__builtin_memcpy(&low, address + 8, 8);
	return packet->ip_version == 4 ? bpf_ntohl((__u32)high) : high * 0x9e3779b97f4a7c15ULL ^ low;
}

/* `is_direct`: the origin's device hangs on the program's own argument. */
static __always_inline void report(void *ctx, struct sk_buff *skb, struct na_key *key, const struct gso_view *view,
				   const bool is_direct)
{
	struct net_device *dev = view->origin.dev;
	struct na_config *known = na_config_slot();
	struct gso_event *event;
	__u64 device = 0;

	bpf_probe_read_kernel(&device, sizeof(device), &dev);
	if (!known || !na_left_by_trust(known, 1u << (key->rule & (NA_RULES_MAX - 1)), 0, device))
		return;
	na_set_place(key, dev, is_direct);
	key->a = (__u64)view->packet.ip_version << 56 | (__u64)view->device_kind << 48 | view->gso.type;
	key->b = address_word(&view->packet, view->packet.source);
	key->c = address_word(&view->packet, view->packet.destination);
	event = na_gate(ctx, key, &view->origin, bpf_ktime_get_boot_ns(), sizeof(*event));
	if (!event)
		return;
	fill_packet(event, skb, view);
	bpf_ringbuf_submit(event, 0);
}

#endif
