/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From what a frame breaks to its entry: trust, the most telling rule, the key, the gate. */
#ifndef NA_ARP_REPORT_BPF_H
#define NA_ARP_REPORT_BPF_H

#include "arp_frame.bpf.h"
#include "arp_trust.bpf.h"

/* The key's words, rule by rule; ArpFacts reads them for a summary. */
static __always_inline void set_words(struct na_key *key, const struct arp_facts *facts,
				      const struct arp_verdict *verdict)
{
	key->a = facts->eth_source;
	key->b = facts->sender_mac;
	key->c = facts->sender_ip;
	switch (key->rule) {
	case ARP_RULE_MALFORMED:
		key->b = 0;
		key->c = 0;
		break;
	case ARP_RULE_BAD_SENDER_MAC:
		key->c = 0;
		break;
	case ARP_RULE_ADDRESS_CONFLICT:
		key->a = 0;
		if (!facts->sender_ip)
			key->c = facts->target_ip;
		break;
	case ARP_RULE_DUPLICATE_CLAIM:
		key->a = verdict->other_mac;
		break;
	case ARP_RULE_REQUEST_FLOOD:
		key->a = 0;
		key->c = facts->target_ip;
		break;
	case ARP_RULE_GRATUITOUS_FLOOD:
		key->a = 0;
		if (key->detail == ARP_DETAIL_FLOOD_ONE_SENDER)
			key->c = 0;
		break;
	case ARP_RULE_SCAN:
	case ARP_RULE_MANY_ADDRESSES:
		key->a = 0;
		key->c = 0;
		break;
	case ARP_RULE_ON_NOARP_DEVICE:
		key->a = 0;
		key->b = 0;
		key->c = 0;
		break;
	}
}

/* Names the rule among those broken that has the entry, and its sub-case. */
static __always_inline void set_rule(struct na_key *key, const struct arp_verdict *verdict, __u32 rules)
{
	__u32 rule = arp_most_telling(rules, verdict->mild);

	/* The compiler knows how small it is, the verifier does not. */
	barrier_var(rule);
	rule &= NA_RULES_MAX - 1;
	key->rule = rule;
	key->also = rules & ~(1u << rule);
	key->detail = verdict->details[rule];
}

static __always_inline void report_frame(void *ctx, struct sk_buff *skb, struct na_origin *origin,
					 const struct arp_frame *frame, const struct arp_facts *facts,
					 const struct arp_verdict *verdict, __u32 excused, __u64 now)
{
	struct na_config *known = na_config_slot();
	struct na_key key = {};
	struct arp_event *event;
	__u32 rules;

	if (!known)
		return;
	rules = na_left_by_trust(known, verdict->rules, excused, na_device_address(skb));
	if (!rules)
		return;
	set_rule(&key, verdict, rules);
	if (key.rule == ARP_RULE_LOCAL_SPOOF) {
		bpf_get_current_comm(&key.a, 2 * sizeof(key.a));
		key.c = facts->sender_ip;
	} else {
		set_words(&key, facts, verdict);
	}
	na_set_place(&key, origin->dev, true);
	origin->address = frame->sender_ip;
	event = na_gate(ctx, &key, origin, now, sizeof(*event));
	if (!event)
		return;
	fill_frame(event, frame, facts);
	if (key.rule == verdict->counted)
		event->count = verdict->count;
	if (verdict->other_mac && verdict->rules & 1u << ARP_RULE_DUPLICATE_CLAIM) {
		__u64 other = bpf_cpu_to_be64(verdict->other_mac << 16);

		__builtin_memcpy(event->old_mac, &other, ARP_MAC_LEN);
		__builtin_memcpy(event->new_mac, frame->arp.sender_mac, ARP_MAC_LEN);
	}
	bpf_ringbuf_submit(event, 0);
}

/* arp-trace: every hit of a hook, as the detector's origin, a script, printed it. No key but the hook. */
static __always_inline void trace_frame(void *ctx, struct na_origin *origin, const struct arp_frame *frame,
					const struct arp_facts *facts, __u64 now)
{
	struct na_key key = { .rule = ARP_RULE_TRACE, .a = origin->probe };
	struct arp_event *event;

	na_set_place(&key, origin->dev, true);
	event = na_gate(ctx, &key, origin, now, sizeof(*event));
	if (!event)
		return;
	fill_frame(event, frame, facts);
	bpf_ringbuf_submit(event, 0);
}

static __always_inline bool is_traced(void)
{
	struct na_config *known = na_config_slot();

	return known && known->enabled & 1u << ARP_RULE_TRACE;
}

#endif
