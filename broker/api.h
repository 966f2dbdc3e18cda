/*
 * broker/api.h - the table of Kafka's APIs: key, versions and handler of each; ApiVersions is answered from it.
 *
 * Private to broker/, loop thread. A handler decodes q->in by q->version, and writes its response to q->out after
 * request_begin, at once or (API_PARKED) later.
 */
#ifndef BROKER_API_H
#define BROKER_API_H

#include "broker/broker_core.h"

/* One API. */
typedef struct api {
    int16_t key;
    int16_t min, max; /* versions that are advertised */
    int16_t served; /* the lowest that is really served (Produce advertises more, see the table) */
    int16_t flexible; /* first version with compact types and tagged fields; INT16_MAX: none */
    const char *name;
    api_outcome (*handle)(request *q);
} api;

/* The API with this key, or NULL. */
const api *api_find(int16_t key);
/* The whole table. */
const api *api_table(size_t *n);

/* What api_parse makes of a request frame. */
typedef enum api_parsed {
    API_OK,
    API_BAD, /* close the connection */
    API_VERSION, /* ApiVersions in a version that does not exist: answer with version 0 and error 35 */
} api_parsed;

/*
 * Reads the header of a frame into q (key, version, correlation, client id, reader of the body). The frame must stay
 * as long as q->in is used.
 */
api_parsed api_parse(request *q, const uint8_t *frame, size_t n);

/* The handlers, by family and file. */
api_outcome api_versions(request *q);
api_outcome api_produce(request *q);
api_outcome api_fetch(request *q);
api_outcome api_list_offsets(request *q);
api_outcome api_metadata(request *q);
api_outcome api_offset_commit(request *q);
api_outcome api_offset_fetch(request *q);
api_outcome api_find_coordinator(request *q);
api_outcome api_join_group(request *q);
api_outcome api_heartbeat(request *q);
api_outcome api_leave_group(request *q);
api_outcome api_sync_group(request *q);
api_outcome api_describe_groups(request *q);
api_outcome api_list_groups(request *q);
api_outcome api_create_topics(request *q);
api_outcome api_delete_topics(request *q);
api_outcome api_delete_records(request *q);
api_outcome api_init_producer_id(request *q);
api_outcome api_offset_for_leader_epoch(request *q);
api_outcome api_add_partitions_to_txn(request *q);
api_outcome api_add_offsets_to_txn(request *q);
api_outcome api_end_txn(request *q);
api_outcome api_write_txn_markers(request *q);
api_outcome api_txn_offset_commit(request *q);
api_outcome api_describe_acls(request *q);
api_outcome api_create_acls(request *q);
api_outcome api_delete_acls(request *q);
api_outcome api_describe_configs(request *q);
api_outcome api_alter_configs(request *q);
api_outcome api_describe_log_dirs(request *q);
api_outcome api_create_partitions(request *q);
api_outcome api_delete_groups(request *q);
api_outcome api_incremental_alter_configs(request *q);
api_outcome api_offset_delete(request *q);
api_outcome api_describe_cluster(request *q);
api_outcome api_describe_producers(request *q);
api_outcome api_describe_transactions(request *q);
api_outcome api_list_transactions(request *q);
api_outcome api_describe_topic_partitions(request *q);
api_outcome api_consumer_group_heartbeat(request *q);
api_outcome api_consumer_group_describe(request *q);
api_outcome api_sasl_handshake(request *q);
api_outcome api_sasl_authenticate(request *q);
api_outcome api_describe_scram(request *q);
api_outcome api_alter_scram(request *q);
api_outcome api_describe_client_quotas(request *q);
api_outcome api_alter_client_quotas(request *q);
api_outcome api_elect_leaders(request *q);
api_outcome api_alter_partition_reassignments(request *q);
api_outcome api_list_partition_reassignments(request *q);
api_outcome api_alter_replica_log_dirs(request *q);
api_outcome api_describe_quorum(request *q);
api_outcome api_update_features(request *q);
api_outcome api_list_config_resources(request *q);

/* A feature of the cluster (KIP-584) at the one level that it has here. */
typedef struct broker_feature {
    const char *name;
    int16_t min, max, level;
} broker_feature;

/* All of them. */
extern const broker_feature broker_features[];
extern const size_t broker_features_len;

/* Re-tries a parked Fetch after an append; final: answer with what there is. */
void api_fetch_retry(request *q, bool final);
/* The table of Fetch sessions. */
struct fetch_sessions *fetch_sessions_new(void);
/* Frees the table. */
void fetch_sessions_free(struct fetch_sessions *s);

#endif
