/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What judges packets is written once and runs in two places: in the kernel's programs, and in the daemon where
 * bpftrace gathers the facts. This is what it needs of either: types, configuration, byte order.
 */
#ifndef NA_WHERE_H
#define NA_WHERE_H

#ifdef __bpf__
#include "../kernel/gate.bpf.h"
#else
#include "../host/host.h"
#endif

#endif
