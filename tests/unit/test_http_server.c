/* SPDX-License-Identifier: MIT
 * The HTTP server: paths and queries read strictly, answers now and later, limits, its socket file,
 * its end with calls waiting. The callers are blocking threads.
 */
#include "config.h"

#include "core/http/server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/http/path.h"
#include "core/http/unix_client.h"
#include "core/loop/loop.h"
#include "tests/unit/http_shapes.h"
#include "tests/unit/runner.h"

static struct loop *loop;
static struct http_server *server;
static char path[128];

/* --- callers -------------------------------------------------------------------------------- */

struct caller {
    pthread_t thread;
    const char *method, *target, *type, *body; /* over the Unix socket */
    size_t len;
    const char *raw; /* or these bytes over TCP; as many as raw_len when that is set */
    size_t raw_len;
    bool hang_up; /* without waiting for the answer */
    int result, status;
    int64_t retry_after;
    struct buf answer;
};

static int running;

static void caller_over(void *ctx)
{
    (void)ctx;
    running--;
}

static void call_raw(struct caller *caller)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(http_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char data[4096];
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20}, sizeof(struct timeval));
    caller->result = connect(fd, (struct sockaddr *)&address, sizeof address);
    for (size_t at = 0, len = caller->raw_len ? caller->raw_len : strlen(caller->raw); at < len; at += (size_t)n)
        if ((n = send(fd, caller->raw + at, len - at, MSG_NOSIGNAL)) < 0)
            break;
    while (!caller->hang_up && (n = recv(fd, data, sizeof data, 0)) > 0)
        buf_append(&caller->answer, data, (size_t)n);
    close(fd);
}

static void *call_thread(void *ctx)
{
    struct caller *c = ctx;

    const struct unix_request q = {path, c->method, c->target, c->type, c->body, c->len, 10000};
    struct unix_reply reply = {.body = c->answer};

    if (c->raw) {
        call_raw(c);
    } else {
        c->result = http_unix_call(&q, &reply, NULL);
        c->status = reply.status;
        c->retry_after = reply.retry_after;
        c->answer = reply.body;
    }
    loop_post(loop, caller_over, NULL);
    return NULL;
}

static void caller_start(struct caller *caller)
{
    buf_init(&caller->answer, (size_t)4 << 20);
    buf_text(&caller->answer, "");
    running++;
    CU_ASSERT_FATAL(pthread_create(&caller->thread, NULL, call_thread, caller) == 0);
}

static void caller_wait(struct caller *caller)
{
    while (running > 0)
        loop_turn(loop, -1);
    pthread_join(caller->thread, NULL);
}

/* One call over the Unix socket, its answer left in *caller. */
static void call(struct caller *caller, const char *method, const char *target, const char *body)
{
    *caller = (struct caller){.method = method, .target = target, .body = body, .len = body ? strlen(body) : 0};
    caller_start(caller);
    caller_wait(caller);
}

static void call_bytes(struct caller *caller, const char *raw)
{
    *caller = (struct caller){.raw = raw};
    caller_start(caller);
    caller_wait(caller);
}

/* --- handlers ------------------------------------------------------------------------------- */

static int handled;

static bool count_header(void *ctx, const char *name, const char *value)
{
    (void)value;
    *(int *)ctx += strcasecmp(name, "Host") == 0;
    return true;
}

/* Says what it was asked. */
static void echo(void *ctx, struct http_call *c)
{
    const char *q = "(absent)", *type = http_call_header(c, "content-TYPE");
    uid_t uid = 0;
    gid_t gid;
    pid_t pid = 0;
    size_t len;
    struct buf text;
    int hosts = 0;

    (void)ctx;
    handled++;
    const char *body = http_call_body(c, &len);
    int peer = http_call_peer(c, &uid, &gid, &pid);
    int has = http_call_query(c, "q", &q);
    CU_ASSERT_EQUAL(http_call_query(c, "q", &q), has);
    http_call_headers(c, count_header, &hosts);
    buf_init(&text, (size_t)4 << 20);
    buf_printf(&text, "%s %s q=%d:%s type=%s peer=%d hosts=%d body=%zu:%.20s", http_call_method(c),
               http_call_path(c), has, q, type ? type : "-", peer == 0 ? uid == getuid() && pid > 0 : peer, hosts,
               len, body);
    CU_ASSERT_EQUAL(http_answer_header(c, "X-One", "1"), 0);
    CU_ASSERT_EQUAL(http_answer_header(c, "X-Two", "a\r\nX-Evil: b"), -EINVAL);
    CU_ASSERT_EQUAL(http_answer_header(c, "X Two", "a"), -EINVAL);
    CU_ASSERT_EQUAL(http_answer_header(c, "Content-Length", "1"), -EINVAL);
    http_answer(c, 207, "text/plain", text.data, text.len);
    buf_done(&text);
}

static struct http_call *kept[8];
static size_t kept_count;

static void keep(void *ctx, struct http_call *c)
{
    (void)ctx;
    kept[kept_count++] = c;
}

static void begin_unix(http_handler_fn *handler)
{
    struct error error = {""};
    const char *tmp = getenv("TMPDIR");

    handled = 0;
    kept_count = 0;
    loop = loop_new();
    snprintf(path, sizeof path, "%.80s/renewd-test-%ld.sock", tmp ? tmp : "/tmp", (long)getpid());
    CU_ASSERT_EQUAL_FATAL(http_server_unix(loop, path, 0660, NULL, handler, NULL, &server, &error), 0);
}

static void begin_tcp(http_handler_fn *handler)
{
    handled = 0;
    kept_count = 0;
    loop = loop_new();
    CU_ASSERT_EQUAL_FATAL(http_server_tcp(loop, "127.0.0.1:0", handler, NULL, &server, NULL), 0);
    CU_ASSERT_NOT_EQUAL(http_server_port(server), 0);
}

static void end(void)
{
    http_server_free(server);
    loop_free(loop);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void answer_is(struct caller *c, int status, const char *text)
{
    CU_ASSERT_EQUAL(c->result, 0);
    CU_ASSERT_EQUAL(c->status, status);
    CU_ASSERT_STRING_EQUAL(c->answer.data, text);
    if (strcmp(c->answer.data, text) != 0)
        printf("# %d %d %s\n", c->result, c->status, c->answer.data);
    buf_done(&c->answer);
}

static void requests_over_unix(void)
{
    struct caller c;
    struct stat st;

    begin_unix(echo);
    CU_ASSERT(stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0660);
    CU_ASSERT_EQUAL(http_server_port(server), 0);
    call(&c, "GET", "/v1/a%2Fb/../%20c?q=x%20y+z&r=1", NULL);
    answer_is(&c, 207, "GET /v1/a%2Fb/../%20c q=1:x y z type=- peer=1 hosts=1 body=0:");
    call(&c, "POST", "/p", "hello");
    answer_is(&c, 207, "POST /p q=0:(absent) type=- peer=1 hosts=1 body=5:hello");
    call(&c, "POST", "/p?q", NULL);
    answer_is(&c, 207, "POST /p q=1: type=- peer=1 hosts=1 body=0:");
    call(&c, "DELETE", "/p?q=1&q=2", NULL);
    answer_is(&c, 207, "DELETE /p q=-22:(absent) type=- peer=1 hosts=1 body=0:");
    call(&c, "GET", "/p?q=%00", NULL);
    answer_is(&c, 207, "GET /p q=-22:(absent) type=- peer=1 hosts=1 body=0:");
    call(&c, "GET", "/p?q=%f", NULL);
    answer_is(&c, 207, "GET /p q=-22:(absent) type=- peer=1 hosts=1 body=0:");
    call(&c, "GET", "/p?q=%ff", NULL);
    answer_is(&c, 207, "GET /p q=-22:(absent) type=- peer=1 hosts=1 body=0:");
    call(&c, "GET", "/p?%71=1&qq=3", NULL);
    answer_is(&c, 207, "GET /p q=1:1 type=- peer=1 hosts=1 body=0:");
    end();
    CU_ASSERT_NOT_EQUAL(stat(path, &st), 0);
}

static void requests_over_tcp(void)
{
    struct caller c;

    begin_tcp(echo);
    call_bytes(&c, "PUT /x?q=1 HTTP/1.1\r\nHost: a\r\nContent-Type: t/u\r\nContent-Length: 2\r\n"
                   "Connection: close\r\n\r\nok");
    CU_ASSERT_PTR_NOT_NULL(strstr(c.answer.data, "HTTP/1.1 207 "));
    CU_ASSERT_PTR_NOT_NULL(strstr(c.answer.data, "X-One: 1\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(c.answer.data, "Content-Type: text/plain\r\n"));
    CU_ASSERT_PTR_NULL(strstr(c.answer.data, "X-Evil"));
    CU_ASSERT_PTR_NOT_NULL(strstr(c.answer.data, "PUT /x q=1:1 type=t/u peer=-107 hosts=1 body=2:ok"));
    buf_done(&c.answer);
    call_bytes(&c, "garbage\r\n\r\n");
    CU_ASSERT_PTR_NULL(strstr(c.answer.data, " 207 "));
    buf_done(&c.answer);
    call_bytes(&c, "GET /broken-header HTTP/1.1\r\nHost\r\n: x\r\n\r\n");
    CU_ASSERT_PTR_NULL(strstr(c.answer.data, " 207 "));
    buf_done(&c.answer);
    CU_ASSERT_EQUAL(handled, 1);
    end();
}

static void limits(void)
{
    struct caller c;
    char *big = xmalloc(2097152 + 1), head[20000];

    begin_unix(echo);
    memset(big, 'x', 2097152);
    big[2097152] = '\0';
    call(&c, "POST", "/big", big);
    CU_ASSERT_EQUAL(c.status, 413);
    buf_done(&c.answer);
    CU_ASSERT_EQUAL(handled, 0);
    big[1048576] = '\0';
    call(&c, "POST", "/big", big);
    answer_is(&c, 207,
              "POST /big q=0:(absent) type=- peer=1 hosts=1 body=1048576:"
              "xxxxxxxxxxxxxxxxxxxx");
    memset(head, 'y', sizeof head - 1);
    head[0] = '/';
    head[sizeof head - 1] = '\0';
    call(&c, "GET", head, NULL);
    CU_ASSERT(c.result < 0 || c.status >= 400);
    buf_done(&c.answer);
    CU_ASSERT_EQUAL(handled, 1);
    end();

    begin_tcp(echo);
    struct buf chunked;
    buf_init(&chunked, (size_t)4 << 20);
    buf_printf(&chunked, "POST /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n180000\r\n");
    memset(big, 'x', 0x180000);
    buf_append(&chunked, big, 0x180000);
    buf_text(&chunked, "\r\n0\r\n\r\n");
    call_bytes(&c, chunked.data);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.answer.data, "HTTP/1.1 413 "));
    buf_done(&c.answer);
    buf_done(&chunked);
    CU_ASSERT_EQUAL(handled, 0);
    end();
    free(big);
}

static void shapes(void)
{
    struct caller c;

    begin_tcp(echo);
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct buf twice; /* nothing that follows on the connection is read either */
        buf_init(&twice, 4096);
        buf_append(&twice, malformed[i].text, malformed[i].len);
        buf_text(&twice, "GET /next HTTP/1.1\r\nHost: a" END);
        c = (struct caller){.raw = twice.data, .raw_len = twice.len};
        caller_start(&c);
        caller_wait(&c);
        bool refused = strncmp(c.answer.data, "HTTP/1.1 400 ", 13) == 0 || c.answer.len == 0;
        CU_ASSERT_TRUE(refused && handled == 0 && !strstr(c.answer.data, " 207 "));
        if (!refused || handled)
            printf("# malformed %zu: %s\n", i, c.answer.data);
        handled = 0;
        buf_done(&c.answer);
        buf_done(&twice);
    }
    for (size_t i = 0; i < sizeof unusual / sizeof *unusual; i++) {
        call_bytes(&c, unusual[i].text);
        CU_ASSERT_PTR_NOT_NULL(strstr(c.answer.data, " /x q=1:1 "));
        if (!strstr(c.answer.data, " 207 "))
            printf("# unusual %zu: %s\n", i, c.answer.data);
        buf_done(&c.answer);
    }
    end();
}

enum { CROWD = 600 };

/* More connections than there are places come and go at once: the next caller finds a place. */
static void crowd(void)
{
    struct rlimit files = {2048, 2048};
    struct caller c;
    int fds[CROWD];

    setrlimit(RLIMIT_NOFILE, &files);
    begin_tcp(echo);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(http_server_port(server))};
    for (int i = 0; i < CROWD; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CU_ASSERT_EQUAL_FATAL(connect(fds[i], (struct sockaddr *)&to, sizeof to), 0);
    }
    for (int i = 0; i < CROWD; i++)
        loop_turn(loop, 0);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
    for (int i = 0; i < CROWD; i++)
        loop_turn(loop, 0);
    call_bytes(&c, "GET /x HTTP/1.1\r\nHost: a" END);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.answer.data, "HTTP/1.1 207 "));
    buf_done(&c.answer);
    end();
}

static void answer_later(void)
{
    struct caller a = {.method = "GET", .target = "/a"}, b = {.method = "GET", .target = "/b"};

    begin_unix(keep);
    caller_start(&a);
    caller_start(&b);
    while (kept_count < 2)
        loop_turn(loop, -1);
    CU_ASSERT_EQUAL(http_server_waiting(server), 2);
    CU_ASSERT_EQUAL(running, 2);
    for (size_t i = 0; i < 2; i++) {
        char text[64];
        snprintf(text, sizeof text, "later %s", http_call_path(kept[i]));
        http_answer(kept[i], 200, NULL, text, strlen(text));
    }
    caller_wait(&a);
    pthread_join(b.thread, NULL);
    answer_is(&a, 200, "later /a");
    answer_is(&b, 200, "later /b");
    CU_ASSERT_EQUAL(http_server_waiting(server), 0);
    end();
}

static void caller_hangs_up(void)
{
    struct caller c = {.raw = "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n", .hang_up = true}, d;

    begin_tcp(keep);
    caller_start(&c);
    while (kept_count < 1 || running > 0)
        loop_turn(loop, -1);
    pthread_join(c.thread, NULL);
    CU_ASSERT_STRING_EQUAL(http_call_path(kept[0]), "/gone");
    http_answer(kept[0], 200, "text/plain", "nobody", 6);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 1);
    buf_done(&c.answer);
    d = (struct caller){.raw = "GET /stays HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"};
    caller_start(&d);
    while (kept_count < 2)
        loop_turn(loop, -1);
    http_answer(kept[1], 204, NULL, NULL, 0);
    caller_wait(&d);
    CU_ASSERT_PTR_NOT_NULL(strstr(d.answer.data, "HTTP/1.1 204 "));
    buf_done(&d.answer);
    end();
}

static void end_with_calls_waiting(void)
{
    struct caller c = {.method = "GET", .target = "/waits"};

    begin_unix(keep);
    caller_start(&c);
    while (kept_count < 1)
        loop_turn(loop, -1);
    http_server_stop_listening(server);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    http_server_free(server);
    caller_wait(&c);
    CU_ASSERT_EQUAL(c.status, 503);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.answer.data, "renewd is stopping"));
    buf_done(&c.answer);
    loop_free(loop);
}

static void busy_and_stale_sockets(void)
{
    struct http_server *second = NULL;
    struct error error = {""};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct unix_request q = {.socket_path = path, .method = "GET", .path = "/"};
    struct unix_reply reply = {.body = {.max = 10}};
    struct caller c;
    char other[64];

    begin_unix(echo);
    CU_ASSERT_EQUAL(http_server_unix(loop, path, 0600, NULL, echo, NULL, &second, &error), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, path));
    call(&c, "GET", "/", NULL);
    CU_ASSERT_EQUAL(c.status, 207); /* the first one lives */
    buf_done(&c.answer);
    end();
    CU_ASSERT_EQUAL(http_unix_call(&q, &reply, &error), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "is renewd running"));

    memcpy(address.sun_path, path, sizeof address.sun_path - 1);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale);
    CU_ASSERT_EQUAL(http_unix_call(&q, &reply, &error), -ECONNREFUSED);
    begin_unix(echo); /* replaces it */
    end();

    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    loop = loop_new();
    CU_ASSERT_EQUAL(http_server_unix(loop, path, 0600, NULL, echo, NULL, &second, &error), -EEXIST);
    unlink(path);
    CU_ASSERT_EQUAL(http_server_unix(loop, path, 0600, "no-such-group-here", echo, NULL, &second, &error), -EINVAL);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    CU_ASSERT_EQUAL(http_server_tcp(loop, "localhost:x", echo, NULL, &second, &error), -EINVAL);
    CU_ASSERT_EQUAL(http_server_tcp(loop, "8642", echo, NULL, &second, &error), -EINVAL);
    CU_ASSERT_EQUAL(http_server_tcp(loop, "0.0.0.0:0", echo, NULL, &second, &error), -EPERM);
    loop_free(loop);

    begin_tcp(echo);
    snprintf(other, sizeof other, "127.0.0.1:%u", (unsigned)http_server_port(server));
    CU_ASSERT_EQUAL(http_server_tcp(loop, other, echo, NULL, &second, &error), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, other));
    end();
}

static void client_limit(void)
{
    struct caller c = {.method = "GET", .target = "/"};

    begin_unix(echo);
    caller_start(&c);
    buf_done(&c.answer);
    caller_wait(&c);
    buf_done(&c.answer);
    struct caller small = {.method = "GET", .target = "/"};
    running++;
    buf_init(&small.answer, 10);
    CU_ASSERT_FATAL(pthread_create(&small.thread, NULL, call_thread, &small) == 0);
    caller_wait(&small);
    CU_ASSERT_EQUAL(small.result, -EMSGSIZE);
    buf_done(&small.answer);
    end();
}

static void key_is(const char *raw, size_t key_at, int expected, const char *joined)
{
    char *segments[4], *memory = NULL, text[128] = "";
    int n = path_split(raw, key_at, segments, 4, &memory);

    CU_ASSERT_EQUAL(n, expected);
    for (int i = 0; i < n; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "<%s>", segments[i]);
    }
    CU_ASSERT_STRING_EQUAL(text, joined);
    if (n != expected || strcmp(text, joined) != 0)
        printf("# %s: %d %s\n", raw, n, text);
    free(memory);
}

static void path_is(const char *raw, int expected, const char *joined)
{
    key_is(raw, PATH_NO_KEY, expected, joined);
}

/* A record's key: anything that is percent-encoded, but no step of the path. */
static void keys_in_paths(void)
{
    key_is("/a/b%2Fc%2f", 1, 2, "<a><b/c/>");
    key_is("/a/%2e%2E/x", 1, 3, "<a><..><x>");
    key_is("/a/%2E", 1, 2, "<a><.>");
    key_is("/a/%252e", 1, 2, "<a><%2e>");
    key_is("/a/..%2F", 1, 2, "<a><../>");
    key_is("/a/..", 1, -EINVAL, "");
    key_is("/a/.%2e", 1, -EINVAL, "");
    key_is("/a%2Fb/c", 1, -EINVAL, "");
    key_is("/a/b/%2e%2e", 1, -EINVAL, "");
    key_is("/a/b%00", 1, -EINVAL, "");
    key_is("/a/%c0%af", 1, -EINVAL, "");
}

static void paths(void)
{
    path_is("/", 0, "");
    path_is("/v1/jobs/a%20b", 3, "<v1><jobs><a b>");
    path_is("/v1/", 2, "<v1><>");
    path_is("//", 2, "<><>");
    path_is("/a+b/%c3%A9", 2, "<a+b><\303\251>");
    path_is("/%25%32%65", 1, "<%2e>");
    path_is("/.../.a", 2, "<...><.a>");
    path_is("/a/b/c/d", 4, "<a><b><c><d>");
    path_is("/a/b/c/d/", -E2BIG, "");
    path_is("", -EINVAL, "");
    path_is("v1", -EINVAL, "");
    path_is("http://host/v1", -EINVAL, "");
    path_is("*", -EINVAL, "");
    path_is("/a/../b", -EINVAL, "");
    path_is("/a/./b", -EINVAL, "");
    path_is("/a/..", -EINVAL, "");
    path_is("/%2e%2E/b", -EINVAL, "");
    path_is("/.%2e", -EINVAL, "");
    path_is("/%2e", -EINVAL, "");
    path_is("/a%2Fb", -EINVAL, "");
    path_is("/a%00b", -EINVAL, "");
    path_is("/a%", -EINVAL, "");
    path_is("/a%4", -EINVAL, "");
    path_is("/a%4/b", -EINVAL, "");
    path_is("/a%zz", -EINVAL, "");
    path_is("/%ff", -EINVAL, "");
    path_is("/%c0%ae", -EINVAL, "");
    path_is("/\xff", -EINVAL, "");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"requests over a Unix socket", requests_over_unix},
        {"requests over TCP", requests_over_tcp},
        {"limits", limits},
        {"malformed and unusual requests", shapes},
        {"a crowd comes and goes", crowd},
        {"answers later", answer_later},
        {"a caller hangs up", caller_hangs_up},
        {"end with calls waiting", end_with_calls_waiting},
        {"busy and stale sockets", busy_and_stale_sockets},
        {"the blocking client's limit", client_limit},
        {"paths", paths},
        {"keys in paths", keys_in_paths},
        {NULL, NULL},
    };
    return run_tests("http_server", tests);
}
