/* SPDX-License-Identifier: MIT
 * TLS of the HTTP client, against `openssl s_server` with certificates made here: refused unless its
 * authority is named, refused for another host's name, once expired, and from an unknown authority. What comes
 * of a request without TLS to such a port.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/http/client/client.h"
#include "core/loop/loop.h"
#include "tests/unit/runner.h"

static struct loop *loop;
static struct http_client *client;
static char folder[64], certificate[96], key[96], authority[96], issued[96], expired[96];

static struct {
    int calls;
    struct http_reply reply;
    char why[400];
} got;

static void done(void *ctx, const struct http_reply *reply)
{
    (void)ctx;
    got.calls++;
    got.reply = *reply;
    snprintf(got.why, sizeof got.why, "%s", reply->why);
}

static pid_t run(const char *const *argv, int out)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, 1);
    int r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return r == 0 ? pid : -1;
}

/* One signed by itself; one of an authority's; one that ended when it began, of the same. */
static bool make_certificates(void)
{
    const char *argv[] =
        {"sh", "-ec",
         "new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
         "for c in cert authority; do\n"
         "    openssl req -x509 $new -days 2 -subj \"/CN=renewd $c\" -addext subjectAltName=IP:127.0.0.1 \\\n"
         "        -keyout \"$0/$c.key\" -out \"$0/$c.pem\"\n"
         "done\n"
         "mv \"$0/cert.key\" \"$0/key.pem\"\n"
         "openssl req -new -key \"$0/key.pem\" -subj /CN=issued -out \"$0/issued.csr\"\n"
         "echo subjectAltName=IP:127.0.0.1 > \"$0/names\"\n"
         "for c in issued expired; do\n"
         "    [ $c = issued ] && days=2 || days=0\n"
         "    openssl x509 -req -in \"$0/issued.csr\" -CA \"$0/authority.pem\" -CAkey \"$0/authority.key\" \\\n"
         "        -set_serial 2 -days $days -extfile \"$0/names\" -out \"$0/$c.pem\"\n"
         "done\n",
         folder, NULL};
    int status = -1;
    pid_t pid = run(argv, -1);

    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Reads "ACCEPT 127.0.0.1:PORT". */
static unsigned start_server(pid_t *ret_pid, const char *version, const char *cert)
{
    const char *argv[] = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert,
                          "-key",    key,        "-www",    version,       NULL};
    char line[128];
    unsigned port = 0;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    *ret_pid = run(argv, ends[1]);
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    while (out && port == 0 && fgets(line, sizeof line, out)) {
        const char *colon = strrchr(line, ':');
        if (strncmp(line, "ACCEPT", 6) == 0 && colon)
            port = (unsigned)strtoul(colon + 1, NULL, 10);
    }
    if (out)
        fclose(out);
    return port;
}

static void stop_server(pid_t pid)
{
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

static void ask_by(const char *scheme, const char *host, unsigned port, const char *ca_file)
{
    char url[128];
    struct http_request request = {.method = "GET",
                                   .url = url,
                                   .ca_file = ca_file,
                                   .deadline_boot_ms = clock_boot_ms() + 10000};

    snprintf(url, sizeof url, "%s://%s:%u/", scheme, host, port);
    got.calls = 0;
    CU_ASSERT_EQUAL_FATAL(http_client_send(client, &request, done, NULL, NULL, NULL), 0);
    while (got.calls == 0)
        loop_turn(loop, -1);
}

static void ask(const char *host, unsigned port, const char *ca_file)
{
    ask_by("https", host, port, ca_file);
}

static void expect_refused(const char *word)
{
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_NOT_SENT);
    CU_ASSERT_FALSE(got.reply.sent);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.why, word));
    if (!strstr(got.why, word))
        printf("# %s\n", got.why);
}

static void verified_always(void)
{
    pid_t pid = -1;
    unsigned port = start_server(&pid, "-tls1_2", certificate);

    CU_ASSERT_NOT_EQUAL(port, 0);
    ask("127.0.0.1", port, NULL);
    expect_refused("signed by itself; set http.ca_file");
    ask("127.0.0.1", port, certificate);
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_OK_REPLY);
    CU_ASSERT_EQUAL(got.reply.status, 200);
    CU_ASSERT_TRUE(got.reply.sent);
    ask("localhost", port, certificate);
    expect_refused("localhost");
    expect_refused("made out for another name");
    ask("127.0.0.1", port, NULL);
    expect_refused("certificate");
    ask("127.0.0.1", port, "/nonexistent/ca.pem");
    expect_refused("/nonexistent/ca.pem");
    ask("127.0.0.1", port, certificate);
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_OK_REPLY);
    stop_server(pid);
}

static void old_tls_is_refused(void)
{
    pid_t pid = -1;
    unsigned port = start_server(&pid, "-tls1_1", certificate);

    if (port != 0) {
        ask("127.0.0.1", port, certificate);
        CU_ASSERT_EQUAL(got.reply.failure, HTTP_NOT_SENT);
    }
    stop_server(pid);
}

static void authorities(void)
{
    pid_t pid = -1;
    unsigned port = start_server(&pid, "-tls1_3", issued);

    CU_ASSERT_NOT_EQUAL(port, 0);
    ask("127.0.0.1", port, NULL);
    expect_refused("from an authority that is not known here");
    expect_refused("set http.ca_file to the authority's certificate");
    ask("127.0.0.1", port, certificate); /* another one's */
    expect_refused("from an authority that is not known here");
    ask("127.0.0.1", port, authority);
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_OK_REPLY);
    stop_server(pid);
}

static void past_its_time(void)
{
    pid_t pid = -1;
    unsigned port = start_server(&pid, "-tls1_3", expired);

    CU_ASSERT_NOT_EQUAL(port, 0);
    ask("127.0.0.1", port, authority);
    expect_refused("its certificate has expired, or this machine's clock is wrong");
    stop_server(pid);
}

/* A server that reads something and closes, by FIN or by RST; what it wrote before may be lost with the connection. */
static void close_each(int listener)
{
    for (int i = 0; i < 2; i++) {
        const struct linger at_once = {.l_onoff = 1};
        char some[4096];
        int fd = accept(listener, NULL, NULL);
        (void)!read(fd, some, sizeof some);
        if (i == 1)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fd);
    }
}

static void closed_in_handshake(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&at, len), 0);
    CU_ASSERT_EQUAL_FATAL(listen(listener, 2), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close_each(listener);
        _exit(0);
    }
    for (int i = 0; i < 2; i++) {
        ask("127.0.0.1", ntohs(at.sin_port), NULL);
        expect_refused("perhaps this port does not speak TLS; check the port");
    }
    close(listener);
    stop_server(pid);
}

/* s_server closes at once on what is no handshake, without a word. */
static void plain_to_tls(void)
{
    pid_t pid = -1;
    unsigned port = start_server(&pid, "-tls1_2", certificate);
    struct http_client_counts before, after;

    http_client_count(client, &before);
    ask_by("http", "127.0.0.1", port, NULL);
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_NOT_SENT);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(got.why,
               "this port speaks TLS and refused a request without it; write https:// for http://127.0.0.1:"));
    http_client_count(client, &after);
    CU_ASSERT_EQUAL(after.sent_total - before.sent_total, 1); /* the handshake brings no request */
    CU_ASSERT_EQUAL(after.in_flight, 0);
    CU_ASSERT_EQUAL(after.open, before.open);
    stop_server(pid);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"always verified", verified_always},
        {"TLS 1.1 is refused", old_tls_is_refused},
        {"an authority that is not known", authorities},
        {"an expired certificate", past_its_time},
        {"a request without TLS", plain_to_tls},
        {"closed in the handshake", closed_in_handshake},
        {NULL, NULL},
    };
    const char *tmp = getenv("TMPDIR");
    int result = 99;

    snprintf(folder, sizeof folder, "%.40s/renewd-tls-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return result;
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    snprintf(authority, sizeof authority, "%s/authority.pem", folder);
    snprintf(issued, sizeof issued, "%s/issued.pem", folder);
    snprintf(expired, sizeof expired, "%s/expired.pem", folder);
    loop = loop_new();
    if (!make_certificates())
        printf("not ok http_tls: the openssl command made no certificates\n");
    else if (http_client_new(loop, NULL, &client) == 0)
        result = run_tests("http_tls", tests);
    http_client_free(client);
    loop_free(loop);
    const char *const rm[] = {"rm", "-rf", folder, NULL};
    waitpid(run(rm, -1), NULL, 0);
    return result;
}
