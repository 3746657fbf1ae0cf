/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading an ARP frame out of an skb. Headers are only ever read inside the linear area. */
#ifndef NA_ARP_FRAME_BPF_H
#define NA_ARP_FRAME_BPF_H

#include "core.h"
#include "arp_event.h"
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
	struct arp_wire arp;
	struct ethernet_wire ethernet;
	__be32 sender_ip;
	__be32 target_ip;
	__u16 vlan;
	bool has_addresses;
};

/* What stands behind up to two VLAN tags in the frame: where, which protocol, which VLAN. */
struct behind_tags {
	__u32 offset;
	__be16 protocol;
	__u16 vlan;
};

/*
 * Follows the tags that begin `behind->offset` bytes into the data. Global, like all rarer ways: the verifier looks at
 * it once, not again on every way that leads here; such functions take the packet as an address.
 */
__noinline int skip_tags(__u64 packet, struct behind_tags *behind)
{
	struct sk_buff *skb = (void *)packet;
	__u32 linear = BPF_CORE_READ(skb, len) - BPF_CORE_READ(skb, data_len);

	if (!behind)
		return 0;
	for (int i = 0; i < 2 && na_is_vlan(behind->protocol); i++) {
		struct {
			__be16 tci;
			__be16 protocol;
		} tag = {};

		if (behind->offset + NA_VLAN_HLEN > linear)
			return 0;
		bpf_probe_read_kernel(&tag, sizeof(tag), BPF_CORE_READ(skb, data) + behind->offset);
		/* The innermost tag names the network that the ARP belongs to. */
		behind->vlan = bpf_ntohs(tag.tci) & NA_VLAN_VID_MASK;
		behind->protocol = tag.protocol;
		behind->offset += NA_VLAN_HLEN;
	}
	return 0;
}

/*
 * Reads the frame whose ARP (or first VLAN tag) begins `offset` bytes into the data. False when it is not ARP, or when
 * its beginning is not in the linear area (only the owner of a tap can make such frames).
 */
static __always_inline bool read_frame(void *ctx, struct sk_buff *skb, struct net_device *dev, __u32 offset,
				       __be16 protocol, struct arp_frame *frame, struct arp_facts *facts)
{
	struct behind_tags behind = { .offset = offset, .protocol = protocol, .vlan = na_offloaded_vlan(skb) };
	__u32 linear = skb->len - skb->data_len, wanted;
	__u16 mac_header = skb->mac_header;

	if (na_is_vlan(protocol))
		skip_tags(na_packet_address(ctx), &behind);
	if (behind.protocol != bpf_htons(NA_ETH_P_ARP) || behind.offset > skb->len)
		return false;
	frame->vlan = behind.vlan;
	facts->length = skb->len - behind.offset;
	wanted = facts->length < sizeof(frame->arp) ? facts->length : sizeof(frame->arp);
	if (behind.offset + wanted > linear)
		return false;
	/* Once more on the very register: 6.1's verifier does not carry a bound over to a 32-bit copy. */
	barrier_var(wanted);
	if (wanted > sizeof(frame->arp))
		return false;
	bpf_probe_read_kernel(&frame->arp, wanted, skb->data + behind.offset);
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
		facts->sender_mac = na_mac_bits(frame->arp.sender_mac);
	}
	if (facts->device_type == NA_ARPHRD_ETHER && mac_header != NA_HEADER_UNSET) {
		bpf_probe_read_kernel(&frame->ethernet, sizeof(frame->ethernet), skb->head + mac_header);
		facts->eth_source = na_mac_bits(frame->ethernet.source);
		facts->has_ethernet = 1;
	}
	return true;
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
