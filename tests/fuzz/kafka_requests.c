/* Valid Kafka requests from a table of their fields. */
#include "tests/fuzz/kafka_requests.h"

#include <stdlib.h>

#include "base/check.h"
#include "broker/api.h"

/*
 * The body of a request, as words. The first letter is the type: b h i q B integers of 1, 2, 4, 8 bytes and a bool, s a
 * string, n a nullable one, y bytes, u a topic id, r a record batch, c a null struct; [ and ] hold an array's one
 * element, ends of structs write their tags ({ } hold an array of plain values, which have none). Behind a colon the
 * versions (`:3-7`, `:3-`, `:-7`), behind `=` the value (null: `n` without one; % stands for a zero byte). Sources:
 * clients/src/main/resources/common/message of Apache Kafka.
 */
typedef struct body {
    int16_t key;
    const char *fields;
} body;

static const body bodies[] = {
    {0, "n:3- h=1 i=1000 [ s:-12=t u:13- [ i=0 r ] ]"},
    {1, "i:-14=-1 i=0 i=1 i=65536 b=1 i:7-=0 i:7-=-1 [ s:-12=t u:13- [ i=0 i:9-=-1 q=0 i:12-=-1 q:5-=-1 i=65536 ] ] "
        "[:7- s:-12=t u:13- { i=1 } ] s:11-="},
    {2, "i=-1 b:2-=0 [ s=t [ i=0 i:4-=-1 q=-1 ] ] i:10-=100"},
    {3, "[ u:10- s:-9=t n:10-=t ] B:4-=1 B:8-10=1 B:8-=1"},
    {8, "s=g i=-1 s= n:7- q:2-4=-1 [ s:-9=t u:10- [ i=0 q=3 i:6-=-1 n=meta ] ]"},
    {9, "s:-7=g [:-7 s=t { i=0 } ] [:8- s=g n:9- i:9-=-1 [ s:-9=t u:10- { i=0 } ] ] B:7-=1"},
    {10, "s:-3=g b:1-=0 {:4- s=g }"},
    {11, "s=g i=10000 i:1-=20000 s= n:5- s=consumer [ s=range y=metadata ] n:8-=why"},
    {12, "s=g i=1 s=member n:3-"},
    {13, "s=g s:-2=member [:3- s=member n n:5-=why ]"},
    {14, "s=g i=1 s=member n:3- n:5-=consumer n:5-=range [ s=member y=assignment ]"},
    {15, "{ s=g } B:3-=1"},
    {16, "{:4- s=Stable } {:5- s=classic }"},
    {17, "s=PLAIN"},
    {18, "s:3-=fuzz s:3-=1.0 n:5- i:5-=-1"},
    {19, "[ s=new i=1 h=1 [ i=0 { i=1 } ] [ s=cleanup.policy n=compact ] ] i=1000 B=0"},
    {20, "[:6- n=t u0 ] {:-5 s=t } i=1000"},
    {21, "[ s=t [ i=0 q=0 ] ] i=1000"},
    {22, "n=tx i=60000 q:3-=-1 h:3-=-1"},
    {23, "i:3-=-1 [ s=t [ i=0 i=-1 i=0 ] ]"},
    {24, "s:-3=tx q:-3=0 h:-3=0 [:-3 s=t { i=0 } ] [:4- s=tx q=0 h=0 B=0 [ s=t { i=0 } ] ]"},
    {25, "s=tx q=0 h=0 s=g"},
    {26, "s=tx q=0 h=0 B=1"},
    {27, "[ q=0 h=0 B=1 [ s=t { i=0 } ] i=0 b:2-=0 ]"},
    {28, "s=tx s=g q=0 h=0 i:3-=-1 s:3-= n:3- [ s:-5=t u:6- [ i=0 q=1 i:2-=-1 n= ] ]"},
    {29, "b=1 n b=1 n n b=1 b=1"},
    {30, "[ b=2 s=t b=4 s=User:a s=* b=3 b=3 ]"},
    {31, "[ b=2 n=t b=2 n=User:a n=* b=1 b=1 ]"},
    {32, "[ b=2 s=t { s=retention.ms } ] B=1 B:3-=1"},
    {33, "[ b=2 s=t [ s=retention.ms n=1000 ] ] B=0"},
    {34, "[ s=/data [ s=t { i=0 } ] ]"},
    {35, "[ s=t { i=0 } ]"},
    {36, "y=auth"},
    {37, "[ s=t i=3 [ { i=1 } ] ] i=1000 B=0"},
    {42, "{ s=g }"},
    {43, "b:1-=0 [ s=t { i=0 } ] i=1000"},
    {44, "[ b=2 s=t [ s=retention.ms b=0 n=1000 ] ] B=0"},
    {45, "i=1000 B:1-=1 [ s=t [ i=0 { i=1 } ] ]"},
    {46, "i=1000 [ s=t { i=0 } ]"},
    {47, "s=g [ s=t [ i=0 ] ]"},
    {48, "[ s=user b=0 n=ANONYMOUS ] B=0"},
    {49, "[ [ s=user n=ANONYMOUS ] [ s=producer_byte_rate q=4652218415073722368 B=0 ] ] B=0"},
    {50, "[ s=user ]"},
    {51, "[ s=user b=1 ] [ s=user b=1 i=4096 y=salt y=password ]"},
    {55, "[ s=__cluster_metadata [ i=0 ] ]"},
    {57, "i=1000 [ s=transaction.version h=2 B:-0=0 b:1-=1 ] B:1-=1"},
    {60, "B=1 b:1-=1 B:2-=1"},
    {61, "[ s=t { i=0 } ]"},
    {65, "{ s=tx }"},
    {66, "{ s=Ongoing } { q=0 } q:1-=-1 n:2-=tx"},
    {68, "s=g s=member i=0 n n i=10000 { s=t } n:1- n [ u { i=0 } ]"},
    {69, "{ s=g } B=1"},
    {74, "{:1- b=2 }"},
    {75, "[ s=t ] i=100 c"},
};

static void put_batch(wire_out *o, bool transactional)
{
    batch_builder b = {0};
    batch_options options = batch_options_plain();
    if (transactional) {
        options.producer_id = 0;
        options.producer_epoch = 0;
        options.base_sequence = 0;
        options.transactional = true;
    }
    batch_begin(&b, &options);
    for (int i = 0; i < 3; i++) {
        batch_record r = {STR("key"), STR("value"), 1700000000000, NULL, 0};
        batch_add(&b, &r);
    }
    uint8_t *data;
    size_t n;
    diag d = {0};
    check(batch_finish(&b, &data, &n, &d));
    wire_put_blob(o, str_of((const char *)data, n));
    batch_builder_free(&b);
}

/* Whether a word with `:first-last` is part of this version; *value is what stands behind its `=`, or NULL. */
static bool in_version(const char *word, size_t n, int version, str *value)
{
    *value = (str){0};
    const char *end = word + n, *p = memchr(word, '=', n);
    if (p) {
        *value = str_of(p + 1, (size_t)(end - p - 1));
        end = p;
    }
    p = memchr(word, ':', (size_t)(end - word));
    if (!p) return true;
    long first = 0, last = INT16_MAX;
    char *q;
    p++;
    if (*p != '-') {
        first = strtol(p, &q, 10);
        p = q;
    }
    if (p < end && *p == '-' && p + 1 < end) last = strtol(p + 1, NULL, 10);
    return version >= first && version <= last;
}

static void put_field(wire_out *o, char type, str value, const uint8_t id[16], bool transactional)
{
    static const uint8_t zeros[16];
    char text[64];
    int64_t number = 0;
    check(value.n <= sizeof text);
    for (size_t i = 0; i < value.n; i++) text[i] = value.p[i] == '%' ? 0 : value.p[i];
    if (value.p) value.p = text;
    if (value.n > 0) str_to_i64(value, &number);
    switch (type) {
    case 'b': wire_put_i8(o, (int8_t)number); break;
    case 'h': wire_put_i16(o, (int16_t)number); break;
    case 'i': wire_put_i32(o, (int32_t)number); break;
    case 'q': wire_put_i64(o, number); break;
    case 'B': wire_put_bool(o, number != 0); break;
    case 's': wire_put_str(o, value); break;
    case 'n': wire_put_nstr(o, value); break;
    case 'y': wire_put_blob(o, value); break;
    case 'u': wire_put_uuid(o, id ? id : zeros); break;
    case 'r': put_batch(o, transactional); break;
    case 'c': wire_put_i8(o, -1); break;
    default: check_unreachable();
    }
}

/* Writes the fields up to the closing bracket; returns what follows it. `skip`: an array of another version. */
static const char *put_fields(wire_out *o, const char *p, int version, bool skip, bool transactional)
{
    static const uint8_t topic_id[16] = {1};
    while (*p) {
        size_t n = strcspn(p, " ");
        const char *next = p + n + (p[n] == ' ');
        str value;
        bool here = in_version(p, n, version, &value) && !skip;
        if (*p == ']' || *p == '}') return next;
        if (*p == '[' || *p == '{') {
            if (here) wire_put_len(o, 1);
            bool is_struct = *p == '[';
            next = put_fields(o, next, version, !here, transactional);
            if (here && is_struct) wire_put_tags(o);
        } else if (here) {
            put_field(o, *p, value, p[1] == '0' ? NULL : topic_id, transactional);
        }
        p = next;
    }
    return p;
}

static const char *fields_of(int16_t key)
{
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        if (bodies[i].key == key) return bodies[i].fields;
    return NULL;
}

bool kafka_put_body(buf *out, int16_t key, int16_t version, const char *fields)
{
    const api *a = api_find(key);
    check(a != NULL);
    if (!fields) fields = fields_of(key);
    if (!fields) return false;
    wire_out o = {out, version >= a->flexible};
    put_fields(&o, fields, version, false, strstr(fields, "n:3-=tx") != NULL);
    wire_put_tags(&o);
    return true;
}

void kafka_make_request(buf *frame, int16_t key, int16_t version, const char *fields)
{
    const api *a = api_find(key);
    check(a != NULL);
    write_i16(frame, key);
    write_i16(frame, version);
    write_i32(frame, 1);
    wire_out classic = {frame, false}, o = {frame, version >= a->flexible};
    wire_put_nstr(&classic, STR("fuzz"));
    wire_put_tags(&o);
    check(kafka_put_body(frame, key, version, fields));
}

bool kafka_is_flexible(int16_t key, int16_t version)
{
    return version >= api_find(key)->flexible;
}
