/* SPDX-License-Identifier: MIT */
/*
 * The configuration under libFuzzer (preset `fuzz`): build/fuzz/tests/fuzz_config FOLDER..., with tests/config,
 * tests/config/bad and config/examples as the first corpus.
 *
 * Threads   One. Memory: none is kept.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/config_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	bool accepted;
	const char *wrong = config_judge((const char *)data, bytes, &accepted);

	if (!wrong)
		return 0;
	fprintf(stderr, "fuzz_config: %s\n", wrong);
	abort();
}
