/*
 * broker/meta.h - the metadata log: one file of records, CRC each, synced before an answer depends on them.
 *
 * File "<data>/broker/metadata.log": frames of u32 length, u32 CRC-32C of the payload, payload (u8 kind, fields
 * big-endian). The last frame may be torn by a power loss and is cut; a bad frame before the last is corruption and
 * stops the start. At open a log with much that is outdated is written anew beside it and renamed. All functions:
 * meta_lock held (or the broker is not shared yet).
 */
#ifndef BROKER_META_H
#define BROKER_META_H

#include "broker/acl.h"
#include "broker/auth.h"
#include "broker/quota.h"

typedef struct meta_log meta_log;

/*
 * Reads the log into b (topics, configs, producer ids, cluster id) and makes it ready for appends. *clean says
 * whether the last stop was clean; the epoch found (or 0) is in b->leader_epoch.
 */
bool meta_open(broker *b, bool *clean, diag *d);
/* Closes the file. NULL is allowed. */
void meta_close(meta_log *m);

/* Bytes of the log so far. */
int64_t meta_end(const broker *b);

/* Each writes one record, synced. On failure nothing has changed for a later start. */
bool meta_write_cluster(broker *b, diag *d);
/* The node's epoch, and whether the node is stopped cleanly. */
bool meta_write_epoch(broker *b, int32_t epoch, bool clean, diag *d);
/* A topic with configs and partitions. */
bool meta_write_topic(broker *b, const topic *t, int32_t partitions, diag *d);
/* See meta_write_topic. */
bool meta_write_topic_deleted(broker *b, const topic *t, diag *d);
/* A new number of partitions. */
bool meta_write_partitions(broker *b, const topic *t, int32_t partitions, diag *d);
/* The full set of a topic's configs. */
bool meta_write_topic_configs(broker *b, const topic *t, const config_set *configs, diag *d);
/* The full set of configs altered at run time: for this broker, or the defaults of all. */
bool meta_write_broker_configs(broker *b, bool defaults, const config_set *configs, diag *d);
/* The full set of a group's configs. */
bool meta_write_group_configs(broker *b, str group, const config_set *configs, diag *d);
/* The first producer id that no block has taken yet; likewise for internal ones. */
bool meta_write_producers(broker *b, int64_t next, diag *d);
/* A user's credential; NULL takes it away. */
bool meta_write_scram(broker *b, str user, scram_mechanism m, const scram_credential *c, diag *d);
/* Changes of quotas, all or none of them. DIAG_LIMIT: too many for one record. */
bool meta_write_quotas(broker *b, const quota_change *changes, size_t n, diag *d);
/* See meta_write_producers. */
bool meta_write_internal(broker *b, int64_t next, diag *d);
/* Access control entries that come (there) or go, all or none. DIAG_LIMIT: too many for one record. */
bool meta_write_acls(broker *b, const acl *list, size_t n, bool there, diag *d);

#endif
