#include "repl/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "repl/split.h"

enum { SCRIPT_DEPTH_MAX = 16, SCRIPT_BYTES_MAX = 64 << 20, NAME_MAX_BYTES = 256, VALUE_MAX_BYTES = 65536 };

void session_print(session *s, str text)
{
    if (text.n == 0) return;
    fwrite(text.p, 1, text.n, stdout);
    fflush(stdout);
    if (!s->spool) return;
    fwrite(text.p, 1, text.n, s->spool);
    fflush(s->spool);
}

void session_printf(session *s, const char *format, ...)
{
    buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    session_print(s, buf_str(&text));
    buf_free(&text);
}

void session_error(session *s, str text)
{
    if (s->interactive) {
        session_print(s, text);
        return;
    }
    fflush(stdout);
    fwrite(text.p, 1, text.n, stderr);
}

static session_result fail(session *s, const diag *d)
{
    buf text = {0};
    buf_printf(&text, "%s\n", d->text);
    if (d->hint[0]) buf_printf(&text, "%s\n", d->hint);
    session_error(s, buf_str(&text));
    buf_free(&text);
    return SESSION_FAILED;
}

static void free_values(map *m)
{
    void *value;
    for (size_t it = 0; map_next(m, &it, NULL, &value);) free(value);
    map_free(m);
}

void session_free(session *s)
{
    free_values(&s->properties);
    free_values(&s->variables);
    if (s->spool) fclose(s->spool);
    s->spool = NULL;
}

void session_clear_interrupt(session *s)
{
    char drop[64];
    struct pollfd fd = {s->interrupt_fd, POLLIN, 0};
    while (s->interrupt_fd >= 0 && poll(&fd, 1, 0) > 0 && read(s->interrupt_fd, drop, sizeof drop) > 0) {
    }
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static void put_map(json_out *o, const char *name, const map *m)
{
    str key;
    void *value;
    json_out_key(o, name);
    json_out_object(o);
    for (size_t it = 0; map_next(m, &it, &key, &value);) {
        json_out_key_str(o, key);
        json_out_z(o, value);
    }
    json_out_end_object(o);
}

static void request_body(const session *s, const char *sql_name, const char *properties_name, str text, buf *out)
{
    json_out o = {.b = out};
    json_out_object(&o);
    json_out_key(&o, sql_name);
    json_out_str(&o, text);
    put_map(&o, properties_name, &s->properties);
    put_map(&o, "sessionVariables", &s->variables);
    json_out_end_object(&o);
}

/* Shows that a wait goes on; only where a person looks on. */
static void show_progress(void *arg, int64_t waited_ms)
{
    if (waited_ms < 500) return;
    fprintf(stderr, "\r\x1b[K... %lld.%lld s (Ctrl-C stops waiting)", (long long)(waited_ms / 1000),
            (long long)(waited_ms / 100 % 10));
    fflush(stderr);
    *(bool *)arg = true;
}

static client_status request(session *s, const char *path, const char *accept, str body, int *status, diag *d)
{
    bool shown = false;
    session_clear_interrupt(s);
    client_set_cancel(s->client, s->interrupt_fd);
    client_set_progress(s->client, s->interactive && isatty(2) ? show_progress : NULL, &shown);
    client_status result = client_request(s->client, path, accept, body, status, d);
    client_set_progress(s->client, NULL, NULL);
    if (shown) fputs("\r\x1b[K", stderr);
    return result;
}

static session_result ended(session *s, client_status status, const diag *d)
{
    if (status == CLIENT_FAILED) return fail(s, d);
    if (status != CLIENT_CANCELLED) return SESSION_DONE;
    client_drop(s->client);
    session_clear_interrupt(s);
    return SESSION_INTERRUPTED;
}

/* An answer that is no 200: shows its error. */
static session_result refused(session *s, int http_status, str statement)
{
    diag d = {0};
    buf body = {0}, text = {0};
    arena *mem = arena_new();
    client_status status = client_rest(s->client, &body, &d);
    if (status == CLIENT_OK) {
        const json_value *error = json_parse(mem, buf_str(&body), NULL, &d);
        if (error && error->kind == JSON_OBJECT)
            render_error(error, statement, &text);
        else
            buf_printf(&text, "The server answered with HTTP status %d\n%.*s\n", http_status, STR_ARG(buf_str(&body)));
        session_error(s, buf_str(&text));
    }
    arena_free(mem);
    buf_free(&body);
    buf_free(&text);
    if (status != CLIENT_OK) return ended(s, status, &d);
    return SESSION_FAILED;
}

const json_value *session_ask(session *s, str statements, bool quiet, arena *mem, session_result *result)
{
    diag d = {0};
    buf body = {0}, answer = {0};
    int status = 0;
    const json_value *v = NULL;
    request_body(s, "ksql", "streamsProperties", statements, &body);
    client_status got = request(s, "/ksql", "application/json", buf_str(&body), &status, &d);
    if (got == CLIENT_OK && status == 200) got = client_rest(s->client, &answer, &d);
    *result = SESSION_FAILED;
    if (got != CLIENT_OK) {
        if (!quiet || got == CLIENT_CANCELLED) *result = ended(s, got, &d);
    } else if (status != 200) {
        if (quiet)
            client_drop(s->client);
        else
            *result = refused(s, status, statements);
    } else {
        v = json_parse(mem, arena_str(mem, buf_str(&answer)), NULL, &d);
        if (v)
            *result = SESSION_DONE;
        else if (!quiet)
            *result = fail(s, &d);
    }
    buf_free(&body);
    buf_free(&answer);
    return v;
}

static session_result run_plain(session *s, str statement)
{
    arena *mem = arena_new();
    session_result result;
    const json_value *entities = session_ask(s, statement, false, mem, &result);
    if (entities) {
        buf out = {0};
        render_entities(&s->render, entities, &out);
        session_print(s, buf_str(&out));
        buf_free(&out);
        s->names_stale = true;
    }
    arena_free(mem);
    return result;
}

/* ---- queries ------------------------------------------------------------------------------------------------- */

static bool has_word(str statement, const char *word)
{
    for (int i = 1;; i++) {
        str w = split_word(statement, i);
        if (w.n == 0) return false;
        if (str_ieq(w, str_z(word))) return true;
    }
}

/* One line of the answer's array: without the brackets and commas of the array itself. */
static str array_line(str line, bool first)
{
    line = str_trim(line);
    if (first && line.n > 0 && line.p[0] == '[') line = str_of(line.p + 1, line.n - 1);
    if (line.n > 0 && line.p[line.n - 1] == ']') line.n--;
    if (line.n > 0 && line.p[line.n - 1] == ',') line.n--;
    return line;
}

/* What a query's answer has given so far. */
typedef struct reading {
    session *s;
    str statement;
    bool live;
    rows *rows;
    bool failed, over;
} reading;

static void take_element(reading *r, const json_value *v, buf *out)
{
    session *s = r->s;
    const json_value *row = json_getz(v, "row"), *header = json_getz(v, "header"),
                     *error = json_getz(v, "errorMessage");
    str text;
    bool tombstone = false;
    if (header && !r->rows) {
        text = (str){0};
        json_as_str(json_getz(header, "schema"), &text);
        r->rows = rows_new(&s->render, text, r->live, out);
    } else if (row && r->rows) {
        json_as_bool(json_getz(row, "tombstone"), &tombstone);
        rows_add(r->rows, json_getz(row, "columns"), tombstone, out);
        if (s->row_limit >= 0 && rows_count(r->rows) >= (uint64_t)s->row_limit) r->over = true;
    } else if (error) {
        buf message = {0};
        render_error(error, r->statement, &message);
        session_print(s, buf_str(out));
        buf_clear(out);
        session_error(s, buf_str(&message));
        buf_free(&message);
        r->failed = true;
    } else if (json_as_str(json_getz(v, "finalMessage"), &text) && r->rows) {
        rows_end(r->rows, out);
        if (s->interactive && s->render.form == RENDER_TABLE) buf_printf(out, "%.*s\n", STR_ARG(text));
        rows_free(r->rows);
        r->rows = NULL;
        r->over = true;
    }
}

static session_result read_rows(session *s, str statement, bool live)
{
    reading r = {.s = s, .statement = statement, .live = live};
    diag d = {0};
    buf out = {0};
    arena *mem = arena_new();
    client_status status = CLIENT_OK;
    bool first = true;
    while (!r.over && !r.failed) {
        str line;
        status = client_line(s->client, &line, &d);
        if (status != CLIENT_OK) break;
        line = array_line(line, first);
        first = false;
        if (line.n == 0) continue;
        arena_reset(mem);
        const json_value *v = json_parse(mem, line, NULL, &d);
        if (!v) {
            status = CLIENT_FAILED;
            break;
        }
        take_element(&r, v, &out);
        if (live || out.len > 65536) {
            session_print(s, buf_str(&out));
            buf_clear(&out);
        }
    }
    if (r.rows && !r.failed) rows_end(r.rows, &out);
    session_print(s, buf_str(&out));
    if (s->interactive && r.rows && !live && !r.failed && s->render.form == RENDER_TABLE) {
        uint64_t n = rows_count(r.rows);
        session_printf(s, "%llu row%s\n", (unsigned long long)n, n == 1 ? "" : "s");
    }
    rows_free(r.rows);
    buf_free(&out);
    arena_free(mem);
    client_drop(s->client);
    if (r.failed) return SESSION_FAILED;
    return status == CLIENT_OK || status == CLIENT_END ? SESSION_DONE : ended(s, status, &d);
}

static session_result read_lines(session *s)
{
    diag d = {0};
    str line;
    client_status status;
    while ((status = client_line(s->client, &line, &d)) == CLIENT_OK) {
        session_print(s, line);
        session_print(s, STR("\n"));
    }
    return status == CLIENT_END ? SESSION_DONE : ended(s, status, &d);
}

static session_result run_query(session *s, str statement, bool print)
{
    diag d = {0};
    buf body = {0};
    int status = 0;
    bool live = !print && has_word(statement, "EMIT");
    request_body(s, print ? "ksql" : "sql", print ? "streamsProperties" : "properties", statement, &body);
    client_status got =
        request(s, print ? "/query" : "/query-stream", "application/vnd.ksql.v1+json", buf_str(&body), &status, &d);
    buf_free(&body);
    if (got != CLIENT_OK) return ended(s, got, &d);
    if (status != 200) return refused(s, status, statement);
    if (s->interactive && (live || print)) session_print(s, STR("Press CTRL-C to interrupt\n"));
    session_result result = print ? read_lines(s) : read_rows(s, statement, live);
    if (result == SESSION_INTERRUPTED && s->interactive) session_print(s, STR("Query terminated\n"));
    return result;
}

/* ---- statements of the session ------------------------------------------------------------------------------- */

/* 'name' = 'value' behind the first word. */
static bool read_pair(str statement, bool quoted_name, char *name, char *value)
{
    str first = split_word(statement, 1);
    if (quoted_name) {
        if (split_unquote(first, name, NAME_MAX_BYTES) < 0) return false;
    } else {
        if (first.n == 0 || first.n >= NAME_MAX_BYTES) return false;
        memcpy(name, first.p, first.n);
        name[first.n] = 0;
    }
    if (!value) return str_eqz(split_word(statement, 2), ";");
    return str_eqz(split_word(statement, 2), "=") &&
           split_unquote(split_word(statement, 3), value, VALUE_MAX_BYTES) >= 0 &&
           str_eqz(split_word(statement, 4), ";");
}

static void put_value(map *m, const char *name, const char *value)
{
    char *copy = strdup(value);
    check(copy);
    free(map_put(m, str_z(name), copy));
}

static session_result usage(session *s, const char *form)
{
    buf text = {0};
    buf_printf(&text, "Write: %s\n", form);
    session_error(s, buf_str(&text));
    buf_free(&text);
    return SESSION_FAILED;
}

static session_result run_set(session *s, str statement)
{
    char name[NAME_MAX_BYTES], *value = malloc(VALUE_MAX_BYTES);
    check(value);
    session_result result = SESSION_DONE;
    if (!read_pair(statement, true, name, value)) {
        result = usage(s, "SET 'property'='value';");
    } else {
        diag d = {0};
        buf path = {0};
        int status = 0;
        buf_add_z(&path, "/is_valid_property/");
        for (const char *p = name; *p; p++) {
            if ((*p >= '0' && *p <= '9') || strchr("._-", *p) || ((*p | 32) >= 'a' && (*p | 32) <= 'z'))
                buf_add_char(&path, *p);
            else
                buf_printf(&path, "%%%02X", (unsigned char)*p);
        }
        client_status got = request(s, buf_z(&path), "application/json", (str){0}, &status, &d);
        buf_free(&path);
        if (got != CLIENT_OK) {
            result = ended(s, got, &d);
        } else if (status != 200) {
            result = refused(s, status, statement);
        } else {
            client_drop(s->client);
            void *before = map_get(&s->properties, str_z(name));
            if (before)
                session_printf(s, "Successfully changed local property '%s' from '%s' to '%s'.\n", name, (char *)before,
                               value);
            else
                session_printf(s, "Successfully changed local property '%s' to '%s'.\n", name, value);
            put_value(&s->properties, name, value);
        }
    }
    free(value);
    return result;
}

static session_result run_unset(session *s, str statement)
{
    char name[NAME_MAX_BYTES];
    if (!read_pair(statement, true, name, NULL)) return usage(s, "UNSET 'property';");
    char *old = map_remove(&s->properties, str_z(name));
    if (!old) {
        buf text = {0};
        buf_printf(&text, "Cannot unset '%s': it was never set in this session\n", name);
        session_error(s, buf_str(&text));
        buf_free(&text);
        return SESSION_FAILED;
    }
    session_printf(s, "Successfully unset local property '%s' (value was '%s').\n", name, old);
    free(old);
    return SESSION_DONE;
}

/* Variables compare without case: their names are kept in lower case. */
static void lower(char *name)
{
    for (; *name; name++) {
        if (*name >= 'A' && *name <= 'Z') *name = (char)(*name + 32);
    }
}

static session_result run_define(session *s, str statement)
{
    char name[NAME_MAX_BYTES], *value = malloc(VALUE_MAX_BYTES);
    check(value);
    bool good = read_pair(statement, false, name, value);
    if (good) {
        lower(name);
        put_value(&s->variables, name, value);
    }
    free(value);
    return good ? SESSION_DONE : usage(s, "DEFINE name = 'value';");
}

static session_result run_undefine(session *s, str statement)
{
    char name[NAME_MAX_BYTES];
    if (!read_pair(statement, false, name, NULL)) return usage(s, "UNDEFINE name;");
    lower(name);
    char *old = map_remove(&s->variables, str_z(name));
    if (!old) {
        buf text = {0};
        buf_printf(&text, "Cannot undefine variable '%s' which was never defined\n", name);
        session_error(s, buf_str(&text));
        buf_free(&text);
        return SESSION_FAILED;
    }
    free(old);
    return SESSION_DONE;
}

static session_result run_show_variables(session *s)
{
    str key, cells[2] = {STR("Variable Name"), STR("Value")};
    void *value;
    buf out = {0};
    table *t = table_new(2, s->render.width, s->render.wrap);
    table_heading(t, cells);
    if (s->render.form == RENDER_CSV) render_csv(cells, 2, &out);
    for (size_t it = 0; map_next(&s->variables, &it, &key, &value);) {
        cells[0] = key;
        cells[1] = str_z(value);
        if (s->render.form == RENDER_CSV)
            render_csv(cells, 2, &out);
        else
            table_row(t, cells);
    }
    if (s->render.form == RENDER_TABLE) table_draw(t, &out);
    if (s->render.form == RENDER_JSON) {
        json_out o = {.b = &out};
        json_out_object(&o);
        put_map(&o, "variables", &s->variables);
        json_out_end_object(&o);
        buf_add_char(&out, '\n');
    }
    session_print(s, buf_str(&out));
    table_free(t);
    buf_free(&out);
    return SESSION_DONE;
}

static session_result run_statement(session *s, str statement)
{
    if (split_begins(statement, "SELECT")) return run_query(s, statement, false);
    if (split_begins(statement, "PRINT")) return run_query(s, statement, true);
    if (split_begins(statement, "SET")) return run_set(s, statement);
    if (split_begins(statement, "UNSET")) return run_unset(s, statement);
    if (split_begins(statement, "DEFINE")) return run_define(s, statement);
    if (split_begins(statement, "UNDEFINE")) return run_undefine(s, statement);
    if (split_begins(statement, "SHOW VARIABLES") || split_begins(statement, "LIST VARIABLES"))
        return run_show_variables(s);
    if (split_begins(statement, "RUN SCRIPT")) {
        char path[4096];
        if (split_unquote(split_word(statement, 2), path, sizeof path) < 0) return usage(s, "RUN SCRIPT 'file';");
        return session_run_file(s, path);
    }
    return run_plain(s, statement);
}

session_result session_run(session *s, str text)
{
    if (command_is(text)) return command_run(s, text);
    while (!s->done) {
        str statement;
        size_t used;
        split_state state;
        if (!split_next(text, &statement, &used, &state)) {
            if (state == SPLIT_EMPTY) return SESSION_DONE;
            /* What a file or -e ends with may lack its semicolon, like in any shell. */
            if (state != SPLIT_STATEMENT) {
                session_error(s, state == SPLIT_COMMENT ? STR("A comment is not closed (*/ is missing)\n")
                                                        : STR("A quoted text is not closed\n"));
                return SESSION_FAILED;
            }
            buf whole = {0};
            buf_add_str(&whole, text);
            buf_add_z(&whole, "\n;");
            session_result result =
                split_next(buf_str(&whole), &statement, &used, &state) ? run_statement(s, statement) : SESSION_FAILED;
            buf_free(&whole);
            return result;
        }
        session_result result = run_statement(s, statement);
        if (result != SESSION_DONE) return result;
        text = str_of(text.p + used, text.n - used);
    }
    return SESSION_DONE;
}

session_result session_run_file(session *s, const char *path)
{
    diag d = {0};
    buf text = {0};
    ssize_t n = 0;
    if (s->script_depth == SCRIPT_DEPTH_MAX) {
        diag_set(&d, DIAG_LIMIT, "scripts run scripts more than %d deep: '%s' is not run", SCRIPT_DEPTH_MAX, path);
        return fail(s, &d);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && text.len < SCRIPT_BYTES_MAX && (n = read(fd, buf_reserve(&text, 65536), 65536)) > 0) {
        text.len += (size_t)n;
    }
    if (fd < 0 || n < 0) {
        diag_os(&d, errno, "cannot read the script '%s'", path);
        if (fd >= 0) close(fd);
        buf_free(&text);
        return fail(s, &d);
    }
    close(fd);
    s->script_depth++;
    session_result result = session_run(s, buf_str(&text));
    s->script_depth--;
    buf_free(&text);
    return result;
}
