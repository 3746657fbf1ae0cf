// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tun-gso detector's kernel half: judges the GSO metadata of packets that enter from and leave to the owner of a
 * TUN, TAP, macvtap or ipvtap device, and sees the packets whose header or segmentation the kernel refused.
 *
 * A packet without GSO metadata, and one on any other device, is let go after a few loads. gso_type is read as the
 * kernel's 32 bits from skb_shared_info: the classic tracepoints cut it to 16 and so lose UDP segmentation.
 */
#include "kernel/tun_device.bpf.h"
#include "kernel/gso_report.bpf.h"
#include "kernel/sweep.bpf.h"

enum skb_drop_reason {
	SKB_DROP_REASON_NOT_SPECIFIED,
	SKB_DROP_REASON_DEV_HDR,
	SKB_DROP_REASON_SKB_BAD_GSO,
};

/* What is needed to judge a packet, read at once from the program's own argument. */
static __always_inline void read_packet(struct sk_buff *skb, struct net_device *dev, struct gso_metadata gso,
					struct gso_view *view)
{
	struct gso_packet *packet = &view->packet;
	struct gso_facts *facts = &view->facts;

	view->has_gso = true;
	view->device = (__u64)dev;
	na_set_place(&view->place, dev, true);
	facts->type = gso.type;
	facts->size = gso.size;
	facts->segs = gso.segs;
	facts->features = dev->features;
	facts->mtu = dev->mtu;
	facts->encapsulation = BPF_CORE_READ_BITFIELD(skb, encapsulation);
	facts->ip_summed = BPF_CORE_READ_BITFIELD(skb, ip_summed);
	facts->network_header = skb->network_header;
	facts->transport_header = skb->transport_header;
	facts->inner_network_header = skb->inner_network_header;
	facts->checksum_start = skb->csum_start;
	facts->checksum_offset = skb->csum_offset;
	facts->linear_end = skb->tail;
	facts->l4_protocol = GSO_L4_UNKNOWN;
	packet->head = (__u64)skb->head;
	packet->end = facts->linear_end + skb->data_len;
	packet->mac_header = skb->mac_header;
	packet->protocol = skb->protocol;
	packet->is_ethernet = dev->type == NA_ARPHRD_ETHER;
	packet->is_tunnel = facts->encapsulation && facts->type & GSO_TUNNEL_BITS;
	gso_parse(packet, facts);
}

/* Global, so that the verifier looks at it once. */
__noinline int judge(const struct gso_facts *facts, struct gso_verdict *verdict)
{
	if (facts && verdict)
		gso_judge_packet(facts, na_threshold(GSO_RULE_TINY_SIZE), verdict);
	return 0;
}

/* What an ordinary packet pays: its device is none of ours. */
static __always_inline __u32 kind_of_packet(struct sk_buff *skb)
{
	struct net_device *dev = skb->dev;

	return dev ? gso_device_kind(dev) : GSO_DEVICE_OTHER;
}

/* And the owner's own without GSO. */
static __always_inline bool has_metadata(struct sk_buff *skb)
{
	struct gso_metadata gso = gso_read(skb);

	return gso.type | gso.size;
}

/* Judging and reporting are functions of their own, so that the stack of the one is free for the other. */

static __noinline int judge_from_owner(struct sk_buff *skb, __u32 kind, __u32 probe)
{
	struct gso_metadata gso = gso_read(skb);
	struct net_device *dev = skb->dev;
	struct gso_view *view;

	if (!dev)
		return 0;
	view = begin_view(probe, kind, NA_DIRECTION_RX);
	if (!view)
		return 0;
	view->facts.stage = GSO_STAGE_RECEIVED;
	view->facts.from_owner = 1;
	read_packet(skb, dev, gso, view);
	judge(&view->facts, &view->verdict);
	return settle(view);
}

SEC("tp_btf/netif_receive_skb_entry")
int BPF_PROG(on_netif_receive_skb_entry, struct sk_buff *skb)
{
	__u32 kind = kind_of_packet(skb);

	if (kind == GSO_DEVICE_OTHER || !has_metadata(skb) ||
	    !judge_from_owner(skb, kind, GSO_PROBE_NETIF_RECEIVE_SKB_ENTRY))
		return 0;
	return report(ctx, skb, GSO_PROBE_NETIF_RECEIVE_SKB_ENTRY);
}

SEC("tp_btf/napi_gro_receive_entry")
int BPF_PROG(on_napi_gro_receive_entry, struct sk_buff *skb)
{
	__u32 kind = kind_of_packet(skb);

	if (kind == GSO_DEVICE_OTHER || !has_metadata(skb) ||
	    !judge_from_owner(skb, kind, GSO_PROBE_NAPI_GRO_RECEIVE_ENTRY))
		return 0;
	return report(ctx, skb, GSO_PROBE_NAPI_GRO_RECEIVE_ENTRY);
}

SEC("tp_btf/napi_gro_frags_entry")
int BPF_PROG(on_napi_gro_frags_entry, struct sk_buff *skb)
{
	__u32 kind = kind_of_packet(skb);

	if (kind == GSO_DEVICE_OTHER || !has_metadata(skb) ||
	    !judge_from_owner(skb, kind, GSO_PROBE_NAPI_GRO_FRAGS_ENTRY))
		return 0;
	return report(ctx, skb, GSO_PROBE_NAPI_GRO_FRAGS_ENTRY);
}

/* A macvtap or ipvtap sends for its owner, whose socket the packet still carries; what goes to it comes elsewhere. */
static __always_inline bool is_from_owner(struct sk_buff *skb, __u32 kind)
{
	struct sock *sk = skb->sk;

	return kind != GSO_DEVICE_TUN && sk && sk->__sk_common.skc_family == NA_AF_UNSPEC;
}

static __noinline int judge_to_owner(struct sk_buff *skb, __u32 kind, __u32 probe, __u32 stage)
{
	struct gso_metadata gso = gso_read(skb);
	struct net_device *dev = skb->dev;
	struct gso_view *view;

	if (!dev)
		return 0;
	/* A size, or what a local TCP segment without a size does not carry. */
	if (!gso.size && (stage != GSO_STAGE_HANDED_OVER || !(gso.type & ~GSO_SOCKET_BITS)))
		return 0;
	view = begin_view(probe, kind, NA_DIRECTION_TX);
	if (!view)
		return 0;
	view->facts.stage = stage;
	if (is_from_owner(skb, kind)) {
		view->direction = NA_DIRECTION_RX;
		view->facts.from_owner = 1;
	}
	read_packet(skb, dev, gso, view);
	judge(&view->facts, &view->verdict);
	return settle(view);
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(on_net_dev_queue, struct sk_buff *skb)
{
	__u32 kind = kind_of_packet(skb);

	if (kind == GSO_DEVICE_OTHER || !judge_to_owner(skb, kind, GSO_PROBE_NET_DEV_QUEUE, GSO_STAGE_QUEUED))
		return 0;
	return report(ctx, skb, GSO_PROBE_NET_DEV_QUEUE);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(on_net_dev_start_xmit, struct sk_buff *skb)
{
	__u32 kind = kind_of_packet(skb);

	if (kind == GSO_DEVICE_OTHER || !judge_to_owner(skb, kind, GSO_PROBE_NET_DEV_START_XMIT, GSO_STAGE_HANDED_OVER))
		return 0;
	return report(ctx, skb, GSO_PROBE_NET_DEV_START_XMIT);
}

/* A reason of its own for a bad device header; kernels before 6.16 have none. */
static __always_inline bool is_device_header(__u32 reason)
{
	return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_DEV_HDR) &&
	       reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_DEV_HDR);
}

/* Newer kernels (6.12.117 among them) check an owner's GSO metadata before the packet reaches net_dev_queue. */
static __always_inline bool is_bad_gso(__u32 reason)
{
	return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_SKB_BAD_GSO) &&
	       reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_SKB_BAD_GSO);
}

/* True for the drop of a packet whose virtio header was refused: by the reason, where the kernel gives one. */
static __always_inline bool is_header_refusal(__u32 reason)
{
	return !bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED) ||
	       reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED) ||
	       is_device_header(reason);
}

/* A TUN also refuses, with the same reason, what is neither IPv4 nor IPv6. */
static __always_inline bool is_foreign_to_tun(struct sk_buff *skb, __u32 tun_flags)
{
	__u8 first = 0;

	if (!(tun_flags & IFF_TUN) || skb->len == skb->data_len)
		return false;
	bpf_probe_read_kernel(&first, sizeof(first), skb->data);
	return first >> 4 != 4 && first >> 4 != 6;
}

/* These fill the hook's view and say whether there is something to report: so the stack of theirs is free for that. */

static __always_inline int header_rejected(struct sk_buff *skb, struct owner owner, __u64 location, __u32 reason)
{
	struct gso_view *view;

	/* Without the device's flags a packet without any header could not be told from one with a bad header. */
	if (!is_header_refusal(reason) || !owner.dev)
		return 0;
	if (!(owner.flags & IFF_VNET_HDR) || is_foreign_to_tun(skb, owner.flags))
		return 0;
	view = begin_view(GSO_PROBE_KFREE_SKB, owner.kind, NA_DIRECTION_RX);
	if (!view)
		return 0;
	view->location = location;
	view->drop_reason = reason;
	view->tun_flags = owner.flags;
	view->device = (__u64)owner.dev;
	na_set_place(&view->place, owner.dev, false);
	view->facts.l4_protocol = GSO_L4_UNKNOWN;
	view->facts.linear_end = skb->tail;
	gso_break(&view->verdict, GSO_RULE_HEADER_REJECTED, GSO_DETAIL_NONE);
	return settle(view);
}

/* Drops are rare and the two owners' code is large: out of line. */
static __noinline int tun_header_rejected(struct sk_buff *skb, __u64 location, __u32 reason)
{
	return header_rejected(skb, tun_of_socket(skb->sk), location, reason);
}

static __noinline int tap_header_rejected(struct sk_buff *skb, __u64 location, __u32 reason)
{
	return header_rejected(skb, tap_of_socket(skb->sk), location, reason);
}

/* A GSO packet that was dropped on its way out: because it could not be segmented, or not be read (`is_read`). */
static __noinline int dropped(struct sk_buff *skb, __u64 location, __u32 reason, const bool is_read)
{
	struct net_device *dev = skb->dev;
	struct gso_view *view;

	if (!dev)
		return 0;
	view = begin_view(GSO_PROBE_KFREE_SKB, gso_device_kind(dev), NA_DIRECTION_TX);
	if (!view)
		return 0;
	view->facts.stage = GSO_STAGE_HANDED_OVER;
	view->location = location;
	view->drop_reason = reason;
	read_packet(skb, dev, gso_read(skb), view);
	/* A packet that came from an owner is ours wherever it dies; others only on our devices. */
	if (view->device_kind == GSO_DEVICE_OTHER && !(view->facts.type & GSO_DODGY))
		return 0;
	if (is_read)
		gso_break(&view->verdict, GSO_RULE_READ_FAILED, gso_read_failed(&view->facts));
	else
		gso_break(&view->verdict, GSO_RULE_SEGMENTATION_REFUSED, GSO_DETAIL_NONE);
	return settle(view);
}

/* Whether a drop is one to report. */
static __always_inline int judge_drop(struct sk_buff *skb, __u64 location, __u32 reason, bool has_size)
{
	if (has_size && is_bad_gso(reason))
		return dropped(skb, location, reason, false);
	switch (drop_site(location)) {
	case GSO_DROP_TUN_WRITE:
		return skb->dev ? 0 : tun_header_rejected(skb, location, reason);
	case GSO_DROP_TAP_WRITE:
		return tap_header_rejected(skb, location, reason);
	case GSO_DROP_SEGMENTATION:
		return has_size ? dropped(skb, location, reason, false) : 0;
	case GSO_DROP_READ:
		return has_size ? dropped(skb, location, reason, true) : 0;
	default:
		return 0;
	}
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb, struct sk_buff *skb, void *location, unsigned int reason)
{
	bool has_size = gso_read(skb).size != 0;

	/* Ordinary drops have a device, no GSO size, and another reason. */
	if (!has_size && skb->dev && !is_device_header(reason))
		return 0;
	if (judge_drop(skb, (__u64)location, reason, has_size))
		report(ctx, skb, GSO_PROBE_KFREE_SKB);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
