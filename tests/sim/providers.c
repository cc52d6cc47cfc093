/* SPDX-License-Identifier: MIT
 * The table of providers. A new one is a file of its own and a line here.
 */
#include <string.h>

#include "tests/sim/sim.h"

static const struct provider *const providers[] = {
    &google_provider,       &strict_provider,    &tiktok_provider,   &lightspeed_provider,
    &lightspeed_x_provider, &instagram_provider, &facebook_provider, &echo_provider,
};

enum { PROVIDERS = sizeof(providers) / sizeof(providers[0]) };

const struct provider *provider_at(size_t index)
{
    return index < PROVIDERS ? providers[index] : NULL;
}

const struct provider *provider_named(const char *name)
{
    for (size_t i = 0; i < PROVIDERS; i++)
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    return NULL;
}

/* A bare /token or /revoke is Google's, as on its own host. */
const struct provider *provider_of_path(const char *path, const char **ret_rest)
{
    for (size_t i = 0; i < PROVIDERS; i++) {
        size_t len = strlen(providers[i]->prefix);
        if (strncmp(path, providers[i]->prefix, len) == 0 && path[len] == '/') {
            *ret_rest = path + len;
            return providers[i];
        }
    }
    if (strcmp(path, "/token") != 0 && strcmp(path, "/revoke") != 0)
        return NULL;
    *ret_rest = path;
    return &google_provider;
}
