/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules that one frame alone does not break. Frames that are forged by their header are not shown to them: they
 * would only teach what is wrong. Functions are global, so that the verifier looks at each once.
 */
#ifndef NA_ARP_HISTORY_H
#define NA_ARP_HISTORY_H

#include "arp_rules.h"
#include "memory.h"

#define SECOND_NS 1000000000ULL
#define ASKED_NS (5 * SECOND_NS)       /* a reply later than that answers nothing */
#define WARM_UP_NS SECOND_NS	       /* after the start, when a reply may be to a request from before it */
#define TAKEOVER_NS (2 * SECOND_NS)    /* in which who had an address before gives it up */
#define ANSWERS_NS (2 * SECOND_NS)     /* two answers within it are answers to one request */
#define FLOOD_NS (2 * SECOND_NS)       /* arp-request-flood */
#define SCAN_NS (10 * SECOND_NS)       /* arp-scan */
#define GRATUITOUS_NS (10 * SECOND_NS) /* arp-gratuitous-flood */
#define CLAIM_NS (60 * SECOND_NS)      /* arp-duplicate-claim, arp-many-addresses */
#define COMMON_NS (600 * SECOND_NS)    /* what two MACs have in common */
#define GRATUITOUS_SENDER_FACTOR 20    /* a station may have several addresses to announce */

/* What is remembered. */
enum arp_memory {
	ARP_ASKED = 1,	       /* namespace, asker and asked address: an answer is due */
	ARP_REQUESTS,	       /* sender, target: how often */
	ARP_TARGETS,	       /* sender: how many targets */
	ARP_GRATUITOUS_IP,     /* sender, address: how often */
	ARP_GRATUITOUS_SENDER, /* domain, sender: how often */
	ARP_TAKEOVER,	       /* sender, address: a is when it first announced an address of ours */
	ARP_CLAIM,	       /* domain, address: a is the last claimant's MAC, b when it answered */
	ARP_CLAIM_CHANGES,     /* domain, address: how often the claimant changed unasked */
	ARP_EFFECT,	       /* MAC, address: a is the effect of the last frame, where another device sees it again */
	ARP_COMMON,	       /* two MACs: a is an address both claimed, b is 1 if there are more */
	ARP_CLAIMED,	       /* sender: how many addresses it claimed */
	ARP_BINDING,	       /* domain, address: a is the neighbour's MAC before, b the bits of how it changed */
	ARP_BINDING_CHANGES,   /* domain, address: how often the neighbour's MAC changed */
	ARP_FAILURES,	       /* domain, address: how often it did not answer */
};

/* Breaks a rule for something that was counted. */
static __always_inline void break_counted(struct arp_verdict *verdict, __u32 rule, __u32 detail, __u32 count)
{
	if (!verdict->count || rule < verdict->counted) {
		verdict->counted = rule;
		verdict->count = count;
	}
	arp_break(verdict, rule, detail);
}

static __always_inline __u64 sender_of(const struct arp_facts *facts)
{
	return facts->domain ^ facts->sender_mac;
}

/*
 * A request was seen, received or sent: who answers for its target to its sender within a while was asked. That
 * somebody else asked for the same address does not count: whoever wants to answer unasked would ask first himself.
 */
static __always_inline void remember_asked(const struct arp_facts *facts, __u64 now)
{
	__u64 pair = (__u64)facts->sender_ip << 32 | facts->target_ip;
	struct na_memory *asked = na_recall(ARP_ASKED, facts->host, pair, now, ASKED_NS);

	if (asked)
		asked->until_ns = now + ASKED_NS;
}

/* arp-scan; `detail` says who asks. */
static __always_inline void judge_targets(const struct arp_facts *facts, struct arp_verdict *verdict, __u64 now,
					  __u32 detail)
{
	__u64 targets;

	/* A probe or an announcement looks for nobody. */
	if (!facts->sender_ip || arp_is_gratuitous(facts))
		return;
	targets = na_count_different(ARP_TARGETS, sender_of(facts), facts->target_ip, now, SCAN_NS);
	if (targets > na_threshold(ARP_RULE_SCAN))
		break_counted(verdict, ARP_RULE_SCAN, detail, targets);
}

/* A request, received or sent by a process or by the kernel: arp-request-flood, arp-scan. */
NA_STEP int judge_request(const struct arp_facts *facts, struct arp_verdict *verdict, __u64 now, __u32 who)
{
	__u64 times;

	if (!facts || !verdict)
		return 0;
	if (!arp_is_gratuitous(facts)) {
		remember_asked(facts, now);
		times = na_count_in_window(ARP_REQUESTS, sender_of(facts), facts->target_ip, now, FLOOD_NS);
		/* How often the kernel asks is the administrator's own setting. */
		if (times > na_threshold(ARP_RULE_REQUEST_FLOOD) && who != ARP_DETAIL_SCAN_BY_KERNEL)
			break_counted(verdict, ARP_RULE_REQUEST_FLOOD, ARP_DETAIL_NONE, times);
	}
	judge_targets(facts, verdict, now, who);
	return 0;
}

/* arp-gratuitous-flood: announcements, and replies sent to all. */
NA_STEP int judge_gratuitous(const struct arp_facts *facts, struct arp_verdict *verdict, __u64 now)
{
	__u32 limit = na_threshold(ARP_RULE_GRATUITOUS_FLOOD);
	__u64 times;

	/* Virtual routers hand a MAC over: each of them announces. */
	if (!facts || !verdict || facts->is_virtual || arp_is_virtual_router_mac(facts->sender_mac))
		return 0;
	times = na_count_in_window(ARP_GRATUITOUS_SENDER, sender_of(facts), 0, now, GRATUITOUS_NS);
	if (times > (__u64)limit * GRATUITOUS_SENDER_FACTOR)
		break_counted(verdict, ARP_RULE_GRATUITOUS_FLOOD, ARP_DETAIL_FLOOD_ONE_SENDER, times);
	times = na_count_in_window(ARP_GRATUITOUS_IP, sender_of(facts), facts->sender_ip, now, GRATUITOUS_NS);
	if (times > limit)
		break_counted(verdict, ARP_RULE_GRATUITOUS_FLOOD, ARP_DETAIL_FLOOD_ONE_ADDRESS, times);
	return 0;
}

/*
 * arp-address-conflict: a new holder of a service's address announces it before the old one has given it up, as VRRP
 * routers do. Whoever goes on claiming it is in conflict.
 */
NA_STEP int judge_takeover(const struct arp_facts *facts, struct arp_verdict *verdict, __u64 now)
{
	struct na_memory *takeover;

	if (!facts || !verdict || !(facts->sender_place & ARP_PLACE_MOVABLE) || !arp_is_gratuitous(facts))
		return 0;
	takeover = na_recall(ARP_TAKEOVER, sender_of(facts), facts->sender_ip, now, CLAIM_NS);
	if (!takeover)
		return 0;
	if (!takeover->a)
		takeover->a = now;
	takeover->until_ns = now + CLAIM_NS;
	if (now - takeover->a < TAKEOVER_NS)
		arp_break(verdict, ARP_RULE_ADDRESS_CONFLICT, ARP_DETAIL_CONFLICT_TAKEOVER);
	return 0;
}

static __always_inline bool is_unasked_reply(const struct arp_facts *facts)
{
	return facts->operation == ARP_OP_REPLY && !arp_is_announcement(facts) && !facts->was_asked;
}

/* True when the two MACs claim several addresses both: one host's two cards, or a pair that hands them over. */
static __always_inline bool have_more_in_common(const struct arp_facts *facts, __u64 other_mac, __u64 now)
{
	__u64 both = facts->sender_mac + other_mac; /* in either order */
	struct na_memory *common = na_recall(ARP_COMMON, facts->domain, both, now, COMMON_NS);

	if (!common)
		return false;
	if (!common->a)
		common->a = facts->sender_ip;
	else if (common->a != facts->sender_ip)
		common->b = 1;
	return common->b;
}

/*
 * arp-duplicate-claim: what a claim by another MAC than the last one's means; ARP_DETAIL_NONE for an answer by the new
 * holder. That an address moves, and back, is a failover; that both go on claiming it is not.
 */
static __always_inline __u32 judge_change(const struct arp_facts *facts, const struct na_memory *claim, bool is_answer,
					  __u64 now, __u64 *changes)
{
	bool is_shared = have_more_in_common(facts, claim->a, now);

	if (is_answer)
		return claim->b && now - claim->b < ANSWERS_NS ? ARP_DETAIL_CLAIM_BOTH_ANSWER : ARP_DETAIL_NONE;
	*changes = na_count_in_window(ARP_CLAIM_CHANGES, facts->domain, facts->sender_ip, now, CLAIM_NS);
	if (is_unasked_reply(facts))
		return ARP_DETAIL_CLAIM_UNASKED;
	/* A router with a virtual MAC speaks from its own, too. */
	if (arp_is_virtual_router_mac(claim->a))
		return ARP_DETAIL_NONE;
	if (*changes < na_threshold(ARP_RULE_DUPLICATE_CLAIM))
		return ARP_DETAIL_CLAIM_MOVED;
	return is_shared ? ARP_DETAIL_CLAIM_ONE_HOST : ARP_DETAIL_CLAIM_ALTERNATING;
}

/* Somebody says that it has an address: arp-duplicate-claim. */
NA_STEP int judge_claim(const struct arp_facts *facts, struct arp_verdict *verdict, __u64 now)
{
	bool is_answer;
	struct na_memory *claim;
	__u64 changes = 0;
	__u32 detail;

	if (!facts || !verdict)
		return 0;
	if (facts->is_virtual || arp_is_nlb_multicast(facts->sender_mac))
		return 0;
	claim = na_recall(ARP_CLAIM, facts->domain, facts->sender_ip, now, CLAIM_NS);
	if (!claim)
		return 0;
	is_answer = facts->operation == ARP_OP_REPLY && !arp_is_gratuitous(facts) && facts->was_asked;
	/* A virtual MAC disputes nobody's claim, but its own may be disputed. */
	if (claim->a && claim->a != facts->sender_mac && !arp_is_virtual_router_mac(facts->sender_mac)) {
		detail = judge_change(facts, claim, is_answer, now, &changes);
		if (detail)
			break_counted(verdict, ARP_RULE_DUPLICATE_CLAIM, detail, changes);
		verdict->other_mac = claim->a;
	}
	claim->a = facts->sender_mac;
	claim->b = is_answer ? now : 0;
	claim->until_ns = now + CLAIM_NS;
	return 0;
}

/* arp-many-addresses: one MAC for many addresses, in replies and announcements. */
NA_STEP int judge_addresses(const struct arp_facts *facts, struct arp_verdict *verdict, __u64 now)
{
	__u64 addresses;
	bool is_served;

	if (!facts || !verdict || facts->is_virtual || arp_is_virtual_router_mac(facts->sender_mac))
		return 0;
	addresses = na_count_different(ARP_CLAIMED, sender_of(facts), facts->sender_ip, now, CLAIM_NS);
	is_served = arp_is_gratuitous(facts) || facts->was_asked;
	if (addresses > na_threshold(ARP_RULE_MANY_ADDRESSES))
		break_counted(verdict, ARP_RULE_MANY_ADDRESSES,
			      is_served ? ARP_DETAIL_MANY_SERVED : ARP_DETAIL_MANY_UNASKED, addresses);
	return 0;
}

/* All that a received frame may break by what came before it. */
static __always_inline void judge_by_memory(const struct arp_facts *facts, struct arp_verdict *verdict, __u64 now)
{
	bool is_gratuitous = arp_is_gratuitous(facts);

	if (facts->operation == ARP_OP_REQUEST)
		judge_request(facts, verdict, now, ARP_DETAIL_SCAN_RECEIVED);
	else if (arp_unsolicited_reply(facts))
		arp_break(verdict, ARP_RULE_UNSOLICITED_REPLY, ARP_DETAIL_NONE);
	if (!facts->sender_ip)
		return;
	if (is_gratuitous || (facts->operation == ARP_OP_REPLY && facts->eth_destination == ARP_MAC_BROADCAST))
		judge_gratuitous(facts, verdict, now);
	judge_claim(facts, verdict, now);
	if (is_gratuitous || facts->operation == ARP_OP_REPLY)
		judge_addresses(facts, verdict, now);
}

#endif
