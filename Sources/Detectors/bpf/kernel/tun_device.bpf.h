/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recognising TUN/TAP, macvtap and ipvtap devices, and the kernel code that drops their packets. */
#ifndef NA_TUN_DEVICE_BPF_H
#define NA_TUN_DEVICE_BPF_H

#include "core.h"
#include "tun_gso_event.h"

#define IFF_TUN 0x0001
#define IFF_VNET_HDR 0x4000

/*
 * Kinds of devices by the address of their link operations, so that only the first packet of a kind pays for reading a
 * string. An address is only compared, never followed. Slots are filled once, in order; with more kinds than slots the
 * later ones pay each time.
 */
#define KIND_SLOTS 16
static volatile __u64 kind_operations[KIND_SLOTS];
static volatile __u32 kind_values[KIND_SLOTS];
static __u32 kinds_known;

static __always_inline __u32 name_device_kind(struct rtnl_link_ops *ops)
{
	char kind[8] = {};

	bpf_probe_read_kernel(kind, sizeof(kind), BPF_CORE_READ(ops, kind));
	if (kind[0] == 't' && kind[1] == 'u' && kind[2] == 'n' && !kind[3])
		return GSO_DEVICE_TUN;
	if (kind[0] == 'm' && kind[1] == 'a' && kind[2] == 'c' && kind[3] == 'v' && kind[4] == 't' && kind[5] == 'a' &&
	    kind[6] == 'p' && !kind[7])
		return GSO_DEVICE_MACVTAP;
	if (kind[0] == 'i' && kind[1] == 'p' && kind[2] == 'v' && kind[3] == 't' && kind[4] == 'a' && kind[5] == 'p' &&
	    !kind[6])
		return GSO_DEVICE_IPVTAP;
	return GSO_DEVICE_OTHER;
}

static __noinline __u32 learn_device_kind(__u64 address)
{
	__u32 kind = name_device_kind((void *)address), slot = kinds_known;

	if (slot >= KIND_SLOTS || __sync_val_compare_and_swap(&kinds_known, slot, slot + 1) != slot)
		return kind;
	kind_values[slot] = kind;
	barrier();
	kind_operations[slot] = address;
	return kind;
}

static __always_inline __u32 gso_device_kind(struct net_device *dev)
{
	struct rtnl_link_ops *operations = dev->rtnl_link_ops;

	if (!operations)
		return GSO_DEVICE_OTHER;
	for (int i = 0; i < KIND_SLOTS; i++) {
		__u64 known = kind_operations[i];

		if (!known)
			break;
		if ((__u64)operations == known)
			return kind_values[i];
	}
	return learn_device_kind((__u64)BPF_CORE_READ(dev, rtnl_link_ops));
}

/* Offsets of members in modules' structures, each + 1; 0 while not known. Written by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GSO_MEMBER_COUNT);
	__type(key, __u32);
	__type(value, __u32);
} member_offsets SEC(".maps");

static __always_inline __u32 learned_offset(__u32 member)
{
	__u32 *offset = bpf_map_lookup_elem(&member_offsets, &member);

	return offset ? *offset : 0;
}

/* The member's offset + 1, from the kernel's types or as learned; 0 if neither knows it. */
#define MEMBER_OFFSET(type, member, number) \
	(bpf_core_type_exists(type) ? bpf_core_field_offset(type, member) + 1 : learned_offset(number))

/* Reads `size` bytes of a member; zeros if there is no structure or its layout is not known. */
static __always_inline void read_member(void *to, __u32 size, void *structure, __u32 offset)
{
	if (structure && offset)
		bpf_probe_read_kernel(to, size, structure + offset - 1);
}

/* IFF_* of a TUN/TAP, or 0. */
static __always_inline __u32 tun_flags_of_device(struct net_device *dev)
{
	__u32 flags = 0;
	void *tun = na_driver_part(dev);

	read_member(&flags, sizeof(flags), tun, MEMBER_OFFSET(struct tun_struct, flags, GSO_MEMBER_TUN_FLAGS));
	return flags;
}

/* The device that a refused packet was written to: the packet has none yet, but still its owner's socket. */
struct owner {
	struct net_device *dev; /* NULL if the driver's structures are not known */
	__u32 flags;
	__u32 kind;
};

static __always_inline struct owner tun_of_socket(struct sock *sk)
{
	struct owner owner = { .kind = GSO_DEVICE_TUN };
	void *tun = NULL;

	read_member(&tun, sizeof(tun), sk, MEMBER_OFFSET(struct tun_file, tun, GSO_MEMBER_TUN_FILE_TUN));
	read_member(&owner.dev, sizeof(owner.dev), tun, MEMBER_OFFSET(struct tun_struct, dev, GSO_MEMBER_TUN_DEV));
	read_member(&owner.flags, sizeof(owner.flags), tun,
		    MEMBER_OFFSET(struct tun_struct, flags, GSO_MEMBER_TUN_FLAGS));
	return owner;
}

static __always_inline struct owner tap_of_socket(struct sock *sk)
{
	struct net_device *dev = NULL;
	struct owner owner = {};
	void *tap = NULL;

	read_member(&tap, sizeof(tap), sk, MEMBER_OFFSET(struct tap_queue, tap, GSO_MEMBER_QUEUE_TAP));
	read_member(&dev, sizeof(dev), tap, MEMBER_OFFSET(struct tap_dev, dev, GSO_MEMBER_TAP_DEV));
	read_member(&owner.flags, sizeof(owner.flags), sk,
		    MEMBER_OFFSET(struct tap_queue, flags, GSO_MEMBER_QUEUE_FLAGS));
	owner.dev = dev;
	if (dev)
		owner.kind = learn_device_kind((__u64)BPF_CORE_READ(dev, rtnl_link_ops));
	return owner;
}

/* What code dropped a packet (enum gso_drop_site), learned once per address by asking the kernel for its name. */
#define DROP_SITES_MAX 1024 /* kfree_skb call sites in a kernel: some 600; a full table only costs naming again */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DROP_SITES_MAX);
	__type(key, __u64);
	__type(value, __u32);
} drop_sites SEC(".maps");

#define STARTS_WITH(text, literal) (__builtin_memcmp(text, literal, sizeof(literal) - 1) == 0)

static __always_inline __u32 name_drop_site(__u64 location)
{
	static const char format[] = "%ps";
	char name[32] = {};

	bpf_snprintf(name, sizeof(name), format, &location, sizeof(location));
	if (STARTS_WITH(name, "validate_xmit_skb"))
		return GSO_DROP_SEGMENTATION;
	if (STARTS_WITH(name, "tun_get_user") || STARTS_WITH(name, "tun_sendmsg") || STARTS_WITH(name, "tun_xdp_one"))
		return GSO_DROP_TUN_WRITE;
	if (STARTS_WITH(name, "tap_get_user"))
		return GSO_DROP_TAP_WRITE;
	if (STARTS_WITH(name, "tun_do_read") || STARTS_WITH(name, "tap_do_read"))
		return GSO_DROP_READ;
	return GSO_DROP_OTHER;
}

static __always_inline __u32 drop_site(__u64 location)
{
	__u32 *known = bpf_map_lookup_elem(&drop_sites, &location), site;

	if (known)
		return *known;
	site = name_drop_site(location);
	bpf_map_update_elem(&drop_sites, &location, &site, BPF_ANY);
	return site;
}

#endif
