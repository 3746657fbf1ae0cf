/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether an address is a namespace's default gateway: looked up in the kernel's main routing table, because the daemon
 * sees packets of namespaces that it cannot enter. Asked for entries only, never for packets that are merely counted.
 */
#ifndef NA_ROUTE_BPF_H
#define NA_ROUTE_BPF_H

#include "core.h"

#define NA_ROUTE_DEPTH 33     /* levels of the trie: one for each bit of an address, and the leaf */
#define NA_ROUTE_ALIASES 16   /* routes of prefix 0.0.0.0 that are looked at */
#define NA_ROUTE_HOPS 8	      /* next hops of a multipath route that are looked at */
#define NA_ROUTE_KEYLENGTH 32 /* fa_slen of a route of length 0 */

/* The list of routes whose prefix begins with 0.0.0.0, or NULL. */
static __always_inline struct hlist_node *na_zero_routes(struct net *net)
{
	struct key_vector *node;

	if (!bpf_core_field_exists(net->ipv4.fib_main))
		return NULL;
	node = (void *)BPF_CORE_READ(net, ipv4.fib_main, tb_data);
	if (!node)
		return NULL;
	/* The root has one child and tests no bit. */
	node = (void *)BPF_CORE_READ(node, leaf.first);
	for (int i = 0; i < NA_ROUTE_DEPTH && node; i++) {
		if (BPF_CORE_READ(node, key))
			return NULL;
		if (!BPF_CORE_READ(node, bits))
			return BPF_CORE_READ(node, leaf.first);
		node = (void *)BPF_CORE_READ(node, leaf.first);
	}
	return NULL;
}

/* Global, like all that is called in a loop: the verifier looks at it once. */
__noinline int na_is_next_hop(__u64 fib_info, __be32 address)
{
	struct fib_info *route = (void *)fib_info;
	int hops = BPF_CORE_READ(route, fib_nhs);

	if (bpf_core_field_exists(route->nh)) {
		struct nexthop *object = BPF_CORE_READ(route, nh);

		if (object)
			return !BPF_CORE_READ(object, is_group) &&
			       BPF_CORE_READ(object, nh_info, fib_nhc.nhc_gw.ipv4) == address;
	}
	for (int i = 0; i < NA_ROUTE_HOPS && i < hops; i++) {
		struct fib_nh *hop =
			(void *)route + bpf_core_field_offset(route->fib_nh) + i * bpf_core_type_size(struct fib_nh);

		if (BPF_CORE_READ(hop, nh_common.nhc_gw.ipv4) == address)
			return 1;
	}
	return 0;
}

/* 1 when `address` is a next hop of the default route in the device's namespace. */
__noinline int na_is_gateway(__u64 device, __be32 address)
{
	struct net_device *dev = (void *)device;
	struct hlist_node *at = na_zero_routes(BPF_CORE_READ(dev, nd_net.net));

	for (int i = 0; i < NA_ROUTE_ALIASES && at; i++) {
		struct fib_alias *alias = (void *)at; /* fa_list is its first member */

		if (BPF_CORE_READ(alias, fa_slen) == NA_ROUTE_KEYLENGTH &&
		    na_is_next_hop((__u64)BPF_CORE_READ(alias, fa_info), address))
			return 1;
		at = BPF_CORE_READ(at, next);
	}
	return 0;
}

#endif
