#ifndef NA_CLINUX_SHIM_H
#define NA_CLINUX_SHIM_H
/* Linux headers that Swift's Glibc module leaves out. */
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "child.h"
#include "devices.h"
#include "journal.h"
#include "state.h"
#endif
