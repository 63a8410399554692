/* SPDX-License-Identifier: MIT */
/*
 * Tables that are replaced, and clients that are removed, under a poller that reads them: nothing is freed that it may
 * still read, and nobody waits for more than the poller's next sweeps.
 *
 * QSBR: the poller announces a quiescent state after each sweep, then answers tickets. Its stores pass through its
 * store buffer: what others read lags behind by up to LAG sweeps, for the announcement has a fence only when a grace
 * period has been asked for. A ticket carries the asker's updates (release, acquire), so its answer is a proof by
 * itself, however late it arrives; the reclaimer also asks for a grace period, which is then over at once. A mere count
 * of sweeps, seen late, is no proof (COUNTS).
 *
 * Size      NT tables, SWEEPS sweeps of the poller, which then unregisters; client 0 is inline and owns ranges in the
 *           tables below OWNED only.
 * Switches  STUCK         an inline handler may never return
 * Mutations COUNT_ONLY    freed after two counted sweeps, without the grace period
 *           QUIESCE_COUNTS  the same, only where a client is removed
 *           ONE_SWEEP     as COUNT_ONLY, after one
 *           NO_WAIT       a table is freed when it is replaced
 *           HINT_POINTER  the last hit is kept as a pointer into the table, across the quiescent state
 *           MID_SWEEP     the quiescent state is announced inside the sweep
 *           REMOVE_EARLY  the client is freed before the table without it is published
 *           REMOVE_NOWAIT the client is freed as soon as that table is published
 *           NO_UNREGISTER the poller returns, but stays registered
 */
#ifndef NT
#define NT 3
#endif
#ifndef SWEEPS
#define SWEEPS 5
#endif
#ifndef LAG
#define LAG 3
#endif
#define OWNED (NT - 1)
#define NONE 255

byte table;            /* the published one */
byte counted, visible; /* sweeps: by the poller, in memory */
byte grace, announced; /* the grace period asked for; the one that the poller has announced */
bool running = true, registered = true, stuck;

bool table_freed[NT];
bool client_freed;
byte retired_at[NT] = NONE;

#define READ(t) assert(!table_freed[t])

/* The counter's store buffer: one store after the other becomes visible. */
active proctype store_buffer()
{
end_idle:
	do
	:: atomic { visible < counted -> visible++ }
	od
}

/* rcu_quiescent_state(): a fence and a store, if somebody waits. */
inline quiescent()
{
#if defined(COUNT_ONLY) || defined(ONE_SWEEP)
	skip
#else
	if
	:: atomic { announced != grace -> visible = counted; announced = grace }
	:: announced == grace
	fi
#endif
}

active proctype poller()
{
	byte seen, hint = NONE;

	do
	:: counted < SWEEPS ->
#ifdef HINT_POINTER
		if
		:: hint != NONE -> READ(hint)
		:: else
		fi;
#endif
		seen = table;
#ifdef MID_SWEEP
		quiescent();
#endif
		READ(seen);
		if
		:: seen < OWNED ->
			assert(!client_freed);
#ifdef STUCK
			if
			:: skip
			:: goto end_stuck
			fi;
#endif
			assert(!client_freed) /* the handler, to its end */
		:: else
		fi;
		READ(seen);
		hint = seen;
#ifndef MID_SWEEP
		quiescent();
#endif
		/* A buffer has an end: the store waits for room. */
		atomic { counted - visible < LAG || LAG == 0 -> counted++; visible = (LAG == 0 -> counted : visible) }
	:: else -> break
	od;
	/* ioreq_poller_run() unregisters before it returns; that is a fence too. */
	atomic { visible = counted; seen = 0; hint = 0 };
#ifndef NO_UNREGISTER
	registered = false;
#endif
	running = false;
	goto over;
#ifdef STUCK
end_stuck:
	stuck = true;
end_never:
	false;
#endif
over:
	skip
}

/* The updater publishes (release), then a full fence, then the counter is read: an atomic step each. */
inline publish(T_)
{
	table = T_;
#ifdef NO_WAIT
	table_freed[T_ - 1] = true
#else
	retired_at[T_ - 1] = visible
#endif
}

inline grace_period()
{
#if defined(COUNT_ONLY) || defined(ONE_SWEEP)
	skip
#else
	atomic { grace++; period = grace };
	if
	:: announced >= period
	:: !registered
#ifdef STUCK
	:: stuck -> gave_up = true
#endif
	fi
#endif
}

#ifdef ONE_SWEEP
#define ENOUGH 1
#else
#define ENOUGH 2
#endif

inline sweeps_passed(SINCE_)
{
	if
	:: visible >= SINCE_ + ENOUGH
	:: !running
#ifdef STUCK
	:: stuck -> gave_up = true
#endif
	fi
}

#ifndef NO_WAIT
/* The reclaimer: tables in the order in which they were replaced. A reload never waits for it. */
active proctype reclaimer()
{
	byte t, period;
	bool gave_up;

	do
	:: t < NT - 1 ->
		retired_at[t] != NONE;
		sweeps_passed(retired_at[t]);
		grace_period();
#ifdef STUCK
		if
		:: gave_up -> break
		:: else
		fi;
#endif
		table_freed[t] = true;
		t++
	:: else -> break
	od
}
#endif

/* Updates, the last of which takes the client's ranges away; then the client goes. */
active proctype control()
{
	byte t = 1, since, period;
	bool gave_up;

	do
	:: t < OWNED -> publish(t); t++
	:: else -> break
	od;
#ifdef REMOVE_EARLY
	since = visible;
	sweeps_passed(since);
	grace_period();
	client_freed = true;
	publish(OWNED);
#else
	publish(OWNED);
#ifndef REMOVE_NOWAIT
	/* ioreq_poller_quiesce() */
	since = visible;
	sweeps_passed(since);
#ifndef QUIESCE_COUNTS
	grace_period();
#endif
#endif
#ifdef STUCK
	if
	:: !gave_up -> client_freed = true
	:: else /* -EBUSY: the client stays */
	fi
#else
	client_freed = true
#endif
#endif
}
