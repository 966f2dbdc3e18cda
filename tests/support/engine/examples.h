/* tests/support/engine/examples.h - tables of expressions and what they must give. */
#ifndef TESTS_SUPPORT_ENGINE_EXAMPLES_H
#define TESTS_SUPPORT_ENGINE_EXAMPLES_H

#include <stdio.h>

#include "tests/support/engine/mini.h"
#include "tests/unit/unit.h"

/* An expression and its text; of an error only the start is compared. */
typedef struct example {
    const char *text;
    const char *want;
} example;

/* Evaluates them all; says every one that differs. */
void examples(const example *rows, size_t n);

#define EXAMPLES(...)                                                                                                  \
    do {                                                                                                               \
        static const example rows[] = {__VA_ARGS__};                                                                   \
        examples(rows, sizeof rows / sizeof rows[0]);                                                                  \
    } while (0)

#endif
