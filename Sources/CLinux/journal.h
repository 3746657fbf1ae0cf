#ifndef NA_CLINUX_JOURNAL_H
#define NA_CLINUX_JOURNAL_H
#include <linux/sockios.h>
#include <sys/ioctl.h>

/* Bytes sent over a datagram socket that the receiver has not fetched yet; negative if that is not known. */
static inline int na_unfetched_bytes(int descriptor)
{
	int bytes;

	return ioctl(descriptor, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}
#endif
