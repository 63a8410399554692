/* SPDX-License-Identifier: MIT */
/*
 * A client's thread that parks, and a poller that hands requests over: nobody sleeps while a request waits.
 *
 * Total store order: the poller's POSTED and the removal's `stop` pass through store buffers and become visible at any
 * later time; an exchange drains the buffer of its thread, as a locked instruction does.
 *
 * Size      NR requests, one after the other, of one vCPU; then the client is removed.
 * Switches  REPOST     the producer errs: the slot says PENDING while the request is in flight
 *           ONCE FENCE the design not taken: `parked` is looked at once, behind a full fence. Dearer, and right, but only
 *                      with a client that parks as ours does:
 *           NO_LOOK    it sleeps without looking at its ring after it said that it parks
 *           PARK_LATE  it looks first and says so afterwards
 *           PLAIN      it says so by a plain store, which its look overtakes
 * Mutations ONCE without FENCE; NO_LOOK, PARK_LATE, PLAIN with ONCE and FENCE
 *           WAKE_FIRST   `parked` falls after the wake: a sleep that begins in between is never ended
 *           SLEEP_BLIND  the client sleeps without comparing `parked` in the same step
 *           STOP_ONCE    the removal looks for a sleeper once
 *           WATCH_STATE  with REPOST: the poller stops watching when the slot no longer says PROCESSING
 */
#ifndef NR
#define NR 3
#endif

bool posted, posted_buffered; /* the token: in memory, in the poller's store buffer */
bool stop, stop_buffered;
bool parked, parked_buffered;
bool complete; /* the slot */
bool sleeping; /* in the kernel, on the futex word `parked` */
bool ended, served_all;
byte handled;

active proctype store_buffers()
{
end_idle:
	do
	:: atomic { posted_buffered -> posted = true; posted_buffered = false }
	:: atomic { stop_buffered -> stop = true; stop_buffered = false }
#ifdef PLAIN
	:: atomic { parked_buffered -> parked = true; parked_buffered = false }
#endif
	od
}

/* The exchange of ioreq_ring_wake(), by the poller and by the removal: each drains the buffer of its own thread. */
#define DRAIN_POSTED posted = posted || posted_buffered; posted_buffered = false
#define DRAIN_STOP stop = stop || stop_buffered; stop_buffered = false

/* Then a system call wakes who sleeps at that moment. */
#ifdef WAKE_FIRST
inline wake_by_poller() { sleeping = false; atomic { DRAIN_POSTED; parked = false } }
inline wake_by_removal() { sleeping = false; atomic { DRAIN_STOP; parked = false } }
#else
inline wake_by_poller() { atomic { DRAIN_POSTED; parked = false }; sleeping = false }
inline wake_by_removal() { atomic { DRAIN_STOP; parked = false }; sleeping = false }
#endif

active proctype poller()
{
	byte n;
	bool watched;

	do
	:: n < NR ->
		n++;
		complete = false;
		posted_buffered = true;
#ifdef ONCE
#ifdef FENCE
		atomic { DRAIN_POSTED };
#endif
		if
		:: parked -> wake_by_poller()
		:: !parked
		fi;
		complete
#else
		/* wake_parked(): in every sweep until the request is complete. */
		watched = true;
		do
		:: complete -> break
		:: watched && parked && !complete -> wake_by_poller()
#if defined(REPOST) && defined(WATCH_STATE)
		:: watched && !complete -> watched = false
#endif
		od;
		watched = false
#endif
	:: else -> break
	od;
	served_all = true
}

/* FUTEX_WAIT compares and sleeps in one step, and ends when it is woken. */
inline futex_wait()
{
#ifdef SLEEP_BLIND
	sleeping = true;
	!sleeping
#else
	if
	:: atomic { parked || parked_buffered -> sleeping = true };
	   !sleeping
	:: !parked && !parked_buffered
	fi
#endif
}

inline park()
{
#ifdef PARK_LATE
	looked = posted;
	parked = true;
#elif defined(PLAIN)
	parked_buffered = true;
	looked = posted;
#elif defined(NO_LOOK)
	parked = true;
#else
	parked = true;
	looked = posted;
#endif
	if
	:: !looked && !stop -> futex_wait()
	:: looked || stop
	fi;
	atomic { parked = false; parked_buffered = false; looked = false }
}

active proctype thread()
{
	bool looked;

	do
	:: stop -> break
	:: atomic { posted -> posted = false; handled++ }; complete = true
	:: !posted && !stop -> park()
	od;
	ended = true
}

/* ioreq_client_remove(): the requests are drained, then the thread is asked to end, and woken until it has. */
active proctype control()
{
	served_all;
	assert(handled == NR && !posted_buffered);
	stop_buffered = true;
#ifdef STOP_ONCE
	if
	:: parked -> wake_by_removal()
	:: !parked
	fi
#else
	do
	:: ended -> break
	:: parked && !ended -> wake_by_removal()
	od
#endif
}
