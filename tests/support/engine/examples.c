#include "tests/support/engine/examples.h"

void examples(const example *rows, size_t n)
{
    int wrong = 0;
    for (size_t i = 0; i < n; i++) {
        arena *a = arena_new();
        const char *got = mini_eval(a, rows[i].text), *want = rows[i].want;
        bool error = strncmp(want, "ERROR", 5) == 0;
        if (error ? strncmp(got, want, strlen(want)) != 0 : strcmp(got, want) != 0) {
            fprintf(stderr, "%s: got %s, want %s\n", rows[i].text, got, want);
            wrong++;
        }
        arena_free(a);
    }
    ck_assert_msg(wrong == 0, "%d of %zu examples differ", wrong, n);
}
