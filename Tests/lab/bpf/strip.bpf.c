/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Takes the outer headers (OUTER bytes behind Ethernet) off a UDP-tunnel GSO packet and leaves its GSO type alone: a
 * tunnel type on a packet without a tunnel, the state that made kernels crash while they segmented it.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int strip(struct __sk_buff *skb)
{
	if (skb->gso_size)
		bpf_skb_adjust_room(skb, -OUTER, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
