// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Judging ARP in the daemon: from what a script saw of a frame or of the neighbour table to events. The way is that of
 * the hooks in arp.bpf.c; the steps are the same code.
 */
#include "../judge/arp_judge.h"

#define PLACE_NS (60 * SECOND_NS)
#define SENT_NS 1000000ULL /* from a device to the one below, on the same CPU */
#define NUD_FAILED 0x20
#define NUD_PERMANENT 0x80

/* Remembered here only, behind what arp_history.h remembers. */
enum arp_host_memory {
	ARP_HOST_PLACE = 100, /* name of a device, address: a is namespace and index, b is not 0 if there are several */
	ARP_HOST_QUESTION,    /* the same of our own questions for the address */
	ARP_HOST_SENT,	      /* CPU: a is the frame sent last, b the device above */
};

static void begin(struct na_host *host, const struct na_sight *sight, const struct arp_sight *frame)
{
	na_host_at_work = host;
	host->sight = sight;
	host->frame = frame;
}

static __u64 name_word(const char *name)
{
	__u64 words[NA_IFNAME_LEN / 8];

	memcpy(words, name, sizeof(words));
	return na_mix(words[0], words[1]);
}

/* The neighbour table's tracepoints tell a device's name only: which one it is was seen in frames for that address. */
static void remember_place(enum arp_host_memory kind, const char *name, __u32 ifindex, __u32 ip, __u64 now)
{
	const __u64 here = (__u64)na_host_at_work->sight->netns << 32 | ifindex;
	struct na_memory *place;

	if (!name[0] || !ip)
		return;
	place = na_recall(kind, name_word(name), ip, now, PLACE_NS);
	/* Containers have interfaces of the same name, and the same gateway: then nothing is known. */
	place->b |= place->a != 0 && place->a != here;
	place->a = here;
	place->until_ns = now + PLACE_NS;
}

static void remember_places(const struct arp_sight *seen, const struct arp_work *work)
{
	__u32 ip = seen->way == ARP_SIGHT_SENT ? work->facts.target_ip : work->facts.sender_ip;

	if (seen->way == ARP_SIGHT_RECEIVED) {
		struct na_host_heard *heard = &na_host_at_work->heard_at[seen->at.cpu % na_host_at_work->cpus];

		heard->at = seen->at;
		heard->ip = ip;
		heard->upper = seen->uppers[0];
	}
	remember_place(ARP_HOST_PLACE, seen->at.ifname, seen->at.ifindex, ip, work->now);
	if (seen->way == ARP_SIGHT_RECEIVED)
		remember_place(ARP_HOST_PLACE, seen->at.master, seen->uppers[0], ip, work->now);
	else if (work->facts.operation == ARP_OP_REQUEST)
		remember_place(ARP_HOST_QUESTION, seen->at.ifname, seen->at.ifindex, ip, work->now);
}

/* Copies what the script took of the frame; false when it is not ARP or its beginning is not linear. */
static bool copy_frame(const struct arp_sight *seen, struct arp_work *work)
{
	__u32 offset = NA_ETH_HLEN, first, wanted;
	__u16 protocol = seen->protocol, vlan = seen->has_vlan ? na_vlan_id(seen->vlan_tci) : NA_VLAN_NONE;

	work->facts.has_ethernet = seen->device_type == NA_ARPHRD_ETHER && seen->mac_header != NA_HEADER_UNSET;
	if (work->facts.has_ethernet)
		memcpy(&work->frame.ethernet, seen->bytes, NA_ETH_HLEN);
	for (int i = 0; i < 2 && na_is_vlan(bpf_htons(protocol)); i++) {
		__be16 tag[2];

		memcpy(tag, seen->bytes + offset, sizeof(tag));
		vlan = na_vlan_id(bpf_ntohs(tag[0]));
		protocol = bpf_ntohs(tag[1]);
		offset += NA_VLAN_HLEN;
	}
	/* The bytes begin at the Ethernet header, or where it would be. */
	first = (work->facts.has_ethernet ? seen->mac_header + NA_ETH_HLEN : seen->data) + offset - NA_ETH_HLEN;
	if (protocol != NA_ETH_P_ARP || first > seen->linear_end + seen->data_length)
		return false;
	work->frame.vlan = vlan;
	work->facts.length = seen->linear_end + seen->data_length - first;
	wanted = work->facts.length < sizeof(work->frame.arp) ? work->facts.length : sizeof(work->frame.arp);
	if (first + wanted > seen->linear_end)
		return false;
	memcpy(&work->frame.arp, seen->bytes + offset, wanted);
	return true;
}

static bool begin_work(const struct arp_sight *seen, struct arp_work *work)
{
	memset(work, 0, sizeof(*work));
	work->now = seen->at.boottime_ns;
	work->has_upper = seen->uppers[0] != 0;
	work->key.netns = seen->at.netns;
	work->key.ifindex = seen->at.ifindex;
	work->facts.host = seen->at.netns;
	work->facts.device_type = seen->device_type;
	work->facts.device_address_length = seen->device_address_length;
	work->facts.is_sent = seen->way == ARP_SIGHT_SENT;
	work->facts.is_noarp = seen->way == ARP_SIGHT_RECEIVED && seen->device_flags & NA_IFF_NOARP && !work->has_upper;
	if (!work->facts.is_noarp && !arp_is_ethernet_like(seen->device_type))
		return false;
	return copy_frame(seen, work);
}

/* A frame in a buffer: the same buffer is taken for the next frame at once. */
static __u64 frame_word(const struct arp_sight *seen)
{
	__u64 word = na_mix(seen->buffer, seen->at.netns);

	for (int i = 0; i < ARP_SIGHT_BYTES / 8; i++) {
		__u64 part;

		memcpy(&part, seen->bytes + 8 * i, sizeof(part));
		/* Six words and two bytes are Ethernet and ARP; behind them is what was in the buffer before. */
		if (i == 5)
			part &= be64toh(0xffff000000000000);
		if (i < 6)
			word = na_mix(word, part);
	}
	return word;
}

/* True when this frame was judged on a device above a moment ago; remembers it for the devices below. */
static bool was_judged_above(const struct arp_sight *seen, const struct arp_work *work)
{
	struct na_memory *last = na_recall(ARP_HOST_SENT, seen->at.cpu, 0, work->now, SENT_NS);
	__u64 frame = frame_word(seen);
	bool is_below = false;

	for (int i = 0; i < ARP_SIGHT_UPPERS; i++)
		is_below |= seen->uppers[i] && seen->uppers[i] == last->b;
	if (last->a == frame && is_below)
		return true;
	last->a = frame;
	last->b = seen->at.ifindex;
	last->until_ns = work->now + SENT_NS;
	return false;
}

static int report_frame(const struct arp_sight *seen, struct arp_work *work, struct arp_event *events)
{
	const __u32 direction = seen->way == ARP_SIGHT_SENT ? NA_DIRECTION_TX : NA_DIRECTION_RX;
	int count = 0;

	if (!is_reported(&na_host_at_work->config, work))
		return 0;
	if (work->is_traced) {
		set_trace_key(&work->key, seen->at.probe, &work->trace);
		memset(&events[count], 0, sizeof(*events));
		na_host_fill_head(&events[count].head, &work->trace, direction);
		fill_frame(&events[count++], &work->frame, &work->facts);
	}
	if (!work->rules)
		return count;
	memset(&events[count], 0, sizeof(*events));
	na_host_fill_head(&events[count].head, &work->key, direction);
	fill_frame(&events[count], &work->frame, &work->facts);
	fill_verdict(&events[count], work);
	return count + 1;
}

static bool has_reason(const unsigned long long *words, __u32 reason)
{
	return reason / 64 < NA_REASON_WORDS && words[reason / 64] >> reason % 64 & 1;
}

static int judge_drop(const struct arp_sight *seen, struct arp_work *work, struct arp_event *events)
{
	const struct na_host *host = na_host_at_work;
	bool is_received =
		seen->received_on == seen->at.ifindex || has_reason(host->reasons.before_reception, seen->drop_reason);

	if (!has_reason(host->reasons.telling, seen->drop_reason) ||
	    !na_left_by_trust(&host->config, 1u << ARP_RULE_DROPPED, 0, 0))
		return 0;
	take_facts(work);
	work->key.rule = ARP_RULE_DROPPED;
	work->key.a = seen->location;
	work->key.b = seen->drop_reason;
	memset(events, 0, sizeof(*events));
	na_host_fill_head(&events->head, &work->key, is_received ? NA_DIRECTION_RX : NA_DIRECTION_TX);
	fill_frame(events, &work->frame, &work->facts);
	events->head.location = seen->location;
	events->head.drop_reason = seen->drop_reason;
	return 1;
}

int arp_judge_frame_sight(struct na_host *host, const struct arp_sight *seen, struct arp_event *events)
{
	struct arp_work work;

	begin(host, &seen->at, seen);
	if (!begin_work(seen, &work))
		return 0;
	switch (seen->way) {
	case ARP_SIGHT_RECEIVED:
		judge_received(&work);
		break;
	case ARP_SIGHT_SENT:
		if (was_judged_above(seen, &work)) {
			note_request(&work);
			return 0;
		}
		judge_sent(&work, seen->is_process);
		break;
	default:
		return judge_drop(seen, &work, events);
	}
	remember_places(seen, &work);
	return report_frame(seen, &work, events);
}

/* True when the frame behind the change tells which device it is. */
static bool find_place_of_frame(const struct arp_change_sight *seen, struct na_key *key)
{
	const struct na_host *host = na_host_at_work;
	const struct na_host_heard *heard = &host->heard_at[seen->at.cpu % host->cpus];
	const __u64 age = seen->at.boottime_ns - heard->at.boottime_ns;

	if (age > HEARD_NS || heard->ip != seen->ip)
		return false;
	key->netns = heard->at.netns;
	if (strncmp(heard->at.ifname, seen->at.ifname, NA_IFNAME_LEN) == 0)
		key->ifindex = heard->at.ifindex;
	else if (strncmp(heard->at.master, seen->at.ifname, NA_IFNAME_LEN) == 0)
		key->ifindex = heard->upper;
	else
		return false;
	return true;
}

static void find_place(const struct arp_change_sight *seen, struct na_key *key)
{
	const __u64 name = name_word(seen->at.ifname), now = seen->at.boottime_ns;
	const struct na_memory *place = NULL;

	if (seen->kind == ARP_CHANGE_UPDATE && find_place_of_frame(seen, key))
		return;
	/* Who does not answer was asked, which tells more than other frames: a gateway's come to every container. */
	if (seen->kind == ARP_CHANGE_FAILED)
		place = na_peek(ARP_HOST_QUESTION, name, seen->ip, now);
	if (!place)
		place = na_peek(ARP_HOST_PLACE, name, seen->ip, now);
	key->netns = 0;
	/* The name alone tells devices apart, but for those of the same name in other namespaces. */
	if (!place || place->b) {
		key->netns_cookie = name;
		return;
	}
	key->netns = place->a >> 32;
	key->ifindex = place->a;
}

static int trace_failure(const struct arp_change_sight *seen, const struct na_key *place, struct arp_event *event)
{
	struct na_key key;

	if (!is_traced(&na_host_at_work->config, 0))
		return 0;
	set_trace_key(place, seen->at.probe, &key);
	memset(event, 0, sizeof(*event));
	na_host_fill_head(&event->head, &key, NA_DIRECTION_NONE);
	event->vlan = NA_VLAN_NONE;
	event->has_neighbour = 1;
	event->neighbour_ip = bpf_htonl(seen->ip);
	event->new_state = NUD_FAILED;
	return 1;
}

static int table_overflowed(const struct arp_change_sight *seen, struct na_key *key, struct arp_event *event)
{
	if (!na_left_by_trust(&na_host_at_work->config, 1u << ARP_RULE_TABLE_OVERFLOW, 0, 0))
		return 0;
	key->rule = ARP_RULE_TABLE_OVERFLOW;
	memset(event, 0, sizeof(*event));
	na_host_fill_head(&event->head, key, NA_DIRECTION_NONE);
	event->vlan = NA_VLAN_NONE;
	event->has_neighbour = 1;
	event->neighbour_ip = bpf_htonl(seen->ip);
	event->table_entries = seen->entries;
	return 1;
}

int arp_judge_change_sight(struct na_host *host, const struct arp_change_sight *seen, struct arp_event *events)
{
	const __u64 now = seen->at.boottime_ns;
	struct arp_change change = {
		.old_mac = seen->old_mac, .new_mac = seen->new_mac, .new_state = seen->new_state, .ip = seen->ip
	};
	struct na_key key = {};
	int count = 0;

	begin(host, &seen->at, NULL);
	find_place(seen, &key);
	if (seen->kind == ARP_CHANGE_NO_ROOM)
		return table_overflowed(seen, &key, events);
	if (seen->kind == ARP_CHANGE_FAILED) {
		count = trace_failure(seen, &key, events);
		change.rules = 1u << ARP_RULE_RESOLUTION_FAILED;
		change.new_state = NUD_FAILED;
		change.count = na_count_in_window(ARP_FAILURES, domain_of_place(&key), change.ip, now, FAILURES_NS);
		if (change.count >= na_threshold(ARP_RULE_RESOLUTION_FAILED))
			change.detail = ARP_DETAIL_FAILED_REPEATEDLY;
	} else if (seen->old_state & NUD_PERMANENT) {
		change.rules = 1u << ARP_RULE_STATIC_OVERWRITE;
	} else {
		judge_binding(&host->config, domain_of_place(&key), seen->flags, now, &change);
	}
	if (!settle_change(&host->config, &change, 0, &key))
		return count;
	memset(&events[count], 0, sizeof(*events));
	na_host_fill_head(&events[count].head, &key, NA_DIRECTION_NONE);
	fill_change(&events[count], &change, seen->old_state, now);
	return count + 1;
}
