/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables of [Trust] that name MACs and addresses. */
#ifndef NA_ARP_TRUST_BPF_H
#define NA_ARP_TRUST_BPF_H

#include "arp_trust.h"
#include "trust.bpf.h"

#define NA_TRUST_PREFIXES_MAX 8192  /* both generations of what the configuration may name; taken as it is used */
#define NA_TRUST_BINDINGS_MAX 16384 /* a binding takes two: itself, and that its address has any */

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NA_TRUST_PREFIXES_MAX);
	__type(key, struct na_trust_prefix);
	__type(value, struct na_trust_mark);
} trusted_macs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NA_TRUST_PREFIXES_MAX);
	__type(key, struct na_trust_prefix);
	__type(value, struct na_trust_mark);
} trusted_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NA_TRUST_BINDINGS_MAX);
	__type(key, struct na_trust_binding);
	__type(value, __u8);
} known_bindings SEC(".maps");

static __always_inline struct na_trust_mark *find_mac(__u64 mac, __u32 generation)
{
	struct na_trust_prefix key = { .length = 8 + 8 * ARP_MAC_LEN, .generation = generation };
	__u64 bits = bpf_cpu_to_be64(mac << 16);

	__builtin_memcpy(key.bytes, &bits, ARP_MAC_LEN);
	return bpf_map_lookup_elem(&trusted_macs, &key);
}

static __always_inline struct na_trust_mark *find_address(__u32 ip, __u32 generation)
{
	struct na_trust_prefix key = { .length = 8 + 32, .generation = generation };
	__be32 bits = bpf_htonl(ip);

	__builtin_memcpy(key.bytes, &bits, sizeof(bits));
	return bpf_map_lookup_elem(&trusted_addresses, &key);
}

static __always_inline bool is_binding(__u32 ip, __u64 mac, __u32 generation)
{
	struct na_trust_binding key = { .mac = mac, .ip = ip, .generation = generation };

	return bpf_map_lookup_elem(&known_bindings, &key) != NULL;
}

#endif
