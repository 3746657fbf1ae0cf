// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The arp detector's kernel half: judges every ARP frame received, every one a local process sends past the kernel's
 * own ARP (AF_PACKET), the neighbour table's changes of mind, and ARP that the host drops.
 *
 * A frame is judged once, on the lowest device that shows it: netif_receive_skb fires again for the bridge a port
 * belongs to, net_dev_queue again for each device below the one it was sent on.
 */
#include "kernel/arp_drop.bpf.h"
#include "kernel/arp_neighbour.bpf.h"
#include "kernel/sweep.bpf.h"
#include "judge/arp_judge.h"

/* What a sent frame looked like one device up, to know it again; per CPU: stacked devices send synchronously. */
struct arp_sent {
	__u64 data; /* skb->head: clones of one frame share it */
	__u64 device;
	__u64 below;	     /* the last device it was recognised on */
	struct arp_wire arp; /* the next frame may get the same buffer at once */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct arp_sent);
} last_sent SEC(".maps");

/*
 * Judges a received frame; not 0 when there is something to report. Judging and reporting are functions of their own,
 * so that the stack of the one is free for the other.
 */
static __noinline int judge_frame_received(void *ctx, struct sk_buff *skb)
{
	struct na_config *known = na_config_in_force(ARP_PROBE_NETIF_RECEIVE_SKB);
	struct net_device *dev = skb->dev;
	struct arp_work *work;

	/* Already received on another device: the copy a bridge or a macvlan gives itself. */
	if (!dev || !known || skb->skb_iif)
		return 0;
	work = begin_work(ARP_WORKER_RECEIVED);
	if (!work)
		return 0;
	take_place(dev, work);
	work->facts.is_noarp = dev->flags & NA_IFF_NOARP && !work->has_upper;
	if (!work->facts.is_noarp && !arp_is_ethernet_like(dev->type))
		return 0;
	if (!copy_frame(ctx, skb, dev, work))
		return 0;
	take_first_address(dev, work);
	work->device = (__u64)dev;
	work->now = bpf_ktime_get_boot_ns();
	judge_received(work);
	return is_reported(known, work);
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(on_netif_receive_skb, struct sk_buff *skb)
{
	__be16 protocol = skb->protocol;

	if (protocol != bpf_htons(NA_ETH_P_ARP) && !na_is_vlan(protocol))
		return 0;
	if (judge_frame_received(ctx, skb))
		report_frame(ctx, skb, ARP_WORKER_RECEIVED);
	return 0;
}

/* True when this frame was judged on a device above `dev` a moment ago; remembers it for the devices below. */
static __always_inline bool was_judged_above(struct sk_buff *skb, struct net_device *dev, const struct arp_work *work)
{
	__u32 zero = 0;
	struct arp_sent *last = bpf_map_lookup_elem(&last_sent, &zero);

	if (!last)
		return false;
	if (last->data == (__u64)skb->head && !na_has_no_upper(dev) &&
	    __builtin_memcmp(&last->arp, &work->frame.arp, sizeof(last->arp)) == 0 &&
	    na_is_upper(na_device_address(skb), last->device, last->below)) {
		last->below = (__u64)dev;
		return true;
	}
	last->data = (__u64)skb->head;
	last->device = (__u64)dev;
	last->below = 0;
	last->arp = work->frame.arp;
	return false;
}

static __noinline int judge_frame_sent(void *ctx, struct sk_buff *skb)
{
	struct na_config *known = na_config_in_force(ARP_PROBE_NET_DEV_QUEUE);
	struct net_device *dev = skb->dev;
	struct sock *sk = skb->sk;
	struct arp_work *work;

	/* Forwarded frames were judged when they were received. */
	if (!dev || !known || skb->skb_iif || !arp_is_ethernet_like(dev->type))
		return 0;
	work = begin_work(ARP_WORKER_SENT);
	if (!work)
		return 0;
	work->facts.is_sent = 1;
	take_place(dev, work);
	if (!copy_frame(ctx, skb, dev, work))
		return 0;
	work->now = bpf_ktime_get_boot_ns();
	if (was_judged_above(skb, dev, work))
		return note_request(work);
	take_first_address(dev, work);
	work->device = (__u64)dev;
	judge_sent(work, sk && sk->__sk_common.skc_family == NA_AF_PACKET);
	return is_reported(known, work);
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(on_net_dev_queue, struct sk_buff *skb)
{
	__be16 protocol = skb->protocol;

	if (protocol != bpf_htons(NA_ETH_P_ARP) && !na_is_vlan(protocol))
		return 0;
	if (judge_frame_sent(ctx, skb))
		report_frame(ctx, skb, ARP_WORKER_SENT);
	return 0;
}

SEC("tp_btf/neigh_update")
int BPF_PROG(on_neigh_update, struct neighbour *neighbour, const __u8 *lladdr, __u8 new_state, __u32 flags,
	     __u32 netlink_pid)
{
	/* An administrator's changes are none of ours: they leave before anything is read. */
	if (!lladdr || netlink_pid || flags & NEIGH_UPDATE_ADMIN)
		return 0;
	if (!(neighbour->nud_state & (NUD_LEARNED | NUD_PERMANENT)) || neighbour->tbl->family != NA_AF_INET)
		return 0;
	return neighbour_updated(ctx, neighbour, (__u64)lladdr, new_state, flags);
}

SEC("tp_btf/neigh_timer_handler")
int BPF_PROG(on_neigh_timer_handler, struct neighbour *neighbour)
{
	if (neighbour->nud_state != NUD_FAILED || neighbour->tbl->family != NA_AF_INET)
		return 0;
	return neighbour_failed(ctx, neighbour);
}

SEC("tp_btf/neigh_create")
int BPF_PROG(on_neigh_create, struct neigh_table *table, struct net_device *dev)
{
	/* The address and the neighbour that was made, read as numbers: older verifiers refuse a pointer to nothing in
	 * particular, and take an argument for never NULL. */
	__u64 rest[2] = {};

	if (table->family != NA_AF_INET)
		return 0;
	bpf_probe_read_kernel(rest, sizeof(rest), (__u64 *)ctx + 2);
	return rest[1] ? 0 : table_overflowed(ctx, table, dev, rest[0]);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb, struct sk_buff *skb, void *location, unsigned int reason)
{
	if (skb->protocol != bpf_htons(NA_ETH_P_ARP))
		return 0;
	return dropped(ctx, skb, (__u64)location, reason);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
