/* SPDX-License-Identifier: MIT
 * core/base: buffers, secrets (the heap is searched after a free), text, log, containers.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/digits.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/heap.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/notify.h"
#include "core/base/sandbox.h"
#include "core/base/secret.h"
#include "core/base/utf8.h"
#include "tests/unit/runner.h"

#define PATTERN 48
#define MASK 0x5a

/* The pattern exists in memory only masked, so that a search finds copies alone. */
static unsigned char masked[PATTERN];

static void make_pattern(unsigned char seed)
{
    for (int i = 0; i < PATTERN; i++)
        masked[i] = (unsigned char)((seed + i * 37) ^ MASK);
}

static void reveal(char *to)
{
    for (int i = 0; i < PATTERN; i++)
        to[i] = (char)(masked[i] ^ MASK);
}

/* Reads freed memory on purpose. */
__attribute__((no_sanitize("address", "thread"))) static int search(const volatile unsigned char *from,
                                                                    const volatile unsigned char *to)
{
    int found = 0;
    for (; to - from >= PATTERN; from++) {
        int i = 0;
        while (i < PATTERN && (from[i] ^ MASK) == masked[i])
            i++;
        found += i == PATTERN;
    }
    return found;
}

/* Copies of the pattern in [heap] and in the mapping that holds where. */
static int copies(uintptr_t where)
{
    char line[512];
    int found = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    if (!f)
        return -1;
    static char stdio[4096];
    setvbuf(f, stdio, _IOFBF, sizeof(stdio));
    while (fgets(line, sizeof(line), f)) {
        uintptr_t from, to;
        char mode[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, mode) != 3 || mode[0] != 'r')
            continue;
        if (strstr(line, "[heap]") || (where >= from && where < to))
            found += search((const unsigned char *)from, (const unsigned char *)to);
    }
    fclose(f);
    return found;
}

static void test_secret_wiped(void)
{
    char text[PATTERN];
    make_pattern(17);
    reveal(text);
    struct secret *s = secret_new(text, sizeof(text));
    explicit_bzero(text, sizeof(text));
    uintptr_t where = (uintptr_t)secret_text(s);
    CU_ASSERT_EQUAL(secret_len(s), PATTERN);
    CU_ASSERT_EQUAL(copies(where), 1);
    secret_free(s);
    CU_ASSERT_EQUAL(copies(where), 0);
}

static void test_buf_wiped(void)
{
    char text[PATTERN];
    struct buf b;
    make_pattern(99);
    buf_init(&b, 100000);
    reveal(text);
    buf_append(&b, text, sizeof(text));
    explicit_bzero(text, sizeof(text));
    uintptr_t where = (uintptr_t)b.data;
    CU_ASSERT_EQUAL(copies(where), 1);
    for (int i = 0; i < 2000; i++)
        buf_text(&b, "growing");
    CU_ASSERT_EQUAL(search((unsigned char *)where, (unsigned char *)where + PATTERN), 0);
    where = (uintptr_t)b.data;
    CU_ASSERT_EQUAL(copies(where), 1);
    buf_done(&b);
    CU_ASSERT_EQUAL(copies(where), 0);
}

static void test_arena_wiped(void)
{
    make_pattern(5);
    struct arena *a = arena_new(1000);
    char *p = arena_alloc(a, PATTERN);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    reveal(p);
    CU_ASSERT_EQUAL(copies((uintptr_t)p), 1);
    arena_free(a);
    CU_ASSERT_EQUAL(copies((uintptr_t)p), 0);
}

static void test_wipe_free(void)
{
    make_pattern(71);
    char *p = xcalloc(1, PATTERN + 1);
    reveal(p);
    uintptr_t where = (uintptr_t)p;
    CU_ASSERT_EQUAL(copies(where), 1);
    wipe_free(p);
    CU_ASSERT_EQUAL(copies(where), 0);
    wipe_free(NULL);
    secret_free(NULL);
    CU_ASSERT_PTR_NULL(secret_from_text(NULL));
    CU_ASSERT_PTR_NULL(secret_text(NULL));
    CU_ASSERT_EQUAL(secret_len(NULL), 0);
}

static void test_buf(void)
{
    cleanup(buf_done) struct buf b;
    buf_init(&b, 10);
    CU_ASSERT_PTR_NULL(b.data);
    CU_ASSERT_EQUAL(buf_text(&b, ""), 0);
    CU_ASSERT_STRING_EQUAL(b.data, "");
    CU_ASSERT_EQUAL(buf_printf(&b, "%d-%s", 12, "ab"), 0);
    CU_ASSERT_STRING_EQUAL(b.data, "12-ab");
    CU_ASSERT_EQUAL(buf_append(&b, "\0\0", 2), 0);
    CU_ASSERT_EQUAL(b.len, 7);
    CU_ASSERT_EQUAL(buf_text(&b, "1234"), -ENOBUFS);
    CU_ASSERT_TRUE(b.failed);
    CU_ASSERT_EQUAL(b.len, 7);
    CU_ASSERT_EQUAL(buf_text(&b, "1"), -ENOBUFS);
    CU_ASSERT_PTR_NULL(buf_steal(&b));
    buf_clear(&b);
    CU_ASSERT_EQUAL(buf_text(&b, "0123456789"), 0);
    cleanup(free_p) char *text = buf_steal(&b);
    CU_ASSERT_STRING_EQUAL(text, "0123456789");
    cleanup(free_p) char *none = buf_steal(&b);
    CU_ASSERT_STRING_EQUAL(none, "");
    CU_ASSERT_EQUAL(buf_printf(&b, "%s", "01234567890"), -ENOBUFS);
    buf_done(&b);
    CU_ASSERT_EQUAL(buf_text(&b, "0123456"), 0); /* there is room in the memory, but not below the limit */
    CU_ASSERT_EQUAL(buf_printf(&b, "%d", 78901), -ENOBUFS);
    CU_ASSERT_STRING_EQUAL(b.data, "0123456");
    buf_clear(&b);
    char *filled = buf_extend(&b, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(filled);
    memcpy(filled, "abc", 3);
    CU_ASSERT_STRING_EQUAL(b.data, "abc");
    CU_ASSERT_PTR_NULL(buf_extend(&b, 8));
    CU_ASSERT_TRUE(b.failed);
}

static void test_digits_of(void)
{
    static const int64_t numbers[] = {0, 7, -7, 10, 1795269600, -1000, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[DIGITS_SIZE], same[32];
        snprintf(same, sizeof same, "%" PRId64, numbers[i]);
        digits_of(numbers[i], text);
        CU_ASSERT_STRING_EQUAL(text, same);
    }
}

static void test_alloc(void)
{
    cleanup(free_p) char *a = xasprintf("%s:%d", "x", 7);
    cleanup(free_p) char *b = xstrndup("abcdef", 3);
    cleanup(free_p) char *c = xmemdup("abc", 4);
    cleanup(free_p) char *d = xmalloc(0);
    cleanup(free_p) char *e = xrealloc(xstrdup("abc"), 100);
    CU_ASSERT_STRING_EQUAL(a, "x:7");
    CU_ASSERT_STRING_EQUAL(b, "abc");
    CU_ASSERT_STRING_EQUAL(c, "abc");
    CU_ASSERT_STRING_EQUAL(e, "abc");
    (void)d;
}

static void test_utf8(void)
{
    static const struct {
        const char *in;
        size_t max;
        const char *out;
    } table[] = {
        {"plain", 100, "plain"},
        {"a\tb\nc\x7f", 100, "a b c "},
        {"gr\xc3\xbc\xc3\x9f", 100, "gr\xc3\xbc\xc3\x9f"},
        {"gr\xc3\xbc", 3, "gr"},
        {"\xff\xfe", 100, "??"},
        {"\xc3", 100, "?"},
        {"\xc0\x80", 100, "??"},           /* overlong NUL */
        {"\xed\xa0\x80", 100, "???"},      /* surrogate */
        {"\xf4\x90\x80\x80", 100, "????"}, /* beyond U+10FFFF */
        {"\xe0\x80\xaf", 100, "???"},      /* overlong */
        {"\xf0\x9f\x98\x80!", 100, "\xf0\x9f\x98\x80!"},
        {"\xf0\x9f\x98\x80!", 3, ""},
        {"a\xc2\x85"
         "b",
         100, "a b"}, /* C1 control */
        {"abc", 0, ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        cleanup(free_p) char *text = xstrdup(table[i].in);
        utf8_clean(text, table[i].max);
        CU_ASSERT_STRING_EQUAL(text, table[i].out);
        CU_ASSERT_TRUE(utf8_valid(text, strlen(text)));
    }
    CU_ASSERT_FALSE(utf8_valid("\xe2\x82", 2));
}

static void test_error(void)
{
    struct error e;
    CU_ASSERT_EQUAL(error_set(&e, -EIO, "reading %s: %d\n", "x", 5), -EIO);
    CU_ASSERT_STRING_EQUAL(e.text, "reading x: 5 ");
    CU_ASSERT_EQUAL(error_set(NULL, -EIO, "nothing"), -EIO);
    CU_ASSERT_EQUAL(error_set(&e, -EIO, "again: %s", e.text), -EIO);
    CU_ASSERT_STRING_EQUAL(e.text, "again: reading x: 5 ");
    char big[2000];
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    error_set(&e, -EIO, "%s", big);
    CU_ASSERT_EQUAL(strlen(e.text), sizeof(e.text) - 1);
}

static void test_clock(void)
{
    int64_t real = clock_real();
    CU_ASSERT_TRUE(real > INT64_C(1600000000));
    clock_set_offset(1000);
    CU_ASSERT_TRUE(clock_now() - clock_real() >= 999 && clock_now() - clock_real() <= 1001);
    CU_ASSERT_TRUE(clock_real() - real < 100);
    clock_set_offset(0);
    int64_t boot = clock_boot_ms();
    CU_ASSERT_TRUE(boot > 0 && clock_boot_ms() >= boot);
    CU_ASSERT_TRUE(clock_now_ms() / 1000 - clock_now() <= 1);
}

/* What one call of run writes to stderr. */
static char *stderr_of(void (*run)(void))
{
    char path[] = "/tmp/renewd-test-XXXXXX";
    int fd = mkstemp(path), saved = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    run();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    struct buf b;
    int r = file_read(path, 100000, &b);
    unlink(path);
    if (r < 0)
        return NULL;
    char *text = buf_steal(&b);
    return text;
}

static void log_some(void)
{
    char big[2000];
    memset(big, 'z', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    log_setup(LEVEL_INFO);
    log_line(LEVEL_DEBUG, "unseen", NULL);
    log_line(LEVEL_INFO, "token refreshed", "job", "youtube", "record", "5", "code", NULL, "at", "", NULL);
    log_line(LEVEL_ERROR, "bad", "text", "say \"no\"\nlevel=info", "bytes", "\xff\x01", NULL);
    log_line(LEVEL_WARNING, "long", "value", big, NULL);
}

/* stderr is the journal then. */
static void log_to_journal(void)
{
    struct stat st;
    char stream[64];
    CU_ASSERT_EQUAL(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_some();
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1); /* it was: now stderr is another file */
    log_setup(LEVEL_INFO);
    log_line(LEVEL_INFO, "elsewhere", NULL);
    unsetenv("JOURNAL_STREAM");
    log_setup(LEVEL_INFO);
}

static void test_log_to_journal(void)
{
    cleanup(free_p) char *text = stderr_of(log_to_journal);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(strncmp(text, "<6>level=info msg=\"token refreshed\" job=youtube", 45), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n<3>level=error msg=bad"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n<4>level=warning msg=long"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\ntime=20"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Z level=info msg=elsewhere"));
}

/* Each line's "time=2026-11-29T20:15:00.123Z " is taken off, where it looks so. */
static void take_times_off(char *text)
{
    static const char form[] = "time=dddd-dd-ddTdd:dd:dd.dddZ ";
    size_t n = sizeof(form) - 1;
    for (char *line = text; line && *line;) {
        size_t i = 0;
        while (i < n && (form[i] == 'd' && i > 4 ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]))
            i++;
        CU_ASSERT_EQUAL(i, n);
        if (i == n)
            memmove(line, line + n, strlen(line + n) + 1);
        line = strchr(line, '\n');
        line += line != NULL;
    }
}

static void test_log(void)
{
    cleanup(free_p) char *text = stderr_of(log_some);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    take_times_off(text);
    const char *first = "level=info msg=\"token refreshed\" job=youtube record=5\n"
                        "level=error msg=bad text=\"say \\\"no\\\" level=info\" bytes=\"? \"\n"
                        "level=warning msg=long value=";
    CU_ASSERT_EQUAL(strncmp(text, first, strlen(first)), 0);
    CU_ASSERT_EQUAL(strlen(text), strlen(first) + 500 + 1);
}

static void test_map(void)
{
    struct map *m = map_new();
    static int values[1000];
    char key[32];
    CU_ASSERT_PTR_NULL(map_get(m, "none"));
    CU_ASSERT_PTR_NULL(map_remove(m, "none"));
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        CU_ASSERT_PTR_NULL(map_put(m, key, &values[i]));
    }
    CU_ASSERT_PTR_EQUAL(map_put(m, "key-7", &values[0]), &values[7]);
    CU_ASSERT_PTR_EQUAL(map_put(m, "key-7", &values[7]), &values[0]);
    size_t cursor = 0, seen = 0;
    const char *k;
    void *v;
    while (map_next(m, &cursor, &k, &v)) {
        CU_ASSERT_PTR_EQUAL(v, &values[seen]); /* insertion order */
        if (seen++ % 2)
            map_remove(m, k);
    }
    CU_ASSERT_EQUAL(seen, 1000);
    CU_ASSERT_EQUAL(map_count(m), 500);
    for (int round = 0; round < 5000; round++) { /* gaps are closed again */
        map_put(m, "comes", &values[1]);
        CU_ASSERT_PTR_EQUAL(map_remove(m, "comes"), &values[1]);
    }
    CU_ASSERT_PTR_EQUAL(map_get(m, "key-998"), &values[998]);
    CU_ASSERT_PTR_NULL(map_get(m, "key-999"));
    map_free(m, NULL);
    m = map_new();
    map_put(m, "owned", xstrdup("value"));
    map_free(m, free);
    map_free(NULL, free);
}

static void test_heap(void)
{
    struct heap h;
    static struct heap_item items[500];
    uint32_t random = 1;
    heap_init(&h);
    CU_ASSERT_PTR_NULL(heap_first(&h));
    for (int i = 0; i < 500; i++) {
        random = random * 1664525 + 1013904223;
        items[i].at = random >> 20;
        heap_push(&h, &items[i]);
    }
    for (int i = 0; i < 500; i += 3)
        heap_remove(&h, &items[i]);
    heap_remove(&h, &items[0]);
    int64_t last = -1, count = 0;
    for (struct heap_item *item; (item = heap_first(&h)); count++) {
        CU_ASSERT_TRUE(item->at >= last);
        last = item->at;
        heap_remove(&h, item);
        CU_ASSERT_EQUAL(item->index, 0);
    }
    CU_ASSERT_EQUAL(count, 500 - 167);
    heap_push(&h, &items[1]);
    items[2].at = items[1].at - 1;
    heap_push(&h, &items[2]);
    heap_push(&h, &items[2]);
    CU_ASSERT_EQUAL(h.count, 2);
    CU_ASSERT_PTR_EQUAL(heap_first(&h), &items[2]);
    heap_done(&h);
    CU_ASSERT_EQUAL(items[2].index, 0);
}

static void test_arena(void)
{
    struct arena *a = arena_new(10000);
    char *p = arena_alloc(a, 3), *q = arena_alloc(a, 5000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(q);
    CU_ASSERT_EQUAL((uintptr_t)q % 16, 0);
    for (int i = 0; i < 5000; i++)
        CU_ASSERT_EQUAL_FATAL(q[i], 0);
    CU_ASSERT_STRING_EQUAL(arena_copy(a, "abcdef", 3), "abc");
    CU_ASSERT_STRING_EQUAL(arena_text(a, "text"), "text");
    CU_ASSERT_PTR_NULL(arena_text(a, NULL));
    CU_ASSERT_PTR_NULL(arena_alloc(a, 5000));
    CU_ASSERT_PTR_NULL(arena_alloc(a, SIZE_MAX));
    CU_ASSERT_PTR_NULL(arena_copy(a, "", SIZE_MAX));
    arena_free(a);
    arena_free(NULL);
}

static void test_file(void)
{
    char path[] = "/tmp/renewd-test-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_EQUAL(write(fd, "secret\n", 7), 7);
    close(fd);
    struct buf b;
    CU_ASSERT_EQUAL_FATAL(file_read(path, 7, &b), 0);
    CU_ASSERT_STRING_EQUAL(b.data, "secret\n");
    buf_done(&b);
    CU_ASSERT_EQUAL(file_read(path, 6, &b), -EFBIG);
    CU_ASSERT_EQUAL(file_read("/proc/self/stat", 3, &b), -EFBIG);
    CU_ASSERT_EQUAL(file_read("/tmp", 100, &b), -EISDIR);
    CU_ASSERT_EQUAL(file_read("/dev/null", 100, &b), -EINVAL);
    CU_ASSERT_EQUAL(truncate(path, 0), 0);
    CU_ASSERT_EQUAL_FATAL(file_read(path, 6, &b), 0);
    CU_ASSERT_STRING_EQUAL(b.data, "");
    buf_done(&b);
    unlink(path);
    CU_ASSERT_EQUAL(file_read(path, 6, &b), -ENOENT);
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    CU_ASSERT_EQUAL(file_read(path, 6, &b), -EINVAL); /* and does not wait for a writer */
    unlink(path);
}

/* ---- what a process gives up, and what it tells its service manager ---- */

/* In a child: 0 = it is as it should be. */
static int confined(const char *inside, const char *outside)
{
    const char *paths[] = {inside, NULL};
    char file[256];

    int r = sandbox_writes(paths);
    if (r < 0)
        return r == -ENOSYS || r == -EOPNOTSUPP ? 77 : 1;
    snprintf(file, sizeof file, "%s/made", inside);
    if (open(file, O_CREAT | O_WRONLY, 0600) < 0 || unlink(file) < 0)
        return 2;
    snprintf(file, sizeof file, "%s/made", outside);
    if (open(file, O_CREAT | O_WRONLY, 0600) >= 0 || errno != EACCES)
        return 3;
    snprintf(file, sizeof file, "%s/there", outside);
    if (open(file, O_WRONLY) >= 0 || unlink(file) == 0)
        return 4;
    return open(file, O_RDONLY) < 0 ? 5 : 0;
}

static void test_sandbox(void)
{
    char inside[] = "/tmp/renewd-in-XXXXXX", outside[] = "/tmp/renewd-out-XXXXXX", file[64], deeper[64];
    int status = -1;

    CU_ASSERT(mkdtemp(inside) != NULL && mkdtemp(outside) != NULL);
    snprintf(file, sizeof file, "%s/there", outside);
    snprintf(deeper, sizeof deeper, "%s/not/there/yet", inside);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    pid_t child = fork();
    if (child == 0)
        _exit(confined(inside, outside));
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) == 77)
        puts("# this kernel has no Landlock");
    else
        CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    child = fork();
    if (child == 0) { /* of what is not there yet the nearest folder counts */
        const char *paths[] = {deeper, NULL};
        char in[64], out[64];
        snprintf(in, sizeof in, "%s/d", inside);
        snprintf(out, sizeof out, "%s/d", outside);
        bool fits = sandbox_writes(paths) == 0 && mkdir(in, 0700) == 0 && rmdir(in) == 0;
        _exit(fits && mkdir(out, 0700) < 0 && errno == EACCES ? 0 : 1);
    }
    int second = -1;
    waitpid(child, &second, 0);
    CU_ASSERT(WEXITSTATUS(status) == 77 || WEXITSTATUS(second) == 0);
    unlink(file);
    rmdir(inside);
    rmdir(outside);
}

static void test_notify(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char dir[] = "/tmp/renewd-notify-XXXXXX", got[32] = "";

    CU_ASSERT_PTR_NOT_NULL(mkdtemp(dir));
    snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", dir);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CU_ASSERT_EQUAL(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
    CU_ASSERT(recv(fd, got, sizeof got - 1, 0) < 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    notify_send("WATCHDOG=1");
    CU_ASSERT_EQUAL(recv(fd, got, sizeof got - 1, 0), 10);
    CU_ASSERT_STRING_EQUAL(got, "WATCHDOG=1");
    setenv("WATCHDOG_USEC", "60000000", 1);
    CU_ASSERT_EQUAL(notify_watchdog_ms(), 60000);
    setenv("WATCHDOG_PID", "1", 1);
    CU_ASSERT_EQUAL(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    unsetenv("NOTIFY_SOCKET");
    unlink(at.sun_path);
    rmdir(dir);
    close(fd);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a freed secret is nowhere in the heap", test_secret_wiped},
        {"a buffer that grew leaves nothing behind", test_buf_wiped},
        {"an arena is wiped", test_arena_wiped},
        {"wipe_free and the NULL secret", test_wipe_free},
        {"a process that gave up writing elsewhere", test_sandbox},
        {"the service manager is told", test_notify},
        {"buf", test_buf},
        {"a number as digits", test_digits_of},
        {"alloc", test_alloc},
        {"utf8", test_utf8},
        {"error", test_error},
        {"clock", test_clock},
        {"log", test_log},
        {"log to the journal", test_log_to_journal},
        {"map", test_map},
        {"heap", test_heap},
        {"arena", test_arena},
        {"file", test_file},
        {NULL, NULL},
    };
    return run_tests("base", tests);
}
