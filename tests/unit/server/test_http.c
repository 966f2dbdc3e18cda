/* HTTP: the parser's strictness, chunked bodies at every split, pipelining, limits, streams with back-pressure. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "base/check.h"
#include "server/http.h"

static const http_limits limits = {
    .line_max = 128, .head_max = 512, .body_max = 64, .pipeline_max = 256, .output_max = 100};

static int64_t parse(const char *text, http_head *h)
{
    size_t scanned = 0;
    return http_parse_head(str_z(text), &limits, &scanned, h);
}

START_TEST(a_head_is_taken_apart)
{
    http_head h;
    const char *text =
        "POST /query?a=1&b HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nContent-Length: 5 \r\nAccept:  a/b\t\r\n\r\nhello";
    ck_assert_int_eq(parse(text, &h), (int64_t)strlen(text) - 5);
    ck_assert_int_eq(h.method, HTTP_POST);
    ck_assert(str_eqz(h.path, "/query") && str_eqz(h.query, "a=1&b"));
    ck_assert_int_eq(h.content_length, 5);
    ck_assert(str_eqz(http_header_get(&h, "ACCEPT"), "a/b"));
    ck_assert(http_header_get(&h, "x-empty").p != NULL && http_header_get(&h, "x-empty").n == 0);
    ck_assert(http_header_get(&h, "absent").p == NULL);
    ck_assert(h.keep_alive && !h.chunked && !h.expect_continue);
}
END_TEST

START_TEST(every_prefix_of_a_head_asks_for_more)
{
    http_head h;
    const char *text = "GET /info HTTP/1.1\r\nHost: localhost\r\n\r\n";
    size_t scanned = 0;
    for (size_t n = 1; n < strlen(text); n++) {
        ck_assert_int_eq(http_parse_head(str_of(text, n), &limits, &scanned, &h), HTTP_MORE);
    }
    ck_assert_int_eq(http_parse_head(str_z(text), &limits, &scanned, &h), (int64_t)strlen(text));
}
END_TEST

START_TEST(what_could_be_read_in_two_ways_is_refused)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400}, /* two */
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400}, /* space before colon */
        {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400}, /* folded line */
        {"GET / HTTP/1.1\nHost: a\n\n", 400}, /* bare line feeds */
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400}, /* two spaces */
        {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400}, /* space in the target */
        {"GET nope HTTP/1.1\r\nHost: a\r\n\r\n", 400}, /* no path */
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\001b\r\n\r\n", 400},
        {"\026\003\001\002", 400}, /* a TLS hello */
        {"{\"@\":1}\r\n\r\n", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        http_head h;
        ck_assert_msg(parse(cases[i].text, &h) == -cases[i].status, "case %zu: %lld", i,
                      (long long)parse(cases[i].text, &h));
    }
}
END_TEST

START_TEST(lines_and_heads_have_limits)
{
    http_head h;
    char text[1024];
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    text[200] = 0;
    ck_assert_int_eq(parse(text, &h), -414);
    memcpy(text, "GET / HTTP/1.1\r\nHost: ", 22);
    memset(text + 22, 'a', 900);
    text[600] = 0;
    ck_assert_int_eq(parse(text, &h), -431);
}
END_TEST

START_TEST(chunks_decode_at_every_split)
{
    const char *text = "5\r\nhello\r\nA;ext=\"1\"\r\n, chunked!\r\n0\r\nTrailer: x\r\n\r\nNEXT";
    size_t whole = strlen(text) - 4;
    for (size_t split = 0; split <= strlen(text); split++) {
        http_chunks c = {0};
        buf body = {0};
        int64_t first = http_chunks_decode(&c, str_of(text, split), 64, &body);
        ck_assert_int_ge(first, 0);
        int64_t rest = http_chunks_decode(&c, str_of(text + first, strlen(text) - (size_t)first), 64, &body);
        ck_assert(c.done);
        ck_assert_int_eq(first + rest, (int64_t)whole);
        ck_assert(str_eqz(buf_str(&body), "hello, chunked!"));
        buf_free(&body);
    }
}
END_TEST

START_TEST(malformed_and_large_chunks_are_refused)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"\r\n", 400},
        {"x\r\n", 400},
        {"5\nhello", 400},
        {"5\r\nhelloX\n", 400},
        {"41\r\n", 413},
        {"ffffffffffffff\r\n", 400},
        {"0\r\nA: b\n\r\n", 400},
        {"5\r\rhello", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        http_chunks c = {0};
        buf body = {0};
        int64_t status = http_chunks_decode(&c, str_z(cases[i].text), 64, &body);
        ck_assert_msg(status == -cases[i].status, "case %zu gave %lld", i, (long long)status);
        buf_free(&body);
    }
}
END_TEST

START_TEST(percent_escapes_decode)
{
    char out[64];
    ck_assert_int_eq(http_percent_decode(STR("a%2Fb+c"), true, out), 5);
    ck_assert(memcmp(out, "a/b c", 5) == 0);
    ck_assert_int_eq(http_percent_decode(STR("%zz"), false, out), -1);
    ck_assert_int_eq(http_percent_decode(STR("%0"), false, out), -1);
    ck_assert_int_eq(http_percent_decode(STR("%00"), false, out), -1);
}
END_TEST

/* ---- connections ---- */

/* A service that answers at once with the body it got, keeps "/later" open, and counts what it is told. */
typedef struct echo {
    http_service service;
    http_exchange *later;
    int requests, closed, writable, wakes;
    buf bodies;
} echo;

static void echo_request(void *context, http_exchange *x, const http_request *rq)
{
    echo *e = context;
    e->requests++;
    buf_add_str(&e->bodies, rq->body);
    buf_add_char(&e->bodies, '|');
    if (str_eqz(rq->path, "/later")) {
        e->later = x;
        return;
    }
    http_reply(x, 200, "text/plain", rq->body.n > 0 ? rq->body : rq->path);
}

static void echo_closed(void *context, http_exchange *x)
{
    echo *e = context;
    e->closed++;
    e->later = NULL;
}

static void echo_writable(void *context, http_exchange *x)
{
    ((echo *)context)->writable++;
}

static void echo_wake(void *owner)
{
    ((echo *)owner)->wakes++;
}

static http_conn *open_echo(echo *e)
{
    *e = (echo){0};
    e->service = (http_service){
        .context = e, .limits = limits, .request = echo_request, .closed = echo_closed, .writable = echo_writable};
    return http_conn_new(&e->service, echo_wake, e);
}

/* Everything that the connection sends now. */
static buf drain(http_conn *c)
{
    buf all = {0};
    for (str out; (out = http_conn_output(c)).n > 0;) {
        buf_add_str(&all, out);
        http_conn_sent(c, out.n);
    }
    buf_add_char(&all, 0);
    return all;
}

static int count(const buf *b, const char *what)
{
    int n = 0;
    for (const char *at = b->data; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

START_TEST(pipelined_requests_are_answered_in_order_at_every_split)
{
    const char *text = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
                       "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz"
                       "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nuv\r\n1\r\nw\r\n0\r\n\r\n"
                       "HEAD /d HTTP/1.1\r\nHost: h\r\n\r\n";
    for (size_t split = 0; split <= strlen(text); split++) {
        echo e;
        http_conn *c = open_echo(&e);
        http_conn_receive(c, str_of(text, split));
        http_conn_receive(c, str_of(text + split, strlen(text) - split));
        buf out = drain(c);
        ck_assert_int_eq(e.requests, 4);
        ck_assert(str_eqz(buf_str(&e.bodies), "|xyz|uvw||"));
        ck_assert_int_eq(count(&out, "HTTP/1.1 200 OK\r\n"), 4);
        ck_assert(strstr(out.data, "/a") < strstr(out.data, "xyz") &&
                  strstr(out.data, "xyz") < strstr(out.data, "uvw"));
        ck_assert(!strstr(out.data, "/d"));
        ck_assert(http_conn_idle(c) && !http_conn_done(c));
        buf_free(&out);
        buf_free(&e.bodies);
        http_conn_free(c);
    }
}
END_TEST

START_TEST(a_request_waits_while_the_one_before_is_answered)
{
    echo e;
    http_conn *c = open_echo(&e);
    http_conn_receive(c, STR("GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"));
    ck_assert_int_eq(e.requests, 1);
    http_reply(e.later, 200, "text/plain", STR("first"));
    ck_assert_int_eq(e.requests, 2);
    ck_assert_int_ge(e.wakes, 1);
    buf out = drain(c);
    ck_assert(strstr(out.data, "first") < strstr(out.data, "/b"));
    buf_free(&out);
    buf_free(&e.bodies);
    http_conn_free(c);
}
END_TEST

START_TEST(input_behind_an_open_answer_is_bounded)
{
    echo e;
    http_conn *c = open_echo(&e);
    http_conn_receive(c, STR("GET /later HTTP/1.1\r\nHost: h\r\n\r\n"));
    ck_assert(http_conn_wants_input(c));
    for (int i = 0; i < 10; i++) http_conn_receive(c, STR("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"));
    ck_assert(!http_conn_wants_input(c));
    http_conn_free(c);
    ck_assert_int_eq(e.closed, 1);
    buf_free(&e.bodies);
}
END_TEST

START_TEST(a_slow_reader_is_told_and_released)
{
    echo e;
    http_conn *c = open_echo(&e);
    http_conn_receive(c, STR("GET /later HTTP/1.1\r\nHost: h\r\n\r\n"));
    http_reply_begin(e.later, 200, "text/plain");
    int rows = 0;
    while (http_reply_write(e.later, STR("0123456789"))) rows++;
    ck_assert_int_lt(rows, 20);
    ck_assert_int_eq(e.writable, 0);
    buf out = drain(c);
    ck_assert_int_eq(e.writable, 1);
    ck_assert_int_eq(count(&out, "a\r\n0123456789\r\n"), rows + 1);
    ck_assert(strstr(out.data, "Transfer-Encoding: chunked"));
    buf_free(&out);
    http_reply_end(e.later);
    out = drain(c);
    ck_assert_str_eq(out.data, "0\r\n\r\n");
    buf_free(&out);
    buf_free(&e.bodies);
    http_conn_free(c);
}
END_TEST

START_TEST(a_client_that_leaves_ends_its_stream)
{
    echo e;
    http_conn *c = open_echo(&e);
    http_conn_receive(c, STR("GET /later HTTP/1.1\r\nHost: h\r\n\r\n"));
    http_reply_begin(e.later, 200, NULL);
    http_conn_eof(c);
    ck_assert_int_eq(e.closed, 1);
    ck_assert(http_conn_done(c));
    buf_free(&e.bodies);
    http_conn_free(c);
}
END_TEST

START_TEST(a_client_that_only_stops_sending_gets_its_answer)
{
    echo e;
    http_conn *c = open_echo(&e);
    http_conn_receive(c, STR("GET /later HTTP/1.1\r\nHost: h\r\n\r\n"));
    http_conn_eof(c);
    ck_assert(!http_conn_done(c));
    http_reply(e.later, 200, "text/plain", STR("answer"));
    buf out = drain(c);
    ck_assert(strstr(out.data, "answer"));
    ck_assert(http_conn_done(c));
    buf_free(&out);
    buf_free(&e.bodies);
    http_conn_free(c);
}
END_TEST

START_TEST(continue_is_sent_once_and_large_bodies_are_refused)
{
    echo e;
    http_conn *c = open_echo(&e);
    http_conn_receive(c, STR("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    http_conn_receive(c, STR("a"));
    buf out = drain(c);
    ck_assert_str_eq(out.data, "HTTP/1.1 100 Continue\r\n\r\n");
    buf_free(&out);
    http_conn_receive(c, STR("bc"));
    ck_assert(str_eqz(buf_str(&e.bodies), "abc|"));
    http_conn_receive(c, STR("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 65\r\nExpect: 100-continue\r\n\r\n"));
    out = drain(c);
    ck_assert(strstr(out.data, "HTTP/1.1 413 ") && strstr(out.data, "\"error_code\":41300"));
    ck_assert(http_conn_done(c));
    ck_assert_int_eq(e.requests, 1);
    buf_free(&out);
    buf_free(&e.bodies);
    http_conn_free(c);
}
END_TEST

START_TEST(an_old_client_gets_a_stream_that_ends_with_the_connection)
{
    echo e;
    http_conn *c = open_echo(&e);
    http_conn_receive(c, STR("GET /later HTTP/1.0\r\n\r\n"));
    http_reply_begin(e.later, 200, NULL);
    http_reply_write(e.later, STR("row"));
    http_reply_end(e.later);
    buf out = drain(c);
    ck_assert(strstr(out.data, "Connection: close") && !strstr(out.data, "chunked"));
    ck_assert(strcmp(out.data + strlen(out.data) - 7, "\r\n\r\nrow") == 0);
    ck_assert(http_conn_done(c));
    buf_free(&out);
    buf_free(&e.bodies);
    http_conn_free(c);
}
END_TEST

START_TEST(http2_serves_a_request_with_prior_knowledge)
{
    /* Preface, empty SETTINGS, then HEADERS: GET http / with authority "h", all from HPACK's static table. */
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const char frames[] = "\0\0\0\4\0\0\0\0\0"
                                 "\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\x01h";
    echo e;
    http_conn *c = open_echo(&e);
    for (size_t i = 0; i < sizeof preface - 1; i++) http_conn_receive(c, str_of(preface + i, 1));
    http_conn_receive(c, str_of(frames, sizeof frames - 1));
    ck_assert_int_eq(e.requests, 1);
    buf out = drain(c);
    ck_assert(memmem(out.data, out.len, "\0\0\1\0\1\0\0\0\1/", 10) != NULL); /* DATA, END_STREAM, the path */
    ck_assert(http_conn_idle(c));
    buf_free(&out);
    buf_free(&e.bodies);
    http_conn_free(c);
}
END_TEST

START_TEST(any_bytes_are_survived)
{
    static const char *const seeds[] = {
        "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nuv\r\n0\r\n\r\nGET /a HTTP/1.1\r\nHost: "
        "h\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    };
    uint64_t state = 42;
    for (int round = 0; round < 3000; round++) {
        char text[160];
        const char *seed = seeds[round & 1];
        size_t n = round & 1 ? 33 : strlen(seed);
        memcpy(text, seed, n);
        for (int k = 0; k < 3; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[(state >> 33) % n] = (char)(state >> 56);
        }
        echo e;
        http_conn *c = open_echo(&e);
        http_conn_receive(c, str_of(text, n / 2));
        http_conn_receive(c, str_of(text + n / 2, n - n / 2));
        if (e.later && round % 3 == 0) http_reply(e.later, 200, NULL, (str){0});
        buf out = drain(c);
        buf_free(&out);
        http_conn_free(c);
        buf_free(&e.bodies);
    }
}
END_TEST

UNIT_MAIN("server/http", a_head_is_taken_apart, every_prefix_of_a_head_asks_for_more,
          what_could_be_read_in_two_ways_is_refused, lines_and_heads_have_limits, chunks_decode_at_every_split,
          malformed_and_large_chunks_are_refused, percent_escapes_decode,
          pipelined_requests_are_answered_in_order_at_every_split, a_request_waits_while_the_one_before_is_answered,
          input_behind_an_open_answer_is_bounded, a_slow_reader_is_told_and_released,
          a_client_that_leaves_ends_its_stream, a_client_that_only_stops_sending_gets_its_answer,
          continue_is_sent_once_and_large_bodies_are_refused, an_old_client_gets_a_stream_that_ends_with_the_connection,
          http2_serves_a_request_with_prior_knowledge, any_bytes_are_survived)
