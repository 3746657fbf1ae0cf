/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The predicates of the tun-gso detector over one packet's metadata.
 *
 * Plain inline C over plain values: the BPF program calls them with what it read from the skb, the unit tests call them
 * with tables. Each returns the sub-case (enum gso_detail) or 0; a rule without sub-cases returns 1.
 */
#ifndef NA_TUN_GSO_RULES_H
#define NA_TUN_GSO_RULES_H

#include "tun_gso_event.h"

#ifdef __bpf__
#define GSO_INLINE static __attribute__((always_inline)) inline
#else
#define GSO_INLINE static inline
#endif

struct gso_facts {
	unsigned int type; /* enum gso_type_bit */
	unsigned short size;
	unsigned short network_header; /* offsets from skb->head */
	unsigned short transport_header;
	unsigned short inner_network_header;
	unsigned char encapsulation;
	unsigned char ip_version; /* of the header that gso_type speaks of: the inner one of a tunnel */
	unsigned char l4_protocol;
	unsigned char received; /* from the device's owner; else on its way to it */
};

#define GSO_TUNNEL_BITS (GSO_UDP_TUNNEL | GSO_UDP_TUNNEL_CSUM | GSO_GRE | GSO_GRE_CSUM | GSO_IPXIP4 | GSO_IPXIP6)
#define GSO_IPPROTO_TCP 6
#define GSO_IPPROTO_UDP 17
#define GSO_IPPROTO_SCTP 132
#define GSO_MINUTE_SIZE 8 /* a 64 KiB packet of 7-byte segments is 9,362 packets */

/* gso-size-without-type: the reader of a TUN gets EINVAL, and the kernel "unexpected GSO type: 0x0" and a warning. */
GSO_INLINE unsigned int gso_size_without_type(const struct gso_facts *f)
{
	return f->size != 0 && (f->type & ~GSO_DODGY) == 0;
}

/*
 * gso-type-without-size. A locally sent TCP SYN or ACK carries its socket's type with size 0 (tcp_output.c), so on the
 * way out only what such a segment cannot carry counts; a packet from the device's owner never passes that way.
 */
GSO_INLINE unsigned int gso_type_without_size(const struct gso_facts *f)
{
	const unsigned int of_a_tcp_socket = GSO_TCPV4 | GSO_TCPV6 | GSO_TCP_ECN | GSO_TCP_FIXEDID_OLD |
					     GSO_TCP_FIXEDID | GSO_TCP_FIXEDID_INNER | GSO_TCP_ACCECN;

	if (f->size != 0)
		return 0;
	return f->received ? f->type != 0 : (f->type & ~of_a_tcp_socket) != 0;
}

/* gso-tunnel-without-encapsulation: segmentation would take the outer headers for the inner ones and may crash. */
GSO_INLINE unsigned int gso_tunnel_without_encapsulation(const struct gso_facts *f)
{
	if (f->size == 0 || !(f->type & GSO_TUNNEL_BITS))
		return GSO_DETAIL_NONE;
	if (!f->encapsulation)
		return GSO_DETAIL_NOT_ENCAPSULATED;
	if (f->inner_network_header == f->network_header)
		return GSO_DETAIL_INNER_IS_OUTER;
	/* IP in IP has no transport header of its own: the inner network header is where it would be. */
	if (!(f->type & (GSO_IPXIP4 | GSO_IPXIP6)) && f->inner_network_header <= f->transport_header)
		return GSO_DETAIL_INNER_IS_OUTER;
	return GSO_DETAIL_NONE;
}

/* True when gso_type speaks of headers this packet does not show: being encapsulated, but not (yet) as a tunnel. */
GSO_INLINE int gso_headers_are_ambiguous(const struct gso_facts *f)
{
	return f->encapsulation && !(f->type & GSO_TUNNEL_BITS);
}

/* gso-ip-mismatch */
GSO_INLINE unsigned int gso_ip_mismatch(const struct gso_facts *f)
{
	if (f->size == 0 || f->ip_version == GSO_IP_VERSION_HIDDEN || gso_headers_are_ambiguous(f))
		return GSO_DETAIL_NONE;
	if (f->type & GSO_TCPV4 && f->ip_version != 4)
		return GSO_DETAIL_TCPV4_ON_OTHER;
	if (f->type & GSO_TCPV6 && f->ip_version != 6)
		return GSO_DETAIL_TCPV6_ON_OTHER;
	return GSO_DETAIL_NONE;
}

/* gso-l4-mismatch; ESP hides the transport protocol by design. */
GSO_INLINE unsigned int gso_l4_mismatch(const struct gso_facts *f)
{
	if (f->size == 0 || f->l4_protocol == GSO_L4_UNKNOWN || f->type & GSO_ESP || gso_headers_are_ambiguous(f))
		return GSO_DETAIL_NONE;
	if (f->type & (GSO_TCPV4 | GSO_TCPV6) && f->l4_protocol != GSO_IPPROTO_TCP)
		return GSO_DETAIL_TCP_ON_OTHER;
	if (f->type & (GSO_UDP | GSO_UDP_L4) && f->l4_protocol != GSO_IPPROTO_UDP)
		return GSO_DETAIL_UDP_ON_OTHER;
	if (f->type & GSO_SCTP && f->l4_protocol != GSO_IPPROTO_SCTP)
		return GSO_DETAIL_SCTP_ON_OTHER;
	return GSO_DETAIL_NONE;
}

/*
 * gso-tiny-size: CVE-2019-11477 and its class. tcp_min_snd_mss is 48 by default; UDP segments of a few bytes are made
 * on purpose by some programs, so only those below 8 count.
 */
GSO_INLINE unsigned int gso_tiny_size(const struct gso_facts *f, unsigned int smallest_tcp_size)
{
	if (f->size == 0)
		return GSO_DETAIL_NONE;
	if (f->type & (GSO_TCPV4 | GSO_TCPV6)) {
		if (f->size < GSO_MINUTE_SIZE)
			return GSO_DETAIL_MINUTE;
		return f->size < smallest_tcp_size ? GSO_DETAIL_TINY : GSO_DETAIL_NONE;
	}
	if (f->type & GSO_UDP_L4 && f->size < GSO_MINUTE_SIZE)
		return GSO_DETAIL_MINUTE;
	return GSO_DETAIL_NONE;
}

#endif
