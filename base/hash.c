#include "base/hash.h"

#include <isa-l/crc.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

int32_t hash_murmur2(const void *p, size_t n)
{
    const uint8_t *data = p;
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28cu ^ (uint32_t)n;
    size_t blocks = n / 4;
    for (size_t i = 0; i < blocks; i++) {
        uint32_t k;
        memcpy(&k, data + i * 4, 4);
        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    const uint8_t *tail = data + blocks * 4;
    switch (n & 3) {
    case 3: h ^= (uint32_t)tail[2] << 16; __attribute__((fallthrough));
    case 2: h ^= (uint32_t)tail[1] << 8; __attribute__((fallthrough));
    case 1: h ^= tail[0]; h *= m; break;
    default: break;
    }
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return (int32_t)h;
}

int32_t hash_partition(const void *key, size_t n, int32_t partitions)
{
    return (hash_murmur2(key, n) & 0x7fffffff) % partitions;
}

uint32_t hash_crc32c_more(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *data = p;
    /* isa-l takes a non-const pointer and an int length, and works on the inverted register. */
    uint32_t reg = ~crc;
    while (n > 0) {
        size_t step = n < (1u << 30) ? n : (1u << 30);
        reg = crc32_iscsi((unsigned char *)(uintptr_t)data, (int)step, reg);
        data += step;
        n -= step;
    }
    return ~reg;
}

uint32_t hash_crc32c(const void *p, size_t n)
{
    return hash_crc32c_more(0, p, n);
}

uint64_t hash_bytes(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

void hash_bytes128(const void *p, size_t n, uint64_t seed, uint64_t out[2])
{
    XXH128_hash_t h = XXH3_128bits_withSeed(p, n, seed);
    out[0] = h.low64;
    out[1] = h.high64;
}

uint64_t hash_u64(uint64_t v)
{
    v ^= v >> 32;
    v *= 0xd6e8feb86659fd93u;
    v ^= v >> 32;
    v *= 0xd6e8feb86659fd93u;
    v ^= v >> 32;
    return v;
}
