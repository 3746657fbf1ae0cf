/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * For a test run whose context sets gso_size and no type. The kernel lets no packet out whose type is 0, but turning
 * IPv6 into IPv4 marks this one DODGY, which names no protocol either; a clone of it goes out of interface TARGET.
 * Without the checksum mark the kernel would try to segment it first, and refuse.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int untype(struct __sk_buff *skb)
{
	__be16 ethertype = bpf_htons(ETH_P_IP);
	long error = bpf_skb_change_proto(skb, ethertype, 0);

	if (!error)
		error = bpf_skb_store_bytes(skb, 2 * ETH_ALEN, &ethertype, sizeof(ethertype), 0);
	if (!error)
		error = bpf_csum_level(skb, BPF_CSUM_LEVEL_INC);
	return error ?: bpf_clone_redirect(skb, TARGET, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
