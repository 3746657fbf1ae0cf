/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events of the arp detector. */
#ifndef NA_ARP_EVENT_H
#define NA_ARP_EVENT_H

#include "na_event.h"

/* The order is the order of precedence: a frame that breaks several is counted for the first of them. */
enum arp_rule {
	ARP_RULE_MALFORMED,
	ARP_RULE_BAD_SENDER_MAC,
	ARP_RULE_BAD_SENDER_IP,
	ARP_RULE_ADDRESS_CONFLICT,
	ARP_RULE_LOCAL_SPOOF,
	ARP_RULE_SENDER_MISMATCH,
	ARP_RULE_BINDING_CHANGE,
	ARP_RULE_RESOLUTION_FAILED,
	ARP_RULE_COUNT,
};

enum arp_probe {
	ARP_PROBE_NETIF_RECEIVE_SKB,
	ARP_PROBE_NET_DEV_QUEUE,
	ARP_PROBE_NEIGH_UPDATE,
	ARP_PROBE_NEIGH_TIMER_HANDLER,
	ARP_PROBE_COUNT,
};

/* na_key.detail of each rule; 0 where the rule has no sub-cases. */
enum arp_detail {
	ARP_DETAIL_NONE = 0,
	/* arp-malformed */
	ARP_DETAIL_SHORT = 1,
	ARP_DETAIL_HARDWARE_TYPE = 2,
	ARP_DETAIL_PROTOCOL_TYPE = 3,
	ARP_DETAIL_HARDWARE_LENGTH = 4,
	ARP_DETAIL_PROTOCOL_LENGTH = 5,
	ARP_DETAIL_OPERATION = 6,
	ARP_DETAIL_KNOWN_OPERATION = 7, /* RARP, InARP or ARP-NAK: foreign to Linux, not broken */
	/* arp-bad-sender-mac */
	ARP_DETAIL_MAC_ZERO = 10,
	ARP_DETAIL_MAC_BROADCAST = 11,
	ARP_DETAIL_MAC_MULTICAST = 12,
	ARP_DETAIL_ETHERNET_SOURCE = 13,
	/* arp-bad-sender-ip */
	ARP_DETAIL_IP_BROADCAST = 20,
	ARP_DETAIL_IP_MULTICAST = 21,
	ARP_DETAIL_IP_RESERVED = 22,
	ARP_DETAIL_IP_LOOPBACK = 23,
	ARP_DETAIL_IP_THIS_NETWORK = 24,
	ARP_DETAIL_IP_ZERO_IN_REPLY = 25,
	ARP_DETAIL_IP_SUBNET_BROADCAST = 26,
	/* arp-address-conflict */
	ARP_DETAIL_CONFLICT_CLAIM = 30, /* RFC 5227, 2.4 */
	ARP_DETAIL_CONFLICT_PROBE = 31, /* RFC 5227, 2.1.1: somebody is about to take our address */
	/* arp-binding-change */
	ARP_DETAIL_BINDING_APPLIED = 40,
	ARP_DETAIL_BINDING_REJECTED = 41, /* within locktime: the kernel kept the old MAC */
	ARP_DETAIL_BINDING_VIRTUAL = 42,  /* applied, to or from a virtual router's MAC */
};

#define ARP_MAC_LEN 6

struct arp_event {
	struct na_event_head head;
	unsigned int sender_ip; /* network byte order, as all addresses here */
	unsigned int target_ip;
	unsigned int neighbour_ip;    /* binding-change, resolution-failed */
	unsigned int length;	      /* bytes of the frame from the network header on */
	unsigned short hardware_type; /* the ARP header's fixed part, host byte order */
	unsigned short protocol_type;
	unsigned short operation;
	unsigned short vlan; /* 802.1Q id, 0xffff if untagged */
	unsigned char hardware_length;
	unsigned char protocol_length;
	unsigned char has_ethernet;  /* eth_* are valid */
	unsigned char has_header;    /* hardware_type ... operation are valid */
	unsigned char has_addresses; /* sender_* and target_* are valid */
	unsigned char old_state;     /* NUD state before, binding-change and resolution-failed */
	unsigned char new_state;
	unsigned char reserved;
	unsigned char eth_destination[ARP_MAC_LEN];
	unsigned char eth_source[ARP_MAC_LEN];
	unsigned char sender_mac[ARP_MAC_LEN];
	unsigned char target_mac[ARP_MAC_LEN];
	unsigned char old_mac[ARP_MAC_LEN];
	unsigned char new_mac[ARP_MAC_LEN];
	unsigned char padding[4];
};

_Static_assert(sizeof(struct arp_event) == sizeof(struct na_event_head) + 72, "arp_event has no holes");

#endif
