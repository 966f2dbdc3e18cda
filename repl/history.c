#include "repl/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"

enum { FILE_BYTES_MAX = 16 << 20, ENTRY_MAX = 65536 };

struct history {
    char *path;
    char *entries[HISTORY_MAX];
    int count;
    int in_file; /* entries that the file holds */
};

static void keep(history *h, const char *p, size_t n)
{
    if (h->count == HISTORY_MAX) {
        free(h->entries[0]);
        memmove(h->entries, h->entries + 1, (HISTORY_MAX - 1) * sizeof *h->entries);
        h->count--;
    }
    char *copy = malloc(n + 1);
    check(copy);
    memcpy(copy, p, n);
    copy[n] = 0;
    h->entries[h->count++] = copy;
}

static void unescape(str line, buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '\\' && i + 1 < line.n) {
            i++;
            buf_add_char(out, line.p[i] == 'n' ? '\n' : line.p[i]);
        } else {
            buf_add_char(out, line.p[i]);
        }
    }
}

static void escape(str text, buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n')
            buf_add_z(out, "\\n");
        else if (text.p[i] == '\\')
            buf_add_z(out, "\\\\");
        else
            buf_add_char(out, text.p[i]);
    }
    buf_add_char(out, '\n');
}

static void read_file(history *h)
{
    int fd = open(h->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    buf text = {0}, entry = {0};
    ssize_t n;
    while (text.len < FILE_BYTES_MAX && (n = read(fd, buf_reserve(&text, 65536), 65536)) > 0) text.len += (size_t)n;
    close(fd);
    for (str rest = buf_str(&text); rest.n > 0;) {
        ptrdiff_t eol = str_find(rest, STR("\n"), 0);
        size_t line_n = eol < 0 ? rest.n : (size_t)eol;
        unescape(str_of(rest.p, line_n), &entry);
        if (entry.len > 0) {
            keep(h, entry.data, entry.len);
            h->in_file++;
        }
        size_t step = eol < 0 ? line_n : line_n + 1;
        rest = str_of(rest.p + step, rest.n - step);
    }
    buf_free(&entry);
    buf_free(&text);
}

history *history_open(const char *path)
{
    history *h = calloc(1, sizeof *h);
    check(h);
    if (path && path[0]) {
        h->path = strdup(path);
        check(h->path);
        read_file(h);
    }
    return h;
}

/* Appends (or, when anew, writes) text with one write. A history that cannot be kept is no error to anybody. */
static void write_file(const history *h, str text, bool anew)
{
    int fd = open(h->path, O_WRONLY | O_CREAT | O_CLOEXEC | (anew ? O_TRUNC : O_APPEND), 0600);
    if (fd < 0) return;
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        text = str_of(text.p + n, text.n - (size_t)n);
    }
    close(fd);
}

void history_close(history *h)
{
    if (!h) return;
    if (h->path && h->in_file > 2 * HISTORY_MAX) {
        buf text = {0};
        for (int i = 0; i < h->count; i++) escape(str_z(h->entries[i]), &text);
        write_file(h, buf_str(&text), true);
        buf_free(&text);
    }
    for (int i = 0; i < h->count; i++) free(h->entries[i]);
    free(h->path);
    free(h);
}

void history_add(history *h, str text)
{
    text = str_trim(text);
    if (text.n == 0 || text.n > ENTRY_MAX) return;
    if (h->count > 0 && str_eqz(text, h->entries[h->count - 1])) return;
    keep(h, text.p, text.n);
    if (!h->path) return;
    buf line = {0};
    escape(text, &line);
    write_file(h, buf_str(&line), false);
    h->in_file++;
    buf_free(&line);
}

int history_count(const history *h)
{
    return h->count;
}

str history_get(const history *h, int i)
{
    check(i >= 0 && i < h->count);
    return str_z(h->entries[i]);
}

const char *history_default_path(char *out, size_t cap)
{
    const char *own = getenv("WEIR_HISTORY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    out[0] = 0;
    if (own) {
        snprintf(out, cap, "%s", own);
    } else if (state && state[0] == '/') {
        snprintf(out, cap, "%s/weir", state);
        if (mkdir(out, 0700) != 0 && errno != EEXIST)
            out[0] = 0;
        else
            snprintf(out, cap, "%s/weir/history", state);
    } else if (home && home[0] == '/') {
        snprintf(out, cap, "%s/.weir_history", home);
    }
    return out;
}
