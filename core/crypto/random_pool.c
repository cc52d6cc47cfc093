/* SPDX-License-Identifier: MIT
 * Random bytes for nonces and names, of which each refresh needs several: taken from the system 4 KiB at a time. What
 * was handed out is wiped. A child process does not continue with its parent's bytes. Keys never come from here.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/crypto/crypto.h"

static struct {
    pthread_mutex_t lock;
    unsigned char bytes[4096];
    size_t left; /* the last so many are unused */
    pid_t of;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int pool_fill(void)
{
    int r = crypto_random(pool.bytes, sizeof pool.bytes);
    pool.left = r < 0 ? 0 : sizeof pool.bytes;
    pool.of = getpid();
    return r;
}

int crypto_nonce(void *data, size_t len)
{
    int r = 0;
    if (len > sizeof pool.bytes / 4)
        return -EINVAL;
    pthread_mutex_lock(&pool.lock);
    if (pool.left < len || pool.of != getpid())
        r = pool_fill();
    if (r == 0) {
        unsigned char *from = pool.bytes + sizeof pool.bytes - pool.left;
        memcpy(data, from, len);
        crypto_wipe(from, len);
        pool.left -= len;
    }
    pthread_mutex_unlock(&pool.lock);
    return r;
}
