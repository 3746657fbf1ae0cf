/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which rules of the arp detector [Trust] excuses a sender from. */
#ifndef NA_ARP_TRUST_H
#define NA_ARP_TRUST_H

#include "arp_facts.h"

/* What [Trust] says of a frame's sender, or of a neighbour. */
struct arp_trust {
	unsigned int rules;	  /* IgnoreMACs= and IgnoreAddresses= of single rules, as bits */
	unsigned char is_virtual; /* VirtualMACs= names its MAC */
	unsigned char is_service; /* ServiceAddresses= names its address */
	unsigned char is_bound;	  /* KnownBindings= names its address, */
	unsigned char is_known;	  /* and this MAC for it */
};

/* Who has an address changes: all that says nothing else. */
#define ARP_RULES_OF_CHANGE                                                                      \
	(1u << ARP_RULE_LOCAL_SPOOF | 1u << ARP_RULE_FLIP_FLOP | 1u << ARP_RULE_BINDING_CHANGE | \
	 1u << ARP_RULE_DUPLICATE_CLAIM | 1u << ARP_RULE_UNSOLICITED_REPLY)
/* What a MAC does that stands for a service, not for a station. */
#define ARP_RULES_OF_VIRTUAL_MACS                                                                     \
	(1u << ARP_RULE_FLIP_FLOP | 1u << ARP_RULE_DUPLICATE_CLAIM | 1u << ARP_RULE_SENDER_MISMATCH | \
	 1u << ARP_RULE_MANY_ADDRESSES)

/*
 * A known binding also excuses the conflict with an address of ours; a service address does not: two hosts that both
 * hold it are a split brain. Where bindings of an address are known, no other MAC profits from its being a service's.
 */
ARP_INLINE unsigned int arp_excused(const struct arp_trust *trust)
{
	unsigned int rules = trust->rules;

	if (trust->is_virtual)
		rules |= ARP_RULES_OF_VIRTUAL_MACS;
	if (trust->is_known)
		rules |= ARP_RULES_OF_CHANGE | 1u << ARP_RULE_ADDRESS_CONFLICT | 1u << ARP_RULE_SENDER_MISMATCH;
	if (trust->is_service && !trust->is_bound)
		rules |= ARP_RULES_OF_CHANGE;
	return rules;
}

#endif
