/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which addresses are ours, seen from one network device.
 *
 * "Ours" means the addresses of the device itself and of what is stacked on it: its bridge or bond, the VLANs and
 * macvlans above it. Not those of the whole host: a load balancer's real servers hold the service's address on lo and
 * are not in conflict with it.
 */
#ifndef NA_ADDRESSES_BPF_H
#define NA_ADDRESSES_BPF_H

#include "core.h"

#define NA_ADDRESSES_NEAR 16 /* looked at without a helper call: more than most devices have */
#define NA_ADDRESSES_MAX 128 /* looked at per device at all; with more, what is ours is not known */
#define NA_UPPERS_MAX 8	     /* devices stacked directly on one that are looked at */

#define NA_OURS 1
#define NA_SUBNET_BROADCAST 2
#define NA_UNKNOWN 3 /* there are more addresses than we look at: neither ours nor foreign */

static __always_inline int na_find_address(struct net_device *dev, __be32 ip, const bool is_direct, const int max)
{
	struct in_device *in_dev = NA_READ(is_direct, dev, ip_ptr);
	struct in_ifaddr *address;

	if (!in_dev)
		return 0;
	address = NA_READ(is_direct, in_dev, ifa_list);
	for (int i = 0; i < max && address; i++) {
		if (NA_READ(is_direct, address, ifa_local) == ip || NA_READ(is_direct, address, ifa_broadcast) == ip)
			break;
		address = NA_READ(is_direct, address, ifa_next);
	}
	if (!address)
		return 0;
	if (NA_READ(is_direct, address, ifa_local) == ip)
		return NA_OURS;
	if (NA_READ(is_direct, address, ifa_broadcast) != ip)
		return NA_UNKNOWN;
	/* /31 and /32 have no broadcast address (RFC 3021). */
	return NA_READ(is_direct, address, ifa_prefixlen) < 31 ? NA_SUBNET_BROADCAST : 0;
}

static __always_inline __u64 na_device_mac(struct net_device *dev)
{
	unsigned char mac[6] = {};

	bpf_probe_read_kernel(mac, sizeof(mac), BPF_CORE_READ(dev, dev_addr));
	return na_mac_bits(mac);
}

struct na_upper_walk {
	struct list_head *first; /* the list's head, where the walk ends */
	struct list_head *at;
};

static __always_inline struct na_upper_walk na_uppers(struct net_device *dev)
{
	struct na_upper_walk walk = {};

	/* The list head is inside the device: its address is an offset, not something to read. */
	walk.first = (void *)dev + bpf_core_field_offset(dev->adj_list.upper);
	walk.at = BPF_CORE_READ(dev, adj_list.upper.next);
	return walk;
}

/* The next device stacked on the one the walk began with, or NULL. */
static __always_inline struct net_device *na_next_upper(struct na_upper_walk *walk)
{
	struct list_head *at = walk->at;
	struct netdev_adjacent *adjacent;

	if (!at || at == walk->first)
		return NULL;
	adjacent = (void *)at - bpf_core_field_offset(struct netdev_adjacent, list);
	walk->at = BPF_CORE_READ(at, next);
	return BPF_CORE_READ(adjacent, dev);
}

static __always_inline bool na_is_vlan_device(struct net_device *dev)
{
	char kind[5] = {};
	struct rtnl_link_ops *ops = BPF_CORE_READ(dev, rtnl_link_ops);

	if (!ops)
		return false;
	bpf_probe_read_kernel(kind, sizeof(kind), BPF_CORE_READ(ops, kind));
	return kind[0] == 'v' && kind[1] == 'l' && kind[2] == 'a' && kind[3] == 'n' && !kind[4];
}

/*
 * The tag that a frame still has when it has come up to `upper`: a VLAN device takes its own off and gets no other's,
 * all others pass the frame on as it is. NA_VLAN_FOREIGN when the frame does not get there.
 */
static __always_inline __u32 na_vlan_behind(struct net_device *upper, __u32 vlan)
{
	__u16 id = vlan;

	if (!na_is_vlan_device(upper))
		return vlan;
	if (vlan == NA_VLAN_NONE)
		return NA_VLAN_FOREIGN;
	if (bpf_core_type_exists(struct vlan_dev_priv)) {
		struct vlan_dev_priv *priv = na_driver_part(upper);

		id = BPF_CORE_READ(priv, vlan_id);
	}
	return id == vlan ? NA_VLAN_NONE : NA_VLAN_FOREIGN;
}

/* True when nothing is stacked on the device: the usual case, decided without a helper call. */
static __always_inline bool na_has_no_upper(struct net_device *dev)
{
	return (void *)dev->adj_list.upper.next == (void *)dev + bpf_core_field_offset(dev->adj_list.upper);
}

/*
 * The walks over stacked devices are global functions: the verifier looks at each once, not again on every path that
 * leads to it, which made loading ten times slower. Such functions take numbers, so devices come as addresses.
 */

__noinline int na_find_address_of(__u64 device, __be32 ip)
{
	return na_find_address((void *)device, ip, false, NA_ADDRESSES_MAX);
}

__noinline int na_find_upper_address(__u64 device, __be32 ip, __u32 vlan)
{
	struct na_upper_walk walk = na_uppers((void *)device);

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct net_device *upper = na_next_upper(&walk);
		int found;

		if (!upper)
			break;
		if (na_vlan_behind(upper, vlan) != NA_VLAN_NONE)
			continue;
		found = na_find_address_of((__u64)upper, ip);
		if (found)
			return found;
	}
	return 0;
}

/* Two levels up: a VLAN or bridge on a bond, a macvlan on a bridge. */
__noinline int na_find_stacked_address(__u64 device, __be32 ip, __u32 vlan)
{
	struct na_upper_walk walk = na_uppers((void *)device);

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct net_device *upper = na_next_upper(&walk);
		__u32 behind;
		int found;

		if (!upper)
			break;
		behind = na_vlan_behind(upper, vlan);
		if (behind == NA_VLAN_FOREIGN)
			continue;
		found = na_find_upper_address((__u64)upper, ip, behind);
		if (found)
			return found;
	}
	return na_find_upper_address(device, ip, vlan);
}

__noinline int na_is_upper_mac(__u64 device, __u64 mac)
{
	struct na_upper_walk walk = na_uppers((void *)device);

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct net_device *upper = na_next_upper(&walk);

		if (!upper)
			break;
		if (na_device_mac(upper) == mac)
			return 1;
	}
	return 0;
}

__noinline int na_is_stacked_mac(__u64 device, __u64 mac)
{
	struct na_upper_walk walk = na_uppers((void *)device);

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct net_device *upper = na_next_upper(&walk);

		if (!upper)
			break;
		if (na_device_mac(upper) == mac || na_is_upper_mac((__u64)upper, mac))
			return 1;
	}
	return 0;
}

/* True when one of the candidates (pointers remembered, never followed) is stacked on the device. */
__noinline int na_is_upper(__u64 device, __u64 candidate, __u64 other)
{
	struct na_upper_walk walk = na_uppers((void *)device);

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		__u64 upper = (__u64)na_next_upper(&walk);

		if (!upper)
			break;
		if (upper == candidate || upper == other)
			return 1;
	}
	return 0;
}

/* The packet's device as an address. */
static __always_inline __u64 na_device_address(struct sk_buff *skb)
{
	return (__u64)BPF_CORE_READ(skb, dev);
}

/*
 * Looks for `ip` among the addresses of the packet's device and of what is stacked on it. A tagged frame is for the
 * VLAN of its id above the device, an untagged one for everything else.
 */
static __always_inline int na_find_our_address(struct sk_buff *skb, struct net_device *dev, __be32 ip, __u32 vlan)
{
	int found = vlan == NA_VLAN_NONE ? na_find_address(dev, ip, true, NA_ADDRESSES_NEAR) : 0;

	if (found == NA_UNKNOWN)
		found = na_find_address_of(na_device_address(skb), ip);
	if (found || na_has_no_upper(dev))
		return found;
	return na_find_stacked_address(na_device_address(skb), ip, vlan);
}

/* True for the MAC of the device or of one stacked on it: our own frame come back, not another station. */
static __always_inline bool na_is_our_mac(struct sk_buff *skb, struct net_device *dev, __u64 mac)
{
	if (na_device_mac(dev) == mac)
		return true;
	return !na_has_no_upper(dev) && na_is_stacked_mac(na_device_address(skb), mac);
}

#endif
