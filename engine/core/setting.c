/* SPDX-License-Identifier: MIT */
/*
 * A device's settings: looking one up, refusing what the device does not know.
 *
 * Threads   Any. Memory: the caller's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <ioreq/client.h>

#include "core/error.h"

static const char *type_name(enum ioreq_setting_type type)
{
	static const char *const names[] = {"an integer", "a string", "true or false"};

	return names[type];
}

const struct ioreq_setting *ioreq_setting_find(const struct ioreq_create *create, const char *key,
					       enum ioreq_setting_type type)
{
	for (size_t i = 0; i < create->nr_settings; i++)
		if (strcmp(create->settings[i].key, key) == 0)
			return create->settings[i].type == type ? &create->settings[i] : NULL;
	return NULL;
}

static int refuse_key(const char *name, const char *key, const char *const *keys, struct ioreq_error *error)
{
	char allowed[128] = "";
	size_t used = 0;

	for (; *keys && used + strlen(*keys) + 3 < sizeof(allowed); keys++)
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "", *keys);
	return ioreq_error_set(error, EINVAL, "%s: unknown setting '%s'; allowed: %s", name, key,
			       used ? allowed : "none");
}

int ioreq_setting_check(const struct ioreq_create *create, const char *const *keys,
			const enum ioreq_setting_type *types, struct ioreq_error *error)
{
	for (size_t i = 0; i < create->nr_settings; i++) {
		const struct ioreq_setting *setting = &create->settings[i];
		size_t k = 0;

		while (keys[k] && strcmp(keys[k], setting->key) != 0)
			k++;
		if (!keys[k])
			return refuse_key(create->name, setting->key, keys, error);
		if (setting->type != types[k])
			return ioreq_error_set(error, EINVAL, "%s: setting '%s' is %s; allowed: %s", create->name,
					       setting->key, type_name(setting->type), type_name(types[k]));
	}
	return 0;
}
