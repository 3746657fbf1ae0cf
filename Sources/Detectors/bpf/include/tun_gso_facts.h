/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tun-gso detector's predicates judge a packet by, and what comes of it. */
#ifndef NA_TUN_GSO_FACTS_H
#define NA_TUN_GSO_FACTS_H

#include "tun_gso_event.h"

#ifdef __bpf__
#define GSO_INLINE static __attribute__((always_inline)) inline
#else
#define GSO_INLINE static inline
#endif

/*
 * The headers are those that gso_type speaks of: a tunnel's inner ones. Offsets are from skb->head. What could not be
 * read, because it is not linear or behind headers we do not follow, is 0, and l4_protocol is GSO_L4_UNKNOWN.
 */
struct gso_facts {
	unsigned long long features; /* of the device, NETIF_F_* */
	unsigned int type;	     /* enum gso_type_bit */
	unsigned int length;	     /* from the IP header to the packet's end */
	unsigned int told_length;    /* the same as the IP header has it; 0: it does not say */
	unsigned int header_length;  /* of IP and transport header together */
	unsigned int l3_header;
	unsigned int l4_header;
	unsigned int linear_end; /* first offset outside the linear area */
	unsigned int mtu;	 /* of the device */
	unsigned short size;
	unsigned short segs;
	unsigned short network_header; /* of the outermost headers */
	unsigned short transport_header;
	unsigned short inner_network_header;
	unsigned short checksum_start; /* valid for CHECKSUM_PARTIAL, as the next */
	unsigned short checksum_offset;
	unsigned char encapsulation;
	unsigned char ip_summed; /* CHECKSUM_* */
	unsigned char ip_version;
	unsigned char l4_protocol;
	unsigned char jumbo_length; /* of an IPv6 jumbo option, which only the uncut packet has */
	unsigned char stage;	    /* enum gso_stage */
	unsigned char from_owner;   /* of the device; also a macvtap's, whose packets are judged on their way out */
	unsigned char padding[3];
};

/* What a packet breaks. */
struct gso_verdict {
	unsigned int rules;		     /* bits of enum gso_rule */
	unsigned char details[NA_RULES_MAX]; /* enum gso_detail, by rule */
};

GSO_INLINE void gso_break(struct gso_verdict *verdict, unsigned int rule, unsigned int detail)
{
	verdict->rules |= 1u << rule;
	verdict->details[rule] = detail;
}

/* The rule among those broken that has the entry. */
GSO_INLINE unsigned int gso_most_telling(unsigned int rules)
{
	return __builtin_ctz(rules);
}

#define GSO_TUNNEL_BITS (GSO_UDP_TUNNEL | GSO_UDP_TUNNEL_CSUM | GSO_GRE | GSO_GRE_CSUM | GSO_IPXIP4 | GSO_IPXIP6)
#define GSO_TCP_BITS (GSO_TCPV4 | GSO_TCPV6)
#define GSO_PROTOCOL_BITS (GSO_TCP_BITS | GSO_UDP | GSO_UDP_L4 | GSO_SCTP)
#define GSO_FIXEDID_BITS (GSO_TCP_FIXEDID_OLD | GSO_TCP_FIXEDID | GSO_TCP_FIXEDID_INNER)
#define GSO_SOCKET_BITS (GSO_TCP_BITS | GSO_TCP_ECN | GSO_FIXEDID_BITS | GSO_TCP_ACCECN) /* of a TCP socket */
#define GSO_IPPROTO_TCP 6
#define GSO_IPPROTO_UDP 17
#define GSO_IPPROTO_SCTP 132
#define GSO_CHECKSUM_NONE 0
#define GSO_CHECKSUM_PARTIAL 3
#define GSO_SIZE_BY_FRAGS 0xffff /* GSO_BY_FRAGS: not a size, but "each fragment of the list is a segment" */
#define GSO_MINUTE_SIZE 8	 /* a 64 KiB packet of 7-byte segments is 9,362 packets */
#define GSO_UDP_SEGMENTS_MAX 128 /* UDP_MAX_SEGMENTS; 64 until 6.10 */
#define GSO_FEATURE_SHIFT 16	 /* NETIF_F_GSO_SHIFT: bit n of gso_type is what feature bit 16 + n allows */
#define GSO_CHECKSUM_IN_TCP 16
#define GSO_CHECKSUM_IN_UDP 6

#endif
