/* SPDX-License-Identifier: MIT */
/*
 * The cases, and the steps of those that are data.
 *
 * The set-up that they expect (ports and addresses are the guest's):
 *
 *	0x3f8..0x3ff    uart16550, interrupt line 4      0x5000..0x5fff          registers: bank_port
 *	0x70, 0x71      cmos                             80:00.0, all 4 KiB      registers: bank_config
 *	0x402           debug console                    0xfe000000..0xfe000fff  registers: bank_inline
 *	00:00.0         host bridge 8086:1237            0xfe100000..0xfe100fff  registers on a thread: bank_thread,
 *	buses 0..0x7f   no other device                                          with the doorbell
 *	0xfe200000      doorbell: 4 bytes, data 1        all else                nobody: all ones, writes dropped
 *
 * A new case is one line in the table at the end and, if it is data, one list of steps above it. Names are stable:
 * scripts look for them. A case must not rely on what an earlier one, or an earlier guest, left in a device.
 *
 * Threads   Constants.
 */
#include "selftest.h"

#define ONES_1 0xff
#define ONES_2 0xffff
#define ONES_4 0xffffffff
#define ONES_8 0xffffffffffffffff

/* ---- every bank -------------------------------------------------------------------------------------------- */

static const struct step identity[] = {
	R(4, ID, BANK_ID),
	W(4, ID, 0),
	R(4, ID, BANK_ID),
};

static const struct step width_1[] = {
	W(1, 0x80, 0x11),       W(1, 0x81, 0x22),  W(1, 0x82, 0x33),  W(1, 0x83, 0x44),       R(1, 0x80, 0x11),
	R(1, 0x81, 0x22),       R(1, 0x82, 0x33),  R(1, 0x83, 0x44),  R(4, 0x80, 0x44332211), W(1, 0x81, 0xfe),
	R(4, 0x80, 0x4433fe11), W(1, 0xfff, 0x5a), R(1, 0xfff, 0x5a),
};

static const struct step width_2[] = {
	W(2, 0x90, 0x1122),     W(2, 0x92, 0x3344), R(2, 0x90, 0x1122),  R(2, 0x92, 0x3344),
	R(4, 0x90, 0x33441122), R(1, 0x93, 0x33),   W(2, 0xffe, 0xa55a), R(2, 0xffe, 0xa55a),
};

static const struct step width_4[] = {
	W(4, 0xa0, 0x89abcdef), W(4, 0xa4, 0x01234567), R(4, 0xa0, 0x89abcdef),  R(4, 0xa4, 0x01234567),
	R(2, 0xa2, 0x89ab),     R(1, 0xa5, 0x45),       W(4, 0xffc, 0xdeadbeef), R(4, 0xffc, 0xdeadbeef),
};

/* Offsets 0x40 and 0x140 differ only in the upper register bits: in the config space those are bits 27..24. */
static const struct step far_apart[] = {
	W(4, 0x040, 0x10101010), W(4, 0x140, 0x20202020), W(4, 0xf40, 0x30303030),
	R(4, 0x040, 0x10101010), R(4, 0x140, 0x20202020), R(4, 0xf40, 0x30303030),
};

static const struct step read_count[] = {
	W(4, READS, 0), R(4, READS, 1), R(4, READS, 2), R(4, READS, 3), W(4, READS, 1000), R(4, READS, 1001),
};

static const struct step write_count[] = {
	W(4, WRITES, 0), W(1, 0xb0, 1),   W(2, 0xb0, 2), W(4, 0xb0, 3),
	R(4, 0xb0, 3),   R(4, WRITES, 3), W(4, SET, 0),  R(4, WRITES, 3),
};

static const struct step write_1_to_clear[] = {
	W(4, STATUS, ONES_4), R(4, STATUS, 0),      W(4, SET, 0xf0f0),    R(4, STATUS, 0xf0f0), W(4, SET, 0x0f00),
	R(4, STATUS, 0xfff0), W(4, STATUS, 0x00f0), R(4, STATUS, 0xff00), W(4, STATUS, 0),      R(4, STATUS, 0xff00),
	R(4, SET, 0),         W(4, STATUS, ONES_4), R(4, STATUS, 0),
};

/* Registers take aligned 4-byte accesses only; what they do not take reads all ones and changes nothing. */
static const struct step unhandled[] = {
	R(1, ID, ONES_1),       R(1, ID + 3, ONES_1), R(2, ID, ONES_2),   R(2, ID + 2, ONES_2),
	R(4, UNLISTED, ONES_4), R(4, 0x3c, ONES_4),   R(1, 0x3f, ONES_1), W(4, WRITES, 7),
	W(1, WRITES, 0),        W(2, WRITES, 0),      R(4, WRITES, 7),
};

/* ---- banks that take unaligned accesses -------------------------------------------------------------------- */

static const struct step unaligned[] = {
	W(4, 0xc0, 0),          W(4, 0xc4, 0),          W(4, 0xc1, 0xdeadbeef), R(4, 0xc1, 0xdeadbeef),
	R(4, 0xc0, 0xadbeef00), R(4, 0xc4, 0x000000de), W(2, 0xc3, 0x1234),     R(4, 0xc2, 0x001234be),
};

/* Across 0x3f/0x40, from the registers into the storage. */
static const struct step register_border[] = {
	W(4, 0x40, 0x5a5a5a5a), W(4, WRITES, 0), R(4, 0x3e, ONES_4),     R(2, 0x3f, ONES_2),
	W(4, 0x3e, 0),          W(2, 0x3f, 0),   R(4, 0x40, 0x5a5a5a5a), R(4, WRITES, 0),
};

/* ---- MMIO banks -------------------------------------------------------------------------------------------- */

static const struct step width_8[] = {
	W(8, 0xd0, 0x8877665544332211),
	R(8, 0xd0, 0x8877665544332211),
	R(4, 0xd0, 0x44332211),
	R(4, 0xd4, 0x88776655),
	R(1, 0xd7, 0x88),
	W(4, 0xd2, 0),
	R(8, 0xd0, 0x8877000000002211),
	W(8, 0xff8, 0x0102030405060708),
	R(8, 0xff8, 0x0102030405060708),
};

static const struct step unhandled_8[] = {
	W(4, 0x40, 0x5a5a5a5a), R(8, ID, ONES_8), R(8, 0x38, ONES_8),
	R(8, 0x3c, ONES_8),     W(8, 0x3c, 0),    R(4, 0x40, 0x5a5a5a5a),
};

/* ---- borders ----------------------------------------------------------------------------------------------- */

static const struct step straddle_port[] = {
	OUT(4, 0x5ffc, 0xa1b2c3d4), IN(4, 0x5ffe, ONES_4),     IN(2, 0x5fff, ONES_2), OUT(4, 0x5ffe, 0),
	OUT(2, 0x5fff, 0),          IN(4, 0x5ffc, 0xa1b2c3d4), IN(4, 0x4ffe, ONES_4), IN(2, 0x4fff, ONES_2),
};

static const struct step straddle_console[] = {
	IN(1, 0x402, 0xe9),
	IN(2, 0x402, ONES_2),
	IN(4, 0x3ff, ONES_4),
	IN(4, 0xfffe, ONES_4),
};

/*
 * KVM cuts an access at a page border, so the engine gets two or more requests: what lies in the bank is the bank's,
 * what lies behind it is nobody's.
 */
static const struct step page_border[] = {
	W(8, 0xff8, 0x8877665544332211),
	LOAD(8, 0xfe000ffc, 0xffffffff88776655),
	LOAD(8, 0xfe000ff9, 0xff88776655443322),
	LOAD(4, 0xfe000ffd, 0xff887766),
	LOAD(2, 0xfe000fff, 0xff88),
};

static const struct step page_border_write[] = {
	W(8, 0xff8, 0),
	STORE(8, 0xfe000ffc, 0x8877665555667788),
	R(8, 0xff8, 0x5566778800000000),
	STORE(4, 0xfe000ffd, 0xaabbccdd),
	R(4, 0xffc, 0xbbccdd88),
	LOAD(4, 0xfe000ffd, 0xffbbccdd),
	STORE(8, 0xfe000ffb, 0x0706050403020100),
	R(8, 0xff8, 0x0403020100000000),
};

static const struct step unclaimed_1[] = {
	IN(1, 0x6000, ONES_1),
	OUT(1, 0x6000, 0),
	IN(1, 0x6000, ONES_1),
};

static const struct step unclaimed_2[] = {
	IN(2, 0x6000, ONES_2),
	OUT(2, 0x6000, 0),
	IN(2, 0x6000, ONES_2),
};

static const struct step unclaimed_4[] = {
	IN(4, 0x6000, ONES_4),
	OUT(4, 0x6000, 0),
	IN(4, 0x6000, ONES_4),
};

static const struct step unclaimed_mmio_1[] = {
	LOAD(1, 0xfe300000, ONES_1),
	STORE(1, 0xfe300000, 0),
	LOAD(1, 0xfe300000, ONES_1),
};

static const struct step unclaimed_mmio_2[] = {
	LOAD(2, 0xfe300000, ONES_2),
	STORE(2, 0xfe300000, 0),
	LOAD(2, 0xfe300000, ONES_2),
};

static const struct step unclaimed_mmio_4[] = {
	LOAD(4, 0xfe300000, ONES_4),
	STORE(4, 0xfe300000, 0),
	LOAD(4, 0xfe300000, ONES_4),
};

static const struct step unclaimed_mmio_8[] = {
	LOAD(8, 0xfe300000, ONES_8),
	STORE(8, 0xfe300000, 0),
	LOAD(8, 0xfe300000, ONES_8),
};

/* ---- config space ------------------------------------------------------------------------------------------ */

static const struct step config_latch[] = {
	OUT(4, 0xcf8, 0x80801234), IN(4, 0xcf8, 0x80801234), OUT(4, 0xcf8, 0x00801234),
	IN(4, 0xcf8, 0x00801234),  OUT(4, 0xcf8, 0),         IN(4, 0xcf8, 0),
};

static const struct step config_latch_narrow[] = {
	OUT(4, 0xcf8, 0x80000000), OUT(1, 0xcf8, 0x55),  OUT(2, 0xcfa, 0x5555),    IN(1, 0xcf8, ONES_1),
	IN(1, 0xcfb, ONES_1),      IN(2, 0xcf8, ONES_2), IN(4, 0xcf8, 0x80000000),
};

static const struct step config_disabled[] = {
	W(4, STORAGE, 0x11223344), OUT(4, 0xcf8, 0x00800040), IN(4, 0xcfc, ONES_4),      IN(2, 0xcfe, ONES_2),
	IN(1, 0xcfd, ONES_1),      OUT(4, 0xcfc, 0),          R(4, STORAGE, 0x11223344),
};

static const struct step config_windows[] = {
	W(4, STORAGE, 0x44332211), OUT(4, 0xcf8, 0x80800040), IN(1, 0xcfc, 0x11),       IN(1, 0xcfd, 0x22),
	IN(1, 0xcfe, 0x33),        IN(1, 0xcff, 0x44),        IN(2, 0xcfc, 0x2211),     IN(2, 0xcfe, 0x4433),
	OUT(1, 0xcfd, 0xa5),       OUT(2, 0xcfe, 0xc3d2),     IN(4, 0xcfc, 0xc3d2a511),
};

static const struct step config_host_bridge[] = {
	OUT(4, 0xcf8, 0x80000000), IN(4, 0xcfc, 0x12378086), IN(2, 0xcfc, 0x8086),
	IN(2, 0xcfe, 0x1237),      IN(1, 0xcfd, 0x80),       IN(1, 0xcff, 0x12),
};

/* 00:1f.0, 00:00.1, 7f:00.0: buses with an owner, no device; 81:00.0 and ff:1f.7: nobody's. */
static const struct step config_absent[] = {
	OUT(4, 0xcf8, 0x8000f800), IN(4, 0xcfc, ONES_4), IN(2, 0xcfe, ONES_2),      IN(1, 0xcfd, ONES_1),
	OUT(4, 0xcf8, 0x80000100), IN(4, 0xcfc, ONES_4), OUT(4, 0xcf8, 0x807f0000), IN(4, 0xcfc, ONES_4),
	OUT(4, 0xcf8, 0x80810000), IN(4, 0xcfc, ONES_4), OUT(4, 0xcf8, 0x80fffffc), IN(4, 0xcfc, ONES_4),
	IN(1, 0xcff, ONES_1),
};

/* ---- doorbell (BELLS is the thread bank's) ----------------------------------------------------------------- */

static const struct step doorbell_rings[] = {
	KEEP(BELLS),    STORE(4, 0xfe200000, 1), MORE(BELLS, 1), STORE(4, 0xfe200000, 1), STORE(4, 0xfe200000, 1),
	MORE(BELLS, 3),
};

static const struct step doorbell_narrow[] = {
	KEEP(BELLS),
	STORE(1, 0xfe200000, 1),
	STORE(2, 0xfe200000, 1),
	MORE(BELLS, 2),
};

static const struct step doorbell_other_data[] = {
	KEEP(BELLS), STORE(4, 0xfe200000, 2), STORE(4, 0xfe200000, 0), STORE(4, 0xfe200000, 0x101), MORE(BELLS, 0),
};

static const struct step doorbell_other_place[] = {
	KEEP(BELLS), STORE(4, 0xfe200004, 1), STORE(1, 0xfe200001, 1), STORE(8, 0xfe200000, 1), MORE(BELLS, 0),
};

static const struct step doorbell_read[] = {
	KEEP(BELLS),
	LOAD(4, 0xfe200000, ONES_4),
	LOAD(1, 0xfe200000, ONES_1),
	MORE(BELLS, 0),
};

/* ---- devices ----------------------------------------------------------------------------------------------- */

static const struct step cmos[] = {
	OUT(1, 0x70, 0x50), OUT(1, 0x71, 0xa5), OUT(1, 0x70, 0x51), OUT(1, 0x71, 0x5a), OUT(1, 0x70, 0x50),
	IN(1, 0x71, 0xa5),  OUT(1, 0x70, 0x51), IN(1, 0x71, 0x5a),  IN(1, 0x71, 0x5a),
};

static const struct step uart_registers[] = {
	OUT(1, 0x3ff, 0x5a), IN(1, 0x3ff, 0x5a), OUT(1, 0x3fb, 0x83), OUT(1, 0x3f8, 0x0c),
	OUT(1, 0x3f9, 0x00), IN(1, 0x3f8, 0x0c), OUT(1, 0x3fb, 0x03), OUT(1, 0x3f9, 0x00),
	IN(1, 0x3fb, 0x03),  IN(1, 0x3f9, 0x00), IN(1, 0x3ff, 0x5a),
};

/* 0x61: data ready, transmitter empty. */
static const struct step uart_loopback[] = {
	OUT(1, 0x3fb, 0x03), OUT(1, 0x3f9, 0x00), OUT(1, 0x3fa, 0x07), OUT(1, 0x3fc, 0x10), IN(1, 0x3fd, 0x60),
	OUT(1, 0x3f8, 'U'),  IN(1, 0x3fd, 0x61),  IN(1, 0x3f8, 'U'),   IN(1, 0x3fd, 0x60),  OUT(1, 0x3f8, 0x00),
	IN(1, 0x3f8, 0x00),  OUT(1, 0x3f8, 0xff), IN(1, 0x3f8, 0xff),  OUT(1, 0x3fc, 0x00), OUT(1, 0x3fa, 0x00),
};

/* ---- the table --------------------------------------------------------------------------------------------- */

#define STEPS(list) (list), sizeof(list) / sizeof((list)[0])
#define NO_STEPS NULL, 0

/* name, steps, function, bank. clang-format would fold the columns. */
/* clang-format off */
const struct selftest_case selftest_cases[] = {
	{"vcpus-started",              NO_STEPS,                   case_all_started, NULL},

	{"port-identity",              STEPS(identity),            NULL, &bank_port},
	{"port-width-1",               STEPS(width_1),             NULL, &bank_port},
	{"port-width-2",               STEPS(width_2),             NULL, &bank_port},
	{"port-width-4",               STEPS(width_4),             NULL, &bank_port},
	{"port-far-apart",             STEPS(far_apart),           NULL, &bank_port},
	{"port-read-count",            STEPS(read_count),          NULL, &bank_port},
	{"port-write-count",           STEPS(write_count),         NULL, &bank_port},
	{"port-write-1-to-clear",      STEPS(write_1_to_clear),    NULL, &bank_port},
	{"port-unhandled",             STEPS(unhandled),           NULL, &bank_port},
	{"port-unaligned",             STEPS(unaligned),           NULL, &bank_port},
	{"port-register-border",       STEPS(register_border),     NULL, &bank_port},

	{"inline-identity",            STEPS(identity),            NULL, &bank_inline},
	{"inline-width-1",             STEPS(width_1),             NULL, &bank_inline},
	{"inline-width-2",             STEPS(width_2),             NULL, &bank_inline},
	{"inline-width-4",             STEPS(width_4),             NULL, &bank_inline},
	{"inline-width-8",             STEPS(width_8),             NULL, &bank_inline},
	{"inline-far-apart",           STEPS(far_apart),           NULL, &bank_inline},
	{"inline-read-count",          STEPS(read_count),          NULL, &bank_inline},
	{"inline-write-count",         STEPS(write_count),         NULL, &bank_inline},
	{"inline-write-1-to-clear",    STEPS(write_1_to_clear),    NULL, &bank_inline},
	{"inline-unhandled",           STEPS(unhandled),           NULL, &bank_inline},
	{"inline-unhandled-8",         STEPS(unhandled_8),         NULL, &bank_inline},
	{"inline-unaligned",           STEPS(unaligned),           NULL, &bank_inline},
	{"inline-register-border",     STEPS(register_border),     NULL, &bank_inline},

	{"thread-identity",            STEPS(identity),            NULL, &bank_thread},
	{"thread-width-1",             STEPS(width_1),             NULL, &bank_thread},
	{"thread-width-2",             STEPS(width_2),             NULL, &bank_thread},
	{"thread-width-4",             STEPS(width_4),             NULL, &bank_thread},
	{"thread-width-8",             STEPS(width_8),             NULL, &bank_thread},
	{"thread-far-apart",           STEPS(far_apart),           NULL, &bank_thread},
	{"thread-read-count",          STEPS(read_count),          NULL, &bank_thread},
	{"thread-write-count",         STEPS(write_count),         NULL, &bank_thread},
	{"thread-write-1-to-clear",    STEPS(write_1_to_clear),    NULL, &bank_thread},
	{"thread-unhandled",           STEPS(unhandled),           NULL, &bank_thread},
	{"thread-unhandled-8",         STEPS(unhandled_8),         NULL, &bank_thread},
	{"thread-unaligned",           STEPS(unaligned),           NULL, &bank_thread},
	{"thread-register-border",     STEPS(register_border),     NULL, &bank_thread},

	{"config-identity",            STEPS(identity),            NULL, &bank_config},
	{"config-width-1",             STEPS(width_1),             NULL, &bank_config},
	{"config-width-2",             STEPS(width_2),             NULL, &bank_config},
	{"config-width-4",             STEPS(width_4),             NULL, &bank_config},
	{"config-far-apart",           STEPS(far_apart),           NULL, &bank_config},
	{"config-read-count",          STEPS(read_count),          NULL, &bank_config},
	{"config-write-count",         STEPS(write_count),         NULL, &bank_config},
	{"config-write-1-to-clear",    STEPS(write_1_to_clear),    NULL, &bank_config},
	{"config-unhandled",           STEPS(unhandled),           NULL, &bank_config},
	{"config-latch",               STEPS(config_latch),        NULL, NULL},
	{"config-latch-narrow",        STEPS(config_latch_narrow), NULL, NULL},
	{"config-disabled",            STEPS(config_disabled),     NULL, &bank_config},
	{"config-windows",             STEPS(config_windows),      NULL, &bank_config},
	{"config-host-bridge",         STEPS(config_host_bridge),  NULL, NULL},
	{"config-absent",              STEPS(config_absent),       NULL, NULL},

	{"string-out-1",               NO_STEPS,                   case_string_out_1, &bank_port},
	{"string-out-2",               NO_STEPS,                   case_string_out_2, &bank_port},
	{"string-out-4",               NO_STEPS,                   case_string_out_4, &bank_port},
	{"string-in-1",                NO_STEPS,                   case_string_in_1, &bank_port},
	{"string-in-2",                NO_STEPS,                   case_string_in_2, &bank_port},
	{"string-in-4",                NO_STEPS,                   case_string_in_4, &bank_port},
	{"string-in-counts",           NO_STEPS,                   case_string_in_counts, &bank_port},
	{"string-copy-inline",         NO_STEPS,                   case_string_copy, &bank_inline},
	{"string-copy-thread",         NO_STEPS,                   case_string_copy, &bank_thread},

	{"straddle-port",              STEPS(straddle_port),       NULL, NULL},
	{"straddle-console",           STEPS(straddle_console),    NULL, NULL},
	{"page-border-read",           STEPS(page_border),         NULL, &bank_inline},
	{"page-border-write",          STEPS(page_border_write),   NULL, &bank_inline},
	{"unclaimed-port-1",           STEPS(unclaimed_1),         NULL, NULL},
	{"unclaimed-port-2",           STEPS(unclaimed_2),         NULL, NULL},
	{"unclaimed-port-4",           STEPS(unclaimed_4),         NULL, NULL},
	{"unclaimed-mmio-1",           STEPS(unclaimed_mmio_1),    NULL, NULL},
	{"unclaimed-mmio-2",           STEPS(unclaimed_mmio_2),    NULL, NULL},
	{"unclaimed-mmio-4",           STEPS(unclaimed_mmio_4),    NULL, NULL},
	{"unclaimed-mmio-8",           STEPS(unclaimed_mmio_8),    NULL, NULL},

	{"doorbell-rings",             STEPS(doorbell_rings),      NULL, &bank_thread},
	{"doorbell-narrow",            STEPS(doorbell_narrow),     NULL, &bank_thread},
	{"doorbell-other-data",        STEPS(doorbell_other_data), NULL, &bank_thread},
	{"doorbell-other-place",       STEPS(doorbell_other_place), NULL, &bank_thread},
	{"doorbell-read",              STEPS(doorbell_read),       NULL, &bank_thread},

	{"cmos",                       STEPS(cmos),                NULL, NULL},
	{"uart-registers",             STEPS(uart_registers),      NULL, NULL},
	{"uart-loopback",              STEPS(uart_loopback),       NULL, NULL},
	{"uart-transmit-interrupt",    NO_STEPS,                   case_uart_transmit_interrupt, NULL},
	{"uart-receive-interrupt",     NO_STEPS,                   case_uart_receive_interrupt, NULL},
	{"line-interrupt-port",        NO_STEPS,                   case_line_interrupt, &bank_port},
	{"line-interrupt-inline",      NO_STEPS,                   case_line_interrupt, &bank_inline},
	{"line-interrupt-thread",      NO_STEPS,                   case_line_interrupt, &bank_thread},
	{"line-pulse-inline",          NO_STEPS,                   case_line_pulse, &bank_inline},
	{"line-pulse-thread",          NO_STEPS,                   case_line_pulse, &bank_thread},
	{"msi-inline",                 NO_STEPS,                   case_msi, &bank_inline},
	{"msi-thread",                 NO_STEPS,                   case_msi, &bank_thread},

	{"parallel-port",              NO_STEPS,                   case_parallel, &bank_port},
	{"parallel-inline",            NO_STEPS,                   case_parallel, &bank_inline},
	{"parallel-thread",            NO_STEPS,                   case_parallel, &bank_thread},
};
/* clang-format on */
const size_t selftest_nr_cases = sizeof(selftest_cases) / sizeof(selftest_cases[0]);
