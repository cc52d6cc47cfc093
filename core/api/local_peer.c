/* SPDX-License-Identifier: MIT
 * The callers that may operate renewd over the socket: the kernel identifies the caller, not the request.
 */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/api/internal.h"

#define OPERATORS "renewd"

enum { ENTRY_ROOM = 64 * 1024, GROUPS_MAX = 256 };

static bool local_peer_find_group(struct group *entry, char *room, size_t size)
{
    struct group *found = NULL;

    return getgrnam_r(OPERATORS, entry, room, size, &found) == 0 && found;
}

static bool is_member(const struct group *g, uid_t uid)
{
    struct passwd entry, *found = NULL;
    char room[16 * 1024];

    if (getpwuid_r(uid, &entry, room, sizeof room, &found) != 0 || !found)
        return false;
    if (entry.pw_gid == g->gr_gid)
        return true;
    for (char **name = g->gr_mem; *name; name++)
        if (strcmp(*name, entry.pw_name) == 0)
            return true;
    return false;
}

bool local_peer_may_operate(const struct request *q)
{
    struct group g;
    char room[ENTRY_ROOM];

    if (!q->known)
        return false;
    if (q->uid == 0 || q->uid == geteuid())
        return true;
    return local_peer_find_group(&g, room, sizeof room) && (q->gid == g.gr_gid || is_member(&g, q->uid));
}

static bool is_user(char *const *names, uid_t uid)
{
    struct passwd entry, *found = NULL;
    char room[16 * 1024];

    if (!names || getpwuid_r(uid, &entry, room, sizeof room, &found) != 0 || !found)
        return false;
    for (; *names; names++)
        if (strcmp(*names, entry.pw_name) == 0)
            return true;
    return false;
}

bool local_peer_may_have_tokens(const struct request *q)
{
    return q->known && (q->uid == 0 || q->uid == geteuid() || is_user(q->api->config->token_users, q->uid));
}

const char *local_peer_group(void)
{
    struct group g;
    char room[ENTRY_ROOM];
    gid_t own[GROUPS_MAX];

    if (!local_peer_find_group(&g, room, sizeof room))
        return NULL;
    if (geteuid() == 0 || getegid() == g.gr_gid)
        return OPERATORS;
    int count = getgroups(GROUPS_MAX, own);
    for (int i = 0; i < count; i++)
        if (own[i] == g.gr_gid)
            return OPERATORS;
    return NULL;
}
