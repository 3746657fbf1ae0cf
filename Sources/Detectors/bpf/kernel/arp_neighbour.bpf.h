/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel's neighbour table tells: changed bindings, neighbours that do not answer, a table that is full. */
#ifndef NA_ARP_NEIGHBOUR_BPF_H
#define NA_ARP_NEIGHBOUR_BPF_H

#include "arp_memory.bpf.h"
#include "arp_report.bpf.h"

/* REACHABLE | STALE | DELAY | PROBE: learned and valid. NOARP is nobody's binding. */
#define NUD_LEARNED 0x1e
#define NUD_FAILED 0x20
#define NUD_PERMANENT 0x80
#define NEIGH_UPDATE_OVERRIDE 0x1
/* NEIGH_UPDATE_F_ADMIN is bit 31 in older kernels and bit 7 in newer ones; a macro, so BTF cannot tell which. */
#define NEIGH_UPDATE_ADMIN 0x80000080

#define EFFECT_NS (2 * SECOND_NS)
#define HEARD_NS 1000000ULL		/* from a frame's reception to its effect on the table, on the same CPU */
#define FLIP_FLOP_NS (1200 * SECOND_NS) /* how long the MAC before is remembered */
#define CHANGES_NS (60 * SECOND_NS)
#define FAILURES_NS (60 * SECOND_NS)

/* The frame that this CPU received last: what changes the table a moment later was it. */
struct arp_heard {
	__u64 at_ns;
	__u64 sender_mac;
	__u32 sender_ip;
	__u32 effect; /* enum arp_detail of a change that it brings */
	struct arp_frame frame;
	struct arp_facts facts;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct arp_heard);
} last_heard SEC(".maps");

static __always_inline void remember_heard(const struct arp_frame *frame, const struct arp_facts *facts, __u64 now)
{
	__u32 zero = 0;
	struct arp_heard *heard = bpf_map_lookup_elem(&last_heard, &zero);

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
	__u32 zero = 0;
	struct arp_heard *heard = bpf_map_lookup_elem(&last_heard, &zero);
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
	__u32 zero = 0;
	struct arp_heard *heard = bpf_map_lookup_elem(&last_heard, &zero);

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

static __always_inline void report_change(void *ctx, __u32 probe, struct neighbour *neighbour, struct net_device *dev,
					  struct na_key *key, const struct arp_change *change, __u64 now)
{
	struct na_origin origin = { .dev = dev, .probe = probe, .direction = NA_DIRECTION_NONE };
	struct na_config *known = na_config_slot();
	struct arp_trust trust = {};
	struct arp_heard *heard;
	struct arp_event *event;
	__u64 device = 0;
	__u32 rules;

	if (!known)
		return;
	if (known->has_trust)
		find_trust(change->new_mac, change->old_mac, change->ip, &trust);
	bpf_core_read(&device, sizeof(device), &neighbour->dev);
	rules = na_left_by_trust(known, change->rules, arp_excused(&trust), device);
	if (!rules)
		return;
	key->rule = arp_most_telling(rules, 0) & (NA_RULES_MAX - 1);
	key->also = rules & ~(1u << key->rule);
	key->detail = change->detail;
	key->c = change->ip;
	/* A neighbour that flips between two is one thing, each change of it another. */
	if (key->rule != ARP_RULE_FLIP_FLOP) {
		key->a = change->old_mac;
		key->b = change->new_mac;
	}
	origin.address = bpf_htonl(change->ip);
	event = na_gate(ctx, key, &origin, now, sizeof(*event));
	if (!event)
		return;
	heard = change->new_mac ? frame_behind(change, now) : NULL;
	event->vlan = NA_VLAN_NONE;
	if (heard)
		fill_frame(event, &heard->frame, &heard->facts);
	event->neighbour_ip = origin.address;
	event->has_neighbour = 1;
	event->old_state = neighbour->nud_state;
	event->new_state = change->new_state;
	event->count = change->count;
	fill_mac(event->old_mac, change->old_mac);
	fill_mac(event->new_mac, change->new_mac);
	bpf_ringbuf_submit(event, 0);
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

static __noinline int neighbour_updated(void *ctx, struct neighbour *neighbour, __u64 lladdr, __u32 new_state,
					__u32 flags)
{
	struct arp_change change = { .new_state = new_state };
	struct net_device *dev = neighbour->dev;
	struct na_key key = {};
	unsigned char mac[ARP_MAC_LEN] = {};
	struct na_config *known = na_config_slot();
	__u64 now = bpf_ktime_get_boot_ns();
	__be32 ip = 0;

	if (!known || !dev || dev->addr_len != ARP_MAC_LEN)
		return 0;
	bpf_probe_read_kernel(mac, sizeof(mac), (void *)lladdr);
	change.new_mac = na_mac_bits(mac);
	bpf_core_read(mac, sizeof(mac), &neighbour->ha);
	change.old_mac = na_mac_bits(mac);
	if (change.new_mac == change.old_mac)
		return 0;
	bpf_core_read(&ip, sizeof(ip), &neighbour->primary_key);
	change.ip = bpf_ntohl(ip);
	na_set_place(&key, dev, true);
	if (neighbour->nud_state & NUD_PERMANENT)
		change.rules = 1u << ARP_RULE_STATIC_OVERWRITE;
	else
		judge_binding(known, domain_of_place(&key), flags, now, &change);
	report_change(ctx, ARP_PROBE_NEIGH_UPDATE, neighbour, dev, &key, &change, now);
	return 0;
}

/* arp-trace, where there is no frame: a neighbour is given up. */
static __always_inline void trace_failure(void *ctx, struct net_device *dev, struct na_key key, __be32 ip, __u64 now)
{
	struct na_origin origin = { .dev = dev, .probe = ARP_PROBE_NEIGH_TIMER_HANDLER };
	struct arp_event *event;

	key.rule = ARP_RULE_TRACE;
	key.a = ARP_PROBE_NEIGH_TIMER_HANDLER;
	event = na_gate(ctx, &key, &origin, now, sizeof(*event));
	if (!event)
		return;
	event->vlan = NA_VLAN_NONE;
	event->has_neighbour = 1;
	event->neighbour_ip = ip;
	event->new_state = NUD_FAILED;
	bpf_ringbuf_submit(event, 0);
}

static __noinline int neighbour_failed(void *ctx, struct neighbour *neighbour)
{
	struct arp_change change = { .rules = 1u << ARP_RULE_RESOLUTION_FAILED, .new_state = NUD_FAILED };
	struct na_config *known = na_config_slot();
	struct net_device *dev = neighbour->dev;
	__u64 now = bpf_ktime_get_boot_ns();
	struct na_key key = {};
	__u64 device = 0;
	__be32 ip = 0;

	if (!dev)
		return 0;
	na_set_place(&key, dev, true);
	bpf_core_read(&ip, sizeof(ip), &neighbour->primary_key);
	change.ip = bpf_ntohl(ip);
	bpf_core_read(&device, sizeof(device), &neighbour->dev);
	if (known && is_traced(known, device))
		trace_failure(ctx, dev, key, ip, now);
	change.count = na_count_in_window(ARP_FAILURES, domain_of_place(&key), change.ip, now, FAILURES_NS);
	if (change.count >= na_threshold(ARP_RULE_RESOLUTION_FAILED))
		change.detail = ARP_DETAIL_FAILED_REPEATEDLY;
	report_change(ctx, ARP_PROBE_NEIGH_TIMER_HANDLER, neighbour, dev, &key, &change, now);
	return 0;
}

/* The kernel could not make an entry for the neighbour: the table is full, for all namespaces. */
static __noinline int table_overflowed(void *ctx, struct neigh_table *table, struct net_device *dev, __u64 address)
{
	struct na_origin origin = { .dev = dev, .probe = ARP_PROBE_NEIGH_CREATE, .direction = NA_DIRECTION_NONE };
	struct na_key key = { .rule = ARP_RULE_TABLE_OVERFLOW };
	struct na_config *known = na_config_slot();
	struct arp_event *event;
	__u64 device = 0;

	if (!known)
		return 0;
	/* The hook's second argument. */
	bpf_probe_read_kernel(&device, sizeof(device), ctx + sizeof(device));
	if (!na_left_by_trust(known, 1u << ARP_RULE_TABLE_OVERFLOW, 0, device))
		return 0;
	na_set_place(&key, dev, true);
	event = na_gate(ctx, &key, &origin, bpf_ktime_get_boot_ns(), sizeof(*event));
	if (!event)
		return 0;
	event->vlan = NA_VLAN_NONE;
	event->has_neighbour = 1;
	bpf_probe_read_kernel(&event->neighbour_ip, sizeof(event->neighbour_ip), (void *)address);
	event->table_entries = table->entries.counter;
	event->table_limit = table->gc_thresh3;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
