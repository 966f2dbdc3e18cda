/*
 * base/clock.h - the two clocks. Only server/, repl/ and tests call these; everything below is told the time.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970-01-01 UTC, as records carry them. */
int64_t clock_wall_ms(void);
/* Nanoseconds of a clock that never goes back; for durations and deadlines. */
int64_t clock_mono_ns(void);

#endif
