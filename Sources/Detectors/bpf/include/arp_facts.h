/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the arp detector's predicates judge a frame by, and what comes of it. */
#ifndef NA_ARP_FACTS_H
#define NA_ARP_FACTS_H

#include "arp_event.h"

#ifdef __bpf__
#define ARP_INLINE static __attribute__((always_inline)) inline
#else
#define ARP_INLINE static inline
#endif

/* What an IPv4 address is to the device that a frame came through or goes out of, and to what is stacked on it. */
enum arp_place {
	ARP_PLACE_OURS = 1,
	ARP_PLACE_SUBNET_BROADCAST = 2,
	ARP_PLACE_UNKNOWN = 4,	   /* there are more addresses than we look at: neither ours nor foreign */
	ARP_PLACE_ON_LINK = 8,	   /* within one of our subnets */
	ARP_PLACE_HAS_SUBNET = 16, /* we have a subnet wider than one address */
	ARP_PLACE_MOVABLE = 32,	   /* ours, but secondary or of length 32: how a service's address is added */
};

/* The facts of a frame, all in host byte order. MACs sit in the low 48 bits, first byte highest. */
struct arp_facts {
	unsigned long long eth_source;
	unsigned long long eth_destination;
	unsigned long long sender_mac;
	unsigned long long target_mac;
	unsigned long long device_mac;
	unsigned long long domain; /* hash of the broadcast domain: namespace, bridge or device, VLAN */
	unsigned long long host;   /* the namespace */
	unsigned int sender_ip;
	unsigned int target_ip;
	unsigned int length; /* from the ARP header to the end of the frame */
	unsigned short hardware_type;
	unsigned short protocol_type;
	unsigned short operation;
	unsigned short device_type; /* ARPHRD_* of the device */
	unsigned char hardware_length;
	unsigned char protocol_length;
	unsigned char device_address_length;
	unsigned char has_ethernet;
	unsigned char sender_place; /* enum arp_place of sender_ip */
	unsigned char target_place; /* and of target_ip */
	unsigned char sender_mac_is_ours;
	unsigned char destination_is_ours;
	unsigned char is_virtual; /* [Trust] VirtualMACs= names one of its MACs */
	unsigned char is_noarp;	  /* the device has ARP switched off, and nothing is stacked on it */
	unsigned char was_asked;  /* somebody asked for the sender's address a moment ago */
	unsigned char was_known;  /* another MAC was heard to have the sender's address a moment ago */
	unsigned char is_sent;	  /* by this host */
	unsigned char padding[3];
};

/* What a frame breaks. */
struct arp_verdict {
	unsigned long long other_mac;	     /* duplicate-claim: who claimed the address before */
	unsigned int rules;		     /* bits of enum arp_rule */
	unsigned int mild;		     /* those of them that are harmless in this sub-case */
	unsigned int count;		     /* of what `counted` counts */
	unsigned int counted;		     /* the first rule by number that has a count */
	unsigned char details[NA_RULES_MAX]; /* enum arp_detail, by rule */
};

/* Sub-cases that deserve a notice at most although their rule deserves more; ArpWords.priority() knows the same. */
ARP_INLINE int arp_is_mild(unsigned int detail)
{
	switch (detail) {
	case ARP_DETAIL_KNOWN_OPERATION:
	case ARP_DETAIL_CONFLICT_PROBE:
	case ARP_DETAIL_CONFLICT_TAKEOVER:
	case ARP_DETAIL_CLAIM_BOTH_ANSWER:
	case ARP_DETAIL_CLAIM_ONE_HOST:
	case ARP_DETAIL_CLAIM_MOVED:
	case ARP_DETAIL_SPOOF_ANNOUNCED:
	case ARP_DETAIL_MANY_SERVED:
		return 1;
	default:
		return 0;
	}
}

ARP_INLINE void arp_break(struct arp_verdict *verdict, unsigned int rule, unsigned int detail)
{
	verdict->rules |= 1u << rule;
	verdict->details[rule] = detail;
	if (arp_is_mild(detail))
		verdict->mild |= 1u << rule;
}

/* Rules that deserve a warning or more, mild sub-cases apart. */
#define ARP_RULES_SEVERE ((2u << ARP_RULE_MANY_ADDRESSES) - 1)

/* The rule among those broken that has the entry: the first that is not mild, if it is worth a warning, or the first.
 */
ARP_INLINE unsigned int arp_most_telling(unsigned int rules, unsigned int mild)
{
	unsigned int severe = rules & ~mild & ARP_RULES_SEVERE;

	return __builtin_ctz(severe ? severe : rules);
}

#endif
