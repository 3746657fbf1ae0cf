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

#include "arp_facts.h"
#include "devices.bpf.h"

#define NA_ADDRESSES_MAX 128 /* looked at per device at all; with more, what is ours is not known */

/* Two addresses are looked up in one walk: the answer for the first stands in the low byte, for the second above it. */
#define NA_SECOND 8
#define NA_UNKNOWN_BOTH (ARP_PLACE_UNKNOWN | ARP_PLACE_UNKNOWN << NA_SECOND) /* there is more than we look at */

/* One address of a device. */
struct na_own_address {
	__u64 next;
	__be32 local;
	__be32 network;
	__be32 mask;
	__be32 broadcast;
	__u32 flags; /* IFA_F_* */
	__u8 length;
};

#define NA_IFADDR_OFFSET(field) (bpf_core_field_offset(struct in_ifaddr, field))
#define NA_IFADDR_SPAN 96 /* from ifa_next to ifa_flags; 60 bytes in 6.18 */
#define NA_IFA_SECONDARY 1

/* All fields with one call of the helper: most of what it costs is the call. */
static __always_inline void na_read_address(__u64 address, struct na_own_address *own)
{
	const __u32 start = NA_IFADDR_OFFSET(ifa_next), flags = NA_IFADDR_OFFSET(ifa_flags) - start;
	const __u32 local = NA_IFADDR_OFFSET(ifa_local) - start, network = NA_IFADDR_OFFSET(ifa_address) - start;
	const __u32 mask = NA_IFADDR_OFFSET(ifa_mask) - start, broadcast = NA_IFADDR_OFFSET(ifa_broadcast) - start;
	const __u32 length = NA_IFADDR_OFFSET(ifa_prefixlen) - start;
	__u8 bytes[NA_IFADDR_SPAN];

	bpf_probe_read_kernel(bytes, flags + sizeof(own->flags), (void *)address + start);
	own->next = *(__u64 *)bytes;
	own->local = *(__be32 *)(bytes + local);
	own->network = *(__be32 *)(bytes + network);
	own->mask = *(__be32 *)(bytes + mask);
	own->broadcast = *(__be32 *)(bytes + broadcast);
	own->length = bytes[length];
	own->flags = *(__u32 *)(bytes + flags);
}

/* What `ip` is to one address that a device has. */
static __always_inline __u32 na_relation(__be32 ip, const struct na_own_address *own)
{
	__u32 place = 0;

	if (ip == own->local)
		place |= ARP_PLACE_OURS;
	if (ip == own->local && (own->length == 32 || own->flags & NA_IFA_SECONDARY))
		place |= ARP_PLACE_MOVABLE;
	/* /31 and /32 have no broadcast address (RFC 3021). */
	if ((ip == own->broadcast || ip == (own->network | ~own->mask)) && own->length < 31)
		place |= ARP_PLACE_SUBNET_BROADCAST;
	if (((ip ^ own->network) & own->mask) == 0)
		place |= ARP_PLACE_ON_LINK;
	if (own->length < 32)
		place |= ARP_PLACE_HAS_SUBNET;
	return place;
}

__noinline __u64 na_device_mac(__u64 device)
{
	struct net_device *dev = (void *)device;
	unsigned char mac[6] = {};

	bpf_probe_read_kernel(mac, sizeof(mac), BPF_CORE_READ(dev, dev_addr));
	return na_mac_bits(mac);
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
__noinline __u32 na_vlan_behind(__u64 device, __u32 vlan)
{
	struct net_device *upper = (void *)device;
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

/*
 * The walks over stacked devices are global functions: the verifier looks at each once, not again on every path that
 * leads to it, which made loading ten times slower. Such functions take numbers, so devices come as addresses.
 */

/* 1 for 0, else 0. No branch, and so that the compiler does not make one of it. */
static __always_inline __u32 na_is_zero(__u32 number)
{
	__u32 negative = -number, sign;

	barrier_var(negative);
	sign = (number | negative) >> 31;
	barrier_var(sign);
	return sign ^ 1;
}

/*
 * The same as na_relation(), for the device's first address, whose fields are at hand in the program itself: most
 * devices have no other. Without branches, each of which would double the ways that the verifier follows from there.
 */
static __always_inline __u32 na_relation_to_first(__be32 ip, struct in_ifaddr *first)
{
	const __u32 length = first->ifa_prefixlen;
	const __u32 is_ours = na_is_zero(ip ^ first->ifa_local);
	const __u32 is_host = na_is_zero(length ^ 32), is_pair = na_is_zero(length ^ 31);
	__u32 place = is_ours * ARP_PLACE_OURS;

	place |= is_ours * (is_host | (first->ifa_flags & NA_IFA_SECONDARY)) * ARP_PLACE_MOVABLE;
	place |= (na_is_zero(ip ^ first->ifa_broadcast) | na_is_zero(ip ^ (first->ifa_address | ~first->ifa_mask))) *
		 (1 - (is_host | is_pair)) * ARP_PLACE_SUBNET_BROADCAST;
	place |= na_is_zero((ip ^ first->ifa_address) & first->ifa_mask) * ARP_PLACE_ON_LINK;
	return place | (1 - is_host) * ARP_PLACE_HAS_SUBNET;
}

/* What the two are to one address of a device; goes on to the next. */
__noinline int na_look_at_address(__u64 *at, __be32 first, __be32 second)
{
	struct na_own_address own;

	if (!at)
		return 0;
	na_read_address(*at, &own);
	*at = own.next;
	return na_relation(first, &own) | na_relation(second, &own) << NA_SECOND;
}

/* What the two are to the addresses of a list, whose first is `at`. */
__noinline int na_find_addresses(__u64 at, __be32 first, __be32 second)
{
	__u32 places = 0;

	for (int i = 0; i < NA_ADDRESSES_MAX && at; i++) {
		places |= na_look_at_address(&at, first, second);
	}
	return at ? places | NA_UNKNOWN_BOTH : places;
}

__noinline __u64 na_addresses_of(__u64 device)
{
	return (__u64)BPF_CORE_READ((struct net_device *)device, ip_ptr, ifa_list);
}

__noinline int na_find_upper_addresses(__u64 device, __be32 first, __be32 second, __u32 vlan)
{
	struct na_upper_walk walk = na_uppers((void *)device);
	int places = 0;

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct net_device *upper = na_next_upper(&walk);

		if (!upper)
			break;
		if (na_vlan_behind((__u64)upper, vlan) == NA_VLAN_NONE)
			places |= na_find_addresses(na_addresses_of((__u64)upper), first, second);
	}
	return na_next_upper(&walk) ? places | NA_UNKNOWN_BOTH : places;
}

/* Two levels up: a VLAN or bridge on a bond, a macvlan on a bridge. */
__noinline int na_find_stacked_addresses(__u64 device, __be32 first, __be32 second, __u32 vlan)
{
	struct na_upper_walk walk = na_uppers((void *)device);
	int places = na_find_upper_addresses(device, first, second, vlan);

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct net_device *upper = na_next_upper(&walk);
		__u32 behind;

		if (!upper)
			break;
		behind = na_vlan_behind((__u64)upper, vlan);
		if (behind != NA_VLAN_FOREIGN)
			places |= na_find_upper_addresses((__u64)upper, first, second, behind);
	}
	return na_next_upper(&walk) ? places | NA_UNKNOWN_BOTH : places;
}

__noinline int na_is_upper_mac(__u64 device, __u64 mac)
{
	struct na_upper_walk walk = na_uppers((void *)device);

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct net_device *upper = na_next_upper(&walk);

		if (!upper)
			break;
		if (na_device_mac((__u64)upper) == mac)
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
		if (na_device_mac((__u64)upper) == mac || na_is_upper_mac((__u64)upper, mac))
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
 * The device that stands for the frame's broadcast domain: the topmost bridge or bond above, or the device itself. So
 * what was heard on one port of a bridge is known on the others, and on the bridge.
 */
__noinline int na_domain_of(__u64 device)
{
	__u64 at = device;

	for (int i = 0; i < 3; i++) {
		__u64 master = na_master_of(at);

		if (!master)
			break;
		at = master;
	}
	return BPF_CORE_READ((struct net_device *)at, ifindex);
}

#endif
