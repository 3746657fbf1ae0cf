// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tun-gso detector's kernel half: judges the GSO metadata of packets that enter from and leave to the owner of a
 * TUN, TAP, macvtap or ipvtap device, and sees the packets whose header or segmentation the kernel refused.
 *
 * A packet without GSO metadata, and one on any other device, is let go after a few loads. gso_type is read as the
 * kernel's 32 bits from skb_shared_info: the classic tracepoints cut it to 16 and so lose UDP segmentation.
 */
#include "kernel/gso_packet.bpf.h"
#include "kernel/tun_device.bpf.h"
#include "kernel/gso_report.bpf.h"
#include "kernel/sweep.bpf.h"

enum skb_drop_reason {
	SKB_DROP_REASON_NOT_SPECIFIED,
	SKB_DROP_REASON_DEV_HDR,
	SKB_DROP_REASON_SKB_BAD_GSO,
};

static __always_inline void read_facts(void *ctx, struct sk_buff *skb, struct gso_view *view, struct gso_facts *facts)
{
	facts->type = view->gso.type;
	facts->size = view->gso.size;
	facts->encapsulation = BPF_CORE_READ_BITFIELD(skb, encapsulation);
	facts->network_header = skb->network_header;
	facts->transport_header = skb->transport_header;
	facts->inner_network_header = skb->inner_network_header;
	facts->received = view->origin.direction == NA_DIRECTION_RX;
	gso_parse(na_packet_address(ctx), facts->encapsulation && facts->type & GSO_TUNNEL_BITS, &view->packet);
	facts->ip_version = view->packet.ip_version;
	facts->l4_protocol = view->packet.l4_protocol;
}

/* Rules about size and type alone: judged where the packet is handed over, after the kernel's own segmentation. */
static __always_inline bool judge_metadata(const struct gso_facts *facts, struct na_key *key)
{
	if (gso_size_without_type(facts))
		key->rule = GSO_RULE_SIZE_WITHOUT_TYPE;
	else if (gso_type_without_size(facts))
		key->rule = GSO_RULE_TYPE_WITHOUT_SIZE;
	else
		return false;
	return true;
}

/* Rules about what the metadata says of the headers: judged before the kernel segments or drops for that reason. */
static __always_inline bool judge_headers(const struct gso_facts *facts, struct na_key *key)
{
	key->detail = gso_tunnel_without_encapsulation(facts);
	if (key->detail) {
		key->rule = GSO_RULE_TUNNEL_WITHOUT_ENCAPSULATION;
		return true;
	}
	key->detail = gso_ip_mismatch(facts);
	if (key->detail) {
		key->rule = GSO_RULE_IP_MISMATCH;
		return true;
	}
	key->detail = gso_l4_mismatch(facts);
	if (key->detail) {
		key->rule = GSO_RULE_L4_MISMATCH;
		return true;
	}
	key->detail = gso_tiny_size(facts, na_threshold(GSO_RULE_TINY_SIZE));
	if (key->detail) {
		key->rule = GSO_RULE_TINY_SIZE;
		return true;
	}
	return false;
}

/* Everything a hook needs to know to judge a packet; the loads before it are what ordinary packets pay. */
#define GSO_VIEW(view, skb, device, hook, way)                                      \
	struct gso_view view = {                                                    \
		.origin = { .dev = (device), .probe = (hook), .direction = (way) }, \
		.gso = gso_read(skb),                                               \
		.has_gso = true,                                                    \
	}

static __always_inline int packet_from_owner(void *ctx, struct sk_buff *skb, __u32 probe)
{
	struct net_device *dev = skb->dev;
	__u32 kind = dev ? gso_device_kind(dev) : GSO_DEVICE_OTHER;
	struct gso_facts facts = {};
	struct na_key key = {};

	if (kind == GSO_DEVICE_OTHER)
		return 0;
	GSO_VIEW(view, skb, dev, probe, NA_DIRECTION_RX);
	if (!(view.gso.type | view.gso.size))
		return 0;
	view.device_kind = kind;
	read_facts(ctx, skb, &view, &facts);
	if (!judge_metadata(&facts, &key) && !judge_headers(&facts, &key))
		return 0;
	report(ctx, skb, &key, &view, true);
	return 0;
}

SEC("tp_btf/netif_receive_skb_entry")
int BPF_PROG(on_netif_receive_skb_entry, struct sk_buff *skb)
{
	return packet_from_owner(ctx, skb, GSO_PROBE_NETIF_RECEIVE_SKB_ENTRY);
}

SEC("tp_btf/napi_gro_receive_entry")
int BPF_PROG(on_napi_gro_receive_entry, struct sk_buff *skb)
{
	return packet_from_owner(ctx, skb, GSO_PROBE_NAPI_GRO_RECEIVE_ENTRY);
}

SEC("tp_btf/napi_gro_frags_entry")
int BPF_PROG(on_napi_gro_frags_entry, struct sk_buff *skb)
{
	return packet_from_owner(ctx, skb, GSO_PROBE_NAPI_GRO_FRAGS_ENTRY);
}

static __always_inline int packet_to_owner(void *ctx, struct sk_buff *skb, __u32 probe)
{
	struct net_device *dev = skb->dev;
	__u32 kind = dev ? gso_device_kind(dev) : GSO_DEVICE_OTHER;
	struct gso_facts facts = {};
	struct sock *sk = skb->sk;
	struct na_key key = {};
	bool is_handed_over = probe == GSO_PROBE_NET_DEV_START_XMIT, is_broken;

	if (kind == GSO_DEVICE_OTHER)
		return 0;
	GSO_VIEW(view, skb, dev, probe, NA_DIRECTION_TX);
	/* The rules about headers need a size; those about metadata need either. */
	if (!(is_handed_over ? view.gso.type | view.gso.size : view.gso.size))
		return 0;
	view.device_kind = kind;
	/* A macvtap or ipvtap sends for its owner, whose socket the packet still carries; what goes to it comes
	 * elsewhere. */
	if (kind != GSO_DEVICE_TUN && sk && sk->__sk_common.skc_family == NA_AF_UNSPEC)
		view.origin.direction = NA_DIRECTION_RX;
	read_facts(ctx, skb, &view, &facts);
	facts.received = false;
	is_broken = is_handed_over ? judge_metadata(&facts, &key) : judge_headers(&facts, &key);
	if (!is_broken)
		return 0;
	report(ctx, skb, &key, &view, true);
	return 0;
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(on_net_dev_queue, struct sk_buff *skb)
{
	return packet_to_owner(ctx, skb, GSO_PROBE_NET_DEV_QUEUE);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(on_net_dev_start_xmit, struct sk_buff *skb)
{
	return packet_to_owner(ctx, skb, GSO_PROBE_NET_DEV_START_XMIT);
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

static __always_inline int header_rejected(void *ctx, struct sk_buff *skb, struct owner owner, __u64 location,
					   __u32 reason)
{
	struct gso_view view = {
		.origin = { .dev = owner.dev, .probe = GSO_PROBE_KFREE_SKB, .direction = NA_DIRECTION_RX },
		.location = location,
		.drop_reason = reason,
		.tun_flags = owner.flags,
		.device_kind = owner.kind,
	};
	struct na_key key = { .rule = GSO_RULE_HEADER_REJECTED };

	/* Without the device's flags a packet without any header could not be told from one with a bad header. */
	if (!is_header_refusal(reason) || !owner.dev)
		return 0;
	if (!(owner.flags & IFF_VNET_HDR) || is_foreign_to_tun(skb, owner.flags))
		return 0;
	view.packet.l4_protocol = GSO_L4_UNKNOWN;
	view.packet.linear_end = skb->tail;
	report(ctx, skb, &key, &view, false);
	return 0;
}

/* Drops are rare and the two owners' code is large: out of line. */
static __noinline int tun_header_rejected(void *ctx, struct sk_buff *skb, __u64 location, __u32 reason)
{
	return header_rejected(ctx, skb, tun_of_socket(skb->sk), location, reason);
}

static __noinline int tap_header_rejected(void *ctx, struct sk_buff *skb, __u64 location, __u32 reason)
{
	return header_rejected(ctx, skb, tap_of_socket(skb->sk), location, reason);
}

static __noinline int segmentation_refused(void *ctx, struct sk_buff *skb, __u64 location, __u32 reason)
{
	struct net_device *dev = skb->dev;
	struct gso_facts facts = {};
	struct na_key key = { .rule = GSO_RULE_SEGMENTATION_REFUSED };

	GSO_VIEW(view, skb, dev, GSO_PROBE_KFREE_SKB, NA_DIRECTION_TX);
	if (!dev)
		return 0;
	view.location = location;
	view.drop_reason = reason;
	view.device_kind = gso_device_kind(dev);
	read_facts(ctx, skb, &view, &facts);
	/* A packet that came from an owner is ours wherever it dies; others only on our devices. */
	if (view.device_kind == GSO_DEVICE_OTHER && !(facts.type & GSO_DODGY))
		return 0;
	report(ctx, skb, &key, &view, true);
	return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb, struct sk_buff *skb, void *location, unsigned int reason)
{
	bool has_size = gso_read(skb).size != 0;

	/* Ordinary drops have a device, no GSO size, and another reason. */
	if (!has_size && skb->dev && !is_device_header(reason))
		return 0;
	if (has_size && is_bad_gso(reason))
		return segmentation_refused(ctx, skb, (__u64)location, reason);
	switch (drop_site((__u64)location)) {
	case DROP_SITE_TUN_WRITE:
		return skb->dev ? 0 : tun_header_rejected(ctx, skb, (__u64)location, reason);
	case DROP_SITE_TAP_WRITE:
		return tap_header_rejected(ctx, skb, (__u64)location, reason);
	case DROP_SITE_SEGMENTATION:
		return has_size ? segmentation_refused(ctx, skb, (__u64)location, reason) : 0;
	default:
		return 0;
	}
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
