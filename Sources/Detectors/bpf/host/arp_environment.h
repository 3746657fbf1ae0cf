/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What judging ARP needs of the daemon. */
#ifndef NA_HOST_ARP_ENVIRONMENT_H
#define NA_HOST_ARP_ENVIRONMENT_H

#include "../judge/arp_work.h"
#include "arp_sight.h"
#include "arp_trust.h"

/* There is one generation of the tables. */
struct na_trust_mark *find_mac(__u64 mac, __u32 generation);
struct na_trust_mark *find_address(__u32 ip, __u32 generation);
bool is_binding(__u32 ip, __u64 mac, __u32 generation);

static inline struct arp_heard *arp_heard_slot(void)
{
	return &na_host_at_work->heard[na_host_at_work->sight->cpu % na_host_at_work->cpus];
}

static inline void na_read_command(__u64 *words)
{
	memcpy(words, na_host_at_work->sight->comm, 2 * sizeof(*words));
}

/* What the frame's addresses are to the device, as the script found it. */
static inline void find_addresses(struct arp_work *work)
{
	const struct arp_sight *seen = na_host_at_work->frame;
	__u32 places = seen->places;

	/* The script does not look at VLAN devices: what is theirs is not known. */
	if (work->frame.vlan != NA_VLAN_NONE)
		places = work->has_upper ? ARP_PLACE_UNKNOWN | ARP_PLACE_UNKNOWN << 8 : 0;
	work->facts.sender_place = places;
	work->facts.target_place = places >> 8;
	work->facts.domain = na_mix(work->facts.host, (__u64)seen->domain << 16 | work->frame.vlan);
}

static inline void find_macs(struct arp_work *work)
{
	const struct arp_sight *seen = na_host_at_work->frame;

	work->facts.device_mac = seen->device_mac;
	work->facts.sender_mac_is_ours = (seen->places & ARP_SIGHT_SENDER_IS_OURS) != 0;
	work->facts.destination_is_ours = (seen->places & ARP_SIGHT_DESTINATION_IS_OURS) != 0;
}

#endif
