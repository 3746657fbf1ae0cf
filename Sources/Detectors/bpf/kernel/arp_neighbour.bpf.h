/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel's neighbour table tells: changed bindings, neighbours that do not answer, a table that is full. */
#ifndef NA_ARP_NEIGHBOUR_BPF_H
#define NA_ARP_NEIGHBOUR_BPF_H

#include "arp_report.bpf.h"
#include "judge/arp_binding.h"

/* REACHABLE | STALE | DELAY | PROBE: learned and valid. NOARP is nobody's binding. */
#define NUD_LEARNED 0x1e
#define NUD_FAILED 0x20
#define NUD_PERMANENT 0x80
/* NEIGH_UPDATE_F_ADMIN is bit 31 in older kernels and bit 7 in newer ones; a macro, so BTF cannot tell which. */
#define NEIGH_UPDATE_ADMIN 0x80000080

static __always_inline void report_change(void *ctx, __u32 probe, struct neighbour *neighbour, struct net_device *dev,
					  struct na_key *key, const struct arp_change *change, __u64 now)
{
	struct na_origin origin = { .dev = dev, .probe = probe, .direction = NA_DIRECTION_NONE };
	struct na_config *known = na_config_slot();
	struct arp_event *event;
	__u64 device = 0;

	bpf_core_read(&device, sizeof(device), &neighbour->dev);
	if (!known || !settle_change(known, change, device, key))
		return;
	origin.address = bpf_htonl(change->ip);
	event = na_gate(ctx, key, &origin, now, sizeof(*event));
	if (!event)
		return;
	fill_change(event, change, neighbour->nud_state, now);
	bpf_ringbuf_submit(event, 0);
}

static __noinline int neighbour_updated(void *ctx, struct neighbour *neighbour, __u64 lladdr, __u32 new_state,
					__u32 flags)
{
	struct arp_change change = { .new_state = new_state };
	struct net_device *dev = neighbour->dev;
	struct na_key key = {};
	unsigned char mac[ARP_MAC_LEN] = {};
	struct na_config *known = na_config_in_force(ARP_PROBE_NEIGH_UPDATE);
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
	struct na_config *known = na_config_in_force(ARP_PROBE_NEIGH_TIMER_HANDLER);
	struct net_device *dev = neighbour->dev;
	__u64 now = bpf_ktime_get_boot_ns();
	struct na_key key = {};
	__u64 device = 0;
	__be32 ip = 0;

	if (!known || !dev)
		return 0;
	na_set_place(&key, dev, true);
	bpf_core_read(&ip, sizeof(ip), &neighbour->primary_key);
	change.ip = bpf_ntohl(ip);
	bpf_core_read(&device, sizeof(device), &neighbour->dev);
	if (is_traced(known, device))
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
	struct na_config *known = na_config_in_force(ARP_PROBE_NEIGH_CREATE);
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
