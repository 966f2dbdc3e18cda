/*
 * server/memory.h - how much memory there is for this process.
 *
 * Thread-neutral.
 */
#ifndef SERVER_MEMORY_H
#define SERVER_MEMORY_H

#include <stdint.h>

#include "base/file.h"

/*
 * Bytes that the process may use: what the machine has, or the limit of its control group (memory.max at the root of
 * the group's own view, or version 1's memory.limit_in_bytes) when that is lower.
 */
uint64_t memory_available(fs *sys);

#endif
