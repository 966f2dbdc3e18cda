#include "server/memory.h"

#include <uv.h>

#include "base/str.h"

/* The number in a small file of the kernel's; UINT64_MAX when there is none ("max", or no such file). */
static uint64_t limit_in(fs *sys, const char *path)
{
    diag ignored = {0};
    file *f;
    if (!fs_open(sys, path, 0, &f, &ignored)) return UINT64_MAX;
    char text[32];
    size_t n = 0;
    uint64_t limit = 0;
    bool ok = file_read(f, 0, text, sizeof text, &n, &ignored);
    file_close(f);
    size_t i = 0;
    for (; ok && i < n && text[i] >= '0' && text[i] <= '9' && i < 19; i++)
        limit = limit * 10 + (uint64_t)(text[i] - '0');
    return ok && i > 0 ? limit : UINT64_MAX;
}

uint64_t memory_available(fs *sys)
{
    uint64_t total = uv_get_total_memory();
    uint64_t limit = limit_in(sys, "/sys/fs/cgroup/memory.max");
    if (limit == UINT64_MAX) limit = limit_in(sys, "/sys/fs/cgroup/memory/memory.limit_in_bytes");
    return limit < total ? limit : total;
}
