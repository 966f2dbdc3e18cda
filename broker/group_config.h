/*
 * broker/group_config.h - configs of single groups, as DescribeConfigs and the Alter APIs have them (resource GROUP).
 *
 * The sets belong to the broker (group_configs: group id -> config_set) and are guarded by meta_lock. A group need not
 * exist to have configs, and keeps them when it is deleted, as in Kafka (GroupConfigManager).
 */
#ifndef BROKER_GROUP_CONFIG_H
#define BROKER_GROUP_CONFIG_H

#include "broker/broker_core.h"

/* What is set for the group, or NULL. meta_lock held. */
const config_set *group_configs(const broker *b, str group);
/* Takes over what is set for the group from now on; an empty set forgets it. meta_lock held. */
void group_configs_put(broker *b, str group, config_set *set);
/* Releases all sets. */
void group_configs_free(broker *b);

/* Whether the set as a whole makes sense for a group, given the broker's defaults. meta_lock held. */
bool group_configs_check(broker *b, const config_set *set, diag *d);

/* The value for a group: its own or the broker's. The config must be one of a group. */
int64_t group_config_i64(broker *b, str group, const char *name);

#endif
