/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network devices: what is stacked on one, what a bridge or bond makes of several, and the names an entry tells. */
#ifndef NA_DEVICES_BPF_H
#define NA_DEVICES_BPF_H

#include "core.h"
#include "na_event.h"

#define NA_UPPERS_MAX 8 /* devices stacked directly on one that are looked at */

struct na_upper_walk {
	struct list_head *first; /* the list's head, where the walk ends */
	struct list_head *at;
};

static __always_inline struct na_upper_walk na_uppers(struct net_device *dev)
{
	struct na_upper_walk walk = {};

	/* The list head is inside the device: its address is an offset, not something to read. */
	walk.first = (void *)dev + bpf_core_field_offset(dev->adj_list.upper);
	walk.at = BPF_CORE_READ(dev, adj_list.upper.next);
	return walk;
}

/* The next link to a device stacked on the one the walk began with, or NULL. */
static __always_inline struct netdev_adjacent *na_next_adjacent(struct na_upper_walk *walk)
{
	struct list_head *at = walk->at;

	if (!at || at == walk->first)
		return NULL;
	walk->at = BPF_CORE_READ(at, next);
	return (void *)at - bpf_core_field_offset(struct netdev_adjacent, list);
}

/* The next device stacked on the one the walk began with, or NULL. */
static __always_inline struct net_device *na_next_upper(struct na_upper_walk *walk)
{
	struct netdev_adjacent *adjacent = na_next_adjacent(walk);

	return adjacent ? BPF_CORE_READ(adjacent, dev) : NULL;
}

/* True when nothing is stacked on the device: the usual case, decided without a helper call. */
static __always_inline bool na_has_no_upper(struct net_device *dev)
{
	return (void *)dev->adj_list.upper.next == (void *)dev + bpf_core_field_offset(dev->adj_list.upper);
}

/* The bridge, bond or team that the device is a port of, as an address; 0 for none. Global: see addresses.bpf.h. */
__noinline __u64 na_master_of(__u64 device)
{
	struct na_upper_walk walk = na_uppers((void *)device);

	for (int i = 0; i < NA_UPPERS_MAX; i++) {
		struct netdev_adjacent *adjacent = na_next_adjacent(&walk);

		if (!adjacent)
			break;
		if (BPF_CORE_READ(adjacent, master))
			return (__u64)BPF_CORE_READ(adjacent, dev);
	}
	return 0;
}

static __always_inline void na_read_ifname(char *name, struct net_device *dev)
{
	if (dev)
		bpf_core_read_str(name, NA_IFNAME_LEN, &dev->name);
}

/* Leaf directory of the task's control group; empty for the root. */
static __always_inline void na_read_cgroup(char *name)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	bpf_probe_read_kernel_str(name, NA_CGROUP_LEN, BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, name));
}

#endif
