/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The only translation unit of CDetectorEvents: checks that every header stands alone, and its size assertions. */
#include "CDetectorEvents.h"
