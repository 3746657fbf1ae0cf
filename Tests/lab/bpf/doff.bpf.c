/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Says in every TCP GSO packet over IPv4 that its TCP header is as long as can be: what were data are header now, as
 * when a program adds options and does not count anew.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define DATA_OFFSET (14 + 20 + 12)

SEC("tc")
int doff(struct __sk_buff *skb)
{
	__u8 longest = 15 << 4;

	if (skb->gso_size)
		bpf_skb_store_bytes(skb, DATA_OFFSET, &longest, sizeof(longest), 0);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
