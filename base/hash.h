/*
 * base/hash.h - the hash functions: Kafka's partitioner, CRC32C for batches and logs, and a fast table hash.
 *
 * Thread-neutral and pure.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* murmur2 with Kafka's seed 0x9747b28c (org.apache.kafka.common.utils.Utils.murmur2). */
int32_t hash_murmur2(const void *p, size_t n);

/* The partition that Kafka's default partitioner gives a key: (murmur2 & 0x7fffffff) % partitions. */
int32_t hash_partition(const void *key, size_t n, int32_t partitions);

/* CRC-32C (Castagnoli) as Kafka's record batches use it; "123456789" gives 0xe3069283. */
uint32_t hash_crc32c(const void *p, size_t n);
/* Continues: hash_crc32c_more(hash_crc32c(a), b) is the CRC of a followed by b. */
uint32_t hash_crc32c_more(uint32_t crc, const void *p, size_t n);

/* Table hash of bytes (XXH3); not stable between versions, never written to disk. */
uint64_t hash_bytes(const void *p, size_t n);
/* 128 bits of a seeded hash (XXH3), for tables that keep the hash in place of the key; never written to disk. */
void hash_bytes128(const void *p, size_t n, uint64_t seed, uint64_t out[2]);
/* Table hash of one integer. */
uint64_t hash_u64(uint64_t v);

#endif
