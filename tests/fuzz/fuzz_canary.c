/* Tests the rig: a memory error that only guided search finds. `make fuzz-canary` fails when it is not found. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t n)
{
    static const char secret[] = "tail";
    size_t same = 0;
    while (same < n && same < sizeof secret - 1 && data[same] == (uint8_t)secret[same]) same++;
    /* One byte behind the end, and only behind the whole word. */
    uint8_t *copy = fuzz_copy(data, same);
    volatile uint8_t *p = copy;
    if (same == sizeof secret - 1) p[same] = 1;
    free(copy);
}

void fuzz_make(fuzz_out *out)
{
    fuzz_seed(out, "x", 1);
}
