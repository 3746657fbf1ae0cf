/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading a packet's GSO metadata and headers. Headers are only ever read inside the linear area. */
#ifndef NA_GSO_PACKET_H
#define NA_GSO_PACKET_H

#include "tun_gso_judge.h"
#include "where.h"

#ifdef __bpf__
#include "../kernel/trust.bpf.h"
#endif

#define GSO_EXTENSIONS_MAX 4 /* IPv6 extension headers followed before the transport protocol counts as unknown */
#define IPV4_HLEN 20
#define IPV6_HLEN 40
#define TCP_HLEN 20
#define UDP_HLEN 8
#define TCP_DATA_OFFSET 12   /* of the byte whose upper half is the TCP header's length in words */
#define IPV4_FRAGMENT 0x1fff /* offset part of frag_off */

/* What is known of a packet besides the facts it is judged by. */
struct gso_packet {
	__u64 head; /* skb->head */
	__u32 end;  /* offset from head, were all of the packet linear */
	__u16 mac_header;
	__be16 protocol; /* the frame's type */
	__u32 is_tunnel;
	__u16 is_ethernet;
	__u16 has_addresses;
	__u8 source[16];
	__u8 destination[16];
};

/* 0 when `size` bytes at `offset` from head were copied. */
#ifdef __bpf__
static __always_inline long na_read_packet(void *to, __u32 size, const struct gso_packet *packet, __u32 offset)
{
	return bpf_probe_read_kernel(to, size, (void *)packet->head + offset);
}
#else
static long na_read_packet(void *to, __u32 size, const struct gso_packet *packet, __u32 offset);
#endif

/* Copies `size` bytes at `offset` from head; false if they are not all linear. */
static __always_inline bool gso_copy(const struct gso_packet *packet, const struct gso_facts *facts, __u32 offset,
				     void *to, __u32 size)
{
	if (offset + size > facts->linear_end)
		return false;
	return na_read_packet(to, size, packet, offset) == 0;
}

struct ipv4_wire {
	__u8 version_length;
	__u8 tos;
	__be16 total;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__u8 source[4];
	__u8 destination[4];
};

struct ipv6_wire {
	__u8 version[4];
	__be16 payload;
	__u8 next;
	__u8 hops;
	__u8 source[16];
	__u8 destination[16];
};

/* The longer IP header and TCP's: one copy takes all that most packets have. */
union gso_headers {
	struct ipv4_wire ipv4;
	struct ipv6_wire ipv6;
	__u8 bytes[IPV6_HLEN + TCP_HLEN];
};

static __always_inline void gso_take_ipv4(const struct ipv4_wire *ip, struct gso_packet *packet,
					  struct gso_facts *facts)
{
	__u32 length = (ip->version_length & 0xf) * 4;

	packet->has_addresses = 1;
	__builtin_memcpy(packet->source, ip->source, 4);
	__builtin_memcpy(packet->destination, ip->destination, 4);
	facts->told_length = bpf_ntohs(ip->total);
	if (length < IPV4_HLEN || bpf_ntohs(ip->fragment) & IPV4_FRAGMENT)
		return;
	facts->l4_protocol = ip->protocol;
	facts->l4_header = facts->l3_header + length;
}

static __always_inline void gso_take_ipv6(const struct ipv6_wire *ip, struct gso_packet *packet,
					  struct gso_facts *facts)
{
	__u32 offset = facts->l3_header + IPV6_HLEN;
	__u8 next = ip->next;

	packet->has_addresses = 1;
	__builtin_memcpy(packet->source, ip->source, 16);
	__builtin_memcpy(packet->destination, ip->destination, 16);
	if (ip->payload)
		facts->told_length = bpf_ntohs(ip->payload) + IPV6_HLEN;
	else if (next == 0)
		facts->jumbo_length = 8;
	for (int i = 0; i < GSO_EXTENSIONS_MAX; i++) {
		__u8 extension[2] = {};

		/* Hop-by-hop, routing, destination options (RFC 8200, 4); fragments and the rest end the walk. */
		if (next != 0 && next != 43 && next != 60)
			break;
		if (!gso_copy(packet, facts, offset, extension, sizeof(extension)))
			return;
		next = extension[0];
		offset += (extension[1] + 1) * 8;
	}
	if (next == 0 || next == 43 || next == 44 || next == 60)
		return;
	facts->l4_protocol = next;
	facts->l4_header = offset;
}

/* Adds the transport header's length, if there is one and TCP's can be read. */
static __always_inline void gso_measure_headers(const union gso_headers *headers, __u32 copied,
						const struct gso_packet *packet, struct gso_facts *facts)
{
	__u32 ip_length = facts->l4_header - facts->l3_header, length = UDP_HLEN;
	__u8 words = 0;

	if (facts->l4_protocol == GSO_IPPROTO_TCP) {
		if (ip_length == IPV4_HLEN && copied > IPV4_HLEN + TCP_DATA_OFFSET)
			words = headers->bytes[IPV4_HLEN + TCP_DATA_OFFSET];
		else if (ip_length == IPV6_HLEN && copied > IPV6_HLEN + TCP_DATA_OFFSET)
			words = headers->bytes[IPV6_HLEN + TCP_DATA_OFFSET];
		else
			gso_copy(packet, facts, facts->l4_header + TCP_DATA_OFFSET, &words, sizeof(words));
		length = (words >> 4) * 4;
		if (length < TCP_HLEN)
			return;
	} else if (facts->l4_protocol != GSO_IPPROTO_UDP) {
		return;
	}
	facts->header_length = ip_length + length;
}

/*
 * The offset of the outer IP header from head, and the protocol it should be: the kernel goes by skb->protocol, which
 * is the frame's type; a VLAN tag that is still in the frame hides the inner one.
 */
static __always_inline __u32 gso_outer_header(struct gso_packet *packet, const struct gso_facts *facts)
{
	__u32 offset;

	if (!packet->is_ethernet || packet->mac_header == NA_HEADER_UNSET)
		return facts->network_header;
	offset = packet->mac_header + NA_ETH_HLEN;
	for (int i = 0; i < 2 && na_is_vlan(packet->protocol); i++) {
		if (!gso_copy(packet, facts, offset + 2, &packet->protocol, sizeof(packet->protocol)))
			break;
		offset += NA_VLAN_HLEN;
	}
	return offset;
}

/* The version that the packet is of, by the frame's type and the header's first half byte, of which one may be wrong.
 */
static __always_inline __u8 gso_ip_version(const struct gso_packet *packet, __u8 first)
{
	/* Outside a tunnel the frame's type decides; the half byte of something that is not IP means nothing. */
	if (packet->is_tunnel)
		return first == 4 || first == 6 ? first : GSO_IP_VERSION_NONE;
	switch (bpf_ntohs(packet->protocol)) {
	case NA_ETH_P_IP:
		return first == 6 ? 6 : 4;
	case NA_ETH_P_IPV6:
		return first == 4 ? 4 : 6;
	case NA_ETH_P_MPLS_UC:
	case NA_ETH_P_MPLS_MC:
	case NA_ETH_P_PPP_SES:
		return GSO_IP_VERSION_HIDDEN;
	default:
		return GSO_IP_VERSION_NONE;
	}
}

/*
 * Finds the IP header that gso_type speaks of (a tunnel's inner one) and reads lengths, addresses and transport
 * protocol. A global function, so that the verifier looks at it once per object.
 */
NA_STEP int gso_parse(struct gso_packet *packet, struct gso_facts *facts)
{
	union gso_headers headers = {};
	__u32 start, copied;
	__u8 first;

	if (!packet || !facts)
		return 0;
	start = packet->is_tunnel ? facts->inner_network_header : gso_outer_header(packet, facts);
	facts->l3_header = start;
	copied = facts->linear_end > start ? facts->linear_end - start : 0;
	if (copied > sizeof(headers))
		copied = sizeof(headers);
	/* Where not even the shorter header is linear, only the frame's type can tell the version. */
	if (copied < IPV4_HLEN || na_read_packet(&headers, copied, packet, start))
		copied = 0;
	first = copied ? headers.ipv4.version_length >> 4 : 0;
	facts->ip_version = gso_ip_version(packet, first);
	if (first == 4 && facts->ip_version == 4)
		gso_take_ipv4(&headers.ipv4, packet, facts);
	else if (first == 6 && facts->ip_version == 6 && copied >= IPV6_HLEN)
		gso_take_ipv6(&headers.ipv6, packet, facts);
	if (packet->end > start)
		facts->length = packet->end - start;
	if (facts->l4_header)
		gso_measure_headers(&headers, copied, packet, facts);
	return 0;
}

#endif
