#ifndef NA_CSYSTEMD_SHIM_H
#define NA_CSYSTEMD_SHIM_H
/* What the daemon takes from libsystemd. Not sd-journal.h's sender: it blocks on a hung journald. */
#include <systemd/sd-daemon.h>
#endif
