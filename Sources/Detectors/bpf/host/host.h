/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The daemon as the place where packets are judged: what maps and helpers are to the kernel's programs. */
#ifndef NA_HOST_H
#define NA_HOST_H

#include <endian.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "na_host.h"

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define NA_STEP static __attribute__((unused))
#define barrier_var(variable) ((void)(variable))
#define bpf_ntohs be16toh
#define bpf_ntohl be32toh
#define bpf_htons htobe16
#define bpf_htonl htobe32
#define bpf_cpu_to_be64 htobe64

#include "../judge/basics.h"

#define NA_HOST_CPUS_MAX 4096 /* of which a frame that was heard is remembered */

struct arp_heard;
struct arp_sight;

/* One prefix of [Trust]; the marks of all that cover it are in it. */
struct na_host_prefix {
	__u64 bits;
	__u32 length;
	struct na_trust_mark mark;
};

struct na_host_prefixes {
	struct na_host_prefix *entries;
	size_t count;
};

/* Where a CPU received a frame last: what changes a neighbour a moment later was it. */
struct na_host_heard {
	struct na_sight at;
	__u32 ip;
	__u32 upper; /* index of the device above, which the master is */
};

struct na_host {
	struct na_config config;
	struct na_rule_settings settings[NA_RULES_MAX];
	struct na_memory_set *memory;
	struct arp_heard *heard; /* by CPU, as the next */
	struct na_host_heard *heard_at;
	unsigned int cpus;
	__u64 forgotten;
	__u64 trusted[NA_RULES_MAX];
	struct na_glob_word globs[NA_GLOB_WORDS];
	struct na_host_prefixes macs;
	struct na_host_prefixes addresses;
	struct na_trust_binding *bindings;
	size_t bindings_count;
	struct na_host_reasons reasons;
	const struct na_sight *sight; /* what is being judged */
	const struct arp_sight *frame;
};

/*
 * Whose judgement is asked for. The steps of judging have no argument for it, because the kernel's have none; the
 * daemon judges on one thread.
 */
extern _Thread_local struct na_host *na_host_at_work;

static inline struct na_config *na_config_slot(void)
{
	return &na_host_at_work->config;
}

static inline __u32 na_threshold(__u32 rule)
{
	return na_host_at_work->settings[rule].threshold;
}

static inline struct na_memory_set *na_memory_set_at(__u32 index)
{
	return index < na_host_at_work->config.memory_sets ? &na_host_at_work->memory[index] : NULL;
}

static inline void na_count_forgotten(void)
{
	na_host_at_work->forgotten++;
}

__u32 na_left_by_trust(const struct na_config *known, __u32 broken, __u32 excused, __u64 device);

/* What every entry tells of where its event was seen. */
void na_host_fill_head(struct na_event_head *head, const struct na_key *key, __u32 direction);

#endif
