/* SPDX-License-Identifier: MIT */
/*
 * The tree, made from libyaml's events: only they show anchors, aliases and tags, and they come in constant memory.
 *
 * Threads   One. Memory: nodes and texts in the caller's arena; the parser's own is freed before the return.
 */
#include "config/tree.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

struct builder {
	struct config_arena *arena;
	struct config_problems *problems;
	struct config_node *open[CONFIG_MAX_DEPTH];
	size_t depth;
	struct config_node *root;
	bool stopped;
};

/* ---- characters: checked before YAML is, with a place of their own ------------------------------------------ */

size_t config_utf8_read(const char *text, size_t bytes, uint32_t *character_out)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = (unsigned char)text[0];
	size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
	uint32_t character = length == 1 ? lead : lead & (0xffu >> (length + 1));

	if (length == 0 || length > bytes)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (character < smallest[length] || character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
		return 0;
	*character_out = character;
	return length;
}

/* YAML's printable characters but for its exotic line breaks, which no editor counts as lines. */
bool config_utf8_allowed(uint32_t character)
{
	if (character < ' ')
		return character == '\t' || character == '\n' || character == '\r';
	return character <= 0x7e || (character >= 0xa0 && character != 0x2028 && character != 0x2029 &&
				     character != 0xfeff && character != 0xfffe && character != 0xffff);
}

static bool check_characters(const char *text, size_t bytes, struct config_problems *problems)
{
	struct config_place place = {1, 1};
	uint32_t character = 0;
	size_t length;

	for (size_t at = 0; at < bytes; at += length) {
		bool broken = character == '\n' || (character == '\r' && text[at] != '\n');

		place.line += broken;
		place.column = broken ? 1 : place.column + (at > 0);
		length = config_utf8_read(text + at, bytes - at, &character);
		if (length == 0)
			config_problem_add(problems, place, "", "not UTF-8: found byte 0x%02x",
					   (unsigned char)text[at]);
		else if (character == 0)
			config_problem_add(problems, place, "", "a NUL byte; allowed: text");
		else if (!config_utf8_allowed(character))
			config_problem_add(problems, place, "",
					   "a character that text does not have: found U+%04X; allowed: printable "
					   "characters, tabs and line breaks",
					   (unsigned)character);
		else
			continue;
		return false;
	}
	return true;
}

/* ---- events ------------------------------------------------------------------------------------------------ */

static struct config_place place_of(yaml_mark_t mark)
{
	return (struct config_place){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static void refuse_extras(struct builder *builder, const yaml_event_t *event, const yaml_char_t *anchor,
			  const yaml_char_t *tag)
{
	char found[CONFIG_FOUND_BYTES];

	if (anchor)
		config_problem_add(builder->problems, place_of(event->start_mark), "",
				   "an anchor: found %s; allowed: no anchors and aliases",
				   config_quote((const char *)anchor, strlen((const char *)anchor), '\'', found));
	if (tag)
		config_problem_add(builder->problems, place_of(event->start_mark), "",
				   "a tag: found %s; allowed: no tags, each key has its type",
				   config_quote((const char *)tag, strlen((const char *)tag), '\'', found));
}

static struct config_node *add_node(struct builder *builder, const yaml_event_t *event, enum config_node_kind kind)
{
	struct config_node *node = config_arena_allocate(builder->arena, sizeof(*node));
	struct config_node *parent = builder->depth ? builder->open[builder->depth - 1] : NULL;

	if (!node) {
		builder->problems->out_of_memory = builder->stopped = true;
		return NULL;
	}
	node->kind = kind;
	node->place = place_of(event->start_mark);
	if (!parent) {
		builder->root = node;
		return node;
	}
	if (parent->final)
		parent->final->next = node;
	else
		parent->first = node;
	parent->final = node;
	parent->nr++;
	return node;
}

static void add_scalar(struct builder *builder, const yaml_event_t *event)
{
	struct config_node *node = add_node(builder, event, CONFIG_NODE_SCALAR);

	if (!node)
		return;
	refuse_extras(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->length = event->data.scalar.length;
	node->text = config_arena_copy(builder->arena, (const char *)event->data.scalar.value, node->length);
	if (!node->text)
		builder->problems->out_of_memory = builder->stopped = true;
	else if (strlen(node->text) != node->length)
		config_problem_add(builder->problems, node->place, "", "a NUL character; allowed: text");
}

static void add_alias(struct builder *builder, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	char found[CONFIG_FOUND_BYTES];

	config_problem_add(builder->problems, place_of(event->start_mark), "",
			   "an alias: found %s; allowed: no anchors and aliases",
			   config_quote(name, strlen(name), '\'', found));
	add_node(builder, event, CONFIG_NODE_REFUSED);
}

static void open_node(struct builder *builder, const yaml_event_t *event)
{
	bool list = event->type == YAML_SEQUENCE_START_EVENT;
	struct config_node *node;

	if (builder->depth == CONFIG_MAX_DEPTH) {
		config_problem_add(builder->problems, place_of(event->start_mark), "",
				   "nested too deep; allowed: %u levels", CONFIG_MAX_DEPTH);
		builder->stopped = true;
		return;
	}
	node = add_node(builder, event, list ? CONFIG_NODE_LIST : CONFIG_NODE_MAP);
	if (!node)
		return;
	if (list)
		refuse_extras(builder, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
	else
		refuse_extras(builder, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
	builder->open[builder->depth++] = node;
}

static void open_document(struct builder *builder, const yaml_event_t *event)
{
	if (!builder->root)
		return;
	config_problem_add(builder->problems, place_of(event->start_mark), "", "a second document; allowed: one");
	builder->stopped = true;
}

static void take_event(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT: open_document(builder, event); break;
	case YAML_SCALAR_EVENT: add_scalar(builder, event); break;
	case YAML_ALIAS_EVENT: add_alias(builder, event); break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT: open_node(builder, event); break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: builder->depth--; break;
	default: break;
	}
}

static void refuse_syntax(struct builder *builder, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "unknown error";

	builder->stopped = true;
	if (parser->error == YAML_MEMORY_ERROR)
		builder->problems->out_of_memory = true;
	else if (parser->context)
		config_problem_add(builder->problems, place_of(parser->problem_mark), "", "not YAML: %s %s at %zu:%zu",
				   problem, parser->context, parser->context_mark.line + 1,
				   parser->context_mark.column + 1);
	else
		config_problem_add(builder->problems, place_of(parser->problem_mark), "", "not YAML: %s", problem);
}

static void run_parser(struct builder *builder, yaml_parser_t *parser)
{
	bool ended = false;

	while (!ended && !builder->stopped) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event)) {
			refuse_syntax(builder, parser);
			return;
		}
		take_event(builder, &event);
		ended = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
}

static bool is_nothing(const struct config_node *root)
{
	return !root || (root->kind == CONFIG_NODE_SCALAR && root->plain && root->length == 0);
}

struct config_node *config_tree_build(const char *text, size_t bytes, struct config_arena *arena,
				      struct config_problems *problems)
{
	struct builder builder = {.arena = arena, .problems = problems};
	yaml_parser_t parser;

	if (!check_characters(text, bytes, problems))
		return NULL;
	if (!yaml_parser_initialize(&parser)) {
		problems->out_of_memory = true;
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
	run_parser(&builder, &parser);
	yaml_parser_delete(&parser);
	if (builder.stopped)
		return NULL;
	if (is_nothing(builder.root)) {
		config_problem_add(problems, (struct config_place){1, 1}, "",
				   "nothing in it; allowed: a configuration");
		return NULL;
	}
	return builder.root;
}

/* ---- looks ------------------------------------------------------------------------------------------------- */

const struct config_node *config_tree_value(const struct config_node *map, const char *key)
{
	if (map->kind != CONFIG_NODE_MAP)
		return NULL;
	for (const struct config_node *at = map->first; at && at->next; at = at->next->next)
		if (at->kind == CONFIG_NODE_SCALAR && strcmp(at->text, key) == 0)
			return at->next;
	return NULL;
}

const struct config_node *config_tree_item(const struct config_node *list, size_t index)
{
	const struct config_node *item = list->kind == CONFIG_NODE_LIST ? list->first : NULL;

	for (; item && index > 0; index--)
		item = item->next;
	return item;
}
