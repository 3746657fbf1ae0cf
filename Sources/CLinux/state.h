#ifndef NA_CLINUX_STATE_H
#define NA_CLINUX_STATE_H
/*
 * Memory that outlives the process: a memfd that systemd's descriptor store keeps while the daemon is killed, crashes,
 * is restarted or upgraded.
 *
 * It is made to be found in the middle of anything. What the process knows is written as text into the one of two slots
 * that does not hold, and holds from the single store of its number on. Records wait in an area of their own behind
 * them. Whether a record was handed over is written by the kernel itself, in the call that does it: sendmmsg(2) notes
 * the length of each message that it sent, and that note stands in this memory. So there is no instant at which a
 * record is sent and not known to be, and a process killed at any point repeats none and forgets none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * What everything in here and in the BPF maps beside it means. To be raised when a field of the text, the frame of a
 * record, or what a map's content stands for is changed in a way that an older or newer program would misread. The
 * places of this structure itself, and the lines "rules" and "received" of the text, must stay as they are: a program
 * of another layout reads them to count what it has to give up.
 */
#define NA_STATE_LAYOUT "netanomalyd-state-layout-1"

#define NA_STATE_NAME_BYTES 64
#define NA_STATE_RECEIPTS 64	       /* records sent between two commits */
#define NA_STATE_SLOT_BYTES (1 << 20)  /* some 10,000 lines of rules; pages that are never written are never taken */
#define NA_STATE_QUEUE_BYTES (5 << 20) /* RecordQueue.maxBytes, and the frames */

/* struct mmsghdr, which is shown to _GNU_SOURCE only. */
struct na_receipt {
	struct msghdr message;
	uint32_t sent_bytes; /* written by the kernel; 0: not sent */
};

struct na_state {
	char layout[NA_STATE_NAME_BYTES];
	uint64_t committed; /* its lowest bit is the slot that holds; 0: nothing yet */
	uint32_t slot_bytes[2];
	uint32_t slot_offset[2];
	struct na_receipt receipts[2][NA_STATE_RECEIPTS];
	struct iovec parts[2][NA_STATE_RECEIPTS];
	uint32_t starts; /* processes that took it over since the last commit */
};

#define NA_STATE_HEAD_BYTES (1 << 14)
#define NA_STATE_BYTES (NA_STATE_HEAD_BYTES + 2 * NA_STATE_SLOT_BYTES + NA_STATE_QUEUE_BYTES)
_Static_assert(sizeof(struct na_state) <= NA_STATE_HEAD_BYTES, "the head has room");

/* A new one that is empty; a descriptor, or a negative errno. */
static inline int na_state_make(void)
{
	const unsigned int cloexec = 0x1, noexec_seal = 0x8; /* linux/memfd.h */
	int descriptor = syscall(SYS_memfd_create, "netanomalyd-state", cloexec | noexec_seal);

	/* Before Linux 6.3 */
	if (descriptor < 0 && errno == EINVAL)
		descriptor = syscall(SYS_memfd_create, "netanomalyd-state", cloexec);
	if (descriptor < 0)
		return -errno;
	if (ftruncate(descriptor, NA_STATE_BYTES) != 0) {
		int error = errno;

		close(descriptor);
		return -error;
	}
	return descriptor;
}

/* The memory behind a descriptor; NULL, and errno, if it is none of ours. */
static inline struct na_state *na_state_map(int descriptor)
{
	struct stat status;
	void *memory;

	if (fstat(descriptor, &status) != 0)
		return NULL;
	if (!S_ISREG(status.st_mode) || status.st_size != NA_STATE_BYTES) {
		errno = EINVAL;
		return NULL;
	}
	memory = mmap(NULL, NA_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	return memory == MAP_FAILED ? NULL : (struct na_state *)memory;
}

static inline void na_state_unmap(struct na_state *state)
{
	munmap(state, NA_STATE_BYTES);
}

/* Marks new memory as being of this layout. */
static inline void na_state_begin(struct na_state *state)
{
	memcpy(state->layout, NA_STATE_LAYOUT, sizeof(NA_STATE_LAYOUT));
}

static inline char *na_state_slot(struct na_state *state, unsigned int slot)
{
	return (char *)state + NA_STATE_HEAD_BYTES + slot * NA_STATE_SLOT_BYTES;
}

static inline char *na_state_queue(struct na_state *state)
{
	return (char *)state + NA_STATE_HEAD_BYTES + 2 * NA_STATE_SLOT_BYTES;
}

/* What holds, as another layout's program wrote it, too; NULL if there is nothing or it cannot be. */
static inline const char *na_state_text(const struct na_state *state, size_t *count)
{
	uint64_t committed = __atomic_load_n(&state->committed, __ATOMIC_ACQUIRE);
	unsigned int slot = committed & 1;

	if (!committed || state->slot_offset[slot] < sizeof(*state) || state->slot_offset[slot] > NA_STATE_BYTES ||
	    state->slot_bytes[slot] > NA_STATE_BYTES - state->slot_offset[slot])
		return NULL;
	*count = state->slot_bytes[slot];
	return (const char *)state + state->slot_offset[slot];
}

/* Puts a text in force, and with it an empty set of receipts. False if it is too long. */
static inline int na_state_commit(struct na_state *state, const void *text, size_t count)
{
	uint64_t next = state->committed + 1;
	unsigned int slot = next & 1;

	if (count > NA_STATE_SLOT_BYTES)
		return 0;
	memcpy(na_state_slot(state, slot), text, count);
	state->slot_offset[slot] = na_state_slot(state, slot) - (char *)state;
	state->slot_bytes[slot] = count;
	/* All of them: whoever was killed in the middle of this has left some behind the first that is clear. */
	for (unsigned int i = 0; i < NA_STATE_RECEIPTS; i++)
		state->receipts[slot][i].sent_bytes = 0;
	state->starts = 0;
	__atomic_store_n(&state->committed, next, __ATOMIC_RELEASE);
	return 1;
}

/* The receipt of the record that is sent as number `index` after the commit. */
static inline struct na_receipt *na_state_receipt(struct na_state *state, unsigned int index)
{
	return &state->receipts[state->committed & 1][index];
}

/* Sends one datagram; 0, or errno. The kernel writes the receipt before it returns. */
static inline int na_state_send(struct na_state *state, unsigned int index, int descriptor, const void *bytes,
				size_t count)
{
	struct na_receipt *receipt = na_state_receipt(state, index);
	struct iovec *part = &state->parts[state->committed & 1][index];

	*part = (struct iovec){ .iov_base = (void *)bytes, .iov_len = count };
	receipt->message = (struct msghdr){ .msg_iov = part, .msg_iovlen = 1 };
	return syscall(SYS_sendmmsg, descriptor, receipt, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : errno;
}

#define NA_RIGHTS_MAX 64

/* Sends a message with descriptors over a connected socket; 0, or errno. */
static inline int na_send_rights(int socket, const void *bytes, size_t count, const int *descriptors, size_t number)
{
	union {
		char bytes[CMSG_SPACE(NA_RIGHTS_MAX * sizeof(int))];
		struct cmsghdr head;
	} rights = { .bytes = { 0 } };
	struct iovec part = { .iov_base = (void *)bytes, .iov_len = count };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights };

	if (number > NA_RIGHTS_MAX)
		return E2BIG;
	rights.head.cmsg_level = SOL_SOCKET;
	rights.head.cmsg_type = SCM_RIGHTS;
	rights.head.cmsg_len = CMSG_LEN(number * sizeof(int));
	memcpy(CMSG_DATA(&rights.head), descriptors, number * sizeof(int));
	message.msg_controllen = CMSG_SPACE(number * sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}
#endif
