// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* State and tables of judging in the daemon. */
#include <stdlib.h>

#include "arp_environment.h"

_Thread_local struct na_host *na_host_at_work;

struct na_host *na_host_new(unsigned int memory_sets, unsigned int cpus, unsigned long long seed)
{
	struct na_host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->cpus = cpus < 1 ? 1 : cpus > NA_HOST_CPUS_MAX ? NA_HOST_CPUS_MAX : cpus;
	host->config.memory_sets = memory_sets;
	host->config.seed = seed;
	host->memory = calloc(memory_sets ? memory_sets : 1, sizeof(*host->memory));
	host->heard = calloc(host->cpus, sizeof(*host->heard));
	host->heard_at = calloc(host->cpus, sizeof(*host->heard_at));
	host->reasons.not_specified = NA_REASON_NONE;
	host->reasons.device_header = NA_REASON_NONE;
	host->reasons.bad_gso = NA_REASON_NONE;
	if (host->memory && host->heard && host->heard_at)
		return host;
	na_host_free(host);
	return NULL;
}

void na_host_free(struct na_host *host)
{
	if (!host)
		return;
	na_host_clear_trust(host);
	free(host->memory);
	free(host->heard);
	free(host->heard_at);
	free(host);
}

void na_host_set_start(struct na_host *host, unsigned long long now_ns)
{
	host->config.started_ns = now_ns;
}

void na_host_set_rule(struct na_host *host, unsigned int rule, int is_enabled, unsigned int threshold)
{
	if (rule >= NA_RULES_MAX)
		return;
	host->settings[rule].threshold = threshold;
	if (is_enabled)
		host->config.enabled |= 1u << rule;
	else
		host->config.enabled &= ~(1u << rule);
}

void na_host_set_reasons(struct na_host *host, const struct na_host_reasons *reasons)
{
	host->reasons = *reasons;
}

/* Trust */

void na_host_clear_trust(struct na_host *host)
{
	free(host->macs.entries);
	free(host->addresses.entries);
	free(host->bindings);
	memset(&host->macs, 0, sizeof(host->macs));
	memset(&host->addresses, 0, sizeof(host->addresses));
	host->bindings = NULL;
	host->bindings_count = 0;
	memset(host->globs, 0, sizeof(host->globs));
	host->config.has_globs = 0;
	host->config.has_trust = 0;
}

void na_host_set_glob(struct na_host *host, unsigned int index, const struct na_glob_word *word)
{
	if (index >= NA_GLOB_WORDS)
		return;
	host->globs[index] = *word;
	host->config.has_globs |= word->accept != 0;
}

/* Kept by length, longest first: the first that fits is the one that counts. */
static int add_prefix(struct na_host_prefixes *prefixes, struct na_host_prefix prefix)
{
	struct na_host_prefix *more = realloc(prefixes->entries, (prefixes->count + 1) * sizeof(*more));
	size_t at = prefixes->count;

	if (!more)
		return 0;
	prefixes->entries = more;
	while (at > 0 && more[at - 1].length < prefix.length) {
		more[at] = more[at - 1];
		at--;
	}
	more[at] = prefix;
	prefixes->count++;
	return 1;
}

int na_host_add_mac(struct na_host *host, unsigned long long bits, unsigned int length, struct na_trust_mark mark)
{
	host->config.has_trust = 1;
	return add_prefix(&host->macs, (struct na_host_prefix){ .bits = bits, .length = length, .mark = mark });
}

int na_host_add_address(struct na_host *host, unsigned int bits, unsigned int length, struct na_trust_mark mark)
{
	host->config.has_trust = 1;
	return add_prefix(&host->addresses, (struct na_host_prefix){ .bits = bits, .length = length, .mark = mark });
}

int na_host_add_binding(struct na_host *host, unsigned int ip, unsigned long long mac)
{
	struct na_trust_binding *more = realloc(host->bindings, (host->bindings_count + 1) * sizeof(*more));

	if (!more)
		return 0;
	host->bindings = more;
	more[host->bindings_count++] = (struct na_trust_binding){ .ip = ip, .mac = mac };
	host->config.has_trust = 1;
	return 1;
}

unsigned long long na_host_trusted(const struct na_host *host, unsigned int rule)
{
	return rule < NA_RULES_MAX ? host->trusted[rule] : 0;
}

unsigned long long na_host_forgotten(const struct na_host *host)
{
	return host->forgotten;
}

static __u32 ignored_on(const char *name)
{
	const struct na_host *host = na_host_at_work;
	struct na_glob_search search = {};

	memcpy(search.name, name, sizeof(search.name));
	for (int i = 0; i < NA_GLOB_WORDS; i++)
		na_try_word(&host->globs[i], &search);
	return na_ignored_rules(&search);
}

__u32 na_left_by_trust(const struct na_config *known, __u32 broken, __u32 excused, __u64 device)
{
	(void)device;
	broken &= known->enabled;
	if (!broken)
		return 0;
	if (known->has_globs)
		excused |= ignored_on(na_host_at_work->sight->ifname);
	excused &= broken;
	for (__u32 rules = excused; rules; rules &= rules - 1)
		na_host_at_work->trusted[__builtin_ctz(rules)]++;
	return broken & ~excused;
}

static struct na_trust_mark *find_prefix(const struct na_host_prefixes *prefixes, __u64 address, __u32 width)
{
	for (size_t i = 0; i < prefixes->count; i++) {
		struct na_host_prefix *prefix = &prefixes->entries[i];

		if (prefix->length == 0 || (address ^ prefix->bits) >> (width - prefix->length) == 0)
			return &prefix->mark;
	}
	return NULL;
}

struct na_trust_mark *find_mac(__u64 mac, __u32 generation)
{
	(void)generation;
	return find_prefix(&na_host_at_work->macs, mac, 48);
}

struct na_trust_mark *find_address(__u32 ip, __u32 generation)
{
	(void)generation;
	return find_prefix(&na_host_at_work->addresses, ip, 32);
}

bool is_binding(__u32 ip, __u64 mac, __u32 generation)
{
	const struct na_host *host = na_host_at_work;

	(void)generation;
	for (size_t i = 0; i < host->bindings_count; i++)
		if (host->bindings[i].ip == ip && (!mac || host->bindings[i].mac == mac))
			return true;
	return false;
}

void na_host_fill_head(struct na_event_head *head, const struct na_key *key, __u32 direction)
{
	const struct na_sight *sight = na_host_at_work->sight;

	head->key = *key;
	head->kind = NA_KIND_EVENT;
	head->boottime_ns = sight->boottime_ns;
	head->first_ns = sight->boottime_ns;
	head->last_ns = sight->boottime_ns;
	head->probe = sight->probe;
	head->direction = direction;
	head->pid = sight->pid;
	memcpy(head->comm, sight->comm, sizeof(head->comm));
	memcpy(head->ifname, sight->ifname, sizeof(head->ifname));
	memcpy(head->master, sight->master, sizeof(head->master));
}
