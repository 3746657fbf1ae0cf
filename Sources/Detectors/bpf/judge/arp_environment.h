/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What judging ARP needs of where it runs: see where.h. */
#ifndef NA_ARP_ENVIRONMENT_H
#define NA_ARP_ENVIRONMENT_H

#ifdef __bpf__
#include "../kernel/arp_environment.bpf.h"
#else
#include "../host/arp_environment.h"
#endif

#endif
