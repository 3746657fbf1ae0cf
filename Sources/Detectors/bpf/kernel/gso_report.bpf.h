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
	struct gso_facts facts;
	struct gso_packet packet;
	__u64 location;
	__u32 tun_flags;
	__u32 drop_reason;
	__u32 device_kind;
	__u32 has_gso;
};

static __always_inline void fill_headers(struct gso_event *event, struct sk_buff *skb, const struct gso_view *view)
{
	__u32 start = skb->mac_header == NA_HEADER_UNSET ? na_data_offset(skb) : skb->mac_header;
	__u32 end = view->facts.linear_end, length = end > start ? end - start : 0;

	if (length > NA_HEADER_MAX)
		length = NA_HEADER_MAX;
	if (length && bpf_probe_read_kernel(event->headers, length, skb->head + start) == 0)
		event->headers_length = length;
}

static __always_inline void fill_ports(struct gso_event *event, const struct gso_view *view)
{
	const __u8 protocol = view->facts.l4_protocol;
	__be16 ports[2] = {};

	if (protocol != GSO_IPPROTO_TCP && protocol != GSO_IPPROTO_UDP && protocol != GSO_IPPROTO_SCTP)
		return;
	if (!gso_copy(&view->packet, &view->facts, view->facts.l4_header, ports, sizeof(ports)))
		return;
	event->source_port = bpf_ntohs(ports[0]);
	event->destination_port = bpf_ntohs(ports[1]);
	event->has_ports = 1;
}

static __always_inline void fill_packet(struct gso_event *event, struct sk_buff *skb, const struct gso_view *view)
{
	const struct gso_packet *packet = &view->packet;
	const struct gso_facts *facts = &view->facts;
	struct gso_numbers numbers = {};

	event->head.location = view->location;
	event->gso_type = facts->type;
	event->gso_size = facts->size;
	event->gso_segs = facts->segs;
	event->has_gso = view->has_gso;
	event->length = skb->len;
	event->linear_length = skb->len - skb->data_len;
	event->protocol = bpf_ntohs(skb->protocol);
	event->encapsulation = facts->encapsulation;
	event->ip_summed = facts->ip_summed;
	event->device_kind = view->device_kind;
	event->tun_flags = view->tun_flags;
	if (!event->tun_flags && view->device_kind == GSO_DEVICE_TUN)
		event->tun_flags = tun_flags_of_device(view->origin.dev);
	event->head.drop_reason = view->drop_reason;
	event->ip_version = facts->ip_version;
	event->has_addresses = packet->has_addresses;
	event->l4_protocol = facts->l4_protocol;
	__builtin_memcpy(event->source, packet->source, sizeof(event->source));
	__builtin_memcpy(event->destination, packet->destination, sizeof(event->destination));
	gso_compared(facts, event->head.key.rule, event->head.key.detail, &numbers);
	event->found = numbers.found;
	event->expected = numbers.expected;
	fill_ports(event, view);
	fill_headers(event, skb, view);
}

/* An address as a key word: IPv4 as it is, IPv6 folded. A collision would only merge two flows' deduplication. */
static __always_inline __u64 address_word(const struct gso_facts *facts, const __u8 *address)
{
	__u64 high, low;

	__builtin_memcpy(&high, address, 8);
	__builtin_memcpy(&low, address + 8, 8);
	return facts->ip_version == 4 ? bpf_ntohl((__u32)high) : high * 0x9e3779b97f4a7c15ULL ^ low;
}

/* Names the rule among those broken that has the entry, and its sub-case. */
static __always_inline void set_rule(struct na_key *key, const struct gso_verdict *verdict, __u32 rules)
{
	__u32 rule = gso_most_telling(rules);

	/* The compiler knows how small it is, the verifier does not. */
	barrier_var(rule);
	rule &= NA_RULES_MAX - 1;
	key->rule = rule;
	key->also = rules & ~(1u << rule);
	key->detail = verdict->details[rule];
}

/* `is_direct`: the origin's device hangs on the program's own argument. */
static __always_inline void report(void *ctx, struct sk_buff *skb, const struct gso_view *view,
				   const struct gso_verdict *verdict, __u64 now, const bool is_direct)
{
	struct net_device *dev = view->origin.dev;
	struct na_config *known = na_config_slot();
	struct gso_event *event;
	struct na_key key = {};
	__u64 device = 0;
	__u32 rules;

	if (!known)
		return;
	/* As a number: that is what global functions take. Only the names of interfaces ask for it. */
	if (known->has_globs)
		bpf_probe_read_kernel(&device, sizeof(device), &dev);
	rules = na_left_by_trust(known, verdict->rules, 0, device);
	if (!rules)
		return;
	set_rule(&key, verdict, rules);
	na_set_place(&key, dev, is_direct);
	key.a = (__u64)view->facts.ip_version << 56 | (__u64)view->device_kind << 48 | view->facts.type;
	key.b = address_word(&view->facts, view->packet.source);
	key.c = address_word(&view->facts, view->packet.destination);
	event = na_gate(ctx, &key, &view->origin, now, sizeof(*event));
	if (!event)
		return;
	fill_packet(event, skb, view);
	bpf_ringbuf_submit(event, 0);
}

/* gso-trace: every GSO packet at every hook. No key but the hook. */
static __noinline int trace(void *ctx, struct sk_buff *skb, const struct gso_view *view, __u64 now)
{
	struct na_key key = { .rule = GSO_RULE_TRACE, .a = (__u64)view->device_kind << 48, .b = view->origin.probe };
	struct gso_event *event;

	na_set_place(&key, view->origin.dev, true);
	event = na_gate(ctx, &key, &view->origin, now, sizeof(*event));
	if (!event)
		return 0;
	fill_packet(event, skb, view);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
