/* The table of APIs, the request header, and ApiVersions. */
#include "broker/api.h"

#include "base/check.h"

#define NEVER INT16_MAX

/*
 * Ranges of Apache Kafka 4 (KIP-896 took the oldest away). Produce is advertised from 0 although only 3 and up are
 * served: librdkafka before 2.11.1 sends uncompressed to a broker that does not list Produce 0 (KAFKA-18659).
 */
static const api table[] = {
    {0, 0, 13, 3, 9, "Produce", api_produce},
    {1, 4, 18, 4, 12, "Fetch", api_fetch},
    {2, 1, 11, 1, 6, "ListOffsets", api_list_offsets},
    {3, 0, 13, 0, 9, "Metadata", api_metadata},
    {8, 2, 10, 2, 8, "OffsetCommit", api_offset_commit},
    {9, 1, 10, 1, 6, "OffsetFetch", api_offset_fetch},
    {10, 0, 6, 0, 3, "FindCoordinator", api_find_coordinator},
    {11, 0, 9, 0, 6, "JoinGroup", api_join_group},
    {12, 0, 4, 0, 4, "Heartbeat", api_heartbeat},
    {13, 0, 5, 0, 4, "LeaveGroup", api_leave_group},
    {14, 0, 5, 0, 4, "SyncGroup", api_sync_group},
    {15, 0, 6, 0, 5, "DescribeGroups", api_describe_groups},
    {16, 0, 5, 0, 3, "ListGroups", api_list_groups},
    {17, 0, 1, 0, NEVER, "SaslHandshake", api_sasl_handshake},
    {18, 0, 5, 0, 3, "ApiVersions", api_versions},
    {19, 2, 7, 2, 5, "CreateTopics", api_create_topics},
    {20, 1, 6, 1, 4, "DeleteTopics", api_delete_topics},
    {21, 0, 2, 0, 2, "DeleteRecords", api_delete_records},
    {22, 0, 5, 0, 2, "InitProducerId", api_init_producer_id},
    {23, 2, 4, 2, 4, "OffsetForLeaderEpoch", api_offset_for_leader_epoch},
    {24, 0, 5, 0, 3, "AddPartitionsToTxn", api_add_partitions_to_txn},
    {25, 0, 4, 0, 3, "AddOffsetsToTxn", api_add_offsets_to_txn},
    {26, 0, 5, 0, 3, "EndTxn", api_end_txn},
    {27, 1, 2, 1, 1, "WriteTxnMarkers", api_write_txn_markers},
    {28, 0, 6, 0, 3, "TxnOffsetCommit", api_txn_offset_commit},
    {29, 1, 3, 1, 2, "DescribeAcls", api_describe_acls},
    {30, 1, 3, 1, 2, "CreateAcls", api_create_acls},
    {31, 1, 3, 1, 2, "DeleteAcls", api_delete_acls},
    {32, 1, 4, 1, 4, "DescribeConfigs", api_describe_configs},
    {33, 0, 2, 0, 2, "AlterConfigs", api_alter_configs},
    {34, 1, 2, 1, 2, "AlterReplicaLogDirs", api_alter_replica_log_dirs},
    {35, 1, 5, 1, 2, "DescribeLogDirs", api_describe_log_dirs},
    {36, 0, 2, 0, 2, "SaslAuthenticate", api_sasl_authenticate},
    {37, 0, 3, 0, 2, "CreatePartitions", api_create_partitions},
    {42, 0, 3, 0, 2, "DeleteGroups", api_delete_groups},
    {43, 0, 2, 0, 2, "ElectLeaders", api_elect_leaders},
    {44, 0, 1, 0, 1, "IncrementalAlterConfigs", api_incremental_alter_configs},
    {45, 0, 1, 0, 0, "AlterPartitionReassignments", api_alter_partition_reassignments},
    {46, 0, 0, 0, 0, "ListPartitionReassignments", api_list_partition_reassignments},
    {47, 0, 0, 0, NEVER, "OffsetDelete", api_offset_delete},
    {48, 0, 1, 0, 1, "DescribeClientQuotas", api_describe_client_quotas},
    {49, 0, 1, 0, 1, "AlterClientQuotas", api_alter_client_quotas},
    {50, 0, 0, 0, 0, "DescribeUserScramCredentials", api_describe_scram},
    {51, 0, 0, 0, 0, "AlterUserScramCredentials", api_alter_scram},
    {55, 0, 2, 0, 0, "DescribeQuorum", api_describe_quorum},
    {57, 0, 2, 0, 0, "UpdateFeatures", api_update_features},
    {60, 0, 2, 0, 0, "DescribeCluster", api_describe_cluster},
    {61, 0, 0, 0, 0, "DescribeProducers", api_describe_producers},
    {65, 0, 0, 0, 0, "DescribeTransactions", api_describe_transactions},
    {66, 0, 2, 0, 0, "ListTransactions", api_list_transactions},
    {68, 0, 1, 0, 0, "ConsumerGroupHeartbeat", api_consumer_group_heartbeat},
    {69, 0, 1, 0, 0, "ConsumerGroupDescribe", api_consumer_group_describe},
    {74, 0, 1, 0, 0, "ListConfigResources", api_list_config_resources},
    {75, 0, 0, 0, 0, "DescribeTopicPartitions", api_describe_topic_partitions},
};

/*
 * transaction.version 2 is KIP-890's: partitions are added implicitly, and every end of a transaction raises the
 * epoch. Clients may go on with version 1; which one a request means, its version says. group.version 1 is KIP-848's,
 * metadata.version 30 Kafka 4.3's, from 7 (3.3) on as there; tools show it, here nothing depends on it.
 */
const broker_feature broker_features[] = {
    {"group.version", 0, 1, 1},
    {"metadata.version", 7, 30, 30},
    {"transaction.version", 0, 2, 2},
};
const size_t broker_features_len = ARRAY_LEN(broker_features);

const api *api_table(size_t *n)
{
    *n = ARRAY_LEN(table);
    return table;
}

const api *api_find(int16_t key)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].key == key) return &table[i];
    return NULL;
}

api_parsed api_parse(request *q, const uint8_t *frame, size_t n)
{
    /* The header's client id keeps the old encoding in all versions, so the flexible flag is set after it. */
    q->in = wire_in_of(frame, n, false);
    q->key = wire_i16(&q->in);
    q->version = wire_i16(&q->in);
    q->correlation = wire_i32(&q->in);
    if (wire_failed(&q->in)) return API_BAD;
    q->api = api_find(q->key);
    if (!q->api) return API_BAD;
    if (q->version < q->api->served || q->version > q->api->max) return q->key == 18 ? API_VERSION : API_BAD;
    q->client_id = wire_nstr(&q->in);
    if (!q->client_id.p) q->client_id = STR("");
    q->in.flexible = q->version >= q->api->flexible;
    wire_tags(&q->in);
    if (wire_failed(&q->in)) return API_BAD;
    q->client_id = arena_str(q->a, q->client_id);
    return API_OK;
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? (KIP-511) */
static bool software_ok(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool inner = i > 0 && i + 1 < s.n && (c == '-' || c == '.');
        if (!letter && !inner) return false;
    }
    return s.n > 0;
}

static void put_api(wire_out *o, const api *a)
{
    wire_put_i16(o, a->key);
    wire_put_i16(o, a->min);
    wire_put_i16(o, a->max);
    wire_put_tags(o);
}

/* One tagged field: its number, and the contents that `field` has gathered. */
static void put_field(wire_out *o, uint32_t tag, buf *field)
{
    write_uvarint64(o->b, tag);
    write_uvarint64(o->b, (uint32_t)field->len);
    buf_add(o->b, field->data, field->len);
    buf_clear(field);
}

/*
 * The tag section of ApiVersions: what is supported (0), its epoch (1), what is in force (2). A supported range that
 * begins at 0 makes clients before version 4 of the request fail (KAFKA-17011), and so is kept from them.
 */
static void put_features(request *q)
{
    wire_out *o = &q->out;
    buf bytes = {0};
    wire_out field = {&bytes, true};
    write_uvarint64(o->b, 3);
    int32_t shown = 0;
    for (size_t i = 0; i < broker_features_len; i++) shown += q->version >= 4 || broker_features[i].min > 0;
    wire_put_len(&field, shown);
    for (size_t i = 0; i < broker_features_len; i++) {
        const broker_feature *f = &broker_features[i];
        if (q->version < 4 && f->min == 0) continue;
        wire_put_str(&field, str_z(f->name));
        wire_put_i16(&field, f->min);
        wire_put_i16(&field, f->max);
        wire_put_tags(&field);
    }
    put_field(o, 0, &bytes);
    wire_put_i64(&field, 0);
    put_field(o, 1, &bytes);
    wire_put_len(&field, (int32_t)broker_features_len);
    for (size_t i = 0; i < broker_features_len; i++) {
        wire_put_str(&field, str_z(broker_features[i].name));
        wire_put_i16(&field, broker_features[i].level);
        wire_put_i16(&field, broker_features[i].level);
        wire_put_tags(&field);
    }
    put_field(o, 2, &bytes);
    buf_free(&bytes);
}

api_outcome api_versions(request *q)
{
    kafka_error error = q->unsupported ? KAFKA_UNSUPPORTED_VERSION : KAFKA_NONE;
    if (!q->unsupported && q->version >= 3) {
        str name = wire_str(&q->in);
        str version = wire_str(&q->in);
        str cluster = q->version >= 5 ? wire_nstr(&q->in) : WIRE_NULL;
        int32_t node = q->version >= 5 ? wire_i32(&q->in) : -1;
        wire_tags(&q->in);
        if (wire_failed(&q->in)) return API_MALFORMED;
        if (!software_ok(name) || !software_ok(version))
            error = KAFKA_INVALID_REQUEST;
        else if ((cluster.p && !str_eqz(cluster, q->b->cluster_id)) || (node != -1 && node != q->b->node_id))
            error = KAFKA_REBOOTSTRAP_REQUIRED;
    }
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i16(o, (int16_t)error);
    if (error == KAFKA_UNSUPPORTED_VERSION) {
        /* The one entry that tells the client how to ask again (KIP-511). */
        wire_put_len(o, 1);
        put_api(o, api_find(18));
        return API_ANSWERED;
    }
    if (error != KAFKA_NONE) {
        wire_put_len(o, 0);
    } else {
        wire_put_len(o, (int32_t)ARRAY_LEN(table));
        for (size_t i = 0; i < ARRAY_LEN(table); i++) put_api(o, &table[i]);
    }
    if (q->version >= 1) q->throttle_at = q->bytes.len;
    if (q->version >= 1) wire_put_i32(o, 0);
    if (q->version >= 3 && error == KAFKA_NONE)
        put_features(q);
    else
        wire_put_tags(o);
    return API_ANSWERED;
}
