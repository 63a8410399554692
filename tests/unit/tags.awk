# SPDX-License-Identifier: MIT
# Finds the tags of ordered accesses in C files: prints "use FILE LINE NAME TAG" for each use of a name in `names` ("-" for
# one without a tag), "tag FILE LINE TAG", "pair FILE LINE TAG PARTNER", "lone FILE LINE TAG" (a tag without a use) and
# "mute FILE LINE TAG" (a tag that names no partner).
#
# A tag is a comment that begins with `AB12 word:`; it belongs to the statement that it stands in or directly above, to
# both branches of an if there, and with `word, twice:` to the two statements that follow.

function end_statement()
{
	if (allowed > 0)
		allowed--
	else
		close_tag()
}

function close_tag()
{
	if (tag != "" && !used)
		print "lone", FILENAME, tag_line, tag
	tag = ""
}

function take_comment(text, line,    pairs, count, i)
{
	gsub(/[ \t\n*]+/, " ", text)
	sub(/^ /, "", text)
	if (text !~ /^[A-Z]+[0-9]+ [a-z_]+[a-z_, ]*: /)
		return
	if (held)
		end_statement()
	close_tag()
	held = closing = 0
	tag = text
	sub(/ .*/, "", tag)
	tag_line = line
	used = 0
	allowed = text ~ /^[^:]*, twice:/ ? 1 : 0
	print "tag", FILENAME, line, tag
	if (text ~ /: as (above|in )/)
		return
	if (!match(text, /Pairs with [^.]*/)) {
		print "mute", FILENAME, line, tag
		return
	}
	count = split(substr(text, RSTART + 11, RLENGTH - 11), pairs, /[^A-Za-z0-9]+/)
	for (i = 1; i <= count; i++)
		if (pairs[i] ~ /^[A-Z]+[0-9]+$/)
			print "pair", FILENAME, line, tag, pairs[i]
}

# A name at the end of `word` is complete: is it a use?
function take_name(line)
{
	if (closing && word != "while")
		close_block()
	closing = 0
	if (word == "else" && held) {
		# The statement goes on: its end was put off for this.
		held = 0
	} else if (held) {
		held = 0
		end_statement()
	}
	if (word in wanted) {
		print "use", FILENAME, line, word, (tag == "" ? "-" : tag)
		used = 1
	}
}

function take_character(c, line)
{
	if (c ~ /[A-Za-z0-9_]/) {
		word = word c
		return
	}
	if (word != "")
		take_name(line)
	word = ""
	if (c ~ /[ \t]/)
		return
	if (held && c != "}") {
		held = 0
		end_statement()
	}
	if (closing)
		close_block()
	closing = 0
	if (c == "(")
		depth++
	else if (c == ")")
		depth--
	else if (c == ";" && depth == 0)
		held = 1
	else if ((c == "{" || c == "}") && depth == 0) {
		held = 0
		# `while` may follow, and belong to the statement that the block is of.
		closing = c == "}"
		if (!closing)
			close_block()
	}
}

function close_block()
{
	allowed = 0
	close_tag()
}

function start_file()
{
	close_tag()
	word = ""
	depth = held = closing = in_comment = in_directive = 0
}

BEGIN {
	count = split(names, list, " ")
	for (i = 1; i <= count; i++)
		wanted[list[i]] = 1
}

FNR == 1 { start_file() }

{
	line = $0
	if (!in_comment && (in_directive || line ~ /^[ \t]*#/)) {
		in_directive = line ~ /\\$/
		next
	}
	quote = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (in_comment) {
			if (substr(line, i, 2) == "*/") {
				in_comment = 0
				i++
				take_comment(comment, comment_line)
			} else
				comment = comment c
		} else if (quote != "") {
			if (c == "\\")
				i++
			else if (c == quote)
				quote = ""
		} else if (substr(line, i, 2) == "/*") {
			take_character(" ", FNR)
			in_comment = 1
			comment = ""
			comment_line = FNR
			i++
		} else if (c == "\"" || c == "'")
			quote = c
		else
			take_character(c, FNR)
	}
	if (in_comment)
		comment = comment "\n"
	else
		take_character(" ", FNR)
}

END { close_tag() }
