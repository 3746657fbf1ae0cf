/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of the wire and of the kernel's interface, and arithmetic; the includer has the fixed-size types. */
#ifndef NA_BASICS_H
#define NA_BASICS_H

#define NA_ETH_P_IP 0x0800
#define NA_ETH_P_ARP 0x0806
#define NA_ETH_P_8021Q 0x8100
#define NA_ETH_P_IPV6 0x86dd
#define NA_ETH_P_MPLS_UC 0x8847
#define NA_ETH_P_MPLS_MC 0x8848
#define NA_ETH_P_PPP_SES 0x8864
#define NA_ETH_P_8021AD 0x88a8
#define NA_ETH_HLEN 14
#define NA_VLAN_HLEN 4
#define NA_ARPHRD_ETHER 1
#define NA_IFF_NOARP 0x80
#define NA_AF_UNSPEC 0
#define NA_AF_INET 2
#define NA_AF_PACKET 17
#define NA_VLAN_NONE 0xffff
#define NA_VLAN_FOREIGN 0xfffe /* not for the device in question */
#define NA_NETDEV_ALIGN 32
#define NA_VLAN_VID_MASK 0x0fff
#define NA_HEADER_UNSET 0xffff /* skb_mac_header_was_set() */

static __always_inline bool na_is_vlan(__be16 protocol)
{
	return protocol == bpf_htons(NA_ETH_P_8021Q) || protocol == bpf_htons(NA_ETH_P_8021AD);
}

/* Id 0 is no VLAN, but a priority for the untagged network (802.1Q, 9.6). */
static __always_inline __u16 na_vlan_id(__u16 tci)
{
	return tci & NA_VLAN_VID_MASK ? tci & NA_VLAN_VID_MASK : NA_VLAN_NONE;
}

/* 64-bit finalizer of MurmurHash3's kind: every bit of the input changes half of the output's. */
static __always_inline __u64 na_mix(__u64 a, __u64 b)
{
	__u64 hash = (a ^ (b * 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;

	hash ^= hash >> 32;
	hash *= 0xc4ceb9fe1a85ec53ULL;
	return hash ^ hash >> 29;
}

/* Six bytes as a number, first byte highest. */
static __always_inline __u64 na_mac_bits(const unsigned char *mac)
{
#ifdef __bpf__
	/* Two loads, whatever the alignment: the verifier minds it only where the machine does. */
	return (__u64)bpf_ntohl(*(const __u32 *)mac) << 16 | bpf_ntohs(*(const __u16 *)(mac + 4));
#else
	__u64 bits = 0;

	for (int i = 0; i < 6; i++)
		bits = bits << 8 | mac[i];
	return bits;
#endif
}

#endif
