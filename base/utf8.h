/*
 * base/utf8.h - UTF-8 text seen as Java sees it: lengths, positions and order in UTF-16 code units.
 *
 * KSQL's string functions count UTF-16 units, so a character above U+FFFF counts twice. Functions other than
 * utf8_valid and utf8_repair expect valid UTF-8; on anything else they stay inside the slice but the
 * result is unspecified. Pure, any thread; results are slices of the input or live in the arena given.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* Strict validity: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(str s);

/* Whether all bytes are below 0x80. */
bool utf8_is_ascii(str s);

/* s itself when valid; else a copy with U+FFFD for each malformed part, as new String(bytes, UTF_8). */
str utf8_repair(arena *a, str s);

/* Number of UTF-16 units (String.length). */
size_t utf8_length16(str s);

/* Number of code points. */
size_t utf8_length(str s);

/*
 * Byte offset of the UTF-16 index; an index behind the end gives s.n. An index between the two units of a character
 * gives the character's start and sets *inside (which may be NULL).
 */
size_t utf8_offset16(str s, size_t index, bool *inside);

/* UTF-16 index of a byte offset that lies on a character's start. */
size_t utf8_index16(str s, size_t offset);

/*
 * The substring of `count` units from unit `start`, clamped to the string. A slice of s, except where it cuts a pair:
 * then a copy with '?' for the half, which is what Java writes for a lone surrogate.
 */
str utf8_substr16(arena *a, str s, size_t start, size_t count);

/* Upper case as String.toUpperCase(Locale.ROOT): full mappings ("ß" to "SS"). May return s itself. */
str utf8_upper(arena *a, str s);
/* Lower case as String.toLowerCase(Locale.ROOT), with the final sigma. May return s itself. */
str utf8_lower(arena *a, str s);

/* Order by UTF-16 code units (String.compareTo): differs from byte order above U+D7FF. <0, 0, >0. */
int utf8_cmp16(str a, str b);

/* Reads the character at *p and steps over it; *p must be before end. U+FFFD and one byte for malformed input. */
uint32_t utf8_next(const char **p, const char *end);

/* Writes a code point (at most 4 bytes; surrogates and values above U+10FFFF become '?'); returns the length. */
size_t utf8_encode(uint32_t c, char out[4]);
/* The same appended to a buffer. */
void utf8_put(buf *b, uint32_t c);

#endif
