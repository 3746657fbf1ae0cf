/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All that a packet breaks at one place of its way, and the numbers that an entry about it tells. */
#ifndef NA_TUN_GSO_JUDGE_H
#define NA_TUN_GSO_JUDGE_H

#include "tun_gso_rules.h"

/* For rules without sub-cases. */
GSO_INLINE void gso_judge(struct gso_verdict *verdict, unsigned int rule, unsigned int is_broken)
{
	if (is_broken)
		gso_break(verdict, rule, GSO_DETAIL_NONE);
}

/* For rules with sub-cases. */
GSO_INLINE void gso_judge_case(struct gso_verdict *verdict, unsigned int rule, unsigned int detail)
{
	if (detail)
		gso_break(verdict, rule, detail);
}

/*
 * What the metadata says of the headers: judged before the kernel segments, or drops for that reason. A packet without
 * a size is none of these rules' business.
 */
GSO_INLINE void gso_judge_headers(const struct gso_facts *f, unsigned int smallest_tcp_size,
				  struct gso_verdict *verdict)
{
	gso_judge(verdict, GSO_RULE_BY_FRAGS, gso_by_frags(f));
	gso_judge_case(verdict, GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION, gso_tunnel_without_encapsulation(f));
	gso_judge(verdict, GSO_RULE_MIXED_TYPES, gso_mixed_types(f));
	gso_judge_case(verdict, GSO_RULE_IP_MISMATCH, gso_ip_mismatch(f));
	gso_judge_case(verdict, GSO_RULE_L4_MISMATCH, gso_l4_mismatch(f));
	gso_judge_case(verdict, GSO_RULE_TINY_SIZE, gso_tiny_size(f, smallest_tcp_size));
	gso_judge(verdict, GSO_RULE_ECN_WITHOUT_TCP, gso_ecn_without_tcp(f));
	gso_judge_case(verdict, GSO_RULE_CHECKSUM_START, gso_checksum_start(f));
	gso_judge(verdict, GSO_RULE_LENGTH_MISMATCH, gso_length_mismatch(f));
	gso_judge_case(verdict, GSO_RULE_SEGS_MISMATCH, gso_segs_mismatch(f));
	gso_judge(verdict, GSO_RULE_UFO, gso_ufo(f));
	gso_judge(verdict, GSO_RULE_WITHOUT_CHECKSUM, gso_without_checksum(f));
	gso_judge(verdict, GSO_RULE_SHORT_HEADER, gso_short_header(f));
	/*
	 * Not on its way in: guests that ask for the segmentation of a single segment are common, and the kernel takes
	 * the request back where it notices.
	 */
	if (f->stage == GSO_STAGE_QUEUED)
		gso_judge(verdict, GSO_RULE_SIZE_EXCEEDS_PAYLOAD, gso_size_exceeds_payload(f));
}

/* Size and type alone: judged where the packet is handed over, after the kernel's own segmentation. */
GSO_INLINE void gso_judge_metadata(const struct gso_facts *f, struct gso_verdict *verdict)
{
	gso_judge(verdict, GSO_RULE_SIZE_WITHOUT_TYPE, gso_size_without_type(f));
	gso_judge(verdict, GSO_RULE_TYPE_WITHOUT_SIZE, gso_type_without_size(f));
	gso_judge_case(verdict, GSO_RULE_SIZE_EXCEEDS_MTU, gso_size_exceeds_mtu(f));
	if (f->stage == GSO_STAGE_HANDED_OVER)
		gso_judge(verdict, GSO_RULE_UNSUPPORTED_TYPE, gso_unsupported_type(f));
}

GSO_INLINE void gso_judge_packet(const struct gso_facts *f, unsigned int smallest_tcp_size, struct gso_verdict *verdict)
{
	if (f->stage != GSO_STAGE_QUEUED)
		gso_judge_metadata(f, verdict);
	if (f->stage != GSO_STAGE_HANDED_OVER && f->size != 0)
		gso_judge_headers(f, smallest_tcp_size, verdict);
}

/* The two numbers that a rule compares. */
struct gso_numbers {
	unsigned int found;
	unsigned int expected; /* or the limit */
};

GSO_INLINE void gso_compared(const struct gso_facts *f, unsigned int rule, unsigned int detail,
			     struct gso_numbers *numbers)
{
	switch (rule) {
	case GSO_RULE_CHECKSUM_START:
		if (detail == GSO_DETAIL_CHECKSUM_FIELD) {
			numbers->found = f->checksum_offset;
			numbers->expected =
				f->l4_protocol == GSO_IPPROTO_TCP ? GSO_CHECKSUM_IN_TCP : GSO_CHECKSUM_IN_UDP;
		} else {
			numbers->found = f->checksum_start - f->l3_header;
			numbers->expected = f->l4_header - f->l3_header;
		}
		break;
	case GSO_RULE_LENGTH_MISMATCH:
		numbers->found = f->told_length;
		numbers->expected = f->length;
		break;
	case GSO_RULE_SIZE_EXCEEDS_PAYLOAD:
		numbers->found = f->size;
		numbers->expected = gso_data_length(f);
		break;
	case GSO_RULE_SEGS_MISMATCH:
		if (!f->size)
			break;
		numbers->found = detail == GSO_DETAIL_SEGS_TOO_MANY ? gso_segment_count(f) : f->segs;
		numbers->expected = detail == GSO_DETAIL_SEGS_TOO_MANY ? GSO_UDP_SEGMENTS_MAX : gso_segment_count(f);
		break;
	case GSO_RULE_SIZE_EXCEEDS_MTU:
		numbers->found = gso_segment_length(f);
		numbers->expected = f->mtu;
		break;
	}
}

#endif
