/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What Swift sees of the kernel half: one line per header. An umbrella header, so that a new one is noticed. */
#ifndef NA_CDETECTOREVENTS_H
#define NA_CDETECTOREVENTS_H

#include "na_event.h"
#include "na_trust.h"
#include "arp_event.h"
#include "arp_facts.h"
#include "arp_trust.h"
#include "arp_rules.h"
#include "tun_gso_event.h"
#include "tun_gso_facts.h"
#include "tun_gso_rules.h"
#include "tun_gso_judge.h"
#include "na_host.h"
#include "arp_sight.h"
#include "gso_sight.h"

#endif
