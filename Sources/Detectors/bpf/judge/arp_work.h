/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One ARP frame on its way to a verdict. */
#ifndef NA_ARP_WORK_H
#define NA_ARP_WORK_H

#include "arp_rules.h"
#include "where.h"

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

/*
 * One frame on its way to a verdict. Too large for the stack; each program that judges frames has one per CPU to
 * itself: the kernel does not let a program interrupt itself.
 */
struct arp_work {
	struct arp_facts facts;
	struct arp_verdict verdict;
	struct na_key key;
	__u64 now;
	__u64 device;	   /* its address */
	__u64 addresses;   /* where its second IPv4 address stands; 0: none */
	__u64 mac_address; /* where its MAC stands */
	__u32 rules;	   /* broken, and not excused by trust */
	__u32 places;	   /* what the frame's addresses are to the device's first */
	bool has_upper;
	bool is_traced;
	struct arp_frame frame;
	struct na_key trace; /* of arp-trace */
};

/* The frame that this CPU received last: what changes the table a moment later was it. */
struct arp_heard {
	__u64 at_ns;
	__u64 sender_mac;
	__u32 sender_ip;
	__u32 effect; /* enum arp_detail of a change that it brings */
	struct arp_frame frame;
	struct arp_facts facts;
};

/* What the header says, in host byte order. */
static __always_inline void take_facts(struct arp_work *work)
{
	struct arp_frame *frame = &work->frame;
	struct arp_facts *facts = &work->facts;

	facts->hardware_type = bpf_ntohs(frame->arp.hardware_type);
	facts->protocol_type = bpf_ntohs(frame->arp.protocol_type);
	facts->hardware_length = frame->arp.hardware_length;
	facts->protocol_length = frame->arp.protocol_length;
	facts->operation = bpf_ntohs(frame->arp.operation);
	frame->has_addresses =
		facts->length >= ARP_PACKET_LEN && facts->hardware_length == ARP_MAC_LEN && facts->protocol_length == 4;
	frame->sender_ip = 0;
	frame->target_ip = 0;
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
