/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The predicates of the tun-gso detector over one packet's metadata.
 *
 * Plain inline C over plain values: the BPF program calls them with what it read from the skb, the unit tests call them
 * with tables. Each returns the sub-case (enum gso_detail) or 0; a rule without sub-cases returns 1. tun_gso_judge.h
 * says which of them judge where.
 */
#ifndef NA_TUN_GSO_RULES_H
#define NA_TUN_GSO_RULES_H

#include "tun_gso_facts.h"

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
	if (f->size != 0)
		return 0;
	return f->stage == GSO_STAGE_RECEIVED ? f->type != 0 : (f->type & ~GSO_SOCKET_BITS) != 0;
}

/* gso-by-frags: code that walks the fragments finds none it could use (CVE-2023-52435). Only SCTP is made that way. */
GSO_INLINE unsigned int gso_by_frags(const struct gso_facts *f)
{
	return f->size == GSO_SIZE_BY_FRAGS && !(f->type & GSO_SCTP);
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

/* The bits that the device says it cannot take; which id an IPv4 header may have is the kernel's to arrange. */
GSO_INLINE unsigned long long gso_missing_features(const struct gso_facts *f)
{
	const unsigned int asked = f->type & (GSO_TCP_ACCECN * 2 - 1) & ~(GSO_DODGY | GSO_FIXEDID_BITS);

	return ((unsigned long long)asked << GSO_FEATURE_SHIFT) & ~f->features;
}

/* gso-unsupported-type: net_gso_ok() after the kernel has segmented what the device cannot take. */
GSO_INLINE unsigned int gso_unsupported_type(const struct gso_facts *f)
{
	return f->size != 0 && gso_missing_features(f) != 0;
}

/*
 * gso-read-failed, of a packet dropped by the code that hands it to a reader. virtio_net_hdr_from_skb() can say TCP and
 * UDP segments, and UDP tunnels to a reader that takes them; a packet without a size is no GSO packet to it.
 */
GSO_INLINE unsigned int gso_read_failed(const struct gso_facts *f)
{
	const unsigned long long tunnels = (unsigned long long)(GSO_UDP_TUNNEL | GSO_UDP_TUNNEL_CSUM)
					   << GSO_FEATURE_SHIFT;

	if (f->size == 0)
		return GSO_DETAIL_NONE;
	if (!(f->type & (GSO_TCP_BITS | GSO_UDP_L4)) || gso_missing_features(f) & tunnels)
		return GSO_DETAIL_READ_TYPE;
	return GSO_DETAIL_READ_READER;
}

/* gso-mixed-types */
GSO_INLINE unsigned int gso_mixed_types(const struct gso_facts *f)
{
	const unsigned int protocols = f->type & GSO_PROTOCOL_BITS;

	return f->size != 0 && (protocols & (protocols - 1)) != 0;
}

/*
 * True when it cannot be told which headers gso_type speaks of: a packet that is encapsulated, but not (yet) as a
 * tunnel, or whose tunnel has no inner headers.
 */
GSO_INLINE int gso_headers_are_ambiguous(const struct gso_facts *f)
{
	if (!(f->type & GSO_TUNNEL_BITS))
		return f->encapsulation;
	return gso_tunnel_without_encapsulation(f) != GSO_DETAIL_NONE;
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
	if (f->type & GSO_TCP_BITS && f->l4_protocol != GSO_IPPROTO_TCP)
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
	if (f->type & GSO_TCP_BITS) {
		if (f->size < GSO_MINUTE_SIZE)
			return GSO_DETAIL_MINUTE;
		return f->size < smallest_tcp_size ? GSO_DETAIL_TINY : GSO_DETAIL_NONE;
	}
	if (f->type & GSO_UDP_L4 && f->size < GSO_MINUTE_SIZE)
		return GSO_DETAIL_MINUTE;
	return GSO_DETAIL_NONE;
}

/* gso-ecn-without-tcp: the kernel takes it from an owner together with UDP fragmentation. */
GSO_INLINE unsigned int gso_ecn_without_tcp(const struct gso_facts *f)
{
	return f->size != 0 && f->type & GSO_TCP_ECN && !(f->type & GSO_TCP_BITS);
}

/*
 * True when the packet is cut into TCP or UDP segments right behind the headers that we have read. Not so for what is
 * cut by other rules (SCTP, UFO, ESP), was cut in part already, or carries its segments as a list.
 */
GSO_INLINE int gso_headers_are_plain(const struct gso_facts *f)
{
	const unsigned int others = GSO_ESP | GSO_PARTIAL | GSO_FRAGLIST | GSO_TUNNEL_REMCSUM | GSO_UDP | GSO_SCTP;
	const int protocol = f->type & GSO_TCP_BITS ? GSO_IPPROTO_TCP : f->type & GSO_UDP_L4 ? GSO_IPPROTO_UDP : -1;

	return f->size != 0 && f->l4_protocol == protocol && !(f->type & others) && !gso_headers_are_ambiguous(f);
}

/* True when in addition it is known how much data there is to cut. */
GSO_INLINE int gso_data_is_known(const struct gso_facts *f)
{
	return f->header_length != 0 && f->size != GSO_SIZE_BY_FRAGS && gso_headers_are_plain(f);
}

GSO_INLINE unsigned int gso_data_length(const struct gso_facts *f)
{
	return f->length > f->header_length ? f->length - f->header_length : 0;
}

/* Of the data, rounded up. */
GSO_INLINE unsigned int gso_segment_count(const struct gso_facts *f)
{
	return (gso_data_length(f) + f->size - 1) / f->size;
}

/* gso-checksum-start: segmentation looks for the transport header where the checksum starts. */
GSO_INLINE unsigned int gso_checksum_start(const struct gso_facts *f)
{
	if (f->ip_summed != GSO_CHECKSUM_PARTIAL || f->l4_header == 0 || !gso_headers_are_plain(f))
		return GSO_DETAIL_NONE;
	if (f->checksum_start != f->l4_header)
		return GSO_DETAIL_CHECKSUM_START;
	if (f->checksum_offset != (f->l4_protocol == GSO_IPPROTO_TCP ? GSO_CHECKSUM_IN_TCP : GSO_CHECKSUM_IN_UDP))
		return GSO_DETAIL_CHECKSUM_FIELD;
	return GSO_DETAIL_NONE;
}

/* gso-length-mismatch; where the header has 0, the packet is too long for its field (BIG TCP), or it does not care. */
GSO_INLINE unsigned int gso_length_mismatch(const struct gso_facts *f)
{
	if (f->size == 0 || f->told_length == 0 || f->length == 0 || f->type & GSO_ESP || gso_headers_are_ambiguous(f))
		return 0;
	return f->told_length != f->length;
}

/* gso-size-exceeds-payload: one segment is nothing to cut, and the kernel drops it where it has to try. */
GSO_INLINE unsigned int gso_size_exceeds_payload(const struct gso_facts *f)
{
	return gso_data_is_known(f) && gso_data_length(f) <= f->size;
}

/* gso-segs-mismatch; what comes from an owner has no number until the kernel has segmented or checked it. */
GSO_INLINE unsigned int gso_segs_mismatch(const struct gso_facts *f)
{
	unsigned int count;

	if (!gso_data_is_known(f))
		return GSO_DETAIL_NONE;
	count = gso_segment_count(f);
	if (f->type & GSO_UDP_L4 && count > GSO_UDP_SEGMENTS_MAX)
		return GSO_DETAIL_SEGS_TOO_MANY;
	return f->segs != 0 && f->segs != count ? GSO_DETAIL_SEGS_COUNT : GSO_DETAIL_NONE;
}

/* Of the longest segment, from the outermost IP header on. */
GSO_INLINE unsigned int gso_segment_length(const struct gso_facts *f)
{
	const unsigned int outer = f->type & GSO_TUNNEL_BITS ? f->l3_header - f->network_header : 0;

	return outer + f->header_length - f->jumbo_length + f->size;
}

/* gso-size-exceeds-mtu: the segments will be too long for the device, which nobody checks in a bridge. */
GSO_INLINE unsigned int gso_size_exceeds_mtu(const struct gso_facts *f)
{
	if (!gso_data_is_known(f) || gso_segment_length(f) <= f->mtu)
		return GSO_DETAIL_NONE;
	return f->from_owner ? GSO_DETAIL_MTU_RECEIVED : GSO_DETAIL_MTU_SENT;
}

/* gso-ufo */
GSO_INLINE unsigned int gso_ufo(const struct gso_facts *f)
{
	return f->size != 0 && f->type & GSO_UDP;
}

/* gso-without-checksum: the kernel must compute it for every segment. SCTP has a checksum of another kind. */
GSO_INLINE unsigned int gso_without_checksum(const struct gso_facts *f)
{
	return f->size != 0 && f->from_owner && f->ip_summed == GSO_CHECKSUM_NONE && !(f->type & GSO_SCTP);
}

/*
 * gso-short-header: the kernel must first gather the headers, and nobody can look at them without doing the same. Only
 * where the checksum is not left to the kernel: else it gathered them when it took the packet.
 */
GSO_INLINE unsigned int gso_short_header(const struct gso_facts *f)
{
	const unsigned int ip_header = f->ip_version == 4 ? 20 : f->ip_version == 6 ? 40 : 0;

	return f->size != 0 && f->from_owner && ip_header != 0 && f->linear_end < f->l3_header + ip_header;
}

#endif
