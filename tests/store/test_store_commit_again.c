/* SPDX-License-Identifier: MIT
 * Commits that have to be made twice: the answer to COMMIT was lost, and nobody knows whether it was done; the
 * database asks for the transaction again. PostgreSQL alone: a proxy of our own stands before it.
 */
#include "config.h" /* _GNU_SOURCE */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/commits.h"

#define EXPIRES 1900000000

/* Takes one connection, and cuts it at its first COMMIT: before the server has it, or with its answer. */
struct proxy {
    char dir[32], path[64];
    char server[108]; /* the cluster's own socket */
    char port[8];
    bool before;
    int listener;
    bool cut;
    pthread_t thread;
};

static int to_server(const struct proxy *p)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(at.sun_path, p->server, sizeof at.sun_path);
    return connect(fd, (struct sockaddr *)&at, sizeof at) < 0 ? -1 : fd;
}

/* Passes on what is there; false when the connection is over. */
static bool pass(int from, int to, char *bytes, size_t size, ssize_t *ret_len)
{
    *ret_len = read(from, bytes, size);
    return *ret_len > 0 && write(to, bytes, (size_t)*ret_len) == *ret_len;
}

static void *proxy_run(void *arg)
{
    struct proxy *p = arg;
    char bytes[65536];
    ssize_t len;
    bool committing = false;
    int client = accept(p->listener, NULL, NULL), server = to_server(p);
    struct pollfd fds[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};

    while (!p->cut && server >= 0 && poll(fds, 2, 20000) > 0) {
        if (fds[0].revents && !committing) {
            len = recv(client, bytes, sizeof bytes, MSG_PEEK);
            committing = len > 0 && memmem(bytes, (size_t)len, "COMMIT", sizeof "COMMIT");
            if (committing && p->before)
                p->cut = true;
            else if (!pass(client, server, bytes, sizeof bytes, &len))
                break;
        } else if (fds[1].revents && committing) {
            p->cut = read(server, bytes, sizeof bytes) > 0; /* it is done, and nobody hears of it */
        } else if (fds[1].revents && !pass(server, client, bytes, sizeof bytes, &len)) {
            break;
        }
    }
    close(client);
    close(server);
    return NULL;
}

/* The value of a word of the cluster's dsn. */
static char *word_of(const char *name)
{
    const char *at = strstr(secret_text(kit_options().dsn), name);

    if (!at)
        CU_FAIL_FATAL("the dsn has another form than tests/pg/start prints");
    at += strlen(name) + 1;
    return xstrndup(at, strcspn(at, " "));
}

static void proxy_start(struct proxy *p, bool before)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    cleanup(free_p) char *dir = word_of("host");
    cleanup(free_p) char *port = word_of("port");

    memset(p, 0, sizeof *p);
    p->before = before;
    snprintf(p->server, sizeof p->server, "%s/.s.PGSQL.%s", dir, port);
    snprintf(p->port, sizeof p->port, "%s", port);
    snprintf(p->dir, sizeof p->dir, "/tmp/renewd-proxy-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/.s.PGSQL.%s", p->dir, port);
    memcpy(at.sun_path, p->path, strlen(p->path) + 1);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(p->listener, (struct sockaddr *)&at, sizeof at), 0);
    CU_ASSERT_EQUAL_FATAL(listen(p->listener, 1), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&p->thread, NULL, proxy_run, p), 0);
}

static void proxy_end(struct proxy *p)
{
    pthread_join(p->thread, NULL);
    close(p->listener);
    unlink(p->path);
    rmdir(p->dir);
}

static struct db *through(const struct proxy *p)
{
    struct store_options o = kit_options();
    cleanup(free_p) char *text = xasprintf("%s host=%s", secret_text(o.dsn), p->dir);
    cleanup(secret_free_p) struct secret *dsn = secret_from_text(text);
    struct error e = {{0}};
    struct db *db = NULL;

    o.dsn = dsn;
    int r = db_open(&o, &db, &e);
    if (r < 0)
        printf("# through the proxy: %s\n", e.text);
    CU_ASSERT_EQUAL_FATAL(r, 0);
    return db;
}

static struct table *one_account(struct db *db)
{
    kit_accounts(db, "acc", "integer", "bigint");
    account_put(db, "acc", "5", "1000");
    return kit_table(db, "acc", "auto", NULL);
}

static void cut_at_commit(bool before)
{
    struct db *db = kit_fresh();
    struct table *t = one_account(db);
    struct commit *c = commit_of(db, t, "5", "a1");
    struct error e = {{0}};
    struct proxy p;

    commit_new_pair(c, EXPIRES);
    proxy_start(&p, before);
    struct db *cut = through(&p);
    CU_ASSERT_EQUAL(store_commit(cut, &c, 1, &e), -ENOTCONN);
    CU_ASSERT_EQUAL(c->result, COMMIT_WAITING);
    CU_ASSERT_FALSE(db_alive(cut));
    db_close(cut);
    proxy_end(&p);
    CU_ASSERT_TRUE(p.cut);
    CU_ASSERT_TRUE(kit_is(db, before ? "refresh-5" : "refresh-new-5", "SELECT refresh_token FROM acc"));
    CU_ASSERT_EQUAL(commit_one(db, c), before ? COMMIT_DONE : COMMIT_ALREADY);
    CU_ASSERT_TRUE(kit_is(db, "refresh-new-5", "SELECT refresh_token FROM acc"));
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT count(*) FROM {attempts} WHERE attempt_id = 'a1'"));
    commit_free(c);
    table_free(t);
    db_close(db);
}

static void never_arrived(void)
{
    cut_at_commit(true);
}

static void answer_lost(void)
{
    cut_at_commit(false);
}

/* Refused three times, as one of two that wait for each other is. */
static void asked_again(const char *sqlstate)
{
    struct db *db = kit_fresh();
    struct table *t = one_account(db);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_new_pair(c, EXPIRES);
    kit_sql(db, "CREATE SEQUENCE tries");
    kit_sql(db,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            " IF nextval('tries') <= 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '%s'; END IF;"
            " RETURN NEW; END$$",
            sqlstate);
    kit_sql(db, "CREATE TRIGGER refuse BEFORE UPDATE ON acc FOR EACH ROW EXECUTE FUNCTION refuse()");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "refresh-new-5", "SELECT refresh_token FROM acc"));
    CU_ASSERT_TRUE(kit_is(db, "4", "SELECT last_value FROM tries"));
    commit_free(c);
    table_free(t);
    db_close(db);
}

static void deadlock(void)
{
    asked_again("40P01");
}

static void serialisation(void)
{
    asked_again("40001");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a COMMIT that never arrived is made again", never_arrived},
        {"a COMMIT whose answer was lost is found again", answer_lost},
        {"a deadlock", deadlock},
        {"a serialisation failure", serialisation},
        {NULL, NULL},
    };

    return kit_postgresql() ? run_tests(kit_suite("commits made again"), tests) : 0;
}
