/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading an ARP frame out of an skb. Headers are only ever read inside the linear area. */
#ifndef NA_ARP_FRAME_BPF_H
#define NA_ARP_FRAME_BPF_H

#include "addresses.bpf.h"
#include "judge/arp_work.h"

enum arp_worker {
	ARP_WORKER_RECEIVED,
	ARP_WORKER_SENT,
	ARP_WORKER_DROPPED,
	ARP_WORKER_COUNT,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ARP_WORKER_COUNT);
	__type(key, __u32);
	__type(value, struct arp_work);
} works SEC(".maps");

static __always_inline struct arp_work *begin_work(__u32 worker)
{
	struct arp_work *work = bpf_map_lookup_elem(&works, &worker);

	/* All but the frame, which is written before it is read. */
	if (work)
		__builtin_memset(work, 0, __builtin_offsetof(struct arp_work, frame));
	return work;
}

/* What stands behind up to two VLAN tags in the frame: where (from head), which protocol, which VLAN. */
struct behind_tags {
	__u32 offset;
	__u16 vlan;
	__be16 protocol;
};

/*
 * Follows the tags that begin at `behind->offset`. Global, like all rarer ways: the verifier looks at it once, not
 * again on every way that leads here; such functions take the packet as an address.
 */
__noinline int skip_tags(__u64 packet, struct behind_tags *behind)
{
	struct sk_buff *skb = (void *)packet;
	__u32 linear_end = BPF_CORE_READ(skb, tail);

	if (!behind)
		return 0;
	for (int i = 0; i < 2 && na_is_vlan(behind->protocol); i++) {
		struct {
			__be16 tci;
			__be16 protocol;
		} tag = {};

		if (behind->offset + NA_VLAN_HLEN > linear_end)
			return 0;
		bpf_probe_read_kernel(&tag, sizeof(tag), BPF_CORE_READ(skb, head) + behind->offset);
		/* The innermost tag names the network that the ARP belongs to. */
		behind->vlan = na_vlan_id(bpf_ntohs(tag.tci));
		behind->protocol = tag.protocol;
		behind->offset += NA_VLAN_HLEN;
	}
	return 0;
}

/*
 * Copies a frame that is short, tagged, or of a device without Ethernet headers. False when it is not ARP, or when its
 * beginning is not in the linear area (only the owner of a tap can make such frames).
 */
__noinline int copy_odd_frame(__u64 packet, struct arp_work *work)
{
	struct sk_buff *skb = (void *)packet;
	__u32 linear_end = BPF_CORE_READ(skb, tail), end = linear_end + BPF_CORE_READ(skb, data_len), wanted;
	struct behind_tags behind = {};

	if (!work)
		return 0;
	behind.vlan = work->frame.vlan;
	__builtin_memset(&work->frame, 0, sizeof(work->frame));
	behind.protocol = BPF_CORE_READ(skb, protocol);
	behind.offset = na_data_offset(skb);
	if (work->facts.has_ethernet) {
		behind.offset = BPF_CORE_READ(skb, mac_header) + NA_ETH_HLEN;
		if (behind.offset > linear_end)
			return 0;
		bpf_probe_read_kernel(&work->frame.ethernet, NA_ETH_HLEN,
				      BPF_CORE_READ(skb, head) + behind.offset - NA_ETH_HLEN);
	}
	if (na_is_vlan(behind.protocol))
		skip_tags(packet, &behind);
	if (behind.protocol != bpf_htons(NA_ETH_P_ARP) || behind.offset > end)
		return 0;
	work->frame.vlan = behind.vlan;
	work->facts.length = end - behind.offset;
	wanted = work->facts.length < sizeof(work->frame.arp) ? work->facts.length : sizeof(work->frame.arp);
	if (behind.offset + wanted > linear_end)
		return 0;
	/* Once more on the very register: 6.1's verifier does not carry a bound over to a 32-bit copy. */
	barrier_var(wanted);
	if (wanted > sizeof(work->frame.arp))
		return 0;
	bpf_probe_read_kernel(&work->frame.arp, wanted, BPF_CORE_READ(skb, head) + behind.offset);
	return 1;
}

/* Copies the frame's ARP, and its Ethernet header where it has one: with one call, where nothing is odd about it. */
static __always_inline bool copy_frame(void *ctx, struct sk_buff *skb, struct net_device *dev, struct arp_work *work)
{
	__u32 linear_end = skb->tail, start = skb->mac_header;

	work->frame.vlan = na_offloaded_vlan(skb);
	work->facts.has_ethernet = dev->type == NA_ARPHRD_ETHER && start != NA_HEADER_UNSET;
	start += NA_ETH_HLEN;
	if (!work->facts.has_ethernet || skb->protocol != bpf_htons(NA_ETH_P_ARP) ||
	    start + sizeof(work->frame.arp) > linear_end)
		return copy_odd_frame(na_packet_address(ctx), work);
	work->facts.length = linear_end + skb->data_len - start;
	bpf_probe_read_kernel(&work->frame.ethernet, NA_ETH_HLEN + sizeof(work->frame.arp),
			      skb->head + start - NA_ETH_HLEN);
	return true;
}

/* What the program's own argument tells without a helper's help: where the frame was seen. */
static __always_inline void take_place(struct net_device *dev, struct arp_work *work)
{
	work->facts.device_type = dev->type;
	work->facts.device_address_length = dev->addr_len;
	work->mac_address = (__u64)dev->dev_addr;
	work->has_upper = !na_has_no_upper(dev);
	na_set_place(&work->key, dev, true);
	work->facts.host = work->key.netns_cookie ? work->key.netns_cookie : work->key.netns;
}

/* And what its addresses are to the first of the device's own. */
static __always_inline void take_first_address(struct net_device *dev, struct arp_work *work)
{
	struct in_device *in_dev = dev->ip_ptr;
	struct in_ifaddr *first = in_dev ? in_dev->ifa_list : NULL;
	__be32 sender = *(__be32 *)work->frame.arp.sender_ip, target = *(__be32 *)work->frame.arp.target_ip;

	if (!first)
		return;
	work->places = na_relation_to_first(sender, first) | na_relation_to_first(target, first) << NA_SECOND;
	work->addresses = (__u64)first->ifa_next;
}

/* What its addresses are to the place where a frame was seen. */
static __always_inline void find_addresses(struct arp_work *work)
{
	struct arp_frame *frame = &work->frame;
	struct arp_facts *facts = &work->facts;
	__u32 places = 0, domain = work->key.ifindex;

	/* A tagged frame is for the VLAN of its id above the device, an untagged one for everything else. */
	if (frame->vlan == NA_VLAN_NONE) {
		places = work->places;
		if (work->addresses)
			places |= na_find_addresses(work->addresses, frame->sender_ip, frame->target_ip);
	}
	if (work->has_upper) {
		domain = na_domain_of(work->device);
		places |= na_find_stacked_addresses(work->device, frame->sender_ip, frame->target_ip, frame->vlan);
	}
	facts->sender_place = places;
	facts->target_place = places >> NA_SECOND;
	facts->domain = na_mix(facts->host, (__u64)domain << 16 | frame->vlan);
}

static __always_inline bool is_our_mac(const struct arp_work *work, __u64 mac)
{
	return mac == work->facts.device_mac || (work->has_upper && na_is_stacked_mac(work->device, mac));
}

/* The MACs of a frame that may be the host's own; asked for only where it matters. */
static __always_inline void find_macs(struct arp_work *work)
{
	struct arp_facts *facts = &work->facts;
	__u32 concerns_us = (facts->sender_place | facts->target_place) & ARP_PLACE_OURS;
	bool is_to_one = facts->operation == ARP_OP_REQUEST && !(facts->eth_destination & ARP_MAC_GROUP_BIT);
	unsigned char mac[ARP_MAC_LEN] = {};

	if (!concerns_us && !facts->is_sent && !is_to_one)
		return;
	bpf_probe_read_kernel(mac, sizeof(mac), (void *)work->mac_address);
	facts->device_mac = na_mac_bits(mac);
	facts->sender_mac_is_ours = is_our_mac(work, facts->sender_mac);
	facts->destination_is_ours = is_our_mac(work, facts->eth_destination);
}

#endif
