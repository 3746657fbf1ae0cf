// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tun-gso detector for Linux 6.2 and newer: the same programs, reading the kernel's structures through
 * bpf_rdonly_cast() instead of a helper, which makes an ordinary drop half as expensive. An object of its own, because
 * libbpf before 1.3 cannot load one that asks for a kernel function which may be missing.
 */
#define GSO_READ_BY_CAST
#include "tun_gso.bpf.c"
