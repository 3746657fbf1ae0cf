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

/* 1 for 0, else 0: without a branch, and so that the compiler does not see one in it. */
static __always_inline __u32 na_is_zero(__u32 number)
{
	__u32 negative = -number, sign;

	barrier_var(negative);
	sign = (number | negative) >> 31;
	barrier_var(sign);
	return sign ^ 1;
}

/*
 * What `ip` is to one address that a device has. Without branches: the verifier would follow each combination of them
 * through every round of the loop.
 */
static __always_inline __u32 na_relation(__be32 ip, const struct na_own_address *own)
{
	/* /31 and /32 have no broadcast address (RFC 3021). */
	const __u32 has_broadcast = na_is_zero(own->length & 32) & (na_is_zero(own->length ^ 31) ^ 1);
	const __u32 is_movable = na_is_zero(own->length ^ 32) | (own->flags & NA_IFA_SECONDARY);
	__u32 is_ours = na_is_zero(ip ^ own->local), place = is_ours * ARP_PLACE_OURS;

	place |= is_ours * is_movable * ARP_PLACE_MOVABLE;
	place |= na_is_zero(ip ^ own->broadcast) * has_broadcast * ARP_PLACE_SUBNET_BROADCAST;
	place |= na_is_zero((ip ^ own->network) & own->mask) * ARP_PLACE_ON_LINK;
	place |= (na_is_zero(~own->mask) ^ 1) * ARP_PLACE_HAS_SUBNET;
	return place;
}

static __always_inline __u64 na_device_mac(struct net_device *dev)
{
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

/*
 * The walks over stacked devices are global functions: the verifier looks at each once, not again on every path that
 * leads to it, which made loading ten times slower. Such functions take numbers, so devices come as addresses.
 */

/* What the two are to the addresses of a list, whose first is `at`. */
__noinline int na_find_addresses(__u64 at, __be32 first, __be32 second)
{
	__u32 places = 0;

	for (int i = 0; i < NA_ADDRESSES_MAX && at; i++) {
		struct na_own_address own;

		na_read_address(at, &own);
		places |= na_relation(first, &own);
		places |= na_relation(second, &own) << NA_SECOND;
		/* Forgets what it knows of the value: else each round is followed for each combination of bits. */
		barrier_var(places);
		at = own.next;
	}
	return at ? places | ARP_PLACE_UNKNOWN | ARP_PLACE_UNKNOWN << NA_SECOND : places;
}

static __always_inline __u64 na_addresses_of(struct net_device *dev)
{
	return (__u64)BPF_CORE_READ(dev, ip_ptr, ifa_list);
}

__noinline int na_find_upper_addresses(__u64 device, __be32 first, __be32 second, __u32 vlan)
{
	struct na_upper_walk walk = na_uppers((void *)device);
	int places = 0;

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct net_device *upper = na_next_upper(&walk);

		if (!upper)
			break;
		if (na_vlan_behind(upper, vlan) == NA_VLAN_NONE)
			places |= na_find_addresses(na_addresses_of(upper), first, second);
	}
	return places;
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
		behind = na_vlan_behind(upper, vlan);
		if (behind != NA_VLAN_FOREIGN)
			places |= na_find_upper_addresses((__u64)upper, first, second, behind);
	}
	return places;
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
 * What two addresses are to the packet's device and to what is stacked on it. A tagged frame is for the VLAN of its id
 * above the device, an untagged one for everything else.
 */
static __always_inline __u32 na_find_our_addresses(struct sk_buff *skb, struct net_device *dev, __be32 first,
						   __be32 second, __u32 vlan)
{
	__u32 places = 0;

	if (vlan == NA_VLAN_NONE && dev->ip_ptr)
		places = na_find_addresses((__u64)BPF_CORE_READ(dev, ip_ptr, ifa_list), first, second);
	if (!na_has_no_upper(dev))
		places |= na_find_stacked_addresses(na_device_address(skb), first, second, vlan);
	return places;
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

/* True for the MAC of the device or of one stacked on it: our own frame come back, not another station. */
static __always_inline bool na_is_our_mac(struct sk_buff *skb, struct net_device *dev, __u64 device_mac, __u64 mac)
{
	return mac == device_mac || (!na_has_no_upper(dev) && na_is_stacked_mac(na_device_address(skb), mac));
}

#endif
