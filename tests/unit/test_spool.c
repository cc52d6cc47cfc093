/* SPDX-License-Identifier: MIT
 * The spool and the state directory: what a crash, a full disk, damage or a second process leave.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/journal/spool.h"
#include "core/journal/state_dir.h"
#include "tests/unit/runner.h"
#include "tests/unit/state_kit.h"

#define HOST "0123456789abcdef0123456789abcdef"
#define ONE "11111111111111111111111111111111"
#define TWO "22222222222222222222222222222222"
#define PRINT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char dir[] = "/tmp/renewd-spool-XXXXXX";
static struct keyring *ring, *other_ring;
static struct loop *loop;

static struct spool *spool_new(const char *incarnation)
{
    struct spool *s = NULL;
    struct error e = {""};

    int r = spool_open(loop, dir, HOST, incarnation, ring, &s, &e);
    if (r < 0)
        printf("# %s\n", e.text);
    CU_ASSERT_EQUAL_FATAL(r, 0);
    return s;
}

static int text_result(struct spool *s, const char *attempt, const char *text)
{
    return spool_result(s, attempt, text, strlen(text), NULL);
}

static size_t leftovers(struct spool_file **ret)
{
    size_t count = 0;

    CU_ASSERT_EQUAL(spool_leftovers(dir, ring, ret, &count, NULL), 0);
    return count;
}

static void drop_all(void)
{
    struct spool_file *files;
    size_t count = leftovers(&files);

    for (size_t i = 0; i < count; i++)
        spool_file_remove(&files[i]);
    spool_files_free(files, count);
}

static const struct spool_leftover *find(const struct spool_file *f, const char *attempt)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->leftovers[i].attempt_id, attempt) == 0)
            return &f->leftovers[i];
    return NULL;
}

static void test_leftovers(void)
{
    struct spool *s = spool_new(ONE);
    struct spool_file *files;
    struct spool_counts counts;

    CU_ASSERT_EQUAL(spool_belongs(s, TWO, NULL), 0);
    CU_ASSERT_EQUAL(spool_intent(s, "a1", PRINT, "public.t/refresh", "key 1", NULL), 0);
    CU_ASSERT_EQUAL(spool_intent(s, "a2", PRINT, "public.t/refresh", "key 2", NULL), 0);
    CU_ASSERT_EQUAL(spool_intent(s, "a3", PRINT, "public.t/refresh", "key 3", NULL), 0);
    CU_ASSERT_EQUAL(text_result(s, "a2", "first"), 0);
    CU_ASSERT_EQUAL(text_result(s, "a2", "second"), 0);
    CU_ASSERT_EQUAL(text_result(s, "a3", "third"), 0);
    spool_settled(s, "a3");
    spool_settled(s, "never heard of");
    spool_counts(s, &counts);
    CU_ASSERT_EQUAL(counts.entries, 2);
    CU_ASSERT(counts.bytes > 0 && counts.oldest_at > 0);
    CU_ASSERT_EQUAL(leftovers(&files), 0); /* it is ours and locked */
    spool_files_free(files, 0);
    spool_close(s);

    CU_ASSERT_EQUAL_FATAL(leftovers(&files), 1);
    CU_ASSERT_STRING_EQUAL(files->incarnation, ONE);
    CU_ASSERT_STRING_EQUAL(files->host, HOST);
    CU_ASSERT_STRING_EQUAL(files->installation, TWO);
    CU_ASSERT(files->same_boot && !files->torn && !files->damaged);
    CU_ASSERT_EQUAL(files->count, 2);
    const struct spool_leftover *a1 = find(files, "a1"), *a2 = find(files, "a2");
    CU_ASSERT(a1 && a2);
    if (!a1 || !a2)
        return;
    CU_ASSERT(a1->text == NULL && a1->text_len == 0);
    CU_ASSERT_STRING_EQUAL(a1->fingerprint, PRINT);
    CU_ASSERT_STRING_EQUAL(a1->source, "public.t/refresh");
    CU_ASSERT_STRING_EQUAL(a1->key, "key 1");
    CU_ASSERT_STRING_EQUAL(a2->text, "second");
    CU_ASSERT_EQUAL(a2->text_len, 6);

    struct spool_file *again;
    CU_ASSERT_EQUAL(leftovers(&again), 0); /* locked by the list above */
    spool_files_free(again, 0);
    spool_file_remove(files);
    spool_files_free(files, 1);
    CU_ASSERT_EQUAL(leftovers(&files), 0);
}

static void test_close_removes(void)
{
    struct spool *s = spool_new(ONE);
    struct stat st;
    cleanup(free_p) char *path = xasprintf("%s/spool/" ONE ".spool", dir);

    CU_ASSERT_EQUAL(spool_intent(s, "a1", PRINT, "s", "k", NULL), 0);
    spool_settled(s, "a1");
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    spool_close(s);
    CU_ASSERT(stat(path, &st) < 0);
}

static off_t file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? -1 : st.st_size;
}

/* A file of one settled, one intent and one result entry; the offset where its last entry begins.
 */
static char *sample(off_t *ret_last, off_t *ret_size)
{
    struct spool *s = spool_new(ONE);
    char *path = xasprintf("%s/spool/" ONE ".spool", dir);

    CU_ASSERT_EQUAL(spool_intent(s, "a1", PRINT, "s", "k1", NULL), 0);
    CU_ASSERT_EQUAL(text_result(s, "a1", "kept"), 0);
    *ret_last = file_size(path);
    CU_ASSERT_EQUAL(spool_intent(s, "a2", PRINT, "s", "k2", NULL), 0);
    *ret_size = file_size(path);
    spool_close(s);
    return path;
}

static void test_torn_tail(void)
{
    off_t last, size;
    cleanup(free_p) char *path = sample(&last, &size);
    size_t wrong = 0;

    for (off_t cut = size; cut >= last; cut--) {
        struct spool_file *files;
        CU_ASSERT_EQUAL(truncate(path, cut), 0);
        size_t count = leftovers(&files);
        CU_ASSERT_EQUAL_FATAL(count, 1);
        const struct spool_leftover *a1 = find(files, "a1");
        if (files->torn != (cut != size && cut != last) || files->damaged || !a1 || !a1->text ||
            strcmp(a1->text, "kept") != 0 || (find(files, "a2") != NULL) != (cut == size))
            wrong++;
        spool_files_free(files, count);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(truncate(path, size), 0); /* a tail of zeros, as after a loss of power */
    struct spool_file *files;
    CU_ASSERT_EQUAL_FATAL(leftovers(&files), 1);
    CU_ASSERT(files->torn && files->count == 1);
    spool_files_free(files, 1);
    drop_all();
}

static void flip(int fd, off_t at)
{
    unsigned char byte;

    CU_ASSERT_EQUAL(pread(fd, &byte, 1, at), 1);
    byte ^= 0x20;
    CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
}

/* No flipped byte is ever taken for content, and every other entry is still found. */
static void test_flipped_bytes(void)
{
    off_t last, size;
    cleanup(free_p) char *path = sample(&last, &size);
    cleanup(close_p) int fd = open(path, O_RDWR);
    size_t wrong = 0;

    for (off_t at = 0; at < size; at++) {
        struct spool_file *files;
        flip(fd, at);
        size_t count = leftovers(&files);
        if (count == 1) {
            const struct spool_leftover *a1 = find(files, "a1");
            bool whole = !files->torn && !files->damaged;
            if (whole || (a1 && a1->text && strcmp(a1->text, "kept") != 0) ||
                (at >= last && (!a1 || !a1->text || find(files, "a2"))) || (at < last && !find(files, "a2")))
                wrong++;
        } else {
            wrong++;
        }
        spool_files_free(files, count);
        flip(fd, at);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    drop_all();
}

static void test_wrong_ring(void)
{
    off_t last, size;
    cleanup(free_p) char *path = sample(&last, &size);
    struct spool_file *files;
    size_t count;
    struct error e = {""};

    CU_ASSERT_EQUAL(spool_leftovers(dir, other_ring, &files, &count, &e), -EKEYREJECTED);
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, path));
    spool_files_free(files, count);
    CU_ASSERT_EQUAL(file_size(path), size);
    CU_ASSERT_EQUAL(leftovers(&files), 1); /* the right one still opens it */
    spool_files_free(files, 1);
    drop_all();
}

static void test_two_processes(void)
{
    int ready[2], end[2];
    char byte;

    CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
    CU_ASSERT_EQUAL_FATAL(pipe(end), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct spool *s = NULL;
        close(end[1]);
        int r = spool_open(loop, dir, HOST, TWO, ring, &s, NULL);
        if (r == 0)
            r = spool_intent(s, "b1", PRINT, "s", "k", NULL);
        (void)!write(ready[1], "x", 1);
        (void)!read(end[0], &byte, 1);
        _exit(r < 0);
    }
    close(end[0]);
    CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
    struct spool_file *files;
    CU_ASSERT_EQUAL(leftovers(&files), 0); /* it lives */
    spool_files_free(files, 0);
    close(end[1]);
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
    CU_ASSERT_EQUAL_FATAL(leftovers(&files), 1);
    CU_ASSERT_STRING_EQUAL(files->incarnation, TWO);
    CU_ASSERT_PTR_NOT_NULL(find(files, "b1"));
    spool_files_free(files, 1);
    close(ready[0]);
    close(ready[1]);
    drop_all();
}

static void test_disk_full(void)
{
    cleanup(free_p) char *path = xasprintf("%s/spool/" ONE ".spool", dir);
    struct rlimit old, small;
    struct error e = {""};
    struct spool *s = spool_new(ONE);

    CU_ASSERT_EQUAL(spool_intent(s, "a1", PRINT, "s", "k", NULL), 0);
    off_t size = file_size(path);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = (rlim_t)size + 100; /* a part of the next entry fits */
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = spool_intent(s, "a2", PRINT, "s", "k", &e);
    setrlimit(RLIMIT_FSIZE, &old);
    CU_ASSERT_EQUAL(r, -EFBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "writing failed"));
    CU_ASSERT_EQUAL(file_size(path), size);
    CU_ASSERT_EQUAL(text_result(s, "a1", "there is room again"), 0);
    spool_close(s);
    struct spool_file *files;
    CU_ASSERT_EQUAL_FATAL(leftovers(&files), 1);
    CU_ASSERT(!files->torn && !files->damaged && files->count == 1);
    CU_ASSERT_STRING_EQUAL(files->leftovers[0].text, "there is room again");
    spool_files_free(files, 1);
    drop_all();
}

/* The file does not grow for ever, whether there are quiet moments or always something wanted. */
static void test_gives_back(void)
{
    cleanup(free_p) char *path = xasprintf("%s/spool/" ONE ".spool", dir);
    cleanup(free_p) char *big = xcalloc(1, 100001);
    struct spool *s = spool_new(ONE);
    struct spool_counts counts;
    struct stat st;
    char id[ID_SIZE], old[ID_SIZE];

    memset(big, 'x', 100000);
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "q%d", i);
        CU_ASSERT_EQUAL(text_result(s, id, big), 0);
        spool_settled(s, id);
    }
    CU_ASSERT(file_size(path) < 2 * 1024 * 1024);
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "w%d", i);
        snprintf(old, sizeof old, "w%d", i - 1);
        CU_ASSERT_EQUAL(text_result(s, id, big), 0);
        spool_settled(s, old);
    }
    spool_counts(s, &counts);
    CU_ASSERT_EQUAL(counts.entries, 1);
    CU_ASSERT(counts.bytes < 3 * 1024 * 1024);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT(st.st_blocks * 512 < 3 * 1024 * 1024);
    spool_close(s);
    struct spool_file *files;
    CU_ASSERT_EQUAL_FATAL(leftovers(&files), 1);
    CU_ASSERT(!files->torn && !files->damaged && files->count == 1);
    CU_ASSERT_STRING_EQUAL(files->leftovers[0].attempt_id, "w59");
    CU_ASSERT_STRING_EQUAL(files->leftovers[0].text, big);
    spool_files_free(files, 1);
    drop_all();
}

static int told, told_result;

static void on_synced(void *ctx, int result)
{
    told++;
    told_result = result;
    if (ctx)
        loop_stop(loop);
}

static void test_sync(void)
{
    struct spool *s = spool_new(ONE);

    told = 0;
    told_result = -1;
    CU_ASSERT_EQUAL(spool_intent(s, "a1", PRINT, "s", "k", NULL), 0);
    spool_sync(s, false, on_synced, NULL);
    spool_sync(s, false, on_synced, s);
    CU_ASSERT_EQUAL(told, 0);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(told, 2);
    CU_ASSERT_EQUAL(told_result, 0);
    spool_sync(s, true, on_synced, NULL);
    spool_sync(s, true, on_synced, NULL); /* asked while one runs: needs another */
    spool_sync(s, false, on_synced, s);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(told, 5);
    spool_sync(s, true, on_synced, NULL);
    spool_sync(s, false, on_synced, NULL);
    spool_settled(s, "a1");
    spool_close(s); /* nobody is forgotten */
    CU_ASSERT_EQUAL(told, 7);
    CU_ASSERT_EQUAL(told_result, 0);
}

/* Writes attempts and tells their numbers once their results had returned, until it is killed. */
static void write_until_killed(int fd)
{
    struct spool *s = NULL;
    char id[ID_SIZE], text[64];

    if (spool_open(loop, dir, HOST, TWO, ring, &s, NULL) < 0)
        _exit(1);
    for (int i = 0;; i++) {
        snprintf(id, sizeof id, "k%d", i);
        snprintf(text, sizeof text, "token of %d", i);
        if (spool_intent(s, id, PRINT, "s", id, NULL) < 0 || text_result(s, id, text) < 0 ||
            write(fd, &i, sizeof i) != (ssize_t)sizeof i)
            _exit(1);
    }
}

static void test_killed_writer(void)
{
    for (int round = 0; round < 12; round++) {
        int fds[2], i, last = -1, want = 1 + round * round * 4;
        char id[ID_SIZE], text[64];
        struct spool_file *files;

        CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_until_killed(fds[1]);
        close(fds[1]);
        while (last < want && read(fds[0], &i, sizeof i) == (ssize_t)sizeof i)
            last = i;
        kill(pid, SIGKILL);
        CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
        while (read(fds[0], &i, sizeof i) == (ssize_t)sizeof i)
            last = i;
        close(fds[0]);
        CU_ASSERT(last >= want);
        CU_ASSERT_EQUAL_FATAL(leftovers(&files), 1);
        CU_ASSERT(files->count >= (size_t)last + 1 && files->count <= (size_t)last + 2);
        for (i = 0; i <= last; i++) {
            snprintf(id, sizeof id, "k%d", i);
            snprintf(text, sizeof text, "token of %d", i);
            const struct spool_leftover *l = &files->leftovers[i];
            if (strcmp(l->attempt_id, id) != 0 || !l->text || strcmp(l->text, text) != 0)
                CU_FAIL("a result that had returned is not there");
        }
        spool_files_free(files, 1);
        drop_all();
    }
}

/* How far a database was seen to count; another installation's number is none of this one's. */
static void test_seen(const struct state_dir *s)
{
    cleanup(free_p) char *file = xasprintf("%s/seen", s->path);
    struct error e = {""};
    int64_t seen = 1;

    CU_ASSERT_EQUAL(state_dir_seen(s, ONE, &seen, &e), 0);
    CU_ASSERT_EQUAL(seen, 0);
    CU_ASSERT_EQUAL(state_dir_see(s, ONE, 41, &e), 0);
    CU_ASSERT_EQUAL(state_dir_see(s, ONE, 42, &e), 0);
    CU_ASSERT_EQUAL(state_dir_seen(s, ONE, &seen, &e), 0);
    CU_ASSERT_EQUAL(seen, 42);
    CU_ASSERT_EQUAL(state_dir_seen(s, TWO, &seen, &e), 0);
    CU_ASSERT_EQUAL(seen, 0);
    CU_ASSERT_EQUAL(truncate(file, 20), 0);
    CU_ASSERT_EQUAL(state_dir_seen(s, ONE, &seen, &e), -EROFS);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, file));
}

static void test_state_dir(void)
{
    cleanup(free_p) char *path = xasprintf("%s/a/b/state", dir);
    cleanup(free_p) char *host = xasprintf("%s/host", path);
    struct state_dir *first = NULL, *second = NULL, *beside = NULL;
    struct error e = {""};
    struct stat st;
    char pid[32];

    CU_ASSERT_EQUAL_FATAL(state_dir_open(path, true, &first, &e), 0);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
    CU_ASSERT_EQUAL(strlen(first->host), 32);
    CU_ASSERT_EQUAL(state_dir_open(path, true, &second, &e), -EBUSY);
    snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, pid));
    CU_ASSERT_EQUAL_FATAL(state_dir_open(path, false, &beside, &e), 0);
    CU_ASSERT_STRING_EQUAL(beside->host, first->host);
    CU_ASSERT_STRING_NOT_EQUAL(beside->incarnation, first->incarnation);
    test_seen(first);
    state_dir_free(first);
    CU_ASSERT_EQUAL_FATAL(state_dir_open(path, true, &second, &e), 0);
    CU_ASSERT_STRING_EQUAL(second->host, beside->host);
    state_dir_free(second);
    state_dir_free(beside);

    CU_ASSERT_EQUAL(truncate(host, 7), 0);
    CU_ASSERT_EQUAL(state_dir_open(path, false, &first, &e), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, host));
    CU_ASSERT(state_dir_open(host, false, &first, &e) < 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what a dead incarnation left is read back", test_leftovers},
        {"a spool without wanted entries removes its file", test_close_removes},
        {"a last entry cut at every byte is left out", test_torn_tail},
        {"a flipped byte anywhere costs one entry", test_flipped_bytes},
        {"a wrong key ring refuses the file and leaves it", test_wrong_ring},
        {"a living process's file is not touched", test_two_processes},
        {"a full disk leaves no torn entry", test_disk_full},
        {"the file gives its room back", test_gives_back},
        {"syncs are shared and everybody is told", test_sync},
        {"kill -9 loses no result that had returned", test_killed_writer},
        {"state directory: host id, one daemon", test_state_dir},
        {NULL, NULL},
    };

    if (mkdtemp(dir) == NULL)
        return 99;
    setvbuf(stdout, NULL, _IONBF, 0);
    ring = ring_of('a');
    other_ring = ring_of('b');
    loop = loop_new();
    int status = run_tests("spool", tests);
    loop_free(loop);
    keyring_free(ring);
    keyring_free(other_ring);
    remove_tree(dir);
    return status;
}
