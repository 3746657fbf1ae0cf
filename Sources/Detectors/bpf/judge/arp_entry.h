/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From what a frame breaks to the key of its entry: the most telling rule, and what it is the same as. */
#ifndef NA_ARP_ENTRY_H
#define NA_ARP_ENTRY_H

#include "arp_environment.h"

/* The key's words, rule by rule; ArpFacts reads them for a summary. */
static __always_inline void set_words(struct arp_work *work)
{
	const struct arp_facts *facts = &work->facts;
	struct na_key *key = &work->key;

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
	case ARP_RULE_LOCAL_SPOOF:
		na_read_command(&key->a);
		break;
	case ARP_RULE_ADDRESS_CONFLICT:
		key->a = 0;
		if (!facts->sender_ip)
			key->c = facts->target_ip;
		break;
	case ARP_RULE_DUPLICATE_CLAIM:
		key->a = work->verdict.other_mac;
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

/* Which rule among those broken has the entry, and what the frame has in common with others of its kind. */
static __always_inline void set_key(struct arp_work *work)
{
	__u32 rule = arp_most_telling(work->rules, work->verdict.mild);

	/* The compiler knows how small it is, the verifier does not. */
	barrier_var(rule);
	rule &= NA_RULES_MAX - 1;
	work->key.rule = rule;
	work->key.also = work->rules & ~(1u << rule);
	work->key.detail = work->verdict.details[rule];
	set_words(work);
}

static __always_inline void fill_verdict(struct arp_event *event, const struct arp_work *work)
{
	const struct arp_verdict *verdict = &work->verdict;
	__u64 other = bpf_cpu_to_be64(verdict->other_mac << 16);

	if (work->key.rule == verdict->counted)
		event->count = verdict->count;
	if (!(work->rules & 1u << ARP_RULE_DUPLICATE_CLAIM) || !other)
		return;
	__builtin_memcpy(event->old_mac, &other, ARP_MAC_LEN);
	__builtin_memcpy(event->new_mac, work->frame.arp.sender_mac, ARP_MAC_LEN);
}

static __always_inline bool is_traced(const struct na_config *known, __u64 device)
{
	return na_left_by_trust(known, 1u << ARP_RULE_TRACE, 0, device);
}

/* Whether a judged frame has anything to report; traces are asked for here, once. */
static __always_inline bool is_reported(const struct na_config *known, struct arp_work *work)
{
	work->is_traced = is_traced(known, work->device);
	return work->rules || work->is_traced;
}

static __always_inline void set_trace_key(const struct na_key *place, __u32 probe, struct na_key *trace)
{
	__builtin_memset(trace, 0, sizeof(*trace));
	trace->rule = ARP_RULE_TRACE;
	trace->a = probe;
	trace->netns = place->netns;
	trace->netns_cookie = place->netns_cookie;
	trace->ifindex = place->ifindex;
}

#endif
