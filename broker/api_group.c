/* Members of groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup. */
#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/group.h"

/* ---- JoinGroup ----------------------------------------------------------------------------------------- */

static void put_join_members(request *q, const join_answer *answer)
{
    wire_out *o = &q->out;
    const group *g = answer->g;
    wire_put_len(o, answer->with_members ? (int32_t)map_count(&g->members) : 0);
    void *value;
    for (size_t it = 0; answer->with_members && map_next(&g->members, &it, NULL, &value);) {
        const member *m = value;
        wire_put_str(o, str_z(m->id));
        if (q->version >= 5) wire_put_nstr(o, m->instance);
        wire_put_blob(o, member_metadata(m, g->protocol));
        wire_put_tags(o);
    }
}

void api_answer_join(request *q, const join_answer *answer)
{
    if (!q) return;
    const group *g = answer->error == KAFKA_NONE ? answer->g : NULL;
    char type[] = "consumer";
    const group of_consumer = {.generation = answer->generation,
                               .protocol_type = type,
                               .protocol = (char *)(uintptr_t)answer->protocol.p};
    if (answer->consumer && answer->error == KAFKA_NONE) g = &of_consumer;
    request_begin(q);
    wire_out *o = &q->out;
    if (q->version >= 2) wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)answer->error);
    wire_put_i32(o, g ? g->generation : -1);
    if (q->version >= 7) {
        wire_put_nstr(o, g && g->protocol_type ? str_z(g->protocol_type) : WIRE_NULL);
        wire_put_nstr(o, g && g->protocol ? str_z(g->protocol) : WIRE_NULL);
    } else {
        wire_put_str(o, g && g->protocol ? str_z(g->protocol) : STR(""));
    }
    wire_put_str(o, g && answer->leader.p ? answer->leader : STR(""));
    if (q->version >= 9) wire_put_bool(o, answer->skip_assignment);
    wire_put_str(o, answer->member_id);
    if (g)
        put_join_members(q, answer);
    else
        wire_put_len(o, 0);
    wire_put_tags(o);
    request_done(q, false);
}

api_outcome api_join_group(request *q)
{
    wire_in *in = &q->in;
    join_args args = {.version = q->version, .instance = WIRE_NULL};
    args.group_id = wire_str(in);
    args.session_ms = wire_i32(in);
    args.rebalance_ms = q->version >= 1 ? wire_i32(in) : args.session_ms;
    args.member_id = wire_str(in);
    if (q->version >= 5) args.instance = wire_nstr(in);
    args.protocol_type = wire_str(in);
    args.protocols_len = wire_len(in, 3);
    group_protocol *protocols = ARENA_ARRAY(q->a, group_protocol, (size_t)args.protocols_len + 1);
    for (int32_t i = 0; i < args.protocols_len && !wire_failed(in); i++) {
        protocols[i].name = wire_str(in);
        protocols[i].metadata = wire_blob(in);
        wire_tags(in);
    }
    if (q->version >= 8) wire_nstr(in); /* the reason, for people */
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    args.protocols = protocols;
    args.client_id = q->client_id;
    args.client_host = arena_printf(q->a, "/%s", q->c->peer_host);
    if (authz_group(q, ACL_READ, args.group_id))
        group_join(q->b, &args, q);
    else
        api_answer_join(q, &(join_answer){.error = KAFKA_GROUP_AUTHORIZATION_FAILED, .member_id = STR("")});
    return API_PARKED;
}

/* ---- SyncGroup ----------------------------------------------------------------------------------------- */

void api_answer_sync(request *q, kafka_error error, const group *g, str assignment)
{
    if (!q) return;
    request_begin(q);
    wire_out *o = &q->out;
    if (q->version >= 1) wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)error);
    if (q->version >= 5) {
        wire_put_nstr(o, g && g->protocol_type ? str_z(g->protocol_type) : WIRE_NULL);
        wire_put_nstr(o, g && g->protocol ? str_z(g->protocol) : WIRE_NULL);
    }
    wire_put_blob(o, assignment);
    wire_put_tags(o);
    request_done(q, false);
}

api_outcome api_sync_group(request *q)
{
    wire_in *in = &q->in;
    sync_args args = {.instance = WIRE_NULL};
    args.group_id = wire_str(in);
    args.generation = wire_i32(in);
    args.member_id = wire_str(in);
    if (q->version >= 3) args.instance = wire_nstr(in);
    if (q->version >= 5) {
        args.protocol_type = wire_nstr(in);
        args.protocol = wire_nstr(in);
    }
    args.assignments_len = wire_len(in, 3);
    group_protocol *assignments = ARENA_ARRAY(q->a, group_protocol, (size_t)args.assignments_len + 1);
    for (int32_t i = 0; i < args.assignments_len && !wire_failed(in); i++) {
        assignments[i].name = wire_str(in);
        assignments[i].metadata = wire_blob(in);
        wire_tags(in);
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    args.assignments = assignments;
    if (authz_group(q, ACL_READ, args.group_id))
        group_sync(q->b, &args, q);
    else
        api_answer_sync(q, KAFKA_GROUP_AUTHORIZATION_FAILED, NULL, STR(""));
    return API_PARKED;
}

/* ---- Heartbeat ----------------------------------------------------------------------------------------- */

api_outcome api_heartbeat(request *q)
{
    wire_in *in = &q->in;
    str group_id = wire_str(in);
    int32_t generation = wire_i32(in);
    str member_id = wire_str(in);
    str instance = q->version >= 3 ? wire_nstr(in) : WIRE_NULL;
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    kafka_error error = KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (authz_group(q, ACL_READ, group_id))
        error = group_heartbeat(q->b, group_id, member_id, instance, generation);
    request_begin(q);
    if (q->version >= 1) wire_put_i32(&q->out, 0);
    wire_put_i16(&q->out, (int16_t)error);
    wire_put_tags(&q->out);
    return API_ANSWERED;
}

/* ---- LeaveGroup ---------------------------------------------------------------------------------------- */

typedef struct leaver {
    str member_id, instance;
} leaver;

api_outcome api_leave_group(request *q)
{
    wire_in *in = &q->in;
    str group_id = wire_str(in);
    int32_t n = 1;
    leaver one = {STR(""), WIRE_NULL};
    leaver *leavers = &one;
    if (q->version <= 2) {
        one.member_id = wire_str(in);
    } else {
        n = wire_len(in, 2);
        leavers = ARENA_ARRAY(q->a, leaver, (size_t)n + 1);
        for (int32_t i = 0; i < n && !wire_failed(in); i++) {
            leavers[i].member_id = wire_str(in);
            leavers[i].instance = wire_nstr(in);
            if (q->version >= 5) wire_nstr(in);
            wire_tags(in);
        }
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;

    kafka_error *errors = ARENA_ARRAY(q->a, kafka_error, (size_t)n + 1);
    bool may = authz_group(q, ACL_READ, group_id);
    for (int32_t i = 0; i < n && may; i++)
        errors[i] = group_leave(q->b, group_id, leavers[i].member_id, leavers[i].instance);
    kafka_error top = !may               ? KAFKA_GROUP_AUTHORIZATION_FAILED
                      : q->version <= 2  ? errors[0]
                      : group_id.n == 0 ? KAFKA_INVALID_GROUP_ID
                                         : KAFKA_NONE;
    request_begin(q);
    wire_out *o = &q->out;
    if (q->version >= 1) wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)top);
    if (q->version >= 3) {
        wire_put_len(o, top == KAFKA_NONE ? n : 0);
        for (int32_t i = 0; i < n && top == KAFKA_NONE; i++) {
            wire_put_str(o, leavers[i].member_id);
            wire_put_nstr(o, leavers[i].instance);
            wire_put_i16(o, (int16_t)errors[i]);
            wire_put_tags(o);
        }
    }
    wire_put_tags(o);
    return API_ANSWERED;
}
