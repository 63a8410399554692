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
 *           TICKETS_ONLY  the reclaimer asks for no grace period: the tickets hold alone
 * Mutations COUNTS        a count of two sweeps in the ticket's place
 *           ANSWER_FIRST  a ticket is answered at the start of the sweep's reads, not between two sweeps
 *           ASK_EARLY     the ticket is taken before the table is replaced
 *           NO_WAIT       a table is freed when it is replaced
 *           HINT_POINTER  the last hit is kept as a pointer into the table, across the end of the sweep (with TICKETS_ONLY)
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
byte asked;            /* tickets given out */
byte answered, seen_answered; /* tickets answered: by the poller, in memory */
byte grace, announced; /* the grace period asked for; the one that the poller has announced */
bool running = true, registered = true, stuck;

bool table_freed[NT];
bool client_freed;
byte retired_at[NT] = NONE;

#define READ(t) assert(!table_freed[t])

/* The poller's store buffer. */
active proctype store_buffer()
{
end_idle:
	do
	:: atomic { visible < counted -> visible++ }
	:: atomic { seen_answered < answered -> seen_answered = answered }
	od
}

/* rcu_quiescent_state(): a fence and a store, if somebody waits. */
inline quiescent()
{
#if defined(TICKETS_ONLY) || defined(COUNTS) || defined(ANSWER_FIRST) || defined(ASK_EARLY)
	skip
#else
	if
	:: atomic { announced != grace -> visible = counted; seen_answered = answered; announced = grace }
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
#ifdef ANSWER_FIRST
		answered = asked;
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
		quiescent();
#ifndef ANSWER_FIRST
		answered = asked;
#endif
		/* A buffer has an end: the store waits for room. */
		atomic { counted - visible < LAG -> counted++ }
	:: else -> break
	od;
	/* ioreq_poller_loop() unregisters before it returns; that is a fence too. */
	atomic { visible = counted; seen_answered = answered; seen = 0; hint = 0 };
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

/* ioreq_poller_ask(): a release, so that who sees the ticket sees the table. COUNTS: the sweeps as they are visible. */
inline ask(TICKET_)
{
#ifdef COUNTS
	TICKET_ = visible + 2
#else
	atomic { asked++; TICKET_ = asked }
#endif
}

#ifdef COUNTS
#define ANSWERED(TICKET_) (visible >= TICKET_)
#else
#define ANSWERED(TICKET_) (seen_answered >= TICKET_)
#endif

inline await_answer(TICKET_)
{
	if
	:: ANSWERED(TICKET_)
	:: !running
#ifdef STUCK
	:: stuck -> gave_up = true
#endif
	fi
}

inline publish(T_)
{
#ifdef NO_WAIT
	table = T_;
	table_freed[T_ - 1] = true
#elif defined(ASK_EARLY)
	ask(ticket);
	table = T_;
	retired_at[T_ - 1] = ticket
#else
	table = T_;
	ask(ticket);
	retired_at[T_ - 1] = ticket
#endif
}

inline grace_period()
{
#if defined(TICKETS_ONLY) || defined(COUNTS) || defined(ANSWER_FIRST) || defined(ASK_EARLY)
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

#ifndef NO_WAIT
/* The reclaimer: tables in the order in which they were replaced. A reload never waits for it. */
active proctype reclaimer()
{
	byte t, period;
	bool gave_up;

	do
	:: t < NT - 1 ->
		retired_at[t] != NONE;
		await_answer(retired_at[t]);
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
	byte t = 1, ticket;
	bool gave_up;

	do
	:: t < OWNED -> publish(t); t++
	:: else -> break
	od;
#ifdef REMOVE_EARLY
	/* ioreq_poller_quiesce() */
	ask(ticket);
	await_answer(ticket);
	client_freed = true;
	publish(OWNED);
#else
	publish(OWNED);
#ifndef REMOVE_NOWAIT
	/* ioreq_poller_quiesce() */
	ask(ticket);
	await_answer(ticket);
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
