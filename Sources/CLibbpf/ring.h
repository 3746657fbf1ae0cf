#ifndef NA_CLIBBPF_RING_H
#define NA_CLIBBPF_RING_H
/*
 * Reads a BPF ring buffer (kernel/bpf/ringbuf.c), with one thing that libbpf's reader does not have: a record is read
 * first and given back later, once what it led to is kept. Whoever maps the ring after a kill finds it again.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct na_ring {
	uint64_t *consumer;	  /* a page of its own: up to where records were given back */
	const uint64_t *producer; /* a page of its own, and behind it the data, twice */
	const char *data;
	uint64_t bytes;	   /* of the data; a power of two */
	uint64_t position; /* up to where records were read */
	size_t page;
};

/* Maps the ring behind a descriptor; 0, or errno. */
static inline int na_ring_open(struct na_ring *ring, int descriptor, uint64_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), *rest;

	if (consumer == MAP_FAILED)
		return errno;
	rest = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, descriptor, page);
	if (rest == MAP_FAILED) {
		int error = errno;

		munmap(consumer, page);
		return error;
	}
	*ring = (struct na_ring){
		.consumer = (uint64_t *)consumer,
		.producer = (const uint64_t *)rest,
		.data = (const char *)rest + page,
		.bytes = bytes,
		.position = __atomic_load_n((uint64_t *)consumer, __ATOMIC_ACQUIRE),
		.page = page,
	};
	return 0;
}

static inline void na_ring_close(struct na_ring *ring)
{
	munmap(ring->consumer, ring->page);
	munmap((void *)ring->producer, ring->page + 2 * ring->bytes);
}

/* True if something lies behind what was read; a full barrier before it, so that it can be asked after a release. */
static inline int na_ring_has_more(const struct na_ring *ring)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) > ring->position;
}

/* Bytes behind what was read. */
static inline uint64_t na_ring_waiting(const struct na_ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - ring->position;
}

/* Reads the next record, which stays until it is released; NULL if there is none that is finished. */
static inline const void *na_ring_next(struct na_ring *ring, size_t *count)
{
	while (na_ring_has_more(ring)) {
		const uint32_t *head = (const uint32_t *)(ring->data + (ring->position & (ring->bytes - 1)));
		uint32_t length = __atomic_load_n(head, __ATOMIC_ACQUIRE);
		uint32_t content = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (length & BPF_RINGBUF_BUSY_BIT)
			return NULL;
		ring->position += (content + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
			*count = content;
			return (const char *)head + BPF_RINGBUF_HDR_SZ;
		}
	}
	return NULL;
}

/* Gives back what was read. */
static inline void na_ring_release(struct na_ring *ring)
{
	__atomic_store_n(ring->consumer, ring->position, __ATOMIC_RELEASE);
}

/* Passes over what another process read and did not get to release. A place that is not the end of a record of the
 * ring's is ignored. */
static inline void na_ring_skip(struct na_ring *ring, uint64_t position)
{
	uint64_t begin = ring->position;
	size_t count;

	while (ring->position < position && na_ring_next(ring, &count))
		;
	if (ring->position != position)
		ring->position = begin;
	na_ring_release(ring);
}
#endif
