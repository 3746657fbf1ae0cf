/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Judging in the daemon, where bpftrace gathers the facts: the same rules, the same memory and the same events as in
 * the kernel's programs. Deduplication and limits are not done here, but by the daemon's own gate.
 */
#ifndef NA_HOST_API_H
#define NA_HOST_API_H

#include "na_event.h"
#include "na_trust.h"

/* The state of one detector's judging. */
struct na_host;

/* Where and when something was seen, and what ran. */
struct na_sight {
	unsigned long long boottime_ns;
	unsigned int netns; /* inode; 0 if not known */
	unsigned int ifindex;
	unsigned int cpu;
	unsigned int pid;
	unsigned int probe; /* index in the detector's list of probes */
	unsigned int reserved;
	char comm[NA_COMM_LEN];
	char ifname[NA_IFNAME_LEN];
	char master[NA_IFNAME_LEN];
};

#define NA_REASON_WORDS 4 /* the running kernel has some 120 drop reasons */

/* Drop reasons of the running kernel, found by name; those it has not are nowhere. */
struct na_host_reasons {
	unsigned long long telling[NA_REASON_WORDS]; /* they name a filter, a queue or a program, as bits */
	unsigned long long before_reception[NA_REASON_WORDS];
	unsigned int not_specified; /* and these as numbers, NA_REASON_NONE if there is none */
	unsigned int device_header;
	unsigned int bad_gso;
	unsigned int reserved;
};

#define NA_REASON_NONE 0xffffffffu

/* NULL when there is no memory for it. memory_sets is MaxMemory= / NA_MEMORY_WAYS, 0 for a detector that has none. */
struct na_host *na_host_new(unsigned int memory_sets, unsigned int cpus, unsigned long long seed);
void na_host_free(struct na_host *host);

/* What was asked for before that time is not known: at the start, and whenever facts were lost. */
void na_host_set_start(struct na_host *host, unsigned long long now_ns);
void na_host_set_rule(struct na_host *host, unsigned int rule, int is_enabled, unsigned int threshold);
void na_host_set_reasons(struct na_host *host, const struct na_host_reasons *reasons);

/* [Trust], which these make up anew; nothing is in force in between because nothing is judged in between. */
void na_host_clear_trust(struct na_host *host);
void na_host_set_glob(struct na_host *host, unsigned int index, const struct na_glob_word *word);
int na_host_add_mac(struct na_host *host, unsigned long long bits, unsigned int length, struct na_trust_mark mark);
int na_host_add_address(struct na_host *host, unsigned int bits, unsigned int length, struct na_trust_mark mark);
int na_host_add_binding(struct na_host *host, unsigned int ip, unsigned long long mac);

/* Events that [Trust] excused, and what the memory gave up before its time. */
unsigned long long na_host_trusted(const struct na_host *host, unsigned int rule);
unsigned long long na_host_forgotten(const struct na_host *host);

#endif
