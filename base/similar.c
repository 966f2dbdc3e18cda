#include "base/similar.h"

enum { NAME_MAX_BYTES = 64 };

static char fold(char ch)
{
    return ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch;
}

int similar_distance(str a, str b, int limit)
{
    if (a.n > NAME_MAX_BYTES || b.n > NAME_MAX_BYTES) return limit + 1;
    int row[NAME_MAX_BYTES + 1];
    for (size_t k = 0; k <= b.n; k++) row[k] = (int)k;
    for (size_t i = 1; i <= a.n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t k = 1; k <= b.n; k++) {
            int change = diagonal + (fold(a.p[i - 1]) != fold(b.p[k - 1]));
            int add = row[k] + 1, leave = row[k - 1] + 1;
            diagonal = row[k];
            row[k] = change < add ? (change < leave ? change : leave) : (add < leave ? add : leave);
        }
    }
    return row[b.n] > limit ? limit + 1 : row[b.n];
}

similar similar_begin(str typed)
{
    return (similar){typed, typed.n < 2 ? 0 : typed.n < 4 ? 1 : typed.n < 8 ? 2 : 3};
}

bool similar_try(similar *s, str candidate)
{
    if (s->limit < 0) return false;
    int distance = similar_distance(s->typed, candidate, s->limit);
    if (distance > s->limit) return false;
    s->limit = distance - 1;
    return true;
}
