/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel structures the programs read, with the fields they read and no others. libbpf relocates every offset to
 * the running kernel (CO-RE), so this needs no generated header and no kernel source.
 */
#ifndef NA_CORE_H
#define NA_CORE_H

#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

struct bpf_map;

/* A step of judging: a global function, so that the verifier looks at it once. */
#define NA_STEP __noinline

#include "judge/basics.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct ns_common {
	unsigned int inum;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

/* A node of the routing table's trie: a leaf where bits is 0, else its first child stands where a leaf has its list. */
struct key_vector {
	__u32 key;
	unsigned char bits;
	struct hlist_head leaf;
};

struct trie {
	struct key_vector kv[1];
};

struct fib_table {
	struct trie *tb_data; /* unsigned long in the kernel */
};

struct fib_nh_common {
	union {
		__be32 ipv4;
	} nhc_gw;
};

struct fib_nh {
	struct fib_nh_common nh_common;
};

struct nh_info {
	struct fib_nh_common fib_nhc;
};

struct nexthop {
	bool is_group;
	struct nh_info *nh_info;
};

struct fib_info {
	int fib_nhs;
	struct nexthop *nh; /* since 5.3: a nexthop object instead of fib_nh */
	struct fib_nh fib_nh[0];
};

struct fib_alias {
	struct hlist_node fa_list;
	struct fib_info *fa_info;
	__u8 fa_slen;
};

struct netns_ipv4 {
	struct fib_table *fib_main;
};

struct net {
	struct ns_common ns;
	__u64 net_cookie;
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct rtnl_link_ops {
	char *kind;
};

struct in_ifaddr {
	struct in_ifaddr *ifa_next;
	__be32 ifa_local;
	__be32 ifa_address;
	__be32 ifa_mask;
	__be32 ifa_broadcast;
	unsigned char ifa_prefixlen;
	__u32 ifa_flags;
};

struct in_device {
	struct in_ifaddr *ifa_list;
};

struct net_device {
	char name[16];
	int ifindex;
	unsigned int flags; /* IFF_* */
	unsigned int mtu;
	__u64 features; /* NETIF_F_* */
	unsigned short type;
	unsigned char addr_len;
	unsigned char *dev_addr;
	possible_net_t nd_net;
	struct rtnl_link_ops *rtnl_link_ops;
	struct in_device *ip_ptr;
	struct {
		struct list_head upper;
	} adj_list;
	unsigned char priv[0]; /* since 6.13; before, the driver's part follows the structure, aligned to 32 */
};

struct vlan_dev_priv {
	__u16 vlan_id;
};

struct netdev_adjacent {
	struct net_device *dev;
	bool master;
	struct list_head list;
};

struct skb_shared_info {
	unsigned short gso_size;
	unsigned short gso_segs;
	unsigned int gso_type;
};

struct sock_common {
	unsigned short skc_family;
};

struct sock {
	struct sock_common __sk_common;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	unsigned int data_len;
	__u8 ip_summed : 2; /* bit-fields: BPF_CORE_READ_BITFIELD only */
	__u8 encapsulation : 1;
	__u8 vlan_present : 1; /* until 6.2 */
	int skb_iif;
	__u32 vlan_all; /* since 6.2 */
	__u16 vlan_tci;
	__u16 csum_start;
	__u16 csum_offset;
	__u16 inner_network_header;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	__u16 mac_header;
	unsigned int tail; /* end of the linear area; an offset from head on 64-bit kernels, like end */
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
};

typedef struct {
	int counter;
} atomic_t;

struct neigh_table {
	int family;
	int gc_thresh3;
	atomic_t entries;
};

struct neighbour {
	struct neigh_table *tbl;
	__u8 nud_state;
	unsigned char ha[32];
	struct net_device *dev;
	__u8 primary_key[0];
};

struct tun_struct {
	unsigned int flags;
	struct net_device *dev;
};

struct tun_file {
	struct sock sk;
	struct tun_struct *tun;
};

struct tap_dev {
	struct net_device *dev;
};

struct tap_queue {
	struct sock sk;
	struct tap_dev *tap;
	unsigned int flags;
};

struct kernfs_node {
	char *name;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	struct css_set *cgroups;
};

#pragma clang attribute pop

/* What hangs on the program's own argument may be read directly; what was found by walking lists only by helper. */
#define NA_READ(is_direct, pointer, field) ((is_direct) ? (pointer)->field : BPF_CORE_READ(pointer, field))

/* Where the driver's own part of a device begins (netdev_priv()). */
static __always_inline void *na_driver_part(struct net_device *dev)
{
	if (bpf_core_field_exists(dev->priv))
		return (void *)dev + bpf_core_field_offset(dev->priv);
	return (void *)dev +
	       (bpf_core_type_size(struct net_device) + NA_NETDEV_ALIGN - 1) / NA_NETDEV_ALIGN * NA_NETDEV_ALIGN;
}

/* The VLAN id of a tag that hardware or the kernel took out of the frame, or NA_VLAN_NONE. */
static __always_inline __u16 na_offloaded_vlan(struct sk_buff *skb)
{
	if (bpf_core_field_exists(skb->vlan_all)) {
		if (!skb->vlan_all)
			return NA_VLAN_NONE;
	} else if (!BPF_CORE_READ_BITFIELD_PROBED(skb, vlan_present)) {
		return NA_VLAN_NONE;
	}
	return na_vlan_id(skb->vlan_tci);
}

/* The packet as a number for a global function; `ctx` holds it as every hook's first argument. */
static __always_inline __u64 na_packet_address(void *ctx)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), ctx);
	return address;
}

/* Offset of the data from head. Read by helper: the verifier forbids arithmetic on pairs of loaded pointers. */
static __always_inline __u32 na_data_offset(struct sk_buff *skb)
{
	return (__u64)BPF_CORE_READ(skb, data) - (__u64)BPF_CORE_READ(skb, head);
}

#endif
