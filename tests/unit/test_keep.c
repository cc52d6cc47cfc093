/* SPDX-License-Identifier: MIT
 * What is kept for a day: found again by the next process, the newest of each credential alone, bounded, aged,
 * and nobody else's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock_source.h"
#include "core/journal/retention_internal.h"
#include "tests/unit/runner.h"
#include "tests/unit/state_kit.h"

#define HOST "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define HERE "44444444444444444444444444444444"

enum { MIB = 1024 * 1024 };

/* The only clock of this program. */
static int64_t real_now = 1795000000;

int64_t clock_source_real_ms(void)
{
    return real_now * 1000;
}

int64_t clock_source_boot_ms(void)
{
    return real_now * 1000;
}

static char dir[] = "/tmp/renewd-keep-XXXXXX";
static struct keyring *ring, *other_ring;

/* "c7": the seventh of a credential's lives; as a fingerprint. */
static const char *print(char credential, int life)
{
    static char texts[4][FINGERPRINT_SIZE];
    static int turn;
    char *to = texts[turn++ % 4];

    snprintf(to, FINGERPRINT_SIZE, "%c%063d", credential, life);
    return to;
}

static struct retention *open_as(const char *incarnation, const char *host, const struct keyring *with,
                                 int64_t bound)
{
    const struct retention_setup s = {dir, host, incarnation, with, bound, NULL, NULL};

    return retention_new(&s);
}

static struct retention *taken(const char *incarnation, int64_t bound)
{
    struct retention *k = open_as(incarnation, HOST, ring, bound);
    struct error e = {""};

    CU_ASSERT_EQUAL(retention_take(k, HERE, &e), 0);
    return k;
}

static int put(struct retention *k, char credential, int life, size_t len)
{
    cleanup(free_p) char *text = xmalloc(len + 32);
    char id[ID_SIZE];
    struct error e = {""};

    memset(text, 'x', len + 32);
    len += (size_t)snprintf(text, 32, "%c%d ", credential, life);
    snprintf(id, sizeof id, "attempt-%c%d", credential, life);
    return retention_put(k, id, print(credential, life - 1), print(credential, life), text, len, &e);
}

static bool holds(const struct retention *k, char credential, int life)
{
    cleanup(secret_free_p) struct secret *text = NULL;
    char begin[32];
    struct error e = {""};

    int n = snprintf(begin, sizeof begin, "%c%d ", credential, life);
    return retention_text(k, print(credential, life), &text, &e) == 0 &&
           strncmp(secret_text(text), begin, (size_t)n) == 0;
}

static int64_t entries(const struct retention *k)
{
    struct retention_counts c;

    retention_counts(k, &c);
    return c.entries;
}

/* How many files, and their blocks on the disk. */
static size_t files(int64_t *ret_bytes)
{
    cleanup(free_p) char *path = xasprintf("%s/spool", dir);
    size_t count = 0;
    DIR *d = opendir(path);
    struct dirent *entry;

    *ret_bytes = 0;
    while (d && (entry = readdir(d))) {
        cleanup(free_p) char *file = xasprintf("%s/%s", path, entry->d_name);
        struct stat st;
        if (entry->d_name[0] == '.' || stat(file, &st) < 0)
            continue;
        count++;
        *ret_bytes += (int64_t)st.st_blocks * 512;
    }
    if (d)
        closedir(d);
    return count;
}

static void remove_all(void)
{
    cleanup(free_p) char *path = xasprintf("%s/spool", dir);

    remove_tree(path);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
}

static void test_next_process(void)
{
    struct retention *k = taken("one", 64 * MIB);

    CU_ASSERT_EQUAL(put(k, 'a', 1, 100), 0);
    CU_ASSERT_EQUAL(put(k, 'b', 1, 100), 0);
    CU_ASSERT_EQUAL(put(k, 'a', 2, 100), 0);
    CU_ASSERT_EQUAL(put(k, 'a', 3, 100), 0);
    CU_ASSERT_EQUAL(entries(k), 2);
    retention_free(k);
    k = taken("two", 64 * MIB);
    CU_ASSERT_EQUAL(entries(k), 2);
    CU_ASSERT(holds(k, 'a', 3) && holds(k, 'b', 1));
    CU_ASSERT(!holds(k, 'a', 2));
    for (int life = 0; life <= 3; life++)
        CU_ASSERT(retention_came_after(k, print('a', 3), print('a', life)));
    CU_ASSERT(!retention_came_after(k, print('a', 3), print('b', 0)));
    CU_ASSERT_EQUAL(put(k, 'a', 4, 100), 0); /* what it replaced is in another process's file */
    CU_ASSERT(retention_came_after(k, print('a', 4), print('a', 0)));
    retention_free(k);
    k = taken("three", 64 * MIB);
    CU_ASSERT_EQUAL(entries(k), 2);
    CU_ASSERT(holds(k, 'a', 4));
    retention_free(k);
    remove_all();
}

static void test_one_takes(void)
{
    struct retention *first = taken("one", 64 * MIB), *second, *third;
    int64_t bytes;

    CU_ASSERT_EQUAL(put(first, 'a', 1, 100), 0);
    second = taken("two", 64 * MIB);
    CU_ASSERT_EQUAL(entries(second), 0); /* the first lives */
    retention_free(first);
    third = taken("three", 64 * MIB);
    CU_ASSERT_EQUAL(entries(third), 1);
    struct error e;
    CU_ASSERT_EQUAL(retention_take(second, HERE, &e), 0);
    CU_ASSERT_EQUAL(entries(second), 0); /* the third has it */
    retention_free(second);
    retention_free(third);
    CU_ASSERT_EQUAL(files(&bytes), 1);
    remove_all();
}

/* Another's file is not taken, and stays what it is. */
static void test_left_alone(void)
{
    struct retention *k = taken("one", 64 * MIB);
    struct retention_counts c;
    struct error e = {""};
    int64_t bytes;

    CU_ASSERT_EQUAL(put(k, 'a', 1, 100), 0);
    retention_free(k);
    k = open_as("two", OTHER, ring, 64 * MIB);
    CU_ASSERT_EQUAL(retention_take(k, HERE, &e), -EXDEV);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "another host"));
    retention_counts(k, &c);
    CU_ASSERT(c.entries == 0 && c.left_alone == 1);
    retention_free(k);
    k = open_as("two", HOST, ring, 64 * MIB);
    CU_ASSERT_EQUAL(retention_take(k, OTHER, &e), -EXDEV);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "another installation"));
    retention_free(k);
    k = open_as("two", HOST, other_ring, 64 * MIB);
    CU_ASSERT_EQUAL(retention_take(k, HERE, &e), -EKEYREJECTED);
    retention_free(k);
    CU_ASSERT_EQUAL(files(&bytes), 1);
    k = taken("two", 64 * MIB);
    CU_ASSERT(holds(k, 'a', 1));
    retention_free(k);
    remove_all();
}

/* Nothing is kept before it is known whose it is: it would be nobody's. */
static void test_not_yet(void)
{
    struct retention *k = open_as("one", HOST, ring, 64 * MIB);
    struct error e = {""};
    int64_t bytes;

    CU_ASSERT_EQUAL(put(k, 'a', 1, 100), -EAGAIN);
    CU_ASSERT_EQUAL(retention_room(k, 1, &e), -EAGAIN);
    CU_ASSERT_EQUAL(files(&bytes), 0);
    CU_ASSERT_EQUAL(retention_take(k, HERE, &e), 0);
    CU_ASSERT_EQUAL(put(k, 'a', 1, 100), 0);
    retention_free(k);
    k = taken("two", 64 * MIB);
    CU_ASSERT(holds(k, 'a', 1));
    retention_free(k);
    remove_all();
}

/* Another installation is adopted by a process that runs: what was kept of the first stays for that. */
static void test_other_installation(void)
{
    struct retention *k = taken("one", 64 * MIB);
    struct error e = {""};

    CU_ASSERT_EQUAL(put(k, 'a', 1, 100), 0);
    retention_take(k, OTHER, &e);
    CU_ASSERT_EQUAL(entries(k), 0);
    CU_ASSERT_EQUAL(put(k, 'b', 1, 100), 0);
    retention_free(k);
    k = open_as("two", HOST, ring, 64 * MIB);
    CU_ASSERT_EQUAL(retention_take(k, HERE, &e), -EXDEV);
    CU_ASSERT(holds(k, 'a', 1) && !holds(k, 'b', 1));
    retention_free(k);
    remove_all();
}

static bool is_ours(void *ctx, const char *newest, const char *text, size_t len)
{
    const char *wanted = ctx;
    return newest[0] == wanted[0] && len > 2 && strncmp(text, wanted, 2) == 0;
}

static struct spool_field field(const char *text)
{
    return (struct spool_field){text, strlen(text)};
}

static void write_unnamed(void)
{
    cleanup(free_p) char *path = xasprintf("%s/spool/one.1.kept", dir);
    cleanup(buf_done) struct buf b = {0};
    const struct spool_field head[SPOOL_FIELDS] = {field(HOST), {NULL, 0}, field("")};

    buf_init(&b, MIB);
    CU_ASSERT_EQUAL(spool_entry_write(&b, ring, KEEP_BOUND, SPOOL_HEAD, 0, head), 0);
    for (char credential = 'a'; credential <= 'b'; credential++) {
        const char text[] = {credential, '1', ' ', '\0'};
        const struct spool_field fields[SPOOL_FIELDS] = {field("attempt"), field(print(credential, 1)), field(""),
                                                         field(text)};
        CU_ASSERT_EQUAL(spool_entry_write(&b, ring, KEEP_BOUND, SPOOL_KEPT, (uint64_t)real_now, fields), 0);
    }
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(b.data, 1, b.len, f), b.len);
    fclose(f);
}

/* A head without an installation, as an earlier renewd made it: what is in it shows whose it is. */
static void test_unnamed(void)
{
    char ours[] = "b1";
    struct retention_setup s = {dir, HOST, "two", ring, 64 * MIB, is_ours, ours};
    struct error e = {""};
    struct retention_counts c;

    write_unnamed();
    struct retention *k = retention_new(&s);
    CU_ASSERT_EQUAL(retention_take(k, HERE, &e), 0);
    CU_ASSERT(holds(k, 'a', 1) && holds(k, 'b', 1));
    retention_free(k);
    ours[0] = 'c'; /* nothing in it is of that one */
    k = retention_new(&s);
    CU_ASSERT_EQUAL(retention_take(k, OTHER, &e), -EXDEV);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "does not name its database"));
    retention_counts(k, &c);
    CU_ASSERT(c.entries == 0 && c.left_alone == 1);
    retention_free(k);
    s.ours = NULL;
    k = retention_new(&s);
    CU_ASSERT_EQUAL(retention_take(k, HERE, &e), -EXDEV);
    retention_free(k);
    remove_all();
}

static void test_a_day(void)
{
    struct retention *k = taken("one", 64 * MIB);
    int64_t bytes;

    CU_ASSERT_EQUAL(put(k, 'a', 1, 100), 0);
    real_now += 80000;
    CU_ASSERT_EQUAL(put(k, 'a', 2, 100), 0);
    CU_ASSERT_EQUAL(put(k, 'b', 1, 100), 0);
    real_now += 80000; /* more than a day after the first: that it came before is forgotten */
    retention_age(k);
    CU_ASSERT_EQUAL(entries(k), 2);
    CU_ASSERT_EQUAL(put(k, 'a', 3, 100), 0);
    CU_ASSERT(retention_came_after(k, print('a', 3), print('a', 2)));
    CU_ASSERT(retention_came_after(k, print('a', 3), print('a', 1)));
    CU_ASSERT(!retention_came_after(k, print('a', 3), print('a', 0)));
    real_now += 10000;
    retention_age(k);
    CU_ASSERT(holds(k, 'a', 3) && !holds(k, 'b', 1));
    retention_free(k);
    real_now += 86401;
    k = taken("two", 64 * MIB);
    CU_ASSERT_EQUAL(entries(k), 0);
    retention_free(k);
    CU_ASSERT_EQUAL(files(&bytes), 0);
}

/* A thousand lives of 20 credentials, then too many credentials: the disk never holds more than the bound. */
static void test_bounded(void)
{
    struct retention *k = taken("one", MIB);
    int64_t bytes, most = 0;
    bool all = true;

    for (int life = 1; life <= 200; life++)
        for (char c = 'a'; c < 'a' + 20; c++)
            CU_ASSERT_EQUAL(put(k, c, life, 5000), 0);
    for (char c = 'a'; c < 'a' + 20; c++)
        all = all && holds(k, c, 200);
    CU_ASSERT(all);
    CU_ASSERT_EQUAL(entries(k), 20);
    (void)files(&bytes);
    CU_ASSERT(bytes <= MIB);
    for (int life = 1000; life < 9000; life += 10) { /* never one after the other: each a credential */
        CU_ASSERT_EQUAL(put(k, 'z', life, 5000), 0);
        (void)files(&bytes);
        most = bytes > most ? bytes : most;
    }
    CU_ASSERT(most <= MIB);
    CU_ASSERT(holds(k, 'z', 8990) && !holds(k, 'z', 1000));
    CU_ASSERT(entries(k) > 40);
    retention_free(k);
    k = taken("two", MIB);
    CU_ASSERT(entries(k) > 40 && holds(k, 'z', 8990));
    retention_free(k);
    remove_all();
}

/* Each process leaves a file; they do not become many. */
static void test_few_files(void)
{
    int64_t bytes;
    char name[24];

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "process%d", i);
        struct retention *k = taken(name, 64 * MIB);
        CU_ASSERT_EQUAL(put(k, (char)('a' + i % 20), 1 + i / 20, 100), 0);
        retention_free(k);
    }
    CU_ASSERT(files(&bytes) <= 5);
    struct retention *k = taken("last", 64 * MIB);
    CU_ASSERT_EQUAL(entries(k), 20);
    for (int i = 0; i < 20; i++)
        CU_ASSERT(holds(k, (char)('a' + i), 2));
    retention_free(k);
    remove_all();
}

static void test_torn(void)
{
    cleanup(free_p) char *path = xasprintf("%s/spool/one.1.kept", dir);
    struct retention *k = taken("one", 64 * MIB);
    struct stat before, after;

    CU_ASSERT_EQUAL(put(k, 'a', 1, 100), 0);
    CU_ASSERT_EQUAL_FATAL(stat(path, &before), 0);
    CU_ASSERT_EQUAL(put(k, 'a', 2, 100), 0);
    CU_ASSERT_EQUAL_FATAL(stat(path, &after), 0);
    retention_free(k);
    for (off_t cut = after.st_size - 1; cut >= before.st_size; cut -= 37) {
        CU_ASSERT_EQUAL(truncate(path, cut), 0);
        k = taken("two", 64 * MIB);
        CU_ASSERT(holds(k, 'a', 1) && entries(k) == 1);
        retention_free(k);
    }
    remove_all();
}

/* No room: said before anything is sent; what is kept stays. */
static void test_full_disk(void)
{
    struct retention *k = taken("one", 64 * MIB);
    struct rlimit old, small;
    struct error e = {""};

    CU_ASSERT_EQUAL(put(k, 'a', 1, 100), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 4096;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = put(k, 'a', 2, 100000);
    setrlimit(RLIMIT_FSIZE, &old);
    int room = retention_room(k, (size_t)1 << 40, &e); /* more than any disk has */
    CU_ASSERT(room == -EFBIG || room == -ENOSPC);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "make room"));
    CU_ASSERT_EQUAL(r, -EFBIG);
    CU_ASSERT(holds(k, 'a', 1));
    CU_ASSERT_EQUAL(put(k, 'a', 2, 100000), 0);
    retention_free(k);
    k = taken("two", 64 * MIB);
    CU_ASSERT(holds(k, 'a', 2) && entries(k) == 1);
    retention_free(k);
    remove_all();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the next process finds the newest of each, and what it replaced", test_next_process},
        {"one process has a file", test_one_takes},
        {"another host's, installation's or key's file is left alone", test_left_alone},
        {"nothing is kept before its installation is known", test_not_yet},
        {"another installation's pairs stay in its files", test_other_installation},
        {"a file that names no installation is taken where its pairs show that it is this one", test_unnamed},
        {"after a day it goes", test_a_day},
        {"the disk never holds more than the bound", test_bounded},
        {"files of many processes are joined", test_few_files},
        {"a last entry that was cut off is left out", test_torn},
        {"a full disk stops what comes, not what is there", test_full_disk},
        {NULL, NULL},
    };

    if (mkdtemp(dir) == NULL)
        return 99;
    cleanup(free_p) char *spool = xasprintf("%s/spool", dir);
    if (mkdir(spool, 0700) < 0)
        return 99;
    ring = ring_of('a');
    other_ring = ring_of('b');
    int status = run_tests("keep", tests);
    keyring_free(ring);
    keyring_free(other_ring);
    remove_tree(dir);
    return status;
}
