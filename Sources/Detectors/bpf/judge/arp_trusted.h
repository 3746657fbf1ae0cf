/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What [Trust] says of a station. */
#ifndef NA_ARP_TRUSTED_H
#define NA_ARP_TRUSTED_H

#include "arp_environment.h"

/* What [Trust] says of a station with these MACs (that of the ARP header first) and this address. */
NA_STEP int find_trust(__u64 mac, __u64 other_mac, __u32 ip, struct arp_trust *trust)
{
	struct na_config *known = na_config_slot();
	struct na_trust_mark *mark;

	if (!known || !trust)
		return 0;
	mark = find_mac(mac, known->generation);
	if (mark) {
		trust->rules |= mark->rules;
		trust->is_virtual |= mark->flags & NA_TRUST_VIRTUAL_MAC;
	}
	mark = other_mac && other_mac != mac ? find_mac(other_mac, known->generation) : NULL;
	if (mark)
		trust->is_virtual |= mark->flags & NA_TRUST_VIRTUAL_MAC;
	mark = find_address(ip, known->generation);
	if (mark) {
		trust->rules |= mark->rules;
		trust->is_service = mark->flags & NA_TRUST_SERVICE_ADDRESS;
	}
	trust->is_bound = is_binding(ip, 0, known->generation);
	trust->is_known = trust->is_bound && mac && is_binding(ip, mac, known->generation);
	/* Whose an address is says more than what kind of MAC claims it. */
	if (trust->is_bound && !trust->is_known)
		trust->is_virtual = 0;
	return 0;
}

#endif
