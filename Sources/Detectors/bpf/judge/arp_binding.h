/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a change in the kernel's neighbour table means: which frame brought it, and how often it changed before. */
#ifndef NA_ARP_BINDING_H
#define NA_ARP_BINDING_H

#include "arp_environment.h"
#include "arp_history.h"
#include "arp_trusted.h"

#define NEIGH_UPDATE_OVERRIDE 0x1
#define EFFECT_NS (2 * SECOND_NS)
#define HEARD_NS 1000000ULL		/* from a frame's reception to its effect on the table, on the same CPU */
#define FLIP_FLOP_NS (1200 * SECOND_NS) /* how long the MAC before is remembered */
#define CHANGES_NS (60 * SECOND_NS)
#define FAILURES_NS (60 * SECOND_NS)

static __always_inline void remember_heard(const struct arp_frame *frame, const struct arp_facts *facts, __u64 now)
{
	struct arp_heard *heard = arp_heard_slot();

	if (!heard)
		return;
	heard->at_ns = now;
	heard->sender_mac = facts->sender_mac;
	heard->sender_ip = facts->sender_ip;
	heard->effect = ARP_DETAIL_BINDING_APPLIED;
	if (arp_is_announcement(facts))
		heard->effect = ARP_DETAIL_BINDING_ANNOUNCED;
	else if (facts->operation == ARP_OP_REPLY && facts->was_asked)
		heard->effect = ARP_DETAIL_BINDING_ANSWERED;
	heard->frame = *frame;
	heard->facts = *facts;
}

/* A macvlan gives a broadcast to its devices later, by a worker on any CPU: their neighbours change unheard. */
static __always_inline void remember_effect(const struct arp_facts *facts, __u64 now)
{
	struct arp_heard *heard = arp_heard_slot();
	struct na_memory *effect = na_recall(ARP_EFFECT, facts->sender_mac, facts->sender_ip, now, EFFECT_NS);

	if (!heard || !effect)
		return;
	effect->a = heard->effect;
	effect->until_ns = now + EFFECT_NS;
}

/* A change of the neighbour table. */
struct arp_change {
	__u64 old_mac; /* 0: none */
	__u64 new_mac;
	__u32 rules;
	__u32 detail;
	__u32 new_state;
	__u32 count;
	__u32 ip;
};

static __always_inline struct arp_heard *frame_behind(const struct arp_change *change, __u64 now)
{
	struct arp_heard *heard = arp_heard_slot();

	if (!heard || now - heard->at_ns > HEARD_NS || heard->sender_ip != change->ip ||
	    heard->sender_mac != change->new_mac)
		return NULL;
	return heard;
}

static __always_inline void fill_mac(unsigned char *to, __u64 mac)
{
	__u64 bits = bpf_cpu_to_be64(mac << 16);

	__builtin_memcpy(to, &bits, ARP_MAC_LEN);
}

/* Of a neighbour on a device: the table knows no bridges, nor VLANs. */
static __always_inline __u64 domain_of_place(const struct na_key *place)
{
	return na_mix(place->netns_cookie ? place->netns_cookie : place->netns, place->ifindex);
}

/*
 * arp-flip-flop: back to the MAC before. By nothing but answers it is one host with two cards, by nothing but
 * announcements a failover and its failback, unless it goes on.
 */
static __always_inline __u32 how_it_flips(__u64 effects, __u32 changes)
{
	const __u64 answered = 1ULL << (ARP_DETAIL_BINDING_ANSWERED - ARP_DETAIL_BINDING_APPLIED);
	const __u64 announced = 1ULL << (ARP_DETAIL_BINDING_ANNOUNCED - ARP_DETAIL_BINDING_APPLIED);

	if (effects == answered)
		return ARP_DETAIL_BINDING_ANSWERED;
	if (!(effects & ~(answered | announced)) && changes < na_threshold(ARP_RULE_FLIP_FLOP))
		return ARP_DETAIL_BINDING_RETURNED;
	return ARP_DETAIL_NONE;
}

/* What the frame behind a change would do, as another device saw it. */
static __always_inline __u32 effect_elsewhere(const struct arp_change *change, __u64 now)
{
	struct na_memory *effect = na_peek(ARP_EFFECT, change->new_mac, change->ip, now);

	return effect ? effect->a : ARP_DETAIL_BINDING_APPLIED;
}

/* The MAC behind a valid binding is about to change, or somebody tries to change it. */
static __always_inline void judge_binding(const struct na_config *known, __u64 domain, __u32 flags, __u64 now,
					  struct arp_change *change)
{
	struct arp_heard *heard = frame_behind(change, now);
	__u32 effect = heard ? heard->effect : effect_elsewhere(change, now);
	bool is_forced = effect == ARP_DETAIL_BINDING_APPLIED && heard && heard->facts.operation == ARP_OP_REPLY;
	struct arp_trust trust = {};
	struct na_memory *before;
	bool is_back;

	if (known->has_trust)
		find_trust(change->new_mac, change->old_mac, change->ip, &trust);
	change->rules = 1u << ARP_RULE_BINDING_CHANGE;
	if (!(flags & NEIGH_UPDATE_OVERRIDE)) {
		change->detail = effect == ARP_DETAIL_BINDING_ANSWERED ? ARP_DETAIL_BINDING_SECOND_ANSWER
								       : ARP_DETAIL_BINDING_REJECTED;
		return;
	}
	change->detail = effect;
	/* Not by a reply that nobody asked for: a virtual router needs none. */
	if (!is_forced && (trust.is_virtual || arp_is_virtual_router_mac(change->old_mac) ||
			   arp_is_virtual_router_mac(change->new_mac))) {
		change->detail = ARP_DETAIL_BINDING_VIRTUAL;
		return;
	}
	before = na_recall(ARP_BINDING, domain, change->ip, now, FLIP_FLOP_NS);
	if (!before)
		return;
	is_back = before->a == change->new_mac;
	before->a = change->old_mac;
	before->b |= 1ULL << (effect - ARP_DETAIL_BINDING_APPLIED);
	before->until_ns = now + FLIP_FLOP_NS;
	change->count = na_count_in_window(ARP_BINDING_CHANGES, domain, change->ip, now, CHANGES_NS);
	if (!is_back || change->count < 2)
		return;
	change->rules |= 1u << ARP_RULE_FLIP_FLOP;
	change->detail = how_it_flips(before->b, change->count);
}

/* What [Trust] and the configuration leave of a change; false when nothing is left, else its key is complete. */
static __always_inline bool settle_change(const struct na_config *known, const struct arp_change *change, __u64 device,
					  struct na_key *key)
{
	struct arp_trust trust = {};
	__u32 rules;

	if (known->has_trust)
		find_trust(change->new_mac, change->old_mac, change->ip, &trust);
	rules = na_left_by_trust(known, change->rules, arp_excused(&trust), device);
	if (!rules)
		return false;
	key->rule = arp_most_telling(rules, 0) & (NA_RULES_MAX - 1);
	key->also = rules & ~(1u << key->rule);
	key->detail = change->detail;
	key->c = change->ip;
	/* A neighbour that flips between two is one thing, each change of it another. */
	if (key->rule != ARP_RULE_FLIP_FLOP) {
		key->a = change->old_mac;
		key->b = change->new_mac;
	}
	return true;
}

static __always_inline void fill_change(struct arp_event *event, const struct arp_change *change, __u32 old_state,
					__u64 now)
{
	struct arp_heard *heard = change->new_mac ? frame_behind(change, now) : NULL;

	event->vlan = NA_VLAN_NONE;
	if (heard)
		fill_frame(event, &heard->frame, &heard->facts);
	event->neighbour_ip = bpf_htonl(change->ip);
	event->has_neighbour = 1;
	event->old_state = old_state;
	event->new_state = change->new_state;
	event->count = change->count;
	fill_mac(event->old_mac, change->old_mac);
	fill_mac(event->new_mac, change->new_mac);
}

#endif
