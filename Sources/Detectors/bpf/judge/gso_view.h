/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One packet with GSO metadata on its way to a verdict, and from there to the key of its entry. */
#ifndef NA_GSO_VIEW_H
#define NA_GSO_VIEW_H

#include "gso_packet.h"

/*
 * A packet on its way to a verdict: where it is judged, and what is known of it there. Too large for the stack; each
 * hook has one per CPU to itself, because the kernel does not let a program interrupt itself.
 */
struct gso_view {
	struct gso_facts facts;
	struct gso_packet packet;
	struct gso_verdict verdict;
	__u64 device; /* its address */
	__u64 location;
	__u32 probe;
	__u32 direction;
	__u32 tun_flags;
	__u32 drop_reason;
	__u32 device_kind;
	__u32 has_gso;
	__u32 is_traced;
	__u32 rules;	     /* broken, and not excused by trust */
	struct na_key place; /* namespace and device; the rest of it is 0 for ever */
	struct na_key key;
	struct na_key trace; /* of gso-trace */
	struct gso_numbers numbers;
};

/* An address as a key word: IPv4 as it is, IPv6 folded. A collision would only merge two flows' deduplication. */
static __always_inline __u64 address_word(const struct gso_facts *facts, const __u8 *address)
{
	__u64 high, low;

	__builtin_memcpy(&high, address, 8);
	__builtin_memcpy(&low, address + 8, 8);
	return facts->ip_version == 4 ? bpf_ntohl((__u32)high) : high * 0x9e3779b97f4a7c15ULL ^ low;
}

/* Names the rule among those broken that has the entry, its sub-case, and the flow. */
static __always_inline void set_key(struct gso_view *view)
{
	__u32 rule = gso_most_telling(view->rules);
	struct na_key *key = &view->key;

	/* The compiler knows how small it is, the verifier does not. */
	barrier_var(rule);
	rule &= NA_RULES_MAX - 1;
	*key = view->place;
	key->rule = rule;
	key->also = view->rules & ~(1u << rule);
	key->detail = view->verdict.details[rule];
	key->a = (__u64)view->facts.ip_version << 56 | (__u64)view->device_kind << 48 | view->facts.type;
	key->b = address_word(&view->facts, view->packet.source);
	key->c = address_word(&view->facts, view->packet.destination);
}

/* The two numbers that an entry compares. */
NA_STEP int compare(struct gso_view *view)
{
	struct gso_numbers none = {};

	if (!view)
		return 0;
	view->numbers = none;
	gso_compared(&view->facts, view->key.rule, view->key.detail, &view->numbers);
	return 0;
}

/* gso-trace: every GSO packet at every hook. No key but the hook. */
static __always_inline void set_trace_key(struct gso_view *view)
{
	view->trace = view->place;
	view->trace.rule = GSO_RULE_TRACE;
	view->trace.a = (__u64)view->device_kind << 48;
	view->trace.b = view->probe;
}

/* What the configuration and [Trust] leave of the verdict; not 0 when there is something to report. */
NA_STEP int settle(struct gso_view *view)
{
	struct na_config *known = na_config_slot();

	if (!view || !known)
		return 0;
	if (view->facts.size && view->probe != GSO_PROBE_KFREE_SKB)
		view->is_traced = na_left_by_trust(known, 1u << GSO_RULE_TRACE, 0, view->device);
	view->rules = na_left_by_trust(known, view->verdict.rules, 0, view->device);
	if (view->is_traced)
		set_trace_key(view);
	if (view->rules)
		set_key(view);
	return view->rules || view->is_traced;
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

/* All that judging found. */
static __always_inline void fill_view(struct gso_event *event, const struct gso_view *view)
{
	const struct gso_packet *packet = &view->packet;
	const struct gso_facts *facts = &view->facts;

	event->head.location = view->location;
	event->head.drop_reason = view->drop_reason;
	event->gso_type = facts->type;
	event->gso_size = facts->size;
	event->gso_segs = facts->segs;
	event->has_gso = view->has_gso;
	event->encapsulation = facts->encapsulation;
	event->ip_summed = facts->ip_summed;
	event->device_kind = view->device_kind;
	event->ip_version = facts->ip_version;
	event->has_addresses = packet->has_addresses;
	event->l4_protocol = facts->l4_protocol;
	__builtin_memcpy(event->source, packet->source, sizeof(event->source));
	__builtin_memcpy(event->destination, packet->destination, sizeof(event->destination));
	event->found = view->numbers.found;
	event->expected = view->numbers.expected;
	fill_ports(event, view);
}

#endif
