/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading a packet's GSO metadata and headers. Headers are only ever read inside the linear area. */
#ifndef NA_GSO_PACKET_BPF_H
#define NA_GSO_PACKET_BPF_H

#include "core.h"
#include "tun_gso_event.h"
#include "tun_gso_rules.h"

#define GSO_EXTENSIONS_MAX 4 /* IPv6 extension headers followed before the transport protocol counts as unknown */
#define IPV4_HLEN 20
#define IPV6_HLEN 40
#define IPV4_FRAGMENT 0x1fff /* offset part of frag_off */

struct gso_metadata {
	__u32 type; /* enum gso_type_bit */
	__u16 size;
	__u16 segs;
};

struct gso_packet {
	__u32 l3_offset; /* from head, of the header that gso_type speaks of */
	__u32 l4_offset;
	__u32 linear_end; /* first offset from head outside the linear area */
	__u8 ip_version;
	__u8 l4_protocol;
	__u8 source[16];
	__u8 destination[16];
};

#ifdef GSO_READ_BY_CAST

/* A pointer that the verifier lets us read through without a helper call; since 6.2. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym;

#define GSO_AS(type, address) ((type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(type)))
#define GSO_FIELD(pointer, field) ((pointer)->field)

static __always_inline struct gso_metadata gso_read(struct sk_buff *skb)
{
	struct skb_shared_info *info = GSO_AS(struct skb_shared_info, skb->head + skb->end);
	struct gso_metadata gso = { .type = info->gso_type, .size = info->gso_size, .segs = info->gso_segs };

	return gso;
}

#else

#define GSO_AS(type, address) ((type *)(address))
#define GSO_FIELD(pointer, field) BPF_CORE_READ(pointer, field)

/* The fields lie within 24 bytes of each other: one call of the helper for all three. */
static __always_inline struct gso_metadata gso_read(struct sk_buff *skb)
{
	const __u32 at_size = bpf_core_field_offset(struct skb_shared_info, gso_size);
	const __u32 to_segs = bpf_core_field_offset(struct skb_shared_info, gso_segs) - at_size;
	const __u32 to_type = bpf_core_field_offset(struct skb_shared_info, gso_type) - at_size;
	struct gso_metadata gso = {};
	__u8 fields[32] = {};

	bpf_probe_read_kernel(fields, to_type + sizeof(gso.type), skb->head + skb->end + at_size);
	gso.size = *(__u16 *)fields;
	gso.segs = *(__u16 *)(fields + to_segs);
	gso.type = *(__u32 *)(fields + to_type);
	return gso;
}

#endif

/* Copies `size` bytes at `offset` from head; false if they are not all linear. */
static __always_inline bool gso_copy(struct sk_buff *skb, const struct gso_packet *packet, __u32 offset, void *to,
				     __u32 size)
{
	if (offset + size > packet->linear_end)
		return false;
	return bpf_probe_read_kernel(to, size, GSO_FIELD(skb, head) + offset) == 0;
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

static __always_inline void gso_take_ipv4(const struct ipv4_wire *ip, struct gso_packet *packet)
{
	__builtin_memcpy(packet->source, ip->source, 4);
	__builtin_memcpy(packet->destination, ip->destination, 4);
	packet->l4_offset = packet->l3_offset + (ip->version_length & 0xf) * 4;
	if (!(bpf_ntohs(ip->fragment) & IPV4_FRAGMENT))
		packet->l4_protocol = ip->protocol;
}

static __always_inline void gso_read_ipv6(struct sk_buff *skb, struct gso_packet *packet)
{
	struct {
		__u8 version[6];
		__u8 next;
		__u8 hops;
		__u8 source[16];
		__u8 destination[16];
	} ip = {};
	__u32 offset = packet->l3_offset + IPV6_HLEN;
	__u8 next;

	if (!gso_copy(skb, packet, packet->l3_offset, &ip, sizeof(ip)))
		return;
	__builtin_memcpy(packet->source, ip.source, 16);
	__builtin_memcpy(packet->destination, ip.destination, 16);
	next = ip.next;
	for (int i = 0; i < GSO_EXTENSIONS_MAX; i++) {
		__u8 extension[2] = {};

		/* Hop-by-hop, routing, destination options (RFC 8200, 4); fragments and the rest end the walk. */
		if (next != 0 && next != 43 && next != 60)
			break;
		if (!gso_copy(skb, packet, offset, extension, sizeof(extension)))
			return;
		next = extension[0];
		offset += (extension[1] + 1) * 8;
	}
	if (next == 0 || next == 43 || next == 44 || next == 60)
		return;
	packet->l4_protocol = next;
	packet->l4_offset = offset;
}

/*
 * The offset of the outer IP header from head, and the protocol it should be: the kernel goes by skb->protocol, which
 * is the frame's type; a VLAN tag that is still in the frame hides the inner one.
 */
static __always_inline __u32 gso_outer_header(struct sk_buff *skb, const struct gso_packet *packet, __be16 *protocol)
{
	__u16 mac_header = GSO_FIELD(skb, mac_header);
	struct net_device *dev = GSO_FIELD(skb, dev);
	__u32 offset;

	*protocol = GSO_FIELD(skb, protocol);
	if (GSO_FIELD(dev, type) != NA_ARPHRD_ETHER || mac_header == NA_HEADER_UNSET)
		return GSO_FIELD(skb, network_header);
	offset = mac_header + NA_ETH_HLEN;
	for (int i = 0; i < 2 && na_is_vlan(*protocol); i++) {
		if (!gso_copy(skb, packet, offset + 2, protocol, sizeof(*protocol)))
			break;
		offset += NA_VLAN_HLEN;
	}
	return offset;
}

/*
 * Finds the IP header that gso_type speaks of (a tunnel's inner one) and reads addresses and transport protocol. A
 * global function, so that the verifier looks at it once per program; the packet therefore comes as an address.
 */
__noinline int gso_parse(__u64 address, __u32 is_tunnel, struct gso_packet *packet)
{
	struct sk_buff *skb = GSO_AS(struct sk_buff, address);
	struct ipv4_wire ip = {};
	__be16 protocol = 0;
	__u8 first;

	if (!packet)
		return 0;
	packet->l4_protocol = GSO_L4_UNKNOWN;
	packet->linear_end = GSO_FIELD(skb, tail);
	if (is_tunnel)
		packet->l3_offset = GSO_FIELD(skb, inner_network_header);
	else
		packet->l3_offset = gso_outer_header(skb, packet, &protocol);
	/* The shorter of the two IP headers; where not even that is linear, only the frame's type can tell the version.
	 */
	gso_copy(skb, packet, packet->l3_offset, &ip, sizeof(ip));
	first = ip.version_length >> 4;
	/* Outside a tunnel the frame's type decides; the version nibble of something that is not IP means nothing. */
	if (is_tunnel)
		packet->ip_version = first == 4 || first == 6 ? first : GSO_IP_VERSION_NONE;
	else if (protocol == bpf_htons(NA_ETH_P_IP))
		packet->ip_version = first == 6 ? 6 : 4;
	else if (protocol == bpf_htons(NA_ETH_P_IPV6))
		packet->ip_version = first == 4 ? 4 : 6;
	else if (protocol == bpf_htons(NA_ETH_P_MPLS_UC) || protocol == bpf_htons(NA_ETH_P_MPLS_MC) ||
		 protocol == bpf_htons(NA_ETH_P_PPP_SES))
		packet->ip_version = GSO_IP_VERSION_HIDDEN;
	if (packet->ip_version == 4 && first == 4)
		gso_take_ipv4(&ip, packet);
	else if (packet->ip_version == 6)
		gso_read_ipv6(skb, packet);
	return 0;
}

#endif
