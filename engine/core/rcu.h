/* SPDX-License-Identifier: MIT */
/* liburcu's QSBR flavour, inlined; the core's files include it by this header only. */
#ifndef IOREQ_CORE_RCU_H
#define IOREQ_CORE_RCU_H

#define _LGPL_SOURCE
#include <urcu-qsbr.h>

#include "core/atomic.h"

#if defined(__SANITIZE_THREAD__)
/*
 * liburcu before 0.15 publishes by a fence and a plain store, which ThreadSanitizer takes for a race; inlined, it could
 * only be suppressed together with our own functions. The same ordering in a form that it follows.
 */
#undef rcu_assign_pointer
#define rcu_assign_pointer(p, v) store_release(&(p), (v))
#endif

#endif
