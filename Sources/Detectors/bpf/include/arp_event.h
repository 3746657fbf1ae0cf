/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events of the arp detector. */
#ifndef NA_ARP_EVENT_H
#define NA_ARP_EVENT_H

#include "na_event.h"

/*
 * The order is the order of precedence: a frame that breaks several has an entry under the first of them, which names
 * the others.
 */
enum arp_rule {
	ARP_RULE_TABLE_OVERFLOW,
	ARP_RULE_ADDRESS_CONFLICT,
	ARP_RULE_MALFORMED,
	ARP_RULE_BAD_SENDER_MAC,
	ARP_RULE_LOCAL_SPOOF,
	ARP_RULE_STATIC_OVERWRITE,
	ARP_RULE_FLIP_FLOP,
	ARP_RULE_BINDING_CHANGE,
	ARP_RULE_DUPLICATE_CLAIM,
	ARP_RULE_BAD_SENDER_IP,
	ARP_RULE_SENDER_MISMATCH,
	ARP_RULE_GRATUITOUS_FLOOD,
	ARP_RULE_REQUEST_FLOOD,
	ARP_RULE_MANY_ADDRESSES,
	ARP_RULE_SCAN,
	ARP_RULE_BOGON_SENDER,
	ARP_RULE_UNSOLICITED_REPLY,
	ARP_RULE_RESOLUTION_FAILED,
	ARP_RULE_DROPPED,
	ARP_RULE_BAD_TARGET,
	ARP_RULE_TARGET_MISMATCH,
	ARP_RULE_ODD_DELIVERY,
	ARP_RULE_ON_NOARP_DEVICE,
	ARP_RULE_UNICAST_REQUEST,
	ARP_RULE_TRACE, /* not a rule that a frame breaks: every hit has an entry of its own */
	ARP_RULE_COUNT,
};

enum arp_probe {
	ARP_PROBE_NETIF_RECEIVE_SKB,
	ARP_PROBE_NET_DEV_QUEUE,
	ARP_PROBE_NEIGH_UPDATE,
	ARP_PROBE_NEIGH_TIMER_HANDLER,
	ARP_PROBE_NEIGH_CREATE,
	ARP_PROBE_KFREE_SKB,
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
	/* arp-bad-sender-ip, arp-bad-target */
	ARP_DETAIL_IP_BROADCAST = 20,
	ARP_DETAIL_IP_MULTICAST = 21,
	ARP_DETAIL_IP_RESERVED = 22,
	ARP_DETAIL_IP_LOOPBACK = 23,
	ARP_DETAIL_IP_THIS_NETWORK = 24,
	ARP_DETAIL_IP_ZERO_IN_REPLY = 25,
	ARP_DETAIL_IP_SUBNET_BROADCAST = 26,
	ARP_DETAIL_IP_ZERO = 27,
	/* arp-address-conflict */
	ARP_DETAIL_CONFLICT_CLAIM = 30,	   /* RFC 5227, 2.4 */
	ARP_DETAIL_CONFLICT_PROBE = 31,	   /* RFC 5227, 2.1.1: somebody is about to take our address */
	ARP_DETAIL_CONFLICT_TAKEOVER = 32, /* an address that moves was announced elsewhere a moment ago */
	/* arp-binding-change, arp-flip-flop */
	ARP_DETAIL_BINDING_APPLIED = 40,       /* by a reply nobody asked for, or a request */
	ARP_DETAIL_BINDING_REJECTED = 41,      /* within locktime: the kernel kept the old MAC */
	ARP_DETAIL_BINDING_VIRTUAL = 42,       /* applied, to or from a virtual router's MAC */
	ARP_DETAIL_BINDING_ANNOUNCED = 43,     /* applied, by a gratuitous ARP: how addresses move on purpose */
	ARP_DETAIL_BINDING_ANSWERED = 44,      /* applied, by a reply that was asked for */
	ARP_DETAIL_BINDING_SECOND_ANSWER = 45, /* not applied: two stations answered one request */
	ARP_DETAIL_BINDING_RETURNED = 46,      /* announced there and back: a failover and a failback */
	/* arp-duplicate-claim */
	ARP_DETAIL_CLAIM_UNASKED = 50,
	ARP_DETAIL_CLAIM_ALTERNATING = 51,
	ARP_DETAIL_CLAIM_BOTH_ANSWER = 52,
	ARP_DETAIL_CLAIM_ONE_HOST = 53,	     /* the two MACs have several addresses in common */
	ARP_DETAIL_CLAIM_KNOWN_BINDING = 54, /* [Trust] says whose address it is */
	ARP_DETAIL_CLAIM_MOVED = 55,	     /* once: a failover, or an address that is given to another host */
	/* arp-local-spoof */
	ARP_DETAIL_SPOOF_ANNOUNCED = 60, /* from its own MAC, for an address that nobody else was heard to have */
	/* arp-gratuitous-flood, arp-many-addresses, arp-scan */
	ARP_DETAIL_FLOOD_ONE_ADDRESS = 70,
	ARP_DETAIL_FLOOD_ONE_SENDER = 71,
	ARP_DETAIL_MANY_UNASKED = 72,
	ARP_DETAIL_MANY_SERVED = 73, /* announced, or asked for: a proxy, a load balancer */
	ARP_DETAIL_SCAN_RECEIVED = 74,
	ARP_DETAIL_SCAN_BY_PROCESS = 75,
	ARP_DETAIL_SCAN_BY_KERNEL = 76, /* for packets that this host sends or forwards */
	/* arp-bogon-sender */
	ARP_DETAIL_BOGON_ASKS_US = 80,
	/* arp-resolution-failed */
	ARP_DETAIL_FAILED_REPEATEDLY = 90,
	/* arp-odd-delivery */
	ARP_DETAIL_DELIVERED_TO_ALL = 100,
	ARP_DETAIL_DELIVERED_TO_ANOTHER = 101,
};

#define ARP_MAC_LEN 6

struct arp_event {
	struct na_event_head head;
	unsigned int sender_ip; /* network byte order, as all addresses here */
	unsigned int target_ip;
	unsigned int neighbour_ip;    /* of a change in the neighbour table */
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
	unsigned char has_neighbour; /* neighbour_ip, *_state are valid, and *_mac where not zero */
	unsigned char old_state;     /* NUD_* */
	unsigned char new_state;
	unsigned char eth_destination[ARP_MAC_LEN];
	unsigned char eth_source[ARP_MAC_LEN];
	unsigned char sender_mac[ARP_MAC_LEN];
	unsigned char target_mac[ARP_MAC_LEN];
	unsigned char old_mac[ARP_MAC_LEN]; /* of the neighbour, or of who claimed the address before */
	unsigned char new_mac[ARP_MAC_LEN];
	unsigned int count;	    /* of what the rule counts; 0 if it counts nothing */
	unsigned int table_entries; /* table-overflow: neighbours of all namespaces, */
	unsigned int table_limit;   /* and gc_thresh3 */
};

_Static_assert(sizeof(struct arp_event) == sizeof(struct na_event_head) + 80, "arp_event has no holes");

#endif
