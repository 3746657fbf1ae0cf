/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The judging of one frame, from its facts to the key of its entry. Global functions over a frame's working memory: the
 * verifier looks at each once, and the programs that call them stay short.
 */
#ifndef NA_ARP_JUDGE_H
#define NA_ARP_JUDGE_H

#include "arp_binding.h"
#include "arp_entry.h"

/* What was known of the sender's address before this frame. What was before the daemon's start counts as asked. */
static __always_inline void recall_sender(const struct na_config *known, struct arp_facts *facts, __u64 now)
{
	__u64 pair = (__u64)facts->target_ip << 32 | facts->sender_ip;
	struct na_memory *claim;

	facts->was_asked = now - known->started_ns < WARM_UP_NS || na_peek(ARP_ASKED, facts->host, pair, now) != NULL;
	if (!facts->is_sent)
		return;
	claim = na_peek(ARP_CLAIM, facts->domain, facts->sender_ip, now);
	facts->was_known = claim && claim->a != facts->sender_mac;
}

/* What [Trust] and the configuration leave of the verdict. */
static __always_inline void settle_verdict(const struct na_config *known, struct arp_work *work,
					   const struct arp_trust *trust)
{
	if (!work->verdict.rules)
		return;
	work->rules = na_left_by_trust(known, work->verdict.rules, arp_excused(trust), work->device);
	if (work->rules)
		set_key(work);
}

static __always_inline void look_up_trust(const struct na_config *known, struct arp_facts *facts,
					  struct arp_trust *trust)
{
	if (!known->has_trust)
		return;
	find_trust(facts->sender_mac, facts->eth_source, facts->sender_ip, trust);
	facts->is_virtual = trust->is_virtual;
}

NA_STEP int judge_header(const struct arp_facts *facts, struct arp_verdict *verdict)
{
	if (facts && verdict)
		arp_judge_received(facts, verdict);
	return 0;
}

NA_STEP int judge_received(struct arp_work *work)
{
	struct na_config *known = na_config_slot();
	struct arp_trust trust = {};

	if (!work || !known)
		return 0;
	take_facts(work);
	find_addresses(work);
	find_macs(work);
	look_up_trust(known, &work->facts, &trust);
	judge_header(&work->facts, &work->verdict);
	if (work->verdict.rules & 1u << ARP_RULE_ADDRESS_CONFLICT && work->facts.sender_place & ARP_PLACE_MOVABLE)
		judge_takeover(&work->facts, &work->verdict, work->now);
	if (!(work->verdict.rules & (ARP_RULES_FORGED | 1u << ARP_RULE_ON_NOARP_DEVICE))) {
		recall_sender(known, &work->facts, work->now);
		judge_by_memory(&work->facts, &work->verdict, work->now);
		if (trust.is_bound && !trust.is_known)
			arp_break(&work->verdict, ARP_RULE_DUPLICATE_CLAIM, ARP_DETAIL_CLAIM_KNOWN_BINDING);
		remember_heard(&work->frame, &work->facts, work->now);
		if (work->has_upper)
			remember_effect(&work->facts, work->now);
	}
	settle_verdict(known, work, &trust);
	return 0;
}

/* A frame that was judged on the device above: here, in another namespace perhaps, an answer is due, too. */
NA_STEP int note_request(struct arp_work *work)
{
	if (!work)
		return 0;
	take_facts(work);
	if (work->facts.operation == ARP_OP_REQUEST && work->frame.has_addresses)
		remember_asked(&work->facts, work->now);
	return 0;
}

/* The kernel's own frames have no socket: they are true, and only tell what was asked for. */
NA_STEP int judge_sent(struct arp_work *work, __u32 is_process)
{
	struct na_config *known = na_config_slot();
	struct arp_trust trust = {};

	if (!work || !known)
		return 0;
	take_facts(work);
	find_addresses(work);
	look_up_trust(known, &work->facts, &trust);
	if (is_process) {
		find_macs(work);
		recall_sender(known, &work->facts, work->now);
		arp_judge_sent(&work->facts, &work->verdict);
	}
	if (work->facts.operation == ARP_OP_REQUEST && work->frame.has_addresses)
		judge_request(&work->facts, &work->verdict, work->now,
			      is_process ? ARP_DETAIL_SCAN_BY_PROCESS : ARP_DETAIL_SCAN_BY_KERNEL);
	settle_verdict(known, work, &trust);
	return 0;
}

#endif
