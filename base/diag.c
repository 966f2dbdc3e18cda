#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>

void diag_clear(diag *d)
{
    d->code = DIAG_OK;
    d->at = NO_SPAN;
    d->os_error = 0;
    d->text[0] = '\0';
    d->hint[0] = '\0';
}

/* vsnprintf that never leaves half a UTF-8 character at a cut end. */
__attribute__((format(printf, 3, 0)))
static void format_into(char *out, size_t cap, const char *format, va_list args)
{
    int n = vsnprintf(out, cap, format, args);
    if (n < 0) {
        out[0] = '\0';
        return;
    }
    if ((size_t)n < cap) return;
    size_t end = cap - 1;
    while (end > 0 && ((unsigned char)out[end - 1] & 0xC0) == 0x80) end--;
    if (end > 0 && (unsigned char)out[end - 1] >= 0xC0) end--;
    out[end] = '\0';
}

__attribute__((format(printf, 5, 0)))
static bool set_first(diag *d, span at, diag_code code, int os_error, const char *format, va_list args)
{
    if (diag_is_set(d)) return false;
    diag_clear(d);
    d->code = code;
    d->at = at;
    d->os_error = os_error;
    format_into(d->text, sizeof d->text, format, args);
    return false;
}

bool diag_set(diag *d, diag_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_first(d, NO_SPAN, code, 0, format, args);
    va_end(args);
    return false;
}

bool diag_at(diag *d, span at, diag_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_first(d, at, code, 0, format, args);
    va_end(args);
    return false;
}

bool diag_os(diag *d, int os_error, const char *format, ...)
{
    if (diag_is_set(d)) return false;
    va_list args;
    va_start(args, format);
    set_first(d, NO_SPAN, DIAG_IO, os_error, format, args);
    va_end(args);
    size_t n = strlen(d->text);
    char reason[128];
    const char *text = strerror_r(os_error, reason, sizeof reason);
    snprintf(d->text + n, sizeof d->text - n, ": %s", text);
    return false;
}

bool diag_hint(diag *d, const char *format, ...)
{
    if (!diag_is_set(d) || d->hint[0] != '\0') return false;
    va_list args;
    va_start(args, format);
    format_into(d->hint, sizeof d->hint, format, args);
    va_end(args);
    return false;
}

void diag_line_column(str source, uint32_t offset, int *line, int *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < source.n && i < offset; i++) {
        if (source.p[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)source.p[i] & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

static void render_caret(const diag *d, str source, buf *out)
{
    size_t at = d->at.start < source.n ? d->at.start : source.n;
    size_t begin = at;
    while (begin > 0 && source.p[begin - 1] != '\n') begin--;
    size_t end = at;
    while (end < source.n && source.p[end] != '\n') end++;
    buf_add(out, source.p + begin, end - begin);
    buf_add_char(out, '\n');
    for (size_t i = begin; i < at; i++) {
        if (((unsigned char)source.p[i] & 0xC0) == 0x80) continue;
        buf_add_char(out, source.p[i] == '\t' ? '\t' : ' ');
    }
    size_t stop = d->at.end < end ? d->at.end : end;
    size_t carets = 0;
    for (size_t i = at; i < stop; i++) carets += ((unsigned char)source.p[i] & 0xC0) != 0x80;
    if (carets == 0) carets = 1;
    while (carets-- > 0) buf_add_char(out, '^');
    buf_add_char(out, '\n');
}

void diag_render(const diag *d, str source, buf *out)
{
    if (d->at.start == SPAN_NONE || source.n == 0) {
        buf_printf(out, "%s\n", d->text);
    } else {
        int line, column;
        diag_line_column(source, d->at.start, &line, &column);
        buf_printf(out, "line %d:%d: %s\n", line, column, d->text);
        render_caret(d, source, out);
    }
    if (d->hint[0] != '\0') buf_printf(out, "%s\n", d->hint);
}
