#include "tests/support/broker/acl_bed.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static uint8_t topic_id[16];

const uint8_t *acl_bed_topic(void)
{
    return topic_id;
}

void acl_bed_be(bench *t, int conn, const char *user)
{
    bench_hang_up(t, conn);
    bench_begin(t, 18, 0);
    bench_call(t, conn);
    broker_conn_identify(t->conns[conn], str_z(user));
}

void acl_bed_open(bench *t, const char *open)
{
    bench_config(t, "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
    bench_config(t, "super.users", "User:admin; Group:x ;User:root");
    bench_config(t, "allow.everyone.if.no.acl.found", open);
    bench_open(t);
    acl_bed_be(t, 0, "root");
    acl_bed_be(t, ACL_BED_AL, "al");
    bench_create_topic(t, "t", 1);
    broker_topic_info info;
    arena *a = arena_new();
    ck_assert(broker_topic_describe(t->b, STR("t"), a, &info));
    memcpy(topic_id, info.id, 16);
    arena_free(a);
}

acl acl_bed_entry(acl_resource resource, acl_pattern pattern, const char *name, const char *principal,
                  acl_operation operation, acl_permission permission)
{
    return (acl){(int8_t)resource, (int8_t)pattern,  (int8_t)operation, (int8_t)permission,
                 str_z(name),      str_z(principal), STR("*")};
}

void acl_bed_grant(bench *t, acl_resource resource, const char *name, acl_operation operation)
{
    acl x = acl_bed_entry(resource, ACL_LITERAL, name, "User:al", operation, ACL_ALLOW);
    ck_assert(acls_add(t->b->acls, &x));
}

void acl_bed_revoke_all(bench *t)
{
    acl x;
    for (;;) {
        acl_cursor at = {0};
        if (!acls_next(t->b->acls, NULL, &at, &x)) return;
        ck_assert(acls_remove(t->b->acls, &x));
    }
}

void acl_bed_put(bench *t, const char *words)
{
    wire_out *o = &t->out;
    char copy[300], *rest = copy;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok_r(rest, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        const char *value = strchr(word, '=');
        int64_t number = 0;
        if (value) value++;
        if (value && strchr("bhiqB", word[0])) ck_assert(str_to_i64(str_z(value), &number));
        batch_options options = batch_options_plain();
        buf batch = {0};
        switch (word[0]) {
        case 'b': wire_put_i8(o, (int8_t)number); break;
        case 'h': wire_put_i16(o, (int16_t)number); break;
        case 'i': wire_put_i32(o, (int32_t)number); break;
        case 'q': wire_put_i64(o, number); break;
        case 'B': wire_put_bool(o, number != 0); break;
        case 's': wire_put_str(o, str_z(value)); break;
        case 'n': wire_put_nstr(o, value ? str_z(value) : WIRE_NULL); break;
        case 'y': wire_put_blob(o, str_z(value)); break;
        case 'u': wire_put_uuid(o, topic_id); break;
        case '[':
        case '{': wire_put_len(o, 1); break;
        case ']': wire_put_tags(o); break;
        case '}': break;
        case '0': wire_put_len(o, 0); break;
        case 'N': wire_put_len(o, -1); break;
        case 'c': wire_put_i8(o, -1); break;
        case 'R':
            options.producer_id = 0;
            options.producer_epoch = 0;
            options.base_sequence = 0;
            options.transactional = true; /* fall through */
        case 'r':
            bench_batch(&batch, &options, "v", 1, t->now.wall_ms);
            wire_put_blob(o, buf_str(&batch));
            buf_free(&batch);
            break;
        default: ck_abort_msg("%s", word);
        }
    }
    wire_put_tags(o);
}

int16_t acl_bed_error(wire_in in, const char *words)
{
    for (const char *p = words; *p; p++) {
        switch (*p) {
        case 'b': wire_i8(&in); break;
        case 'i': wire_i32(&in); break;
        case 'q': wire_i64(&in); break;
        case 's': wire_str(&in); break;
        case 'n': wire_nstr(&in); break;
        case 'u': wire_uuid(&in); break;
        case '[': ck_assert_int_eq(wire_len(&in, 1), 1); break;
        case ']': wire_tags(&in); break;
        case ' ': break;
        case 'E': ck_assert(!wire_failed(&in)); return wire_i16(&in);
        default: ck_abort_msg("%s", p);
        }
    }
    ck_abort_msg("no error in %s", words);
}

wire_in acl_bed_call(bench *t, int conn, int16_t key, int16_t version, const char *words)
{
    bench_begin(t, key, version);
    acl_bed_put(t, words);
    return bench_call(t, conn);
}
