/* SPDX-License-Identifier: MIT */
/*
 * Hand-over of a request to the ring of an in-process client, with everything that can take it away again: deadline,
 * UNHANDLED, VM clear and reset, detach, removal of the client.
 *
 * Size      NV vCPUs, R requests each; the owner of all ranges is client 0, the default client (RING_DEFAULT) is 1.
 * Switches  what may happen at all:
 *             UNHANDLED     a client may give a request back      RING_DEFAULT  the default client has a ring; without:
 *             DEFER         a handler may answer DEFER                          there is none, policy answers
 *             DEADLINE      a request may be taken away at any    REPOST=n      the producer errs n times: stores
 *                           time, not only during a clear                       PENDING over a request in flight
 *             RESET=n       n times pause, clear, reset           STALL         a handler may never return
 *             BUSY          a caller may give up waiting (-EBUSY) STALL_INLINE  an inline handler may never return
 *             REMOVE        one of the clients is removed         DETACH        in the end the page is taken away
 * Checks    nobody but the holder of a request stores into its slot, and not after the reset; the guest gets the answer
 *           to its own request; a handler sees a whole access, once; one notify, after COMPLETE; a PENDING never waits
 *           for ever; freed clients and unmapped pages are not touched; nobody hangs (invalid end states).
 * Mutations NOGEN TAKE_NOGEN COPY_LATE VALFIRST EARLY_EMPTY LATE_PROCESSING TWO_NOTIFY NOTIFY_FIRST IGNORE_DONE
 *           STALL_WINNER EXPIRE_STORE UNACKNOWLEDGED CLEAR_NOWAIT DRAIN_FORGETS_RETURNED DRAIN_FIRST ASK_OVER
 *           SELF_DELIVERY RETURN_LATE BIT_FIRST REPOST_SERVED FREE_NOACK FREE_NOJOIN
 */
#ifndef NV
#define NV 1
#endif
#ifndef R
#define R 2
#endif
#ifndef RESET
#define RESET 0
#endif
#ifndef REPOST
#define REPOST 0
#endif
#ifdef RING_DEFAULT
#define NC 2
#else
#define NC 1
#endif
/* Which parts there are: a row of the table shall reach every state that its switches leave in. */
#define CLEARS (RESET || defined(DETACH))
#define DRAINING (CLEARS || defined(REMOVE))
#define EXPIRES (DRAINING || defined(DEADLINE))
#define GIVES_UP (defined(BUSY) || defined(STALL_INLINE))
#define STALLS (defined(STALL) || defined(STALL_WINNER))
#define POLICY 99
#define LAST (NV - 1)

mtype = { FREE, PENDING, PROCESSING, COMPLETE, EMPTY, POSTED, TAKEN, DONE, EXPIRED, RETURNED };

/* The page, and the hypervisor's sticky event per vCPU. */
mtype state[NV] = FREE;
bool polling[NV];
byte value[NV];
byte event[NV];

/* The rings: entry v of client c is [c * NV + v]. An entry has two halves, so that a copy can be torn. */
mtype token[NC * NV] = EMPTY;
byte generation[NC * NV];
byte half1[NC * NV]; /* the request */
byte half2[NC * NV]; /* the request and its completion_polling */
#define AT(c, v) ((c) * NV + (v))

/* What the poller knows about a slot: whom it gave the request to. The entry is its copy: nobody else stores there. */
bool inflight[NV];
byte holder[NV];
bool counted[NV]; /* reposted, once per generation */

/* The table: who has ranges, and whether there is a default client. */
bool present[NC] = true;

/* The attention word, and what its drain bit is about. The caller sets the bit, its clearing is the answer. */
bool attention_returned, attention_drain;
#define ALL 255
byte drain_client; /* ALL: clear or detach */
bool drain_detach;
bool draining, clearing; /* the poller has seen the bit */

/* The threads of a client: asked to end, ended, accesses that a device holds after DEFER. */
bool stop[NC], joined[NC], stuck_thread[NC];
byte deferred[NC];

/* Ghosts: only what the assertions need. */
byte current[NV];   /* the vCPU's newest request */
byte abandoned[NV]; /* the newest request that a reset threw away */
byte begun[NV];     /* the newest request that a handler was given */
byte epoch;
bool paused, detached, unmapped, stuck_poller;
byte stuck_slot = 255;
bool freed[NC];

#define MINE(v, id) (!unmapped && current[v] == id && abandoned[v] != id)
#define OWNED(v, id) (MINE(v, id) && (state[v] == PENDING || state[v] == PROCESSING))
#define CLAIMED(v, id) (MINE(v, id) && (state[v] == PROCESSING || (REPOST && state[v] == PENDING)))
#define TOUCH(c) assert(!freed[c])

inline store_answer(V_, I_, X_, P_)
{
	atomic { assert(OWNED(V_, I_)); value[V_] = X_ };
#ifdef NOTIFY_FIRST
	notify(V_, I_, P_);
#endif
	atomic { assert(OWNED(V_, I_)); state[V_] = COMPLETE };
#ifndef NOTIFY_FIRST
	notify(V_, I_, P_)
#endif
}

inline notify(V_, I_, P_)
{
	if
	:: !(P_) ->
		atomic { assert(MINE(V_, I_)); event[V_]++; assert(event[V_] == 1) };
#ifdef TWO_NOTIFY
		atomic { event[V_]++ }
#endif
	:: else
	fi
}

/* ---- the hypervisor, one process per vCPU ----------------------------------------------------------------- */

#define HUNG_WITH_POLLER(v) (stuck_poller && (state[v] == PENDING || stuck_slot == v || (inflight[v] && \
			     token[AT(holder[v], v)] == RETURNED)))
inline accept(V_)
{
	assert(value[V_] == current[V_] || value[V_] == POLICY);
	state[V_] = FREE; value[V_] = 0; polling[V_] = false
}

#define LIVE(v) (!paused && seen_epoch == epoch)

proctype vcpu(byte v)
{
	byte seen_epoch;
	byte reposts;

again:
	do
	:: atomic {
		current[v] < R && !paused ->
		assert(state[v] == FREE && event[v] == 0);
		seen_epoch = epoch; current[v]++;
		if :: polling[v] = false :: polling[v] = true fi
	   };
	   if
	   :: atomic { LIVE(v) -> state[v] = PENDING }
	   :: atomic { seen_epoch != epoch -> goto again }
	   fi;
wait:
	   if
	   :: atomic {
		polling[v] && LIVE(v) && state[v] == COMPLETE ->
		accept(v)
	      }
	   :: atomic {
		!polling[v] && LIVE(v) && event[v] > 0 ->
		event[v]--;
		assert(event[v] == 0 && state[v] == COMPLETE);
		accept(v)
	      }
#if REPOST
	   :: atomic { reposts < REPOST && LIVE(v) && state[v] == PROCESSING -> state[v] = PENDING; reposts++; goto wait }
#endif
	   :: atomic { seen_epoch != epoch -> goto again }
#ifdef DETACH
	   :: atomic { detached && state[v] == PENDING -> goto over } /* for the next engine */
#endif
#ifdef STALL_INLINE
	   :: atomic { HUNG_WITH_POLLER(v) -> goto over }
#endif
	   fi
	:: atomic { current[v] >= R && !paused -> break }
	od;
over:
	skip
}

/* ---- the poller ------------------------------------------------------------------------------------------- */

#define TOKEN(v) token[AT(holder[v], v)]
#ifdef IGNORE_DONE
#define GONE(t) (t == EMPTY || t == DONE)
#else
#define GONE(t) (t == EMPTY)
#endif
#ifdef CLEAR_NOWAIT
#define DRAIN_WAITS(t) (t == POSTED || t == TAKEN || t == RETURNED)
#elif defined(DRAIN_FORGETS_RETURNED)
#define DRAIN_WAITS(t) (t == POSTED || t == TAKEN || t == DONE)
#else
#define DRAIN_WAITS(t) (t != EMPTY)
#endif
#define DRAINS(v) (draining && (clearing || holder[v] == drain_client))
#define HELD(t) (t == POSTED || t == TAKEN || t == RETURNED)

/* PENDING, and something to do about it: DONE waits for its completer, a repost is counted once. */
#ifdef REPOST_SERVED
#define SEEN(v) (state[v] == PENDING && (!inflight[v] || TOKEN(v) != DONE))
#else
#define SEEN(v) (state[v] == PENDING && (!inflight[v] || GONE(TOKEN(v)) || (HELD(TOKEN(v)) && !counted[v])))
#endif
#define GIVEN_BACK(v) (inflight[v] && TOKEN(v) == RETURNED)
#ifdef DEADLINE
#define LATE(v) (inflight[v] && HELD(TOKEN(v)))
#else
#define LATE(v) (inflight[v] && HELD(TOKEN(v)) && DRAINS(v))
#endif
/* Nothing of the drain is left in the slot. */
#define CLEAN(v) ((!clearing || state[v] != PENDING) && (!inflight[v] || !DRAINS(v) || !DRAIN_WAITS(TOKEN(v))))

/* Gives the copy to client C_: the client owns the slot from POSTED on. */
inline post(V_, C_)
{
#ifndef LATE_PROCESSING
	atomic { assert(OWNED(V_, id)); state[V_] = PROCESSING };
#endif
	atomic { TOUCH(C_); holder[V_] = C_; inflight[V_] = true; counted[V_] = false; half1[AT(C_, V_)] = id };
	half2[AT(C_, V_)] = id * 2 + poll;
	atomic { TOUCH(C_); generation[AT(C_, V_)]++; token[AT(C_, V_)] = POSTED };
#ifdef LATE_PROCESSING
	state[V_] = PROCESSING;
#endif
}

/* The table is read here; a removal may publish the next one before the entry is posted. */
inline deliver(V_)
{
#ifdef STALL_INLINE
	if
	:: atomic { stuck_poller = true; stuck_slot = V_; goto end_stuck }
	:: post(V_, 0)
	fi
#elif defined(REMOVE) && REMOVE == 0
	if
	:: present[0] -> post(V_, 0)
	:: else -> deliver_default(V_)
	fi
#else
	post(V_, 0)
#endif
}

inline deliver_default(V_)
{
#if !defined(RING_DEFAULT)
	store_answer(V_, id, POLICY, poll)
#elif defined(REMOVE) && REMOVE == 1
	if
	:: present[1] -> post(V_, 1)
	:: else -> store_answer(V_, id, POLICY, poll)
	fi
#else
	post(V_, 1)
#endif
}

/* Copies what the poller posted, and forgets the entry (a state fewer to search; a stale one is never right). */
#define FETCH(v) id = half1[AT(holder[v], v)]; poll = half2[AT(holder[v], v)] % 2; WIPE(holder[v], v)
#define WIPE(c, v) half1[AT(c, v)] = 0; half2[AT(c, v)] = 0

inline forget(V_)
{
	if
	:: inflight[V_] && DRAINS(V_) -> inflight[V_] = false
	:: else
	fi
}

active proctype poller()
{
	byte v, id, scan;
	bool poll;

end_idle:
	do
	/* serve: state acquire, then the fields; nobody else writes them while PENDING. */
	:: atomic {
		if
		:: SEEN(0) -> v = 0
		:: SEEN(LAST) -> v = LAST
		fi;
		if
		:: inflight[v] -> TOUCH(holder[v])
		:: else
		fi;
#if REPOST && !defined(REPOST_SERVED)
		if
		:: inflight[v] && HELD(TOKEN(v)) -> counted[v] = true; goto end_idle
		:: else
		fi;
#else
		assert(REPOST || !inflight[v] || !HELD(TOKEN(v)));
#endif
		inflight[v] = false; id = current[v]; poll = polling[v]
	   };
#if CLEARS
	   if
	   :: clearing -> store_answer(v, id, POLICY, poll)
	   :: else -> deliver(v)
	   fi;
#else
	   deliver(v);
#endif
	   atomic { v = 0; id = 0; poll = 0 }
#if EXPIRES
	/* expire: a compare-and-swap over any state in which the request is not finished. */
	:: atomic {
		if
		:: LATE(0) -> v = 0
		:: LATE(LAST) -> v = LAST
		fi
#ifdef EXPIRE_STORE
	   };
	   atomic {
#endif
		TOUCH(holder[v]); TOKEN(v) = EXPIRED; inflight[v] = false; FETCH(v)
	   };
	   store_answer(v, id, POLICY, poll);
	   atomic { v = 0; id = 0; poll = 0 }
#endif
#ifdef UNHANDLED
	/* forward: the bit goes first, so that a client that gives back after this look sets it again. */
	:: atomic {
		attention_returned ->
#ifndef RETURN_LATE
		attention_returned = false;
#endif
		v = 0
	   };
	   do
	   :: v < NV ->
		if
		:: atomic {
			GIVEN_BACK(v) ->
			TOUCH(holder[v]); TOKEN(v) = EMPTY; inflight[v] = false; FETCH(v)
		   };
#ifdef RING_DEFAULT
		   if
		   :: holder[v] == 0 -> deliver_default(v)
		   :: else -> store_answer(v, id, POLICY, poll)
		   fi;
#else
		   deliver_default(v);
#endif
		   atomic { id = 0; poll = 0 }
		:: else
		fi;
		v++
	   :: else -> break
	   od;
#ifdef RETURN_LATE
	   attention_returned = false;
#endif
	   v = 0
#endif
#if DRAINING
	/* drain: acknowledged when no slot is PENDING and no token is alive; the slots are looked at one by one. */
	:: atomic { attention_drain && !draining -> draining = true; clearing = (drain_client == ALL); scan = 0 }
	:: atomic { draining && scan == 0 && CLEAN(0) -> forget(0); scan = 1 }
#if NV > 1
	:: atomic { draining && scan == 1 && CLEAN(1) -> forget(1); scan = 2 }
#endif
	:: atomic { draining && scan == NV -> draining = false; clearing = false; scan = 0 };
#if defined(DETACH) && !RESET && !defined(REMOVE)
	   atomic { attention_drain = false; detached = true; goto end_detached }
#elif defined(DETACH)
	   if
	   :: drain_detach -> atomic { attention_drain = false; detached = true; goto end_detached }
	   :: else -> attention_drain = false
	   fi
#else
	   attention_drain = false
#endif
#endif
	od;
#ifdef STALL_INLINE
end_stuck:
	false;
#endif
#ifdef DETACH
end_detached:
	false
#else
	skip
#endif
}

/* ---- a client's thread ------------------------------------------------------------------------------------ */

#ifdef NOGEN
#define STILL(C_, V_, G_) (token[AT(C_, V_)] == TAKEN)
#else
#define STILL(C_, V_, G_) (token[AT(C_, V_)] == TAKEN && generation[AT(C_, V_)] == G_)
#endif

/* A compare-and-swap can fail only where something can take a request away. */
#if EXPIRES
#define OR_LOSE :: else -> won = false
#define IF_WON if :: won ->
#define WON_END :: else fi;
#else
#define OR_LOSE
#define IF_WON
#define WON_END ;
#endif

/* CAS TAKEN(g) -> DONE(g); only the winner touches the slot, and the token last of all. */
inline finish(C_, V_, G_, I_, P_)
{
#ifdef VALFIRST
	value[V_] = I_;
#endif
	atomic {
		TOUCH(C_);
		if
		:: STILL(C_, V_, G_) -> assert(CLAIMED(V_, I_)); token[AT(C_, V_)] = DONE; won = true
		OR_LOSE
		fi
	};
	IF_WON
#ifdef STALL_WINNER
		if
		:: skip
		:: goto end_stalled
		fi;
#endif
#ifdef EARLY_EMPTY
		token[AT(C_, V_)] = EMPTY;
		store_answer(V_, I_, I_, P_)
#else
		store_answer(V_, I_, I_, P_);
		atomic { TOUCH(C_); assert(token[AT(C_, V_)] == DONE); token[AT(C_, V_)] = EMPTY }
#endif
	WON_END
	won = false
}

/* UNHANDLED: the poller delivers it on, because it alone posts. */
inline give_back(C_, V_, G_, I_, P_)
{
#ifdef BIT_FIRST
	attention_returned = true;
#endif
	atomic {
		TOUCH(C_);
		if
#ifdef SELF_DELIVERY
		:: STILL(C_, V_, G_) -> token[AT(C_, V_)] = EMPTY; begun[V_] = 0; won = true
#else
		:: STILL(C_, V_, G_) -> token[AT(C_, V_)] = RETURNED; begun[V_] = 0; won = true
#endif
		OR_LOSE
		fi
	};
	IF_WON
#ifdef SELF_DELIVERY
		half1[AT(1, V_)] = I_;
		half2[AT(1, V_)] = I_ * 2 + (P_);
		atomic { generation[AT(1, V_)]++; token[AT(1, V_)] = POSTED }
#elif !defined(BIT_FIRST)
		attention_returned = true
#else
		skip
#endif
	WON_END
	won = false
}

chan deferral = [0] of { byte, byte, byte, byte, bool };

proctype thread(byte c)
{
	byte v, g, first, second;
	bool won;

end_idle:
	do
	:: atomic {
		!stop[c] && (token[AT(c, 0)] == POSTED || token[AT(c, LAST)] == POSTED) ->
		if
		:: token[AT(c, 0)] == POSTED -> v = 0
		:: token[AT(c, LAST)] == POSTED -> v = LAST
		fi;
		TOUCH(c);
		g = generation[AT(c, v)]
	   };
#ifndef COPY_LATE
	   first = half1[AT(c, v)];
	   second = half2[AT(c, v)];
#endif
	   atomic {
		TOUCH(c);
		if
#ifdef TAKE_NOGEN
		:: token[AT(c, v)] == POSTED -> g = generation[AT(c, v)];
#else
		:: token[AT(c, v)] == POSTED && generation[AT(c, v)] == g ->
#endif
			token[AT(c, v)] = TAKEN; won = true
		OR_LOSE
		fi
	   };
#ifdef COPY_LATE
	   first = half1[AT(c, v)];
	   second = half2[AT(c, v)];
#endif
	   IF_WON
		/* The handler: it sees a whole access, of a request that nobody else was given. */
		atomic {
			won = false;
			assert(first == second / 2);
#ifndef COPY_LATE
			assert(begun[v] != first);
#endif
			begun[v] = first
		};
		if
		:: finish(c, v, g, first, second % 2)
#ifdef UNHANDLED
		:: give_back(c, v, g, first, second % 2)
#endif
#ifdef DEFER
		:: deferral!c, v, g, first, second % 2
#endif
#ifdef STALL
		:: goto end_stalled
#endif
		fi
	   WON_END
	   atomic { v = 0; g = 0; first = 0; second = 0 }
#ifdef REMOVE
	/* A thread that has not ended goes on looking at its ring. */
	:: atomic { freed[c] -> assert(false) }
	:: stop[c] -> break
#endif
	od;
#ifdef REMOVE
	joined[c] = true;
	goto over;
#endif
#if STALLS
end_stalled:
	stuck_thread[c] = true;
end_never:
	false;
#endif
over:
	skip
}

#ifdef DEFER
/* A thread of the device: ioreq_complete(), and once more with the same access, which must find it gone. */
active proctype completer()
{
	byte c, v, g, id;
	bool p, won;

end_idle:
	do
	:: atomic { deferral?c, v, g, id, p -> deferred[c]++ };
	   finish(c, v, g, id, p);
	   atomic {
		TOUCH(c);
#ifndef NOGEN
		assert(!STILL(c, v, g));
#endif
		deferred[c]--; c = 0; v = 0; g = 0; id = 0; p = 0
	   }
	od;
#ifdef STALL_WINNER
end_stalled:
	false
#endif
}
#endif

/* ---- who asks: hypervisor resets, ioreq_client_remove(), ioreq_vm_detach() --------------------------------- */

/* Waits for the drain's bit to fall. A caller may give up: what it asked for stays asked for. */
inline await_drain()
{
	if
	:: !attention_drain -> answered = true
#ifdef BUSY
	:: answered = false
#endif
#ifdef STALL_INLINE
	:: stuck_poller -> answered = false
#endif
	fi
}

#if GIVES_UP
#define IF_ANSWERED if :: answered ->
#define OR_ELSE :: else fi
#else
#define IF_ANSWERED
#define OR_ELSE
#endif

/* The record is written while no drain is asked for: first the end of one that its caller gave up on. */
inline drain(CLIENT_, DETACH_)
{
#ifndef ASK_OVER
	await_drain();
	IF_ANSWERED
#endif
		drain_client = CLIENT_;
		drain_detach = DETACH_;
		attention_drain = true;
#ifdef UNACKNOWLEDGED
		answered = true
#else
		await_drain()
#endif
#ifndef ASK_OVER
	OR_ELSE
#endif
}

/* The guest is stopped, nothing of the old requests may happen any more: new page content, new epoch. */
inline reset_page()
{
	atomic {
		i = 0;
		do
		:: i < NV ->
			assert(TOKEN(i) == EMPTY || TOKEN(i) == EXPIRED);
			state[i] = FREE; event[i] = 0; abandoned[i] = current[i]; i++
		:: else -> break
		od;
		i = 0;
		epoch++
	}
}

/* No table leads to the client; nothing of it in flight; its thread ended, its device too; then its memory. */
inline remove_client(C_)
{
#ifndef DRAIN_FIRST
	present[C_] = false;
#endif
#ifndef FREE_NOACK
	drain(C_, false);
#endif
#ifdef DRAIN_FIRST
	present[C_] = false;
#endif
	IF_ANSWERED
		stop[C_] = true;
		if
#ifdef FREE_NOJOIN
		:: freed[C_] = true
#else
		:: joined[C_] && deferred[C_] == 0 -> freed[C_] = true
#endif
#if STALLS
		:: stuck_thread[C_] /* -EBUSY: the client stays */
#endif
		fi
	OR_ELSE
}

#ifdef REMOVE
#define ASKED_ALL (resets == RESET && removed)
#else
#define ASKED_ALL (resets == RESET)
#endif

proctype control()
{
	byte i, resets;
	bool answered, removed;

	do
#if RESET
	:: resets < RESET ->
		resets++;
		paused = true;
		drain(ALL, false);
		IF_ANSWERED
			if
			:: reset_page()
			:: skip /* the guest goes on: what was taken away is answered */
			fi
		OR_ELSE;
		answered = false;
		paused = false
#endif
#ifdef REMOVE
	:: !removed ->
		removed = true;
		remove_client(REMOVE);
		answered = false
#endif
	:: ASKED_ALL -> break
	od;
#ifdef DETACH
	drain(ALL, true);
	IF_ANSWERED unmapped = true OR_ELSE
#endif
}

init {
	byte i;
	atomic {
		do
		:: i < NV -> run vcpu(i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NC -> run thread(i); i++
		:: else -> break
		od;
		i = 0;
		run control()
	}
}
