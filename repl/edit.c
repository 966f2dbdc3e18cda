#include "repl/edit.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/check.h"
#include "base/utf8.h"
#include "repl/table.h"

/* Keys that are no characters. Values lie above Unicode. */
enum {
    KEY_UP = 0x200000,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_WORD_DELETE,
    KEY_WORD_RUBOUT,
    KEY_NEW_LINE,
    KEY_PASTE,
    KEY_NONE,
    KEY_END_OF_INPUT,
};
enum { ESCAPE_MS = 50, CTRL_MASK = 0x1f };
#undef CTRL
#define CTRL(c) ((c)&CTRL_MASK)

struct editor {
    int in, out;
    edit_hooks hooks;
    history *past;
    struct termios before;
    const char *prompt, *more;
    buf text;
    size_t cursor; /* byte position in text */
    size_t shown_row; /* where the cursor is on the screen, counted from the prompt's line */
    buf killed; /* what ^K, ^U and ^W took away */
    int past_at; /* the entry shown; == count: the text being written */
    buf draft; /* that text while an entry is shown */
    bool tabbed; /* the last key was Tab and completed nothing */
    buf screen; /* output of one refresh, written at once */
};

editor *editor_new(int in, int out, const edit_hooks *hooks, history *past)
{
    editor *e = calloc(1, sizeof *e);
    check(e);
    e->in = in;
    e->out = out;
    e->hooks = *hooks;
    e->past = past;
    return e;
}

void editor_free(editor *e)
{
    if (!e) return;
    buf_free(&e->text);
    buf_free(&e->killed);
    buf_free(&e->draft);
    buf_free(&e->screen);
    free(e);
}

int edit_terminal_width(int fd)
{
    struct winsize size;
    if (!isatty(fd)) return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

static void write_all(int fd, str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        bytes = str_of(bytes.p + n, bytes.n - (size_t)n);
    }
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* The next byte, or -1 at the end of input; -2 when none came within wait_ms (-1: no limit). */
static int read_byte(const editor *e, int wait_ms)
{
    unsigned char ch;
    if (wait_ms >= 0) {
        struct pollfd fd = {e->in, POLLIN, 0};
        if (poll(&fd, 1, wait_ms) <= 0) return -2;
    }
    for (;;) {
        ssize_t n = read(e->in, &ch, 1);
        if (n == 1) return ch;
        if (n < 0 && errno == EINTR) continue;
        return -1;
    }
}

/* What follows ESC [ or ESC O: parameters and a final byte. */
static int read_sequence(const editor *e)
{
    int number = 0, modifier = 0, *at = &number;
    for (;;) {
        int ch = read_byte(e, ESCAPE_MS);
        if (ch < 0) return KEY_NONE;
        if (ch >= '0' && ch <= '9') {
            if (*at < 1000) *at = *at * 10 + (ch - '0');
            continue;
        }
        if (ch == ';') {
            at = &modifier;
            continue;
        }
        switch (ch) {
        case 'A': return KEY_UP;
        case 'B': return KEY_DOWN;
        case 'C': return modifier > 1 ? KEY_WORD_RIGHT : KEY_RIGHT;
        case 'D': return modifier > 1 ? KEY_WORD_LEFT : KEY_LEFT;
        case 'H': return KEY_HOME;
        case 'F': return KEY_END;
        case '~': break;
        default: return KEY_NONE;
        }
        if (number == 1 || number == 7) return KEY_HOME;
        if (number == 4 || number == 8) return KEY_END;
        if (number == 3) return KEY_DELETE;
        return number == 200 ? KEY_PASTE : KEY_NONE;
    }
}

static int read_escape(const editor *e)
{
    int ch = read_byte(e, ESCAPE_MS);
    switch (ch) {
    case '[':
    case 'O': return read_sequence(e);
    case 'b': return KEY_WORD_LEFT;
    case 'f': return KEY_WORD_RIGHT;
    case 'd': return KEY_WORD_DELETE;
    case 127:
    case 8: return KEY_WORD_RUBOUT;
    case '\r':
    case '\n': return KEY_NEW_LINE;
    default: return KEY_NONE;
    }
}

/* The next key: a control character, a KEY_ value, or 0 when a character was put into utf8 (n bytes). */
static int read_key(const editor *e, char utf8[4], size_t *n)
{
    int ch = read_byte(e, -1);
    *n = 0;
    if (ch < 0) return KEY_END_OF_INPUT;
    if (ch == 27) return read_escape(e);
    if (ch < 32 || ch == 127) return ch;
    size_t length = ch < 0x80 ? 1 : ch >= 0xf0 ? 4 : ch >= 0xe0 ? 3 : 2;
    utf8[(*n)++] = (char)ch;
    while (*n < length) {
        int next = read_byte(e, ESCAPE_MS);
        if (next < 0) return KEY_NONE;
        utf8[(*n)++] = (char)next;
    }
    return utf8_valid(str_of(utf8, *n)) ? 0 : KEY_NONE;
}

/* ---- the screen -------------------------------------------------------------------------------------------------- */

/* Moves a position on the screen over one character. */
static void advance(size_t *row, size_t *col, size_t w, size_t width)
{
    if (*col + w > width) {
        (*row)++;
        *col = 0;
    }
    *col += w;
}

/* Where byte position `at` of the text stands. */
static void place(const editor *e, size_t at, size_t width, size_t *row, size_t *col)
{
    *row = 0;
    *col = table_width(str_z(e->prompt));
    for (const char *p = e->text.data, *end = p + at; p < end;) {
        if (*p == '\n') {
            (*row)++;
            *col = table_width(str_z(e->more));
            p++;
            continue;
        }
        const char *next = p;
        utf8_next(&next, e->text.data + e->text.len);
        advance(row, col, table_width(str_of(p, (size_t)(next - p))), width);
        p = next;
    }
    if (*col >= width) { /* the cursor waits at the start of the next line */
        (*row)++;
        *col = 0;
    }
}

static void refresh(editor *e)
{
    int columns = edit_terminal_width(e->out);
    size_t width = columns > 0 ? (size_t)columns : 80, end_row, end_col, row, col;
    buf *s = &e->screen;
    buf_clear(s);
    if (e->shown_row > 0) buf_printf(s, "\x1b[%zuA", e->shown_row);
    buf_add_z(s, "\r\x1b[J");
    buf_add_z(s, e->prompt);
    for (size_t i = 0; i < e->text.len; i++) {
        if (e->text.data[i] == '\n') {
            buf_add_z(s, "\r\n");
            buf_add_z(s, e->more);
        } else {
            buf_add_char(s, e->text.data[i]);
        }
    }
    place(e, e->text.len, width, &end_row, &end_col);
    place(e, e->cursor, width, &row, &col);
    if (end_col == 0 && end_row > 0 && e->text.len > 0 && e->text.data[e->text.len - 1] != '\n') buf_add_z(s, "\r\n");
    if (end_row > row) buf_printf(s, "\x1b[%zuA", end_row - row);
    buf_add_char(s, '\r');
    if (col > 0) buf_printf(s, "\x1b[%zuC", col);
    e->shown_row = row;
    write_all(e->out, buf_str(s));
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void insert(editor *e, str bytes)
{
    buf_reserve(&e->text, bytes.n);
    memmove(e->text.data + e->cursor + bytes.n, e->text.data + e->cursor, e->text.len - e->cursor);
    if (bytes.n > 0) memcpy(e->text.data + e->cursor, bytes.p, bytes.n);
    e->text.len += bytes.n;
    e->cursor += bytes.n;
}

/* Removes [from, to); keep: for ^Y. */
static void erase(editor *e, size_t from, size_t to, bool keep)
{
    if (from >= to) return;
    if (keep) {
        buf_clear(&e->killed);
        buf_add(&e->killed, e->text.data + from, to - from);
    }
    memmove(e->text.data + from, e->text.data + to, e->text.len - to);
    e->text.len -= to - from;
    e->cursor = from;
}

static size_t left_of(const editor *e, size_t at)
{
    if (at == 0) return 0;
    do at--;
    while (at > 0 && ((unsigned char)e->text.data[at] & 0xc0) == 0x80);
    return at;
}

static size_t right_of(const editor *e, size_t at)
{
    if (at >= e->text.len) return e->text.len;
    do at++;
    while (at < e->text.len && ((unsigned char)e->text.data[at] & 0xc0) == 0x80);
    return at;
}

static bool in_word(const editor *e, size_t at)
{
    unsigned char ch = (unsigned char)e->text.data[at];
    return isalnum(ch) || ch == '_' || ch >= 0x80;
}

static size_t word_left(const editor *e, size_t at)
{
    while (at > 0 && !in_word(e, at - 1)) at--;
    while (at > 0 && in_word(e, at - 1)) at--;
    return at;
}

static size_t word_right(const editor *e, size_t at)
{
    while (at < e->text.len && !in_word(e, at)) at++;
    while (at < e->text.len && in_word(e, at)) at++;
    return at;
}

static size_t line_start(const editor *e, size_t at)
{
    while (at > 0 && e->text.data[at - 1] != '\n') at--;
    return at;
}

static size_t line_end(const editor *e, size_t at)
{
    while (at < e->text.len && e->text.data[at] != '\n') at++;
    return at;
}

static void set_text(editor *e, str text)
{
    buf_clear(&e->text);
    buf_add_str(&e->text, text);
    e->cursor = e->text.len;
}

/* ---- history ------------------------------------------------------------------------------------------------- */

static void show_entry(editor *e, int step)
{
    int count = e->past ? history_count(e->past) : 0, at = e->past_at + step;
    if (at < 0 || at > count || at == e->past_at) return;
    if (e->past_at == count) {
        buf_clear(&e->draft);
        buf_add_str(&e->draft, buf_str(&e->text));
    }
    e->past_at = at;
    set_text(e, at == count ? buf_str(&e->draft) : history_get(e->past, at));
}

/* Up and down go through the lines of the text first, then through history. */
static void vertical(editor *e, int step)
{
    size_t start = line_start(e, e->cursor), end = line_end(e, e->cursor), column = e->cursor - start;
    if (step < 0 && start > 0) {
        size_t above = line_start(e, start - 1);
        e->cursor = above + column < start - 1 ? above + column : start - 1;
    } else if (step > 0 && end < e->text.len) {
        size_t below_end = line_end(e, end + 1);
        e->cursor = end + 1 + column < below_end ? end + 1 + column : below_end;
    } else {
        show_entry(e, step);
        return;
    }
    while (e->cursor > 0 && e->cursor < e->text.len && ((unsigned char)e->text.data[e->cursor] & 0xc0) == 0x80)
        e->cursor--;
}

/* The newest entry before `from` that holds what is looked for, or -1. */
static int find_entry(const editor *e, str what, int from)
{
    for (int i = from; i >= 0; i--) {
        if (str_find(history_get(e->past, i), what, 0) >= 0) return i;
    }
    return -1;
}

/* ^R: looks backwards while it is typed; any other key takes what was found. Returns that key. */
static int search(editor *e, char utf8[4], size_t *n)
{
    if (!e->past || history_count(e->past) == 0) return KEY_NONE;
    const char *prompt = e->prompt;
    buf what = {0}, shown = {0}, original = {0};
    int at = history_count(e->past), key;
    buf_add_str(&original, buf_str(&e->text));
    for (;;) {
        buf_clear(&shown);
        buf_printf(&shown, "(search '%.*s') ", STR_ARG(buf_str(&what)));
        e->prompt = buf_z(&shown);
        refresh(e);
        key = read_key(e, utf8, n);
        int found = -1;
        if (key == CTRL('R')) {
            found = find_entry(e, buf_str(&what), at - 1);
        } else if (key == 0) {
            buf_add(&what, utf8, *n);
            found = find_entry(e, buf_str(&what), at < history_count(e->past) ? at : at - 1);
        } else if ((key == 127 || key == 8) && what.len > 0) {
            what.len--;
            at = history_count(e->past);
            found = find_entry(e, buf_str(&what), at - 1);
        } else {
            break;
        }
        if (found < 0) continue;
        at = found;
        set_text(e, history_get(e->past, at));
    }
    if (key == CTRL('G') || key == CTRL('C')) {
        set_text(e, buf_str(&original));
        key = KEY_NONE;
    } else if (at < history_count(e->past)) {
        e->past_at = at;
    }
    e->prompt = prompt;
    buf_free(&what);
    buf_free(&shown);
    buf_free(&original);
    return key;
}

/* ---- completion ---------------------------------------------------------------------------------------------- */

static void list_candidates(editor *e, const char *const *items, size_t count)
{
    int columns = edit_terminal_width(e->out);
    size_t width = columns > 0 ? (size_t)columns : 80, widest = 0;
    buf out = {0};
    for (size_t i = 0; i < count; i++) {
        size_t w = table_width(str_z(items[i]));
        if (w > widest) widest = w;
    }
    size_t each = widest + 2, across = width / each ? width / each : 1;
    size_t at = e->cursor;
    e->cursor = e->text.len;
    refresh(e);
    e->cursor = at;
    buf_add_z(&out, "\r\n");
    for (size_t i = 0; i < count && i < 200; i++) {
        buf_add_z(&out, items[i]);
        if ((i + 1) % across == 0 || i + 1 == count)
            buf_add_z(&out, "\r\n");
        else
            for (size_t w = table_width(str_z(items[i])); w < each; w++) buf_add_char(&out, ' ');
    }
    if (count > 200) buf_printf(&out, "... and %zu more\r\n", count - 200);
    write_all(e->out, buf_str(&out));
    buf_free(&out);
    e->shown_row = 0;
}

static void complete(editor *e)
{
    size_t start = e->cursor;
    const char *const *items = NULL;
    size_t count =
        e->hooks.candidates ? e->hooks.candidates(e->hooks.arg, buf_str(&e->text), e->cursor, &start, &items) : 0;
    bool again = e->tabbed;
    e->tabbed = false;
    if (count == 0) return;
    size_t common = strlen(items[0]);
    for (size_t i = 1; i < count; i++) {
        size_t k = 0;
        while (k < common && toupper((unsigned char)items[i][k]) == toupper((unsigned char)items[0][k])) k++;
        common = k;
    }
    if (common > e->cursor - start || count == 1) {
        erase(e, start, e->cursor, false);
        insert(e, str_of(items[0], common));
        if (count == 1) insert(e, STR(" "));
        return;
    }
    if (again) list_candidates(e, items, count);
    e->tabbed = !again;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* Takes everything up to the end mark of a bracketed paste as text. */
static void paste(editor *e)
{
    static const char mark[] = "\x1b[201~";
    buf bytes = {0};
    for (int ch; (ch = read_byte(e, 1000)) >= 0;) {
        buf_add_char(&bytes, ch == '\r' ? '\n' : (char)ch);
        if (bytes.len >= 6 && memcmp(bytes.data + bytes.len - 6, mark, 6) == 0) {
            bytes.len -= 6;
            break;
        }
    }
    /* A tab or another control character would upset the screen. */
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char ch = (unsigned char)bytes.data[i];
        if ((ch < 32 && ch != '\n') || ch == 127) bytes.data[i] = ' ';
    }
    if (utf8_valid(buf_str(&bytes))) insert(e, buf_str(&bytes));
    buf_free(&bytes);
}

static void move_or_change(editor *e, int key)
{
    switch (key) {
    case KEY_LEFT:
    case CTRL('B'): e->cursor = left_of(e, e->cursor); break;
    case KEY_RIGHT:
    case CTRL('F'): e->cursor = right_of(e, e->cursor); break;
    case KEY_WORD_LEFT: e->cursor = word_left(e, e->cursor); break;
    case KEY_WORD_RIGHT: e->cursor = word_right(e, e->cursor); break;
    case KEY_HOME:
    case CTRL('A'): e->cursor = line_start(e, e->cursor); break;
    case KEY_END:
    case CTRL('E'): e->cursor = line_end(e, e->cursor); break;
    case KEY_UP: vertical(e, -1); break;
    case KEY_DOWN: vertical(e, 1); break;
    case CTRL('P'): show_entry(e, -1); break;
    case CTRL('N'): show_entry(e, 1); break;
    case 127:
    case CTRL('H'): erase(e, left_of(e, e->cursor), e->cursor, false); break;
    case KEY_DELETE:
    case CTRL('D'): erase(e, e->cursor, right_of(e, e->cursor), false); break;
    case CTRL('K'): {
        size_t end = line_end(e, e->cursor);
        erase(e, e->cursor, end == e->cursor ? right_of(e, end) : end, true);
        break;
    }
    case CTRL('U'): erase(e, line_start(e, e->cursor), e->cursor, true); break;
    case CTRL('W'):
    case KEY_WORD_RUBOUT: erase(e, word_left(e, e->cursor), e->cursor, true); break;
    case KEY_WORD_DELETE: erase(e, e->cursor, word_right(e, e->cursor), true); break;
    case CTRL('Y'): insert(e, buf_str(&e->killed)); break;
    case KEY_NEW_LINE: insert(e, STR("\n")); break;
    case KEY_PASTE: paste(e); break;
    case CTRL('L'):
        write_all(e->out, STR("\x1b[H\x1b[2J"));
        e->shown_row = 0;
        break;
    default: break;
    }
}

/* Leaves the text on the screen with the cursor below it. */
static void leave(editor *e, const char *mark)
{
    e->cursor = e->text.len;
    refresh(e);
    write_all(e->out, str_z(mark));
    write_all(e->out, STR("\r\n"));
}

/* Handles one key; true when the reading is over. */
static bool handle(editor *e, int key, const char *utf8, size_t n, edit_status *status)
{
    if (key != '\t') e->tabbed = false;
    if (key == 0) {
        insert(e, str_of(utf8, n));
    } else if (key == '\r' || key == '\n') {
        if (!e->hooks.complete_text || e->hooks.complete_text(e->hooks.arg, buf_str(&e->text))) {
            leave(e, "");
            *status = EDIT_LINE;
            return true;
        }
        insert(e, STR("\n"));
    } else if (key == CTRL('C')) {
        leave(e, "^C");
        *status = EDIT_CANCEL;
        return true;
    } else if (key == KEY_END_OF_INPUT || (key == CTRL('D') && e->text.len == 0)) {
        leave(e, "");
        *status = EDIT_EOF;
        return true;
    } else if (key == '\t') {
        complete(e);
    } else {
        move_or_change(e, key);
    }
    return false;
}

static bool raw_mode(editor *e)
{
    if (tcgetattr(e->in, &e->before) != 0) return false;
    struct termios raw = e->before;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(e->in, TCSADRAIN, &raw) == 0;
}

edit_status editor_read(editor *e, const char *prompt, const char *more, buf *text)
{
    edit_status status = EDIT_EOF;
    char utf8[4];
    size_t n = 0;
    if (!raw_mode(e)) return EDIT_EOF;
    write_all(e->out, STR("\x1b[?2004h"));
    e->prompt = prompt;
    e->more = more;
    e->past_at = e->past ? history_count(e->past) : 0;
    e->shown_row = 0;
    set_text(e, (str){0});
    for (bool over = false; !over;) {
        refresh(e);
        int key = read_key(e, utf8, &n);
        if (key == CTRL('R')) key = search(e, utf8, &n);
        over = handle(e, key, utf8, n, &status);
    }
    write_all(e->out, STR("\x1b[?2004l"));
    tcsetattr(e->in, TCSADRAIN, &e->before);
    buf_clear(text);
    buf_add_str(text, buf_str(&e->text));
    return status;
}
