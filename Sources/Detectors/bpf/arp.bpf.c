// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The arp detector's kernel half: judges every ARP frame received, every one a local process sends past the kernel's
 * own ARP (AF_PACKET), and the neighbour table's changes of mind.
 *
 * A frame is judged once, on the lowest device that shows it: netif_receive_skb fires again for the bridge a port
 * belongs to, net_dev_queue again for each device below the one it was sent on.
 */
#include "kernel/gate.bpf.h"
#include "kernel/addresses.bpf.h"
#include "kernel/arp_frame.bpf.h"

/* REACHABLE | STALE | DELAY | PROBE: learned and valid. NOARP is nobody's binding; PERMANENT takes no change. */
#define NUD_LEARNED 0x1e
#define NUD_FAILED 0x20
#define NEIGH_UPDATE_OVERRIDE 0x1
/* NEIGH_UPDATE_F_ADMIN is bit 31 in older kernels and bit 7 in newer ones; a macro, so BTF cannot tell which. */
#define NEIGH_UPDATE_ADMIN 0x80000080

/* What a sent frame looked like one device up, to know it again; per CPU: stacked devices send synchronously. */
struct arp_sent {
	__u64 data; /* skb->head: clones of one frame share it */
	__u64 device;
	__u64 below; /* the last device it was recognised on */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct arp_sent);
} last_sent SEC(".maps");

static __always_inline void report_frame(void *ctx, struct na_key *key, const struct na_origin *origin,
					 const struct arp_frame *frame, const struct arp_facts *facts)
{
	struct arp_event *event;

	na_set_place(key, origin->dev, true);
	event = na_gate(ctx, key, origin, sizeof(*event));
	if (!event)
		return;
	fill_frame(event, frame, facts);
	bpf_ringbuf_submit(event, 0);
}

/* The rules that the header alone decides, as rule << 8 | sub-case, or ARP_RULE_COUNT << 8 for a good header. */
__noinline int judge_header(const struct arp_facts *facts)
{
	__u32 detail;

	if (!facts)
		return 0;
	detail = arp_malformed(facts);
	if (detail)
		return ARP_RULE_MALFORMED << 8 | detail;
	detail = arp_bad_sender_mac(facts);
	if (detail)
		return ARP_RULE_BAD_SENDER_MAC << 8 | detail;
	detail = arp_bad_sender_ip(facts);
	if (detail)
		return ARP_RULE_BAD_SENDER_IP << 8 | detail;
	return ARP_RULE_COUNT << 8;
}

/* The first rule that a received frame breaks; key->rule is ARP_RULE_COUNT when it breaks none. */
static __always_inline void judge_received(struct sk_buff *skb, struct net_device *dev, const struct arp_frame *frame,
					   const struct arp_facts *facts, struct na_key *key)
{
	__u32 verdict = judge_header(facts);
	__be32 ip = frame->sender_ip ? frame->sender_ip : frame->target_ip;
	int found;

	key->rule = verdict >> 8;
	key->detail = verdict & 0xff;
	key->a = facts->eth_source;
	if (key->rule == ARP_RULE_MALFORMED)
		return;
	key->b = facts->sender_mac;
	if (key->rule == ARP_RULE_BAD_SENDER_MAC)
		return;
	key->c = facts->sender_ip;
	if (key->rule == ARP_RULE_BAD_SENDER_IP)
		return;
	found = na_find_our_address(skb, dev, ip, frame->vlan);
	if (found == NA_SUBNET_BROADCAST && frame->sender_ip) {
		key->rule = ARP_RULE_BAD_SENDER_IP;
		key->detail = ARP_DETAIL_IP_SUBNET_BROADCAST;
	} else if (found == NA_OURS && !na_is_our_mac(skb, dev, facts->sender_mac)) {
		key->rule = ARP_RULE_ADDRESS_CONFLICT;
		key->detail = frame->sender_ip ? ARP_DETAIL_CONFLICT_CLAIM : ARP_DETAIL_CONFLICT_PROBE;
		key->a = 0;
		key->c = bpf_ntohl(ip);
	} else if (arp_sender_mismatch(facts)) {
		key->rule = ARP_RULE_SENDER_MISMATCH;
	}
}

static __noinline int received(void *ctx, struct sk_buff *skb)
{
	struct na_origin origin = {
		.dev = skb->dev,
		.probe = ARP_PROBE_NETIF_RECEIVE_SKB,
		.direction = NA_DIRECTION_RX,
	};
	struct na_key key = { .rule = ARP_RULE_COUNT };
	struct arp_facts facts = {};
	struct arp_frame frame = {};
	struct net_device *dev = skb->dev;

	/* Already received on another device: the copy a bridge or a macvlan gives itself. */
	if (!dev || skb->skb_iif)
		return 0;
	if (!arp_is_ethernet_like(dev->type) || !read_frame(ctx, skb, dev, 0, skb->protocol, &frame, &facts))
		return 0;
	judge_received(skb, dev, &frame, &facts, &key);
	if (key.rule != ARP_RULE_COUNT)
		report_frame(ctx, &key, &origin, &frame, &facts);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(on_netif_receive_skb, struct sk_buff *skb)
{
	__be16 protocol = skb->protocol;

	if (protocol != bpf_htons(NA_ETH_P_ARP) && !na_is_vlan(protocol))
		return 0;
	return received(ctx, skb);
}

/* True when this frame was judged on a device above `dev` a moment ago; remembers it for the devices below. */
static __always_inline bool was_judged_above(struct sk_buff *skb, struct net_device *dev)
{
	__u32 zero = 0;
	struct arp_sent *last = bpf_map_lookup_elem(&last_sent, &zero);

	if (!last)
		return false;
	if (last->data == (__u64)skb->head && !na_has_no_upper(dev) &&
	    na_is_upper(na_device_address(skb), last->device, last->below)) {
		last->below = (__u64)dev;
		return true;
	}
	last->data = (__u64)skb->head;
	last->device = (__u64)dev;
	last->below = 0;
	return false;
}

/* The first rule that a frame breaks which a local process made itself; malformed ones are the receivers' matter. */
static __always_inline void judge_sent(struct sk_buff *skb, struct net_device *dev, const struct arp_frame *frame,
				       const struct arp_facts *facts, struct na_key *key)
{
	int found = NA_OURS; /* 0.0.0.0 is nobody's: an address probe */

	if (judge_header(facts) >> 8 == ARP_RULE_MALFORMED)
		return;
	key->c = facts->sender_ip;
	if (frame->sender_ip)
		found = na_find_our_address(skb, dev, frame->sender_ip, frame->vlan);
	if (found == 0 || found == NA_SUBNET_BROADCAST) {
		key->rule = ARP_RULE_LOCAL_SPOOF;
		bpf_get_current_comm(&key->a, 2 * sizeof(key->a));
	} else if (arp_sender_mismatch(facts)) {
		key->rule = ARP_RULE_SENDER_MISMATCH;
		key->a = facts->eth_source;
		key->b = facts->sender_mac;
	}
}

static __noinline int sent(void *ctx, struct sk_buff *skb)
{
	struct na_origin origin = {
		.dev = skb->dev,
		.probe = ARP_PROBE_NET_DEV_QUEUE,
		.direction = NA_DIRECTION_TX,
	};
	struct na_key key = { .rule = ARP_RULE_COUNT };
	struct arp_facts facts = {};
	struct arp_frame frame = {};
	struct net_device *dev = skb->dev;
	struct ethernet_wire ethernet = {};
	struct sock *sk = skb->sk;

	/* Forwarded frames were judged when they were received; the kernel's own have no socket. */
	if (!dev || !sk || skb->skb_iif || sk->__sk_common.skc_family != NA_AF_PACKET)
		return 0;
	if (!arp_is_ethernet_like(dev->type) || skb->len - skb->data_len < NA_ETH_HLEN)
		return 0;
	bpf_probe_read_kernel(&ethernet, sizeof(ethernet), skb->data);
	if (!read_frame(ctx, skb, dev, NA_ETH_HLEN, ethernet.type, &frame, &facts))
		return 0;
	judge_sent(skb, dev, &frame, &facts, &key);
	if (was_judged_above(skb, dev) || key.rule == ARP_RULE_COUNT)
		return 0;
	report_frame(ctx, &key, &origin, &frame, &facts);
	return 0;
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(on_net_dev_queue, struct sk_buff *skb)
{
	__be16 protocol = skb->protocol;

	if (protocol != bpf_htons(NA_ETH_P_ARP) && !na_is_vlan(protocol))
		return 0;
	return sent(ctx, skb);
}

static __always_inline void report_neighbour(void *ctx, struct na_key *key, __u32 probe, struct neighbour *neighbour,
					     __u64 new_mac, __u8 new_state)
{
	struct na_origin origin = { .dev = neighbour->dev, .probe = probe, .direction = NA_DIRECTION_NONE };
	__u64 bits = bpf_cpu_to_be64(new_mac << 16);
	struct arp_event *event;
	__be32 ip = 0;

	if (!origin.dev)
		return;
	bpf_core_read(&ip, sizeof(ip), &neighbour->primary_key);
	na_set_place(key, origin.dev, true);
	key->c = bpf_ntohl(ip);
	event = na_gate(ctx, key, &origin, sizeof(*event));
	if (!event)
		return;
	event->neighbour_ip = ip;
	event->vlan = NA_VLAN_NONE;
	event->old_state = neighbour->nud_state;
	event->new_state = new_state;
	bpf_core_read(event->old_mac, ARP_MAC_LEN, &neighbour->ha);
	__builtin_memcpy(event->new_mac, &bits, ARP_MAC_LEN);
	bpf_ringbuf_submit(event, 0);
}

SEC("tp_btf/neigh_update")
int BPF_PROG(on_neigh_update, struct neighbour *neighbour, const __u8 *lladdr, __u8 new_state, __u32 flags,
	     __u32 netlink_pid)
{
	struct na_key key = { .rule = ARP_RULE_BINDING_CHANGE };
	unsigned char old_mac[ARP_MAC_LEN] = {}, new_mac[ARP_MAC_LEN] = {};

	/* An administrator's changes are none of ours: they leave before anything is read. */
	if (!lladdr || netlink_pid || flags & NEIGH_UPDATE_ADMIN)
		return 0;
	if (neighbour->tbl->family != NA_AF_INET || !(neighbour->nud_state & NUD_LEARNED) ||
	    neighbour->dev->addr_len != ARP_MAC_LEN)
		return 0;
	bpf_probe_read_kernel(new_mac, sizeof(new_mac), lladdr);
	bpf_core_read(old_mac, sizeof(old_mac), &neighbour->ha);
	key.a = na_mac_bits(old_mac);
	key.b = na_mac_bits(new_mac);
	if (key.a == key.b)
		return 0;
	if (!(flags & NEIGH_UPDATE_OVERRIDE))
		key.detail = ARP_DETAIL_BINDING_REJECTED;
	else if (arp_is_virtual_router_mac(key.a) || arp_is_virtual_router_mac(key.b))
		key.detail = ARP_DETAIL_BINDING_VIRTUAL;
	else
		key.detail = ARP_DETAIL_BINDING_APPLIED;
	report_neighbour(ctx, &key, ARP_PROBE_NEIGH_UPDATE, neighbour, key.b, new_state);
	return 0;
}

SEC("tp_btf/neigh_timer_handler")
int BPF_PROG(on_neigh_timer_handler, struct neighbour *neighbour)
{
	struct na_key key = { .rule = ARP_RULE_RESOLUTION_FAILED };

	if (neighbour->nud_state != NUD_FAILED || neighbour->tbl->family != NA_AF_INET)
		return 0;
	report_neighbour(ctx, &key, ARP_PROBE_NEIGH_TIMER_HANDLER, neighbour, 0, NUD_FAILED);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
