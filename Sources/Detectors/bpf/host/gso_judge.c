// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Judging GSO metadata in the daemon: from what a script saw of a packet to events. The way is that of the hooks in
 * tun_gso.bpf.c; the steps are the same code.
 */
#include <stdint.h>

#include "host.h"

#include "../judge/gso_view.h"
#include "gso_sight.h"

#define IFF_TUN 0x0001
#define IFF_VNET_HDR 0x4000

/* head is not an address here, but where the script's bytes are. */
static long na_read_packet(void *to, __u32 size, const struct gso_packet *packet, __u32 offset)
{
	const struct gso_sight *seen = (const void *)(uintptr_t)packet->head;

	if (offset < seen->bytes_at || offset + size > seen->bytes_at + seen->bytes_count)
		return -1;
	memcpy(to, seen->bytes + (offset - seen->bytes_at), size);
	return 0;
}

/* True when the header that gso_type speaks of is in the linear area, but beyond what the script took. */
static bool is_out_of_sight(const struct gso_sight *seen, const struct gso_view *view)
{
	const __u32 start = view->facts.l3_header;
	__u8 first;

	return start + IPV4_HLEN <= seen->linear_end && na_read_packet(&first, 1, &view->packet, start + IPV4_HLEN - 1);
}

static void read_packet(const struct gso_sight *seen, struct gso_view *view)
{
	struct gso_packet *packet = &view->packet;
	struct gso_facts *facts = &view->facts;

	view->has_gso = true;
	facts->type = seen->gso_type;
	facts->size = seen->gso_size;
	facts->segs = seen->gso_segs;
	facts->features = seen->features;
	facts->mtu = seen->mtu;
	facts->encapsulation = seen->encapsulation;
	facts->ip_summed = seen->ip_summed;
	facts->network_header = seen->network_header;
	facts->transport_header = seen->transport_header;
	facts->inner_network_header = seen->inner_network_header;
	facts->checksum_start = seen->checksum_start;
	facts->checksum_offset = seen->checksum_offset;
	facts->linear_end = seen->linear_end;
	facts->l4_protocol = GSO_L4_UNKNOWN;
	packet->head = (uintptr_t)seen;
	packet->end = seen->linear_end + seen->data_length;
	packet->mac_header = seen->mac_header;
	packet->protocol = bpf_htons(seen->protocol);
	packet->is_ethernet = seen->device_type == NA_ARPHRD_ETHER;
	packet->is_tunnel = facts->encapsulation && facts->type & GSO_TUNNEL_BITS;
	gso_parse(packet, facts);
	if (is_out_of_sight(seen, view))
		facts->ip_version = GSO_IP_VERSION_HIDDEN;
}

static bool judge_passing(const struct gso_sight *seen, struct gso_view *view)
{
	switch (seen->at.probe) {
	case GSO_PROBE_NET_DEV_QUEUE:
	case GSO_PROBE_NET_DEV_START_XMIT:
		view->facts.stage =
			seen->at.probe == GSO_PROBE_NET_DEV_QUEUE ? GSO_STAGE_QUEUED : GSO_STAGE_HANDED_OVER;
		view->facts.from_owner = seen->from_owner;
		view->direction = seen->from_owner ? NA_DIRECTION_RX : NA_DIRECTION_TX;
		if (!seen->gso_size && (view->facts.stage == GSO_STAGE_QUEUED || !(seen->gso_type & ~GSO_SOCKET_BITS)))
			return false;
		break;
	default:
		view->facts.stage = GSO_STAGE_RECEIVED;
		view->facts.from_owner = 1;
		view->direction = NA_DIRECTION_RX;
	}
	read_packet(seen, view);
	gso_judge_packet(&view->facts, na_threshold(GSO_RULE_TINY_SIZE), &view->verdict);
	return true;
}

/* A TUN also refuses, with the same reason, what is neither IPv4 nor IPv6. */
static bool is_foreign_to_tun(const struct gso_sight *seen)
{
	__u8 first = seen->bytes[0];

	return seen->tun_flags & IFF_TUN && seen->length != seen->data_length && first >> 4 != 4 && first >> 4 != 6;
}

static bool judge_refused(const struct gso_sight *seen, struct gso_view *view)
{
	const struct na_host_reasons *reasons = &na_host_at_work->reasons;
	bool is_refusal = reasons->not_specified == NA_REASON_NONE || seen->drop_reason == reasons->not_specified ||
			  seen->drop_reason == reasons->device_header;

	/* Without the device's flags a packet without any header could not be told from one with a bad header. */
	if (!is_refusal || !(seen->tun_flags & IFF_VNET_HDR) || is_foreign_to_tun(seen))
		return false;
	view->direction = NA_DIRECTION_RX;
	view->tun_flags = seen->tun_flags;
	view->facts.l4_protocol = GSO_L4_UNKNOWN;
	view->facts.linear_end = seen->linear_end;
	gso_break(&view->verdict, GSO_RULE_HEADER_REJECTED, GSO_DETAIL_NONE);
	return true;
}

static bool judge_dropped(const struct gso_sight *seen, struct gso_view *view)
{
	bool is_bad_gso = seen->drop_reason == na_host_at_work->reasons.bad_gso;

	if (!seen->gso_size ||
	    (!is_bad_gso && seen->drop_site != GSO_DROP_SEGMENTATION && seen->drop_site != GSO_DROP_READ))
		return false;
	view->direction = NA_DIRECTION_TX;
	view->facts.stage = GSO_STAGE_HANDED_OVER;
	read_packet(seen, view);
	/* A packet that came from an owner is ours wherever it dies; others only on our devices. */
	if (view->device_kind == GSO_DEVICE_OTHER && !(view->facts.type & GSO_DODGY))
		return false;
	if (!is_bad_gso && seen->drop_site == GSO_DROP_READ)
		gso_break(&view->verdict, GSO_RULE_READ_FAILED, gso_read_failed(&view->facts));
	else
		gso_break(&view->verdict, GSO_RULE_SEGMENTATION_REFUSED, GSO_DETAIL_NONE);
	return true;
}

static bool judge_sight(const struct gso_sight *seen, struct gso_view *view)
{
	memset(view, 0, sizeof(*view));
	view->probe = seen->at.probe;
	view->device_kind = seen->device_kind;
	view->location = seen->location;
	view->drop_reason = seen->drop_reason;
	view->place.netns = seen->at.netns;
	view->place.ifindex = seen->at.ifindex;
	switch (seen->way) {
	case GSO_SIGHT_PASSING:
		return judge_passing(seen, view);
	case GSO_SIGHT_REFUSED:
		return judge_refused(seen, view);
	default:
		return judge_dropped(seen, view);
	}
}

static void fill_headers(struct gso_event *event, const struct gso_sight *seen)
{
	__u32 start = seen->mac_header == NA_HEADER_UNSET ? seen->data : seen->mac_header;
	__u32 at = start - seen->bytes_at, length = seen->linear_end > start ? seen->linear_end - start : 0;

	if (start < seen->bytes_at || at >= seen->bytes_count)
		return;
	if (length > seen->bytes_count - at)
		length = seen->bytes_count - at;
	if (length > NA_HEADER_MAX)
		length = NA_HEADER_MAX;
	memcpy(event->headers, seen->bytes + at, length);
	event->headers_length = length;
}

static void fill_event(struct gso_event *event, const struct na_key *key, const struct gso_sight *seen,
		       const struct gso_view *view)
{
	memset(event, 0, sizeof(*event));
	na_host_fill_head(&event->head, key, view->direction);
	fill_view(event, view);
	event->length = seen->length;
	event->linear_length = seen->length - seen->data_length;
	event->protocol = seen->protocol;
	event->tun_flags = seen->tun_flags;
	fill_headers(event, seen);
}

int gso_judge_sight(struct na_host *host, const struct gso_sight *seen, struct gso_event *events)
{
	struct gso_view view;
	int count = 0;

	na_host_at_work = host;
	host->sight = &seen->at;
	if (!judge_sight(seen, &view) || !settle(&view))
		return 0;
	if (view.is_traced)
		fill_event(&events[count++], &view.trace, seen, &view);
	if (view.rules) {
		compare(&view);
		fill_event(&events[count++], &view.key, seen, &view);
	}
	return count;
}
