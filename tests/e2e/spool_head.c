/* SPDX-License-Identifier: MIT
 * `spool_head FILE HOST BOOT` appends to a dead process's spool file what it begins with, as if that had been
 * written in the boot of that id. The key is the tests' own, RENEWD_TEST_KEY.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/journal/spool_internal.h"

/* state_dir/spool/INCARNATION.spool */
static void incarnation_of(const char *path, char ret[ID_SIZE])
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

    snprintf(ret, ID_SIZE, "%.*s", (int)strcspn(name, "."), name);
}

static int append(const char *path, const struct buf *entry)
{
    cleanup(close_p) int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    return fd < 0 || write(fd, entry->data, entry->len) != (ssize_t)entry->len ? -1 : 0;
}

int main(int argc, char **argv)
{
    cleanup(keyring_free_p) struct keyring *ring = NULL;
    cleanup(buf_done) struct buf entry = {0};
    const char *key = getenv("RENEWD_TEST_KEY");
    char incarnation[ID_SIZE];
    struct error e = {""};

    if (argc != 4 || !key) {
        fprintf(stderr, "usage: RENEWD_TEST_KEY=... spool_head FILE HOST BOOT\n");
        return 2;
    }
    struct stat st;
    char inode[24] = "";
    if (stat(argv[1], &st) == 0)
        snprintf(inode, sizeof inode, "%ju", (uintmax_t)st.st_ino);
    const struct spool_field head[SPOOL_FIELDS] = {
        {argv[2], strlen(argv[2])},
        {argv[3], strlen(argv[3])},
        {NULL, 0},
        {inode, strlen(inode)},
    };
    incarnation_of(argv[1], incarnation);
    buf_init(&entry, SPOOL_TEXT_MAX);
    if (keyring_new(&ring) < 0 || keyring_add(ring, "test", key, &e) < 0 ||
        spool_entry_write(&entry, ring, incarnation, SPOOL_HEAD, 1, head) < 0 || append(argv[1], &entry) < 0) {
        fprintf(stderr, "spool_head: %s: the head is not appended %s\n", argv[1], e.text);
        return 1;
    }
    return 0;
}
