/*
 * tests/support/broker/quotas.h - AlterClientQuotas as tests write it.
 *
 * One thread; requests go over connection 7 of the bench.
 */
#ifndef TESTS_SUPPORT_BROKER_QUOTAS_H
#define TESTS_SUPPORT_BROKER_QUOTAS_H

#include "broker/quota.h"
#include "tests/support/broker/client.h"

/* An entity as a test writes it: "*" is the default, NULL no such part. */
typedef struct who {
    const char *user, *client, *ip;
} who;

/* Appends one alteration of one quota; a value of -1 removes it. */
void quotas_put(bench *t, who w, const char *key, double value);
/* Sends what was begun with the count of alterations: the error of the first answer; there must be `answers`. */
int16_t quotas_send(bench *t, int32_t answers);
/* A whole request of one alteration. */
int16_t quotas_alter(bench *t, int16_t version, who w, const char *key, double value);
/* The same in the newest version; it must succeed. */
void quotas_set(bench *t, who w, const char *key, double value);

#endif
