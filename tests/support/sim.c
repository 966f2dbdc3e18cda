#include "tests/support/sim.h"

#include <string.h>

void sim_note_sites(sim_result *result, fs_sim *disk)
{
    for (size_t i = 0; i < fs_sim_site_count(disk); i++) {
        const char *site = fs_sim_site(disk, i);
        int k = 0;
        while (k < result->site_count && strcmp(result->sites[k], site) != 0) k++;
        if (k == result->site_count && k < SIM_SITES) result->sites[result->site_count++] = site;
    }
}
