/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The predicates of the arp detector that look at one frame's header alone.
 *
 * Plain inline C over plain values: the BPF program calls them with what it read from the packet, the unit tests call
 * them with tables. Each returns the sub-case (enum arp_detail), or ARP_DETAIL_NONE when the frame is fine.
 */
#ifndef NA_ARP_RULES_H
#define NA_ARP_RULES_H

#include "arp_facts.h"

#define ARP_MAC_BROADCAST 0xffffffffffffULL
#define ARP_MAC_GROUP_BIT 0x010000000000ULL

#define ARP_HEADER_LEN 8  /* fixed part: types, lengths, operation (RFC 826) */
#define ARP_PACKET_LEN 28 /* with two Ethernet and two IPv4 addresses */
#define ARP_OP_REQUEST 1
#define ARP_OP_REPLY 2
#define ARP_OP_RARP_REQUEST 3
#define ARP_OP_RARP_REPLY 4
#define ARP_OP_IN_REQUEST 8
#define ARP_OP_IN_REPLY 9
#define ARP_OP_NAK 10
#define ARP_HRD_ETHER 1
#define ARP_HRD_IEEE802 6
#define ARP_HRD_FDDI 774
#define ARP_PRO_IP 0x0800

/* True on devices whose ARP is RFC 826 over 48-bit addresses; AX.25, FireWire and others have formats of their own. */
ARP_INLINE int arp_is_ethernet_like(unsigned short device_type)
{
	return device_type == ARP_HRD_ETHER || device_type == ARP_HRD_IEEE802 || device_type == ARP_HRD_FDDI;
}

/* arp-malformed: RFC 826, and what arp_rcv() and arp_process() refuse. */
ARP_INLINE unsigned int arp_malformed(const struct arp_facts *f)
{
	if (f->length < ARP_HEADER_LEN)
		return ARP_DETAIL_SHORT;
	/* arp_process(): Ethernet, token ring, FDDI and 802.3 devices take both hardware types. */
	if (f->hardware_type != ARP_HRD_ETHER && f->hardware_type != ARP_HRD_IEEE802)
		return ARP_DETAIL_HARDWARE_TYPE;
	if (f->protocol_type != ARP_PRO_IP)
		return ARP_DETAIL_PROTOCOL_TYPE;
	if (f->hardware_length != f->device_address_length)
		return ARP_DETAIL_HARDWARE_LENGTH;
	if (f->protocol_length != 4)
		return ARP_DETAIL_PROTOCOL_LENGTH;
	if (f->length < ARP_HEADER_LEN + 2u * f->hardware_length + 2u * f->protocol_length)
		return ARP_DETAIL_SHORT;
	switch (f->operation) {
	case ARP_OP_REQUEST:
	case ARP_OP_REPLY:
		return ARP_DETAIL_NONE;
	case ARP_OP_RARP_REQUEST:
	case ARP_OP_RARP_REPLY:
	case ARP_OP_IN_REQUEST:
	case ARP_OP_IN_REPLY:
	case ARP_OP_NAK:
		return ARP_DETAIL_KNOWN_OPERATION;
	default:
		return ARP_DETAIL_OPERATION;
	}
}

/*
 * True for Microsoft NLB's group addresses, which really answer for a cluster: 03:bf:xx:xx:xx:xx in multicast mode,
 * 01:00:5e:7f:xx:xx with IGMP.
 */
ARP_INLINE int arp_is_nlb_multicast(unsigned long long mac)
{
	return mac >> 32 == 0x03bf || mac >> 16 == 0x01005e7f;
}

/*
 * True for the MACs that virtual routers share and hand over: VRRP and CARP (00:00:5e:00:01, RFC 5798 7.3), HSRP
 * (00:00:0c:07:ac and 00:00:0c:9f:f), GLBP (00:07:b4).
 */
ARP_INLINE int arp_is_virtual_router_mac(unsigned long long mac)
{
	return mac >> 8 == 0x00005e0001 || mac >> 8 == 0x00000c07ac || mac >> 12 == 0x00000c9ff ||
	       mac >> 24 == 0x0007b4;
}

/*
 * True when Microsoft NLB explains the difference: in multicast mode the cluster's MAC is 03:bf:..., in unicast mode
 * it is 02:bf:w:x:y:z and member h (1 to 32) masks its frames' source as 02:h:w:x:y:z.
 */
ARP_INLINE int arp_is_nlb_pair(unsigned long long eth_source, unsigned long long sender_mac)
{
	unsigned int source_head = eth_source >> 32;

	if (arp_is_nlb_multicast(sender_mac))
		return 1;
	return sender_mac >> 32 == 0x02bf && source_head >= 0x0201 && source_head <= 0x0220 &&
	       (unsigned int)sender_mac == (unsigned int)eth_source;
}

/* arp-bad-sender-mac: no station has a zero, broadcast or group address (RFC 1812, 3.3.2). */
ARP_INLINE unsigned int arp_bad_sender_mac(const struct arp_facts *f)
{
	if (f->sender_mac == 0)
		return ARP_DETAIL_MAC_ZERO;
	if (f->sender_mac == ARP_MAC_BROADCAST)
		return ARP_DETAIL_MAC_BROADCAST;
	if (f->sender_mac & ARP_MAC_GROUP_BIT && !arp_is_nlb_multicast(f->sender_mac))
		return ARP_DETAIL_MAC_MULTICAST;
	if (f->has_ethernet && (f->eth_source == 0 || f->eth_source & ARP_MAC_GROUP_BIT) &&
	    !arp_is_nlb_multicast(f->eth_source))
		return ARP_DETAIL_ETHERNET_SOURCE;
	return ARP_DETAIL_NONE;
}

/* arp-bad-sender-ip: addresses that no host may have (RFC 1122, 3.2.1.3); 0.0.0.0 is a probe's sender, in requests. */
ARP_INLINE unsigned int arp_bad_sender_ip(const struct arp_facts *f)
{
	unsigned int ip = f->sender_ip;

	if (ip == 0)
		return f->operation == ARP_OP_REPLY ? ARP_DETAIL_IP_ZERO_IN_REPLY : ARP_DETAIL_NONE;
	if (ip == 0xffffffff)
		return ARP_DETAIL_IP_BROADCAST;
	if (ip >> 24 == 0)
		return ARP_DETAIL_IP_THIS_NETWORK;
	if (ip >> 24 == 127)
		return ARP_DETAIL_IP_LOOPBACK;
	if (ip >> 28 == 0xe)
		return ARP_DETAIL_IP_MULTICAST;
	if (ip >> 28 == 0xf)
		return ARP_DETAIL_IP_RESERVED;
	if (f->sender_place & ARP_PLACE_SUBNET_BROADCAST && !(f->sender_place & ARP_PLACE_OURS))
		return ARP_DETAIL_IP_SUBNET_BROADCAST;
	return ARP_DETAIL_NONE;
}

/* True for a gratuitous ARP: it tells an address, and asks for none (RFC 5227 calls it an announcement). */
ARP_INLINE int arp_is_gratuitous(const struct arp_facts *f)
{
	return f->sender_ip != 0 && f->sender_ip == f->target_ip;
}

/* True for a gratuitous ARP that is sent to all, as announcements are; one that is sent to one station is aimed at it.
 */
ARP_INLINE int arp_is_announcement(const struct arp_facts *f)
{
	return arp_is_gratuitous(f) && (!f->has_ethernet || f->eth_destination & ARP_MAC_GROUP_BIT);
}

/* arp-address-conflict: another station has, or is about to take, an address of ours. */
ARP_INLINE unsigned int arp_address_conflict(const struct arp_facts *f)
{
	if (f->sender_mac_is_ours)
		return ARP_DETAIL_NONE;
	if (f->sender_ip)
		return f->sender_place & ARP_PLACE_OURS ? ARP_DETAIL_CONFLICT_CLAIM : ARP_DETAIL_NONE;
	return f->operation == ARP_OP_REQUEST && f->target_place & ARP_PLACE_OURS ? ARP_DETAIL_CONFLICT_PROBE
										  : ARP_DETAIL_NONE;
}

/* arp-sender-mismatch: the frame's source is not who the ARP header says; virtual routers and NLB do so by design. */
ARP_INLINE int arp_sender_mismatch(const struct arp_facts *f)
{
	return f->has_ethernet && f->eth_source != f->sender_mac && !f->is_virtual &&
	       !arp_is_virtual_router_mac(f->sender_mac) && !arp_is_virtual_router_mac(f->eth_source) &&
	       !arp_is_nlb_pair(f->eth_source, f->sender_mac);
}

/* arp-target-mismatch: a reply that is sent to one station and meant for another. */
ARP_INLINE int arp_target_mismatch(const struct arp_facts *f)
{
	return f->has_ethernet && f->operation == ARP_OP_REPLY && !(f->eth_destination & ARP_MAC_GROUP_BIT) &&
	       f->target_mac != 0 && f->eth_destination != f->target_mac && !arp_is_virtual_router_mac(f->target_mac) &&
	       !arp_is_nlb_pair(f->eth_destination, f->target_mac);
}

/*
 * arp-bogon-sender: an address of no subnet of ours (169.254.0.0/16 apart, which every link has, RFC 3927). Without a
 * subnet wider than one address nothing can be said.
 */
ARP_INLINE int arp_bogon_sender(const struct arp_facts *f)
{
	const unsigned int at_home = ARP_PLACE_OURS | ARP_PLACE_ON_LINK | ARP_PLACE_UNKNOWN;

	return f->sender_ip != 0 && f->sender_place & ARP_PLACE_HAS_SUBNET && !(f->sender_place & at_home) &&
	       f->sender_ip >> 16 != 0xa9fe;
}

/*
 * arp-bad-target: asks for, or answers to, an address that no host may have; arp_process() drops the first two. Who
 * answers a probe (RFC 5227) answers to 0.0.0.0.
 */
ARP_INLINE unsigned int arp_bad_target(const struct arp_facts *f)
{
	unsigned int ip = f->target_ip;

	if (ip >> 24 == 127)
		return ARP_DETAIL_IP_LOOPBACK;
	if (ip >> 28 == 0xe)
		return ARP_DETAIL_IP_MULTICAST;
	if (ip == 0)
		return f->operation == ARP_OP_REQUEST ? ARP_DETAIL_IP_ZERO : ARP_DETAIL_NONE;
	return ip == 0xffffffff ? ARP_DETAIL_IP_BROADCAST : ARP_DETAIL_NONE;
}

/*
 * arp-odd-delivery: a reply with an answer for one, sent to all (RFC 5227, 2.6; hosts with a link-local address must do
 * so, RFC 3927, 2.5), or an answer to us that was sent to another station.
 */
ARP_INLINE unsigned int arp_odd_delivery(const struct arp_facts *f)
{
	if (!f->has_ethernet || f->operation != ARP_OP_REPLY || arp_is_gratuitous(f))
		return ARP_DETAIL_NONE;
	if (f->eth_destination & ARP_MAC_GROUP_BIT)
		return f->sender_ip >> 16 == 0xa9fe || arp_is_nlb_multicast(f->eth_destination)
			       ? ARP_DETAIL_NONE
			       : ARP_DETAIL_DELIVERED_TO_ALL;
	if (f->target_place & ARP_PLACE_OURS && !f->destination_is_ours)
		return ARP_DETAIL_DELIVERED_TO_ANOTHER;
	return ARP_DETAIL_NONE;
}

/* arp-unicast-request: Linux itself refreshes a neighbour so; off by default. */
ARP_INLINE int arp_unicast_request(const struct arp_facts *f)
{
	return f->has_ethernet && f->operation == ARP_OP_REQUEST && f->eth_destination == f->device_mac;
}

/*
 * arp-unsolicited-reply: an answer to us that nobody asked for. What was asked before the daemon started is not known:
 * the caller says that it was.
 */
ARP_INLINE int arp_unsolicited_reply(const struct arp_facts *f)
{
	int is_for_us = f->destination_is_ours || f->eth_destination & ARP_MAC_GROUP_BIT;

	return f->operation == ARP_OP_REPLY && f->target_place & ARP_PLACE_OURS && is_for_us && !arp_is_gratuitous(f) &&
	       !f->was_asked;
}

/*
 * arp-local-spoof: a local program claims an address that no interface of its has. Load balancers and proxy-ARP daemons
 * do so by design; what they do differs from an attack in that they speak for themselves, and that nobody else was
 * heard to have the address.
 */
ARP_INLINE int arp_local_spoof(const struct arp_facts *f, unsigned int *detail)
{
	if (!f->sender_ip || f->sender_place & (ARP_PLACE_OURS | ARP_PLACE_UNKNOWN))
		return 0;
	*detail = f->sender_mac_is_ours && f->eth_source == f->sender_mac && !f->was_known &&
				  (arp_is_gratuitous(f) || (f->operation == ARP_OP_REPLY && f->was_asked))
			  ? ARP_DETAIL_SPOOF_ANNOUNCED
			  : ARP_DETAIL_NONE;
	return 1;
}

/* Frames that break one of these teach nothing: what they claim is not remembered, nor judged any further. */
#define ARP_RULES_FORGED                                                                              \
	(1u << ARP_RULE_MALFORMED | 1u << ARP_RULE_ADDRESS_CONFLICT | 1u << ARP_RULE_BAD_SENDER_MAC | \
	 1u << ARP_RULE_BAD_SENDER_IP)

/* The rules that a received frame breaks by what is in its header. */
ARP_INLINE void arp_judge_received(const struct arp_facts *f, struct arp_verdict *verdict)
{
	unsigned int detail;

	if (f->is_noarp)
		return arp_break(verdict, ARP_RULE_ON_NOARP_DEVICE, ARP_DETAIL_NONE);
	detail = arp_malformed(f);
	if (detail)
		return arp_break(verdict, ARP_RULE_MALFORMED, detail);
	detail = arp_address_conflict(f);
	if (detail)
		arp_break(verdict, ARP_RULE_ADDRESS_CONFLICT, detail);
	detail = arp_bad_sender_mac(f);
	if (detail)
		arp_break(verdict, ARP_RULE_BAD_SENDER_MAC, detail);
	detail = arp_bad_sender_ip(f);
	if (detail)
		arp_break(verdict, ARP_RULE_BAD_SENDER_IP, detail);
	if (arp_sender_mismatch(f))
		arp_break(verdict, ARP_RULE_SENDER_MISMATCH, ARP_DETAIL_NONE);
	if (arp_target_mismatch(f))
		arp_break(verdict, ARP_RULE_TARGET_MISMATCH, ARP_DETAIL_NONE);
	if (arp_unicast_request(f))
		arp_break(verdict, ARP_RULE_UNICAST_REQUEST, ARP_DETAIL_NONE);
	detail = arp_bad_target(f);
	if (detail)
		arp_break(verdict, ARP_RULE_BAD_TARGET, detail);
	detail = arp_odd_delivery(f);
	if (detail)
		arp_break(verdict, ARP_RULE_ODD_DELIVERY, detail);
	if (arp_bogon_sender(f) && !(verdict->rules & 1u << ARP_RULE_BAD_SENDER_IP))
		arp_break(verdict, ARP_RULE_BOGON_SENDER,
			  f->target_place & ARP_PLACE_OURS ? ARP_DETAIL_BOGON_ASKS_US : ARP_DETAIL_NONE);
}

/* The rules that a frame of a local process breaks; malformed ones are the receivers' matter. */
ARP_INLINE void arp_judge_sent(const struct arp_facts *f, struct arp_verdict *verdict)
{
	unsigned int detail = ARP_DETAIL_NONE;

	if (arp_malformed(f))
		return;
	if (arp_local_spoof(f, &detail))
		arp_break(verdict, ARP_RULE_LOCAL_SPOOF, detail);
	if (arp_sender_mismatch(f))
		arp_break(verdict, ARP_RULE_SENDER_MISMATCH, ARP_DETAIL_NONE);
	if (arp_target_mismatch(f))
		arp_break(verdict, ARP_RULE_TARGET_MISMATCH, ARP_DETAIL_NONE);
}

#endif
