/* SPDX-License-Identifier: MIT */
/* What a vCPU asks for, and the right answers. See load_model.h. */
#include "load_model.h"

#include <stdio.h>
#include <string.h>

#define BANK_ID 0x31475242u /* "BRG1", the registers device's ID */
#define STEP_MAX 8u

/* Of 100 well-formed requests; the rest goes to the vCPU's own bytes. */
#define SHARE_UNCLAIMED 4u
#define SHARE_STRADDLE 3u
#define SHARE_REFUSED 2u
#define SHARE_IDENTITY 1u

struct ioreq_load_map ioreq_load_model_demo(void)
{
	return (struct ioreq_load_map){
		.banks = {{IOREQ_PIO, 0x5000},
			  {IOREQ_PCICFG, 0x08000000},
			  {IOREQ_MMIO, 0xfe000000},
			  {IOREQ_MMIO, 0xfe100000}},
		.nr_banks = 4,
		.unclaimed = {{IOREQ_PIO, 0x6000}, {IOREQ_MMIO, 0xfd000000}},
		.nr_unclaimed = 2,
	};
}

/* splitmix64. */
static uint64_t draw(struct ioreq_load_model *model)
{
	uint64_t z = model->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static unsigned draw_below(struct ioreq_load_model *model, unsigned limit)
{
	return (unsigned)((draw(model) >> 32) * limit >> 32);
}

static unsigned shadow_bytes(const struct ioreq_load_model *model)
{
	return model->vcpu == 0 ? IOREQ_LOAD_SHADOW_BYTES : IOREQ_LOAD_REGION_BYTES;
}

/* Where byte `at` of the shadow is in the bank. */
static unsigned bank_offset(const struct ioreq_load_model *model, unsigned at)
{
	if (at >= IOREQ_LOAD_REGION_BYTES)
		return IOREQ_LOAD_BANK_BYTES - IOREQ_LOAD_SHADOW_BYTES + at;
	return IOREQ_LOAD_STORAGE + model->vcpu * IOREQ_LOAD_REGION_BYTES + at;
}

void ioreq_load_model_init(struct ioreq_load_model *model, const struct ioreq_load_map *map,
			   const struct ioreq_load_mix *mix, unsigned vcpu, uint64_t seed)
{
	memset(model, 0, sizeof(*model));
	model->map = map;
	model->mix = *mix;
	model->vcpu = vcpu;
	model->random = seed + vcpu * UINT64_C(0x632be59bd9b4e019);
}

static uint64_t read_shadow(const struct ioreq_load_model *model, const struct ioreq_load_request *request)
{
	uint64_t value = 0;

	memcpy(&value, &model->shadows[request->bank].now[request->at], request->size);
	return value;
}

/* A value of that width; for a read, what the slot holds before: never the answer. */
static void draw_value(struct ioreq_load_model *model, struct ioreq_load_request *request, uint64_t mask)
{
	uint64_t value = draw(model) & mask;

	if (request->direction == IOREQ_READ && ((value ^ request->want) & request->want_mask) == 0)
		value ^= 1;
	request->value = value;
}

static void expect_ones(struct ioreq_load_request *request)
{
	request->want = ioreq_width_mask((unsigned)request->size);
}

static unsigned draw_size(struct ioreq_load_model *model, unsigned space)
{
	return 1u << draw_below(model, space == IOREQ_MMIO ? 4 : 3);
}

static void aim_at_own_bytes(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	const struct ioreq_load_target *bank;
	unsigned room = IOREQ_LOAD_REGION_BYTES;

	request->bank = draw_below(model, model->map->nr_banks);
	bank = &model->map->banks[request->bank];
	request->type = bank->space;
	request->size = draw_size(model, bank->space);
	/* The tail is a piece of its own: no access may begin in the region and end in the tail. */
	if (model->vcpu == 0 && draw_below(model, shadow_bytes(model)) >= room) {
		room = IOREQ_LOAD_TAIL_BYTES;
		request->at = IOREQ_LOAD_REGION_BYTES;
	} else {
		request->at = 0;
	}
	request->at += draw_below(model, room - (unsigned)request->size + 1);
	request->address = bank->address + bank_offset(model, request->at);
	request->want = read_shadow(model, request);
}

/* The next bytes that nobody has written yet, in order. */
static void next_setup(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	const struct ioreq_load_target *bank = &model->map->banks[model->setup_bank];

	request->kind = IOREQ_LOAD_BANK;
	request->type = bank->space;
	request->size = bank->space == IOREQ_MMIO ? 8 : 4;
	request->bank = model->setup_bank;
	request->at = model->setup_at;
	request->address = bank->address + bank_offset(model, request->at);
	model->setup_at += (unsigned)request->size;
	if (model->setup_at == shadow_bytes(model)) {
		model->setup_at = 0;
		model->setup_bank++;
	}
}

static const struct ioreq_load_target *draw_bank(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	const struct ioreq_load_target *bank = &model->map->banks[draw_below(model, model->map->nr_banks)];

	request->type = bank->space;
	return bank;
}

/* Half of these cross from the registers into the storage, where a carried-out write hits vCPU 0's bytes. */
static void aim_at_no_register(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	const struct ioreq_load_target *bank = draw_bank(model, request);

	if (draw_below(model, 2)) {
		request->size = 4;
		request->address = bank->address + IOREQ_LOAD_STORAGE - 1 - draw_below(model, 3);
	} else {
		request->size = 1 + draw_below(model, 2);
		request->address = bank->address + draw_below(model, IOREQ_LOAD_STORAGE - 1);
	}
	expect_ones(request);
}

static void aim_across_end(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	const struct ioreq_load_target *bank = draw_bank(model, request);

	request->size = 2u << draw_below(model, bank->space == IOREQ_MMIO ? 3 : 2);
	request->address = bank->address + IOREQ_LOAD_BANK_BYTES - 1 - draw_below(model, (unsigned)request->size - 1);
	expect_ones(request);
}

static void aim_at_nobody(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	const struct ioreq_load_target *target = &model->map->unclaimed[draw_below(model, model->map->nr_unclaimed)];

	request->type = target->space;
	request->size = draw_size(model, target->space);
	request->address =
		target->address + draw_below(model, IOREQ_LOAD_UNCLAIMED_BYTES - (unsigned)request->size + 1);
	expect_ones(request);
}

static void aim_at_identity(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	request->address = draw_bank(model, request)->address;
	request->size = 4;
	request->want = BANK_ID;
}

static void draw_kind(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	unsigned pick = draw_below(model, 100);

	if (pick < SHARE_UNCLAIMED) {
		request->kind = IOREQ_LOAD_UNCLAIMED;
		aim_at_nobody(model, request);
	} else if (pick < SHARE_UNCLAIMED + SHARE_STRADDLE) {
		request->kind = IOREQ_LOAD_STRADDLE;
		aim_across_end(model, request);
	} else if (pick < SHARE_UNCLAIMED + SHARE_STRADDLE + SHARE_REFUSED) {
		request->kind = IOREQ_LOAD_REFUSED;
		aim_at_no_register(model, request);
	} else if (pick < SHARE_UNCLAIMED + SHARE_STRADDLE + SHARE_REFUSED + SHARE_IDENTITY) {
		request->kind = IOREQ_LOAD_IDENTITY;
		aim_at_identity(model, request);
	} else {
		request->kind = IOREQ_LOAD_BANK;
		aim_at_own_bytes(model, request);
	}
}

/* Sizes beyond a byte and beyond 32 bits find a copy that was cut before it was checked. */
static void spoil_size(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	static const uint64_t sizes[] = {
		0, 3, 5, 6, 7, 8, 9, 16, 0x101, 0x104, 0x10001, 0x100000004, UINT64_C(1) << 63, UINT64_MAX};
	const unsigned nr_sizes = sizeof(sizes) / sizeof(sizes[0]);

	do
		request->size = sizes[draw_below(model, nr_sizes)];
	while (request->size == 8 && request->type == IOREQ_MMIO);
	request->want = UINT64_MAX;
	request->want_mask = request->type == IOREQ_MMIO ? UINT64_MAX : UINT32_MAX;
}

/* How wide an unknown type's value field is, nobody says: only the access width is looked at. */
static void spoil_type(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	static const uint32_t types[] = {3, 4, 0xff, 0x100, 0x101, 0x102, 0x10000, UINT32_MAX};

	request->type = types[draw_below(model, sizeof(types) / sizeof(types[0]))];
	request->size = 1u << draw_below(model, 3);
	expect_ones(request);
	request->want_mask = request->want;
}

/* Neither read nor write: it has no answer, but it must be answered, and it must not write. */
static void spoil_direction(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	static const uint32_t directions[] = {2, 3, 0xff, 0x100, 0x101, 0x10000, UINT32_MAX};

	request->direction = directions[draw_below(model, sizeof(directions) / sizeof(directions[0]))];
	request->want_mask = 0;
}

/* MMIO wraps; the other spaces are left, by addresses that mean the vCPU's own bytes if they are cut. */
static void spoil_address(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	if (request->type == IOREQ_MMIO) {
		request->size = 2u << draw_below(model, 3);
		request->address = UINT64_MAX - draw_below(model, (unsigned)request->size - 1);
	} else if (request->type == IOREQ_PIO) {
		request->address += UINT64_C(0x10000) << (draw_below(model, 2) * 16);
	} else {
		request->address |= UINT64_C(1) << (32 + draw_below(model, 4));
	}
	expect_ones(request);
}

static void draw_hostile(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	aim_at_own_bytes(model, request);
	request->kind = IOREQ_LOAD_BAD_SIZE + draw_below(model, 4);
	switch (request->kind) {
	case IOREQ_LOAD_BAD_SIZE: spoil_size(model, request); break;
	case IOREQ_LOAD_BAD_TYPE: spoil_type(model, request); break;
	case IOREQ_LOAD_BAD_DIRECTION: spoil_direction(model, request); break;
	default: spoil_address(model, request); break;
	}
}

static bool is_hostile(const struct ioreq_load_request *request)
{
	return request->kind >= IOREQ_LOAD_BAD_SIZE;
}

static void draw_completion(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	enum ioreq_load_completion how = model->mix.completion;

	request->completion_polling = how == IOREQ_LOAD_MIXED ? draw_below(model, 2) : how == IOREQ_LOAD_POLLING;
}

void ioreq_load_model_next(struct ioreq_load_model *model, struct ioreq_load_request *request)
{
	*request = (struct ioreq_load_request){.direction = IOREQ_WRITE, .want_mask = UINT64_MAX};
	draw_completion(model, request);
	if (model->setup_bank < model->map->nr_banks) {
		next_setup(model, request);
	} else {
		if (draw_below(model, 100) < model->mix.read_percent)
			request->direction = IOREQ_READ;
		if (draw_below(model, 100) < model->mix.hostile_percent)
			draw_hostile(model, request);
		else
			draw_kind(model, request);
	}
	if (is_hostile(request))
		draw_value(model, request, request->type == IOREQ_MMIO ? UINT64_MAX : UINT32_MAX);
	else
		draw_value(model, request, ioreq_width_mask((unsigned)request->size));
}

/*
 * A PCI address keeps in bits 32..35 one bit above each of the fields reg, func, dev and bus: an address that only
 * the slot's wider fields can say.
 */
static void fill_pci(const struct ioreq_load_request *request, struct acrn_pci_request *pci)
{
	uint32_t beyond = (uint32_t)(request->address >> 32);
	uint32_t address = (uint32_t)request->address;

	pci->bus = (address >> 20 & 0xff) | (beyond >> 3 & 1) << 8;
	pci->dev = (address >> 15 & 0x1f) | (beyond >> 2 & 1) << 5;
	pci->func = (address >> 12 & 7) | (beyond >> 1 & 1) << 3;
	pci->reg = (address & 0xfff) | (beyond & 1) << 12;
	pci->value = (uint32_t)request->value;
}

void ioreq_load_model_fill(const struct ioreq_load_request *request, struct acrn_io_request *slot)
{
	memset(&slot->reqs, 0, sizeof(slot->reqs));
	slot->type = request->type;
	slot->completion_polling = request->completion_polling;
	slot->reqs.mmio_request.direction = request->direction;
	slot->reqs.mmio_request.size = request->size;
	if (request->type == IOREQ_PCICFG) {
		fill_pci(request, &slot->reqs.pci_request);
		return;
	}
	slot->reqs.mmio_request.address = request->address;
	slot->reqs.mmio_request.value = request->value;
}

static void carry_out(struct ioreq_load_model *model, const struct ioreq_load_request *request)
{
	struct ioreq_load_shadow *shadow = &model->shadows[request->bank];

	model->serial++;
	for (unsigned i = 0; i < request->size; i++) {
		unsigned at = request->at + i;

		shadow->before[at] = shadow->now[at];
		shadow->now[at] = (uint8_t)(request->value >> (8 * i));
		shadow->serial[at] = model->serial;
	}
}

/* May one more request have been failed by a restart? Counts it. */
static bool grant_failure(struct ioreq_load_model *model)
{
	if (model->nr_failed >= model->mix.restarts)
		return false;
	model->nr_failed++;
	return true;
}

/* Makes the last write of byte `at` undone, if `got` is what was there before. */
static bool undo_write(struct ioreq_load_model *model, struct ioreq_load_shadow *shadow, unsigned at, uint8_t got)
{
	uint32_t serial = shadow->serial[at];

	if (!serial || shadow->before[at] != got || !grant_failure(model))
		return false;
	for (unsigned i = 0; i < IOREQ_LOAD_SHADOW_BYTES; i++) {
		if (shadow->serial[i] != serial)
			continue;
		shadow->now[i] = shadow->before[i];
		shadow->serial[i] = 0;
	}
	return true;
}

/* Is what was read explained by writes that a restart has dropped? */
static bool explain_by_dropped_writes(struct ioreq_load_model *model, const struct ioreq_load_request *request,
				      uint64_t got)
{
	struct ioreq_load_shadow *shadow = &model->shadows[request->bank];

	if ((got & ~ioreq_width_mask((unsigned)request->size)) != 0)
		return false;
	for (unsigned i = 0; i < request->size; i++) {
		uint8_t byte = (uint8_t)(got >> (8 * i));

		/* An undone write changes every byte it wrote; its other bytes are then right, or another write's. */
		if (shadow->now[request->at + i] != byte && !undo_write(model, shadow, request->at + i, byte))
			return false;
	}
	return read_shadow(model, request) == got;
}

/* One fault is one wrong answer: later reads are held against what the bank says now. */
static void take_over(struct ioreq_load_model *model, const struct ioreq_load_request *request, uint64_t got)
{
	struct ioreq_load_shadow *shadow = &model->shadows[request->bank];

	memcpy(&shadow->now[request->at], &got, request->size);
	memset(&shadow->serial[request->at], 0, request->size * sizeof(shadow->serial[0]));
}

enum ioreq_load_verdict ioreq_load_model_check(struct ioreq_load_model *model, const struct ioreq_load_request *request,
					       uint64_t got)
{
	if (request->direction != IOREQ_READ) {
		if (request->kind == IOREQ_LOAD_BANK)
			carry_out(model, request);
		return IOREQ_LOAD_RIGHT;
	}
	if (((got ^ request->want) & request->want_mask) == 0)
		return IOREQ_LOAD_RIGHT;
	if (got == ioreq_width_mask((unsigned)request->size) && !is_hostile(request) && grant_failure(model))
		return IOREQ_LOAD_FAILED;
	if (request->kind != IOREQ_LOAD_BANK)
		return IOREQ_LOAD_WRONG;
	if (explain_by_dropped_writes(model, request, got))
		return IOREQ_LOAD_FAILED;
	take_over(model, request, got);
	return IOREQ_LOAD_WRONG;
}

void ioreq_load_model_describe(const struct ioreq_load_request *request, char *text, size_t bytes)
{
	static const char *const spaces[] = {"pio", "mmio", "pcicfg"};
	static const char *const kinds[] = {"bank",     "identity", "refused",       "straddle",   "unclaimed",
					    "bad size", "bad type", "bad direction", "bad address"};
	char space[24], direction[24];

	if (request->type < IOREQ_NR_SPACES)
		snprintf(space, sizeof(space), "%s", spaces[request->type]);
	else
		snprintf(space, sizeof(space), "type %u", request->type);
	if (request->direction > IOREQ_WRITE)
		snprintf(direction, sizeof(direction), "direction %u", request->direction);
	else
		snprintf(direction, sizeof(direction), "%s", request->direction == IOREQ_WRITE ? "write" : "read");
	snprintf(text, bytes, "%s %s of %llu at 0x%llx (%s)", space, direction, (unsigned long long)request->size,
		 (unsigned long long)request->address, kinds[request->kind]);
}
