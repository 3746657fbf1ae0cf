/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading an ARP frame out of an skb. Headers are only ever read inside the linear area. */
#ifndef NA_ARP_FRAME_BPF_H
#define NA_ARP_FRAME_BPF_H

#include "addresses.bpf.h"
#include "arp_rules.h"

struct arp_wire {
	__be16 hardware_type;
	__be16 protocol_type;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_mac[ARP_MAC_LEN];
	__u8 sender_ip[4];
	__u8 target_mac[ARP_MAC_LEN];
	__u8 target_ip[4];
};

struct ethernet_wire {
	__u8 destination[ARP_MAC_LEN];
	__u8 source[ARP_MAC_LEN];
	__be16 type;
};

/* One frame as far as it could be read. */
struct arp_frame {
	struct ethernet_wire ethernet;
	struct arp_wire arp; /* right behind it: one copy takes both */
	__be32 sender_ip;
	__be32 target_ip;
	__u16 vlan;
	bool has_addresses;
};

/* What stands behind up to two VLAN tags in the frame: where (from head), which protocol, which VLAN. */
struct behind_tags {
	__u32 offset;
	__u16 vlan;
	__be16 protocol;
};

/*
 * Follows the tags that begin at `behind->offset`. Global, like all rarer ways: the verifier looks at it once, not again
 * on every way that leads here; such functions take the packet as an address.
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
		behind->vlan = bpf_ntohs(tag.tci) & NA_VLAN_VID_MASK;
		behind->protocol = tag.protocol;
		behind->offset += NA_VLAN_HLEN;
	}
	return 0;
}

/*
 * Copies the frame's ARP, and its Ethernet header where it has one. False when it is not ARP, or when its beginning is
 * not in the linear area (only the owner of a tap can make such frames).
 */
static __always_inline bool copy_frame(void *ctx, struct sk_buff *skb, struct net_device *dev, struct arp_frame *frame,
				       struct arp_facts *facts)
{
	struct behind_tags behind = { .vlan = na_offloaded_vlan(skb), .protocol = skb->protocol };
	__u32 linear_end = skb->tail, start, wanted;
	__u16 mac_header = skb->mac_header;

	if (dev->type == NA_ARPHRD_ETHER && mac_header != NA_HEADER_UNSET) {
		facts->has_ethernet = 1;
		behind.offset = mac_header + NA_ETH_HLEN;
		if (na_is_vlan(behind.protocol)) {
			if (behind.offset > linear_end)
				return false;
			bpf_probe_read_kernel(&frame->ethernet, NA_ETH_HLEN, skb->head + mac_header);
			skip_tags(na_packet_address(ctx), &behind);
		}
	} else {
		behind.offset = na_data_offset(skb);
	}
	if (behind.protocol != bpf_htons(NA_ETH_P_ARP) || behind.offset > linear_end + skb->data_len)
		return false;
	frame->vlan = behind.vlan;
	facts->length = linear_end + skb->data_len - behind.offset;
	wanted = facts->length < sizeof(frame->arp) ? facts->length : sizeof(frame->arp);
	if (behind.offset + wanted > linear_end)
		return false;
	start = behind.offset;
	if (facts->has_ethernet && start == mac_header + NA_ETH_HLEN && wanted == sizeof(frame->arp)) {
		bpf_probe_read_kernel(&frame->ethernet, NA_ETH_HLEN + sizeof(frame->arp), skb->head + mac_header);
		return true;
	}
	if (facts->has_ethernet && start == mac_header + NA_ETH_HLEN)
		bpf_probe_read_kernel(&frame->ethernet, NA_ETH_HLEN, skb->head + mac_header);
	/* Once more on the very register: 6.1's verifier does not carry a bound over to a 32-bit copy. */
	barrier_var(wanted);
	if (wanted > sizeof(frame->arp))
		return false;
	bpf_probe_read_kernel(&frame->arp, wanted, skb->head + start);
	return true;
}

/* What the header says, in host byte order. */
static __always_inline void take_facts(struct net_device *dev, struct arp_frame *frame, struct arp_facts *facts)
{
	facts->device_type = dev->type;
	facts->device_address_length = dev->addr_len;
	facts->hardware_type = bpf_ntohs(frame->arp.hardware_type);
	facts->protocol_type = bpf_ntohs(frame->arp.protocol_type);
	facts->hardware_length = frame->arp.hardware_length;
	facts->protocol_length = frame->arp.protocol_length;
	facts->operation = bpf_ntohs(frame->arp.operation);
	frame->has_addresses =
		facts->length >= ARP_PACKET_LEN && facts->hardware_length == ARP_MAC_LEN && facts->protocol_length == 4;
	if (frame->has_addresses) {
		__builtin_memcpy(&frame->sender_ip, frame->arp.sender_ip, 4);
		__builtin_memcpy(&frame->target_ip, frame->arp.target_ip, 4);
		facts->sender_ip = bpf_ntohl(frame->sender_ip);
		facts->target_ip = bpf_ntohl(frame->target_ip);
		facts->sender_mac = na_mac_bits(frame->arp.sender_mac);
		facts->target_mac = na_mac_bits(frame->arp.target_mac);
	}
	if (facts->has_ethernet) {
		facts->eth_source = na_mac_bits(frame->ethernet.source);
		facts->eth_destination = na_mac_bits(frame->ethernet.destination);
	}
}

/* Reads a frame; false when there is none to judge. */
static __always_inline bool read_frame(void *ctx, struct sk_buff *skb, struct net_device *dev, struct arp_frame *frame,
				       struct arp_facts *facts)
{
	if (!copy_frame(ctx, skb, dev, frame, facts))
		return false;
	take_facts(dev, frame, facts);
	return true;
}

/* Where the frame was seen, and what its addresses are to that place. */
static __always_inline void find_place(struct sk_buff *skb, struct net_device *dev, const struct arp_frame *frame,
				       struct arp_facts *facts)
{
	struct net *net = dev->nd_net.net;
	__u32 domain = dev->ifindex, places;

	facts->host = net->ns.inum;
	if (bpf_core_field_exists(net->net_cookie))
		facts->host = net->net_cookie;
	if (!na_has_no_upper(dev))
		domain = na_domain_of(na_device_address(skb));
	facts->domain = na_mix(facts->host, (__u64)domain << 16 | frame->vlan);
	facts->device_mac = na_device_mac(dev);
	places = na_find_our_addresses(skb, dev, frame->sender_ip, frame->target_ip, frame->vlan);
	facts->sender_place = places;
	facts->target_place = places >> NA_SECOND;
}

static __always_inline void fill_frame(struct arp_event *event, const struct arp_frame *frame,
				       const struct arp_facts *facts)
{
	event->length = facts->length;
	event->hardware_type = facts->hardware_type;
	event->protocol_type = facts->protocol_type;
	event->hardware_length = facts->hardware_length;
	event->protocol_length = facts->protocol_length;
	event->operation = facts->operation;
	event->vlan = frame->vlan;
	event->has_header = facts->length >= ARP_HEADER_LEN;
	event->has_addresses = frame->has_addresses;
	event->has_ethernet = facts->has_ethernet;
	if (facts->has_ethernet) {
		__builtin_memcpy(event->eth_destination, frame->ethernet.destination, ARP_MAC_LEN);
		__builtin_memcpy(event->eth_source, frame->ethernet.source, ARP_MAC_LEN);
	}
	if (frame->has_addresses) {
		event->sender_ip = frame->sender_ip;
		event->target_ip = frame->target_ip;
		__builtin_memcpy(event->sender_mac, frame->arp.sender_mac, ARP_MAC_LEN);
		__builtin_memcpy(event->target_mac, frame->arp.target_mac, ARP_MAC_LEN);
	}
}

#endif
