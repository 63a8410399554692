/* SPDX-License-Identifier: MIT */
/*
 * An engine that is killed between any two stores, and its successor: one slot, R requests, K kills.
 *
 * What lives on: the page (state, sequence, notify word, page id) and the block (journal, block id). What dies with the
 * process: the ring, its token, its threads. Requests go to an inline handler, to a ring (whose client may give them
 * back to the inline default client) or are answered by the engine itself, as their address says.
 *
 * Switches  STRICT    inline requests have PROCESSING stored first (strict_states)
 *           NP        requests without completion_polling, on shm: the vCPU sleeps until COMPLETE and word == sequence
 *           STICKY    with NP: the hypervisor's event is sticky instead (ACRN); a second notify ends the next request
 *           RENOTIFY  with NP: a successor notifies a COMPLETE that stays COMPLETE
 *           RESET     once, while no engine lives, the hypervisor frees the slot; PREFILL: and zeroes its sequence
 *           LOST      once, a successor starts without the block
 *           EXPIRE    a clear may take a request away from the ring's client
 * Checks    no side effect twice; every request is answered by its handler, or failed after its handler may have begun,
 *           or (excused) after the block was lost or a reset that no engine saw; one notify; nobody waits for ever.
 * Mutations SERVE FAILP TWOSTORE NOSERVE NORESUME JOURNAL_LATE NO_TAKEOVER REJOURNAL LOST_AS_NEW BIND_EARLY
 *           RENOTIFY_LATE; NP without RENOTIFY
 */
#ifndef R
#define R 3
#endif
#ifndef K
#define K 2
#endif

mtype = { FREE, PENDING, PROCESSING, COMPLETE, EMPTY, POSTED, TAKEN, DONE, EXPIRED, RETURNED };
mtype = { ENGINE, INLINE, RING };

/* The page. */
mtype state = FREE;
byte sequence, word, event, page_id;
mtype address = INLINE; /* who owns the request's address */

/* The block: journal and id. A random id is a number never used before. */
byte journal;
mtype owner = ENGINE;
byte block_id, random = 1;
bool started; /* the journal was ever written: what FAILP looks at */

/* The process. */
byte life, kills;
bool alive;
byte noted; /* the sequence of a COMPLETE that was there when the page was attached */
mtype token = EMPTY;
byte entry, entry_sequence;

/* Ghosts. */
byte current;          /* the request in the slot */
byte effects[R + 1];   /* how often its side effect ran */
bool begun[R + 1];     /* a handler may have been started: journalled for a client */
bool failed[R + 1];
bool excused[R + 1];
bool was_lost, was_reset, sleeping;
bool unseen; /* reset, and no engine has looked at the slot since */

#define REQUEST (state == PENDING || state == PROCESSING)

inline effect(ID_) { atomic { effects[ID_]++; assert(effects[ID_] <= 1) } }

inline fail() { atomic { assert(begun[current] || excused[current]); failed[current] = true } }

/* page.c and vm.c: COMPLETE and its sequence, one store; then the notify. */
inline complete(SEQUENCE_)
{
#ifdef TWOSTORE
	sequence = SEQUENCE_;
	state = COMPLETE;
#else
	atomic { state = COMPLETE; sequence = SEQUENCE_ };
#endif
#ifdef STICKY
	atomic { event++; assert(event == 1) }
#elif defined(NP)
	word = SEQUENCE_
#endif
}

/* journal.c, one store: the next request goes to OWNER_. */
inline journal_begin(OWNER_)
{
	atomic {
		number = journal + 1;
		journal = number; owner = OWNER_; started = true;
		begun[current] = begun[current] || (OWNER_ != ENGINE)
	}
}

inline run_inline()
{
#ifdef STRICT
	state = PROCESSING;
#endif
#ifdef JOURNAL_LATE
	effect(current);
	journal_begin(INLINE);
#else
	journal_begin(INLINE);
	effect(current);
#endif
	complete(number)
}

inline serve()
{
	if
	:: address == ENGINE ->
#ifdef STRICT
		state = PROCESSING;
#endif
		journal_begin(ENGINE);
		failed[current] = true; /* all ones, a latch: no side effect, may be answered again */
		complete(number)
	:: address == INLINE -> run_inline()
	:: address == RING ->
		state = PROCESSING;
#ifdef JOURNAL_LATE
		atomic { token = POSTED; entry = current; entry_sequence = journal + 1 };
		journal_begin(RING)
#else
		journal_begin(RING);
		atomic { token = POSTED; entry = current; entry_sequence = number }
#endif
	fi;
	number = 0
}

/* ---- attach ------------------------------------------------------------------------------------------------ */

/* Brings the journal in step with the slot, or completes what must not run again. State and sequence: one load. */
inline adopt_request()
{
	unseen = false;
	if
#ifdef SERVE
	:: state == PENDING -> skip
	:: state == PROCESSING && sequence == journal -> resume = true
	:: state == PROCESSING && sequence != journal -> fail(); complete(journal)
#elif defined(FAILP)
	:: started -> fail(); complete(journal)
	:: !started -> resume = (state == PROCESSING)
#else
#ifdef NOSERVE
	:: state == PROCESSING && sequence == journal -> fail(); complete(journal)
	:: state == PENDING && sequence == journal -> skip
#else
	:: sequence == journal -> resume = (state == PROCESSING)
#endif
	:: sequence != journal && owner == ENGINE -> resume = (state == PROCESSING)
	:: sequence != journal && owner != ENGINE -> fail(); complete(journal)
#endif
	fi
}

inline adopt_foreign()
{
#ifdef LOST_AS_NEW
	atomic { journal = sequence; owner = ENGINE };
	resume = (state == PROCESSING)
#else
	atomic { journal = sequence + 1; owner = ENGINE; excused[current] = true; unseen = false };
	fail();
	complete(journal)
#endif
}

inline bind()
{
	atomic { number = random; random++; block_id = number };
	page_id = number;
	number = 0
}

/*
 * A COMPLETE that was there at the start, and stays: perhaps nobody was told. Before the page is served, so that the
 * word of a later completion is not overwritten. On shm a repeat changes nothing. A sticky event would end the next
 * request: there the vCPU must be asleep without one, which time decides (the man page names the window).
 */
inline renotify()
{
	if
#ifdef STICKY
	:: atomic { state == COMPLETE && sequence == noted && sleeping && event == 0 -> event++ }
#else
	:: state == COMPLETE && sequence == noted -> word = noted
#endif
	:: state != COMPLETE || sequence != noted
	fi
}

/* The kinship decides before the page is served; the slot itself may move under it, from FREE to PENDING. */
inline attach()
{
#ifdef BIND_EARLY
	if
	:: page_id != block_id || page_id == 0 -> known = (page_id == 0); bind()
	:: else -> known = true
	fi;
#else
	known = (page_id == block_id || page_id == 0);
#endif
	if
	:: known && page_id != 0 && REQUEST -> adopt_request()
#ifdef LOST
	:: !known && REQUEST -> adopt_foreign()
#endif
	:: page_id == 0 || !REQUEST -> journal_follow(); resume = (state == PROCESSING)
	fi;
#if defined(RENOTIFY) && !defined(RENOTIFY_LATE)
	if
	:: noted != 0 -> renotify()
	:: else
	fi;
#endif
	if
	:: page_id != block_id || page_id == 0 -> bind()
	:: else
	fi
}

inline journal_follow()
{
	atomic {
#ifndef NO_TAKEOVER
		journal = sequence; owner = ENGINE;
#endif
		unseen = false;
		if
		:: state == COMPLETE -> noted = sequence
		:: else
		fi
	}
}

proctype poller(byte mine)
{
	byte number;
	bool resume, known;

	{
		attach();
#ifdef NORESUME
		resume = false;
#endif
end_idle:
		do
		:: resume || (state == PENDING && (token == EMPTY || token == EXPIRED)) -> resume = false; serve()
		:: token == RETURNED -> token = EMPTY; run_inline(); number = 0
#ifdef EXPIRE
		:: atomic { (token == POSTED || token == TAKEN || token == RETURNED) -> token = EXPIRED };
#ifdef REJOURNAL
		   journal_begin(ENGINE);
		   fail();
		   complete(number);
		   number = 0
#else
		   fail();
		   complete(entry_sequence)
#endif
#endif
		od
	} unless { life != mine }
}

/* The ring's client. Sequences stand for the token's generation. */
#define HELD (token == TAKEN && entry_sequence == number)

proctype thread(byte mine)
{
	byte id, number;

	{
end_idle:
		do
		:: atomic { token == POSTED -> token = TAKEN; id = entry; number = entry_sequence };
		   if
		   :: effect(id);
		      if
		      :: atomic { HELD -> token = DONE }; complete(number); token = EMPTY
		      :: !HELD
		      fi
		   :: atomic { HELD -> token = RETURNED }
		   :: !HELD
		   fi;
		   atomic { id = 0; number = 0 }
		od
	} unless { life != mine }
}

#ifdef RENOTIFY_LATE
proctype renotifier(byte mine)
{
end_idle:
	{
		noted != 0;
		renotify()
	} unless { life != mine }
}
#endif

/* Kills, and starts again: systemd. */
active proctype service()
{
end_idle:
	do
	:: atomic {
		!alive && _nr_pr == 2 -> /* the killed one is reaped first */
		alive = true; noted = 0; token = EMPTY; entry = 0; entry_sequence = 0;
		if
		:: true
#ifdef LOST
		:: !was_lost && life > 0 -> was_lost = true; journal = 0; owner = ENGINE; block_id = 0; started = false
#endif
		fi;
		run poller(life);
		run thread(life);
#ifdef RENOTIFY_LATE
		run renotifier(life)
#endif
	   }
	:: atomic { alive && kills < K -> kills++; life++; alive = false }
	od
}

active proctype vcpu()
{
	byte i;

	do
	:: i < R ->
		i++;
		atomic {
			current = i;
			if
			:: address = INLINE
			:: address = RING
			:: address = ENGINE
			fi
		};
		atomic { state = PENDING; excused[i] = unseen; sleeping = true };
		if
#ifdef STICKY
		:: atomic { event > 0 -> event--; sleeping = false; assert(event == 0 && state == COMPLETE) }
#elif defined(NP)
		:: state == COMPLETE && word == sequence
#else
		:: state == COMPLETE
#endif
#ifdef RESET
		:: atomic {
			!alive && !was_reset && state != FREE ->
			was_reset = true; unseen = true; failed[i] = true; state = FREE;
#ifdef PREFILL
			sequence = 0;
#endif
			event = 0
		   }
#endif
		fi;
		atomic {
			sleeping = false;
			assert(effects[i] == 1 || failed[i]);
			state = FREE; begun[i] = false; failed[i] = false; excused[i] = false
		}
	:: else -> break
	od
}
