/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Puts a second IPv4 header before a GSO packet's own, as a tunnel program does. The kernel takes the growth off
 * gso_size; a packet of gso_size == IPV4_HEADER is left with a type and no size.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET_HEADER 14
#define IPV4_HEADER 20

SEC("tc")
int grow(struct __sk_buff *skb)
{
	__u8 header[IPV4_HEADER];

	if (skb->gso_size != IPV4_HEADER)
		return TC_ACT_OK;
	if (bpf_skb_load_bytes(skb, ETHERNET_HEADER, header, sizeof(header)) ||
	    bpf_skb_adjust_room(skb, IPV4_HEADER, BPF_ADJ_ROOM_MAC, 0) ||
	    bpf_skb_store_bytes(skb, ETHERNET_HEADER, header, sizeof(header), 0))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
