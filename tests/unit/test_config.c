/* SPDX-License-Identifier: MIT
 * Configuration: a table of broken files with the line and the words that are expected, one good
 * set with every setting there is, and no secret in any sentence.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/config/config.h"
#include "core/rules/outcome.h"
#include "core/store/user_table.h"
#include "tests/unit/config_setup.h"
#include "tests/unit/runner.h"

/* A made-up CA's. */
#define CERTIFICATE                                                      \
    "-----BEGIN CERTIFICATE-----\n"                                      \
    "MIIBgjCCASmgAwIBAgIUZXKBOrGr+BVLCoffk91jYdXOg4gwCgYIKoZIzj0EAwIw\n" \
    "FjEUMBIGA1UEAwwLcmVuZXdkLXRlc3QwIBcNMjYxMTI5MTk0MjE5WhgPMjEyNjEx\n" \
    "MDUxOTQyMTlaMBYxFDASBgNVBAMMC3JlbmV3ZC10ZXN0MFkwEwYHKoZIzj0CAQYI\n" \
    "KoZIzj0DAQcDQgAET/AxZrUWODdXmYHgduEDVPQPlGR7PMUhU0Lh8jUwUQxQ7Mei\n" \
    "wYfmsEQQ4MCHB20nqr+UToDVTDsP7FLWfGP7a6NTMFEwHQYDVR0OBBYEFENg1IBJ\n" \
    "qWX1JT4qlMuEG00Jj41MMB8GA1UdIwQYMBaAFENg1IBJqWX1JT4qlMuEG00Jj41M\n" \
    "MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgKUGSyrAFb8wAnqzt\n" \
    "PWbZ4iivMVLWws5OQFlr0/e/dqACIG0IW6E3T4EvAqKYCw0+Axa7adfPlKlNM65H\n" \
    "LPycAnAe\n"                                                         \
    "-----END CERTIFICATE-----\n"

/* ---- renewd.conf -------------------------------------------------------------------------- */

static void test_broken_main(void)
{
    static const struct broken list[] = {
        {"conf_dir = \"conf.d\";\n", "renewd.conf:1:", "'keys' is missing"},
        {MAIN "\nstate_dri = \"x\";", "renewd.conf:3:", "did you mean 'state_dir'"},
        {MAIN "conf_dir = 7;", "renewd.conf:2:", "'conf_dir' must be"},
        {MAIN "conf_dir = \"nowhere\";", "renewd.conf:2:", "is not there"},
        {MAIN "store = {\n driver = \"mysql\"; };", "renewd.conf:3:", "\"sqlite\" or \"postgresql\""},
        {MAIN "store = { path = \"x.db\"; };", "renewd.conf:2:", "'driver' is missing"},
        {MAIN "store = { driver = \"postgresql\"; };", "renewd.conf:2:", "'dsn' is missing"},
        {MAIN "store = { driver = \"sqlite\"; dsn = \"" KEY "\"; };", "renewd.conf:2:", "belongs to"},
        {MAIN "store = { driver = \"postgresql\"; dsn = \"" VALUE "\"; };",
         "renewd.conf:2:", "must not be written here"},
        {MAIN "store = { driver = \"postgresql\"; dsn = \"env:RENEWD_TEST_SECRET\"; };",
         "renewd.conf:2:", "neither a URL that begins with postgresql://"},
        {MAIN "store = { driver = \"postgresql\"; dsn = \"env:RENEWD_TEST_DSN\"; };",
         "renewd.conf:2:", "'/' (write %2F)"},
        {"keys = ();", "renewd.conf:1:", "'keys' is empty"},
        {"keys = ( { id = \"k\"; secret = \"" VALUE "\"; } );", "renewd.conf:1:", "must not be written here"},
        {"keys = ( { id = \"k\"; secret = \"env:RENEWD_TEST_NONE\"; } );",
         "renewd.conf:1:", "env:RENEWD_TEST_NONE is not set"},
        {"keys = ( { id = \"k\"; secret = \"env:RENEWD_TEST_SECRET\"; } );", "renewd.conf:1:", "64 hex digits"},
        {"keys = ( { id = \"k.1\"; secret = \"" KEY "\"; } );", "renewd.conf:1:", "key id"},
        {"keys = ( { id = \"k\"; secret = \"" KEY "\"; },\n { id = \"k\"; secret = \"" KEY "\"; } );",
         "renewd.conf:2:", "given twice"},
        {"keys = ( { id = \"k\"; } );", "renewd.conf:1:", "'secret' is missing"},
        {MAIN "spool_keep = \"much\";", "renewd.conf:2:", "a size in quotes"},
        {MAIN "spent_keep = \"1d\";", "renewd.conf:2:", "from \"2d\" to \"3650d\""},
        {MAIN "spent_keep = \"90\";", "renewd.conf:2:", "from \"2d\" to \"3650d\""},
        {MAIN "spent_keep = \"3651d\";", "renewd.conf:2:", "from \"2d\" to \"3650d\""},
        {MAIN "stop_wait = \"1h\";", "renewd.conf:2:", "from \"1s\" to \"10m\""},
        {MAIN "api = { listen = \"8642\"; };", "renewd.conf:2:", "an address and a port"},
        {MAIN "api = { listen = \"127.0.0.1:99999\"; };", "renewd.conf:2:", "above 65535"},
        {MAIN "api = { listen = \"0.0.0.0:8642\"; };", "renewd.conf:2:", "'tls' is required"},
        {MAIN "api = { listen = \"[::]:8642\"; };", "renewd.conf:2:", "'tls' is required"},
        {MAIN "api = { listen = \"0.0.0.0:1\"; tls = { certificate = \"c\"; }; };",
         "renewd.conf:2:", "'key' is missing"},
        {MAIN "api = { clients = ( { name = \"x\"; jobs = [ \"*\" ]; allow = [ \"read\" ]; } ); };",
         "renewd.conf:2:", "'secret' is missing"},
        {MAIN "api = { clients = ( { name = \"x\"; secret = \"" KEY
              "\"; jobs = \"*\"; allow = [ \"fly\" ]; } ); };",
         "renewd.conf:2:", "not 'fly'"},
        {MAIN "api = { clients = ( { name = \"x\"; secret = \"" VALUE "\"; jobs = \"*\"; allow = \"read\"; } ); };",
         "renewd.conf:2:", "must not be written here"},
        {MAIN "api = { sockte = \"x\"; };", "renewd.conf:2:", "did you mean 'socket'"},
        {MAIN "state_dir = \"x\"\n\n = ;", "renewd.conf:4:", "syntax error"},
        {NULL, NULL, NULL},
    };

    empty("conf.d");
    check_all(list, "renewd.conf");
    cleanup(free_p) char *path = xasprintf("%s/no/renewd.conf", dir);
    struct conf_mistakes *m = conf_mistakes_new();
    struct config *c = NULL;
    CU_ASSERT_EQUAL(config_load(path, m, NULL, &c), -ENOENT);
    CU_ASSERT_EQUAL(conf_mistakes_count(m), 1);
    CU_ASSERT_PTR_NULL(c);
    conf_mistakes_free(m);
}

static void test_good_main(void)
{
    put("renewd.conf",
        "conf_dir = \"conf.d\"; plugin_dir = \"/p\"; state_dir = \"state\";\n"
        "store = { driver = \"postgresql\"; dsn = \"file:dsn\"; };\n"
        "keys = ( { id = \"k2\"; secret = \"" KEY "\"; }, { id = \"k1\"; secret = \"" KEY "\"; } );\n"
        "api = { socket = \"run.sock\"; token_users = [ \"deploy\" ]; listen = \"192.0.2.1:8642\";\n"
        "  tls = { certificate = \"c.pem\"; key = \"file:key.pem\"; };\n"
        "  clients = ( { name = \"app\"; secret = \"" KEY "\"; jobs = [ \"*\" ];\n"
        "                allow = [ \"functions\", \"token\" ]; } ); };\n"
        "spool_keep = \"64m\";\nspent_keep = \"30d\";\n");
    put("key.pem", VALUE "\n");
    put("dsn", "postgresql://app:" VALUE "@db.example:5432/app?schema=s&pgbouncer=true&connection_limit=1\n");
    empty("conf.d");
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT_EQUAL(conf_mistakes_count(l.m), 0);
    CU_ASSERT_PTR_NOT_NULL(l.c);
    if (l.c == NULL)
        return;
    cleanup(free_p) char *state = xasprintf("%s/state", dir);
    CU_ASSERT_STRING_EQUAL(l.c->state_dir, state);
    CU_ASSERT_STRING_EQUAL(l.c->store_driver, "postgresql");
    CU_ASSERT_PTR_NOT_NULL(strstr(secret_text(l.c->store_dsn), VALUE));
    CU_ASSERT(warned(&l, "renewd.conf:2:", "left out: pgbouncer, connection_limit"));
    CU_ASSERT_STRING_EQUAL(keyring_first(l.c->keys), "k2");
    CU_ASSERT_STRING_EQUAL(secret_text(l.c->tls_key), VALUE);
    CU_ASSERT_EQUAL(l.c->client_count, 1);
    CU_ASSERT_STRING_EQUAL(l.c->clients[0].allow[1], "token");
    CU_ASSERT_TRUE(l.c->clients[0].has_secret);
    CU_ASSERT_STRING_EQUAL(l.c->token_users[0], "deploy");
    CU_ASSERT_EQUAL(l.c->spool_keep, 64 * 1024 * 1024);
    CU_ASSERT_EQUAL(l.c->spent_keep_s, 30 * 86400);
    CU_ASSERT(warned(&l, "renewd.conf:9:", "no longer known as spent"));
    CU_ASSERT_EQUAL(l.uses.count, 5);
    put("renewd.conf", MAIN);
    cleanup(loaded_done) struct loaded least = load();
    CU_ASSERT_EQUAL(conf_mistakes_count(least.m), 0);
    CU_ASSERT_STRING_EQUAL(least.c->store_driver, "sqlite");
    CU_ASSERT_EQUAL(least.c->spent_keep_s, 90 * 86400);
    CU_ASSERT_FALSE(warned(&least, "renewd.conf:", "spent_keep"));
    CU_ASSERT_PTR_NOT_NULL(strstr(least.c->store_path, "/lib/renewd/renewd.db"));
    CU_ASSERT_PTR_NOT_NULL(strstr(least.c->api_socket, "/renewd/renewd.sock"));
    CU_ASSERT_PTR_NULL(least.c->api_listen);
}

/* ---- conf.d -------------------------------------------------------------------------------- */

static const struct broken broken_jobs[] = {
    {"plugin = \"fake\";\n" SETTINGS, "a.conf:1:", "'job' is missing"},
    {"job = \"a b\"; plugin = \"fake\";\n" SETTINGS, "a.conf:1:", "1 to 100 letters"},
    {"job = \"a\"; plugin = \"none\";\n", "a.conf:1:", "there is no plugin none"},
    {"job = \"a\";\n", "a.conf:1:", "'plugin' is missing"},
    {JOB SETTINGS "shedule = \"auto\";", "a.conf:3:", "did you mean 'schedule'"},
    {JOB SETTINGS "schedule = \"61 * * * *\";", "a.conf:3:", "minute"},
    {JOB SETTINGS "schedule = [ \"auto\",\n \"x\" ];", "a.conf:4:", "'schedule'"},
    {JOB SETTINGS "schedule = [];", "a.conf:3:", "'schedule' is empty"},
    {JOB SETTINGS "timezone = \"Mars/Base\";", "a.conf:3:", "'timezone'"},
    {JOB SETTINGS "refresh_before = 5;", "a.conf:3:", "a duration in quotes"},
    {JOB SETTINGS "refresh_before = \"1500ms\";", "a.conf:3:", "whole seconds"},
    {JOB SETTINGS "limit = -1;", "a.conf:3:", "'limit' is -1"},
    {JOB SETTINGS "pace = \"fast\";", "a.conf:3:", "'pace'"},
    {JOB SETTINGS "in_flight = 0;", "a.conf:3:", "'in_flight' is 0"},
    {JOB SETTINGS "strikes = \"3\";", "a.conf:3:", "'strikes' must be an integer"},
    {JOB SETTINGS "enabled = \"yes\";", "a.conf:3:", "'enabled' must be true or false"},
    {JOB SETTINGS "replay = \"grace\";", "a.conf:3:", "grace:SECONDS"},
    {JOB SETTINGS "reconnect_url = \"ftp://x\";", "a.conf:3:", "must begin with https://"},
    {JOB SETTINGS "functions = [ \"a/b\" ];", "a.conf:3:", "'functions'"},
    {JOB SETTINGS "breaker = { records = 0; };", "a.conf:3:", "'records' is 0"},
    {JOB SETTINGS "http = { timeout = \"2h\"; };", "a.conf:3:", "'timeout' must be from"},
    {JOB SETTINGS "forward = { allow = \"https://h/p\"; put = \"query\"; };", "a.conf:3:", "'name' is missing"},
    {JOB SETTINGS "forward = { allow = \"https://h/p\"; name = \"X\"; };", "a.conf:3:", "'name' has no effect"},
    {JOB SETTINGS "forward = { put = \"bearer\"; };", "a.conf:3:", "'allow' is missing"},
    {JOB SETTINGS "events = { depth = \"x\"; };", "a.conf:3:", "'depth' must be an integer"},
    {JOB SETTINGS "webhooks = { secrets = [ \"" VALUE "\" ]; };", "a.conf:3:", "must not be written here"},
    {JOB SETTINGS "also = ( { table = \"u\"; key = \"id\"; from = \"x\"; } );", "a.conf:3:", "writes nothing"},
    {JOB SETTINGS "also = ( { table = \"u\"; key = \"id\"; on_ok = { a = 1; }; } );",
     "a.conf:3:", "'from' is missing"},
    {JOB "settings = { client_secret = \"env:RENEWD_TEST_SECRET\"; };",
     "a.conf:2:", "'client_id' is missing in 'settings'; plugin fake needs it: the application's id"},
    {JOB "settings = { client_id = \"x\"; client_secret = \"" VALUE "\"; };",
     "a.conf:2:", "'client_secret' is a secret"},
    {JOB "settings = { client_id = \"x\"; client_secret = \"env:RENEWD_TEST_NONE\"; };",
     "a.conf:2:", "'client_secret': secret env:RENEWD_TEST_NONE is not set"},
    {JOB "settings = { client_id = \"x\"; client_secret = 5; };", "a.conf:2:", "'client_secret' must be"},
    {JOB "settings = { client_id = 5; client_secret = \"env:RENEWD_TEST_SECRET\"; };",
     "a.conf:2:", "'client_id' of plugin fake must be a text"},
#define WITH(more) JOB "settings = { client_id = \"x\"; client_secret = \"env:RENEWD_TEST_SECRET\";\n" more " };"
    {WITH("client_sceret = \"x\";"), "a.conf:3:", "did you mean 'client_secret'"},
    {WITH("client_auth = \"digest\";"), "a.conf:3:", "must be one of post|basic"},
    {WITH("token_url = \"example.org\";"), "a.conf:3:", "must begin with https://"},
    {WITH("token_url = \"http://example.org/\";"), "a.conf:3:", "to another machine"},
    {WITH("token_url = \"http://127.0.0.1.example.org/\";"), "a.conf:3:", "to another machine"},
    {WITH("token_url = \"http://127.0.0.1@example.org/\";"), "a.conf:3:", "a user or a password"},
    {WITH("catch_up = \"true\";"), "a.conf:3:", "'catch_up' must be true or false"},
    {WITH("window = 5;"), "a.conf:3:", "'window' must be a duration"},
    {WITH("size = 1.5;"), "a.conf:3:", "'size' must be an integer"},
    {WITH("extra = \"x\";"), "a.conf:3:", "'extra' of plugin fake must be a group"},
    {JOB SETTINGS "records = { key = \"id\"; " COLUMNS " };", "a.conf:3:", "'table' is missing"},
    {JOB SETTINGS "records = { table = \"t\"; " COLUMNS " };", "a.conf:3:", "'key' is missing"},
    {JOB SETTINGS "records = { table = \"a.b.c.d\"; key = \"id\"; " COLUMNS " };", "a.conf:3:", "'table'"},
    {JOB SETTINGS "records = { table = \"t\"; key = \"id\"; };", "a.conf:3:", "'columns' is missing"},
    {JOB SETTINGS "records = { table = \"t\"; key = \"id\";\n columns = { refresh_token = \"r\"; }; };",
     "a.conf:4:", "must name the column of 'access_token'"},
    {JOB SETTINGS "records = { table = \"t\"; key = \"id\"; columns = { access_token = \"a\"; }; };",
     "a.conf:3:", "'refresh_token', the credential"},
    {JOB SETTINGS "records = { table = \"t\"; key = \"id\"; columns = { access_token = \"a\"; "
                  "refresh_token = \"r\";"
                  "\n acess = \"x\"; }; };",
     "a.conf:4:",
     "access_token, refresh_token, expires_at, domain_prefix, account, refreshed_at, updated_at, "
     "strikes, status"},
    {JOB SETTINGS "records = { table = \"t\"; key = \"id\"; columns = { access_token = \"a\"; "
                  "refresh_token = \"a\"; }; };",
     "a.conf:3:", "column 'a' is given to both"},
    {JOB SETTINGS "records = { table = \"t\"; key = \"id\"; columns = { access_token = \"a\"; "
                  "refresh_token = 5; }; };",
     "a.conf:3:", "'refresh_token' must be"},
#define REC(more) JOB SETTINGS "records = { table = \"t\"; key = \"id\"; " COLUMNS "\n" more " };"
    {REC("times = \"iso\";"), "a.conf:4:", "'times' must be"},
    {REC("sealed = \"aes\";"), "a.conf:4:", "'sealed' must be"},
    {REC("sealed_key = \"k9\";"), "a.conf:4:", "no key 'k9'"},
    {REC("only = { status = 5; };"), "a.conf:4:", "'status' must be a text or an array"},
    {REC("only = \"x = 1\";"), "a.conf:4:", "'only' must be a group"},
    {REC("status_values = { ok = \"x\"; };"), "a.conf:4:", "needs a column"},
    {REC("owner = 5;"), "a.conf:4:", "'owner' must be"},
    {REC("owner = { via = \"a\"; table = \"b\"; };"), "a.conf:4:", "'key' is missing"},
    {REC("owner = { via = \"a\"; table = \"b.c.d\"; key = \"k\"; };"), "a.conf:4:", "'table' in 'owner'"},
    {REC("owner = { via = \"v\"; table = \"b\"; key = \"k123456789k123456789k123456789k123456789k123456789k123456789abcd\"; };"),
     "a.conf:4:", "'key' in 'owner'"},
    {REC("where = \"1=1\";"), "a.conf:4:", "unknown setting 'where'"},
    {JOB SETTINGS "records = { table = \"t\"; key = \"id\";\n columns = { access_token = \"at\"; "
                  "refresh_token = \"rt\";"
                  " status = \"s\"; };\n status_values = { fine = \"x\"; }; };",
     "a.conf:5:", "unknown state 'fine'"},
    {"job = \"a\"; plugin = \"stated\";", "a.conf:1:", "sql/sqlite/stated/advance.sql"},
    {"job = \"a\"; plugin = \"stated\";\nstatements = \"nosql\";", "a.conf:2:", "nosql/advance.sql"},
    {"job = \"a\" plugin", "a.conf:1:", "syntax error"},
    {NULL, NULL, NULL},
};

static void test_broken_jobs(void)
{
    put("renewd.conf", MAIN);
    empty("conf.d");
    check_all(broken_jobs, "conf.d/a.conf");
}

static void test_all_at_once(void)
{
    put("renewd.conf", MAIN);
    empty("conf.d");
    put("conf.d/a.conf", JOB "limit = -1;\npace = 5;\nsettings = { client_secret = \"" VALUE "\"; };\n");
    put("conf.d/b.conf", "job = \"b\"; plugin = \"none\";\nstrikes = 0;\n");
    put("conf.d/c.conf", "job = \"c\"; plugin = \"fake\";\n" SETTINGS);
    put("conf.d/d.conf.off", "not read");
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT_EQUAL(conf_mistakes_count(l.m), 6);
    CU_ASSERT(said(&l, "a.conf:2:", "'limit'"));
    CU_ASSERT(said(&l, "a.conf:3:", "'pace'"));
    CU_ASSERT(said(&l, "a.conf:4:", "'client_id'"));
    CU_ASSERT(said(&l, "a.conf:4:", "'client_secret'"));
    CU_ASSERT(said(&l, "b.conf:1:", "no plugin none"));
    CU_ASSERT(said(&l, "b.conf:2:", "'strikes'"));
    CU_ASSERT_EQUAL(l.count, 3);
    if (l.count != 3)
        return;
    CU_ASSERT(l.jobs[0]->mistake && strstr(l.jobs[0]->mistake, "'limit'"));
    CU_ASSERT(l.jobs[1]->mistake && strcmp(l.jobs[1]->plugin_name, "none") == 0);
    CU_ASSERT_PTR_NULL(l.jobs[2]->mistake);
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    CU_ASSERT_EQUAL(config_check_report(to, l.m, &l.uses), 6);
    fclose(to);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a.conf:2: setting 'limit'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "client_secret env:RENEWD_TEST_SECRET is set\n"));
    CU_ASSERT_PTR_NULL(strstr(text, VALUE));
    free(text);
}

static void test_disabled_secret(void)
{
    put("renewd.conf", MAIN);
    empty("conf.d");
    put("conf.d/a.conf", JOB "enabled = false;\n"
                             "settings = { client_id = \"x\"; client_secret = \"env:RENEWD_TEST_NONE\"; };");
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT_EQUAL(conf_mistakes_count(l.m), 0);
    CU_ASSERT_EQUAL(l.uses.count, 2);
    CU_ASSERT(l.uses.count == 2 && l.uses.list[0].set && !l.uses.list[1].set);
}

static const char every_setting[] =
    "job = \"lightspeed\"; plugin = \"fake\"; enabled = true;\n"
    "schedule = [ \"0 */6 * * *\", \"auto\" ]; timezone = \"Europe/Berlin\";\n"
    "refresh_before = \"10m\"; limit = 5; pace = \"200ms\"; in_flight = 16;\n"
    "records = { table = \"public.\\\"App\\\"\"; key = \"id\";\n"
    "  columns = { access_token = \"access_token_encrypted\"; refresh_token = "
    "\"refresh_token_encrypted\";\n"
    "              expires_at = \"token_expires_at\"; refreshed_at = \"last_token_refresh_at\";\n"
    "              status = \"status\"; last_error = \"last_error\"; account = \"id\"; };\n"
    "  times = \"auto\"; only = { status = [ \"connected\", \"error\" ]; kind = \"x\"; }; "
    "accept_plain = false;\n"
    "  status_values = { ok = \"connected\"; reconnect = \"expired\"; retrying = \"error\"; };\n"
    "  owner = \"user_id\"; sealed = \"hex-iv-tag-data\"; sealed_key = \"k1\"; };\n"
    "settings = { client_id = \"env:RENEWD_TEST_SECRET\"; client_secret = "
    "\"env:RENEWD_TEST_SECRET\";\n"
    "  token_url = \"http://[::1]:80/x//\"; client_auth = \"basic\"; catch_up = false; window = "
    "\"2h\"; size = 9;\n"
    "  extra = { audience = \"a\"; again = 5; }; };\n"
    "functions = [ \"refresh-lightspeed-tokens\" ];\n"
    "also = ( { table = \"users\"; key = \"id\"; from = \"user_id\"; on_reconnect = { warn = true; "
    "};\n"
    "           on_ok = { warn = false; }; } );\n"
    "strikes = 4; reconnect_url = \"https://h/r\"; rescan = \"61s\"; statements = \"sql/mine\"; "
    "allow_anonymous = true;\n"
    "breaker = { records = 11; within = \"11m\"; again = \"0s\"; apart = \"2h\"; alone = \"16m\"; };\n"
    "forward = { allow = [ \"https://host/prefix\" ]; put = \"header\"; name = \"X\"; "
    "refresh_before = \"60s\"; };\n"
    "events = { depth = 100000; max_age = \"7d\"; }; webhooks = { secrets = [ "
    "\"env:RENEWD_TEST_SECRET\" ]; };\n"
    "http = { timeout = \"20s\"; ca_file = \"ca.pem\"; allow_insecure = false; };\n"
    "replay = \"grace:30\"; legacy_name = \"refresh-lightspeed-tokens-every-6h\";\n";

static void check_numbers(const struct job_config *j)
{
    CU_ASSERT(j->enabled && j->automatic && j->cron_count == 1 && j->allow_anonymous);
    CU_ASSERT_STRING_EQUAL(j->schedule_text, "0 */6 * * *, auto");
    CU_ASSERT_STRING_EQUAL(zone_name(j->zone), "Europe/Berlin");
    CU_ASSERT(j->refresh_before_s == 600 && j->limit == 5 && j->pace_ms == 200 && j->in_flight == 16);
    CU_ASSERT(j->strikes == 4 && j->rescan_s == 61 && j->timeout_ms == 20000);
    CU_ASSERT(j->breaker_records == 11 && j->breaker_within_s == 660 && j->breaker_again_s == 0);
    CU_ASSERT(j->breaker_apart_s == 7200 && j->breaker_alone_s == 960);
    CU_ASSERT(j->replay == RENEWD_REPLAY_GRACE && j->replay_grace_s == 30);
    CU_ASSERT_STRING_EQUAL(j->legacy_name, "refresh-lightspeed-tokens-every-6h");
    CU_ASSERT_STRING_EQUAL(j->functions[0], "refresh-lightspeed-tokens");
    CU_ASSERT_PTR_NOT_NULL(strstr(j->ca_file, "/ca.pem"));
    CU_ASSERT_EQUAL(strlen(j->content_hash), 64);
    CU_ASSERT_STRING_EQUAL(j->also[0].on_reconnect[0].value, "true");
    CU_ASSERT_STRING_EQUAL(j->also[0].on_ok[0].column, "warn");
    CU_ASSERT_STRING_EQUAL(settings_text(j->settings, "client_id"), VALUE);
    CU_ASSERT_STRING_EQUAL(settings_text(j->settings, "token_url"), "http://[::1]:80/x");
    CU_ASSERT_EQUAL(settings_integer(j->settings, "window"), 7200);
    CU_ASSERT_EQUAL(settings_integer(j->settings, "size"), 9);
    CU_ASSERT_EQUAL(settings_integer(j->settings, "catch_up"), 0);
    const char *name, *value;
    CU_ASSERT(settings_member(j->settings, "extra", 1, &name, &value) == 1 && strcmp(value, "5") == 0);
}

static void test_every_setting(void)
{
    put("ca.pem", CERTIFICATE);
    put("renewd.conf", MAIN);
    empty("conf.d");
    put("conf.d/a.conf", every_setting);
    cleanup(loaded_done) struct loaded l = load();
    for (size_t i = 0; conf_mistakes_at(l.m, i) != NULL; i++)
        printf("# %s\n", conf_mistakes_at(l.m, i));
    CU_ASSERT(l.count == 1 && l.jobs[0]->mistake == NULL);
    if (l.count != 1 || l.jobs[0]->mistake != NULL)
        return;
    const struct job_config *j = l.jobs[0];
    check_numbers(j);
    CU_ASSERT(j->status_value_count == 3 && j->status_values[1].state == STATE_RECONNECT);
    CU_ASSERT_STRING_EQUAL(j->sealed, "hex-iv-tag-data");
    struct table_requirement w;
    job_wish(j, &w);
    CU_ASSERT_STRING_EQUAL(w.table, "public.\"App\"");
    CU_ASSERT(w.column_count == 9 && w.only_count == 2 && !w.through_statements);
    CU_ASSERT(w.columns[1].credential && strcmp(w.columns[1].slot, "refresh_token") == 0);
    CU_ASSERT(w.columns[2].type == VALUE_TIME && w.columns[2].written);
    CU_ASSERT_STRING_EQUAL(w.columns[7].slot, "owner");
    CU_ASSERT_STRING_EQUAL(w.only[0].values[1], "error");
}

static void test_defaults(void)
{
    put("renewd.conf", MAIN);
    empty("conf.d");
    put("conf.d/a.conf", JOB SETTINGS);
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT(l.count == 1 && l.jobs[0]->mistake == NULL);
    if (l.count != 1)
        return;
    const struct job_config *j = l.jobs[0];
    struct table_requirement w;
    job_wish(j, &w);
    CU_ASSERT(w.table == NULL && w.column_count == 4 + 6 + 1);
    CU_ASSERT(j->automatic && j->cron_count == 0 && j->in_flight == 32 && j->strikes == 3);
    CU_ASSERT(j->rescan_s == 60 && j->timeout_ms == 30000 && j->limit == 0 && j->replay == 0);
    CU_ASSERT_STRING_EQUAL(j->sealed, "renewd");
    CU_ASSERT_STRING_EQUAL(j->times, "auto");
    CU_ASSERT_STRING_EQUAL(settings_text(j->settings, "token_url"), "https://example.org/token");
    CU_ASSERT_EQUAL(settings_integer(j->settings, "window"), 600);
    CU_ASSERT_EQUAL(settings_integer(j->settings, "catch_up"), 1);
}

static void test_statements(void)
{
    static const char job[] = "job = \"a\"; plugin = \"stated\";\n"
                              "records = { table = \"v\"; key = \"id\"; columns = { period_end = \"e\"; }; };\n";
    struct table_requirement w;

    put("renewd.conf", MAIN);
    empty("conf.d");
    make_folder("sql");
    make_folder("sql/sqlite");
    make_folder("sql/sqlite/stated");
    make_folder("mine");
    put("sql/sqlite/stated/advance.sql", "UPDATE a");
    put("mine/advance.sql", "UPDATE b");
    put("mine/ready.sql", "SELECT NULL");
    put("conf.d/a.conf", job);
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT(l.count == 1 && l.jobs[0]->statement_count == 1 && !l.jobs[0]->mistake);
    CU_ASSERT_STRING_EQUAL(l.jobs[0]->statements[0].sql, "UPDATE a");
    CU_ASSERT_PTR_NULL(l.jobs[0]->ready_sql);
    job_wish(l.jobs[0], &w);
    CU_ASSERT(w.through_statements);
    cleanup(free_p) char *own = xasprintf("%sstatements = \"mine\";", job);
    put("conf.d/a.conf", own);
    cleanup(loaded_done) struct loaded of_job = load();
    CU_ASSERT(of_job.count == 1 && of_job.jobs[0]->statement_count == 1);
    CU_ASSERT_STRING_EQUAL(of_job.jobs[0]->statements[0].sql, "UPDATE b");
    CU_ASSERT_STRING_EQUAL(of_job.jobs[0]->ready_sql, "SELECT NULL");
    CU_ASSERT_STRING_NOT_EQUAL(of_job.jobs[0]->content_hash, l.jobs[0]->content_hash);
}

/* ---- what goes on beside a mistake ------------------------------------------------------------ */

/* With a mistake in renewd.conf the jobs are read all the same, and every secret is named. */
static void test_goes_on(void)
{
    empty("conf.d");
    put("conf.d/a.conf", "job = \"a\"; plugin = \"fake\"; shedule = \"auto\";\n"
                         "settings = { client_id = \"me\"; client_secret = \"env:RENEWD_TEST_NONE\"; };\n");
    put("renewd.conf", "keys = ( { id = \"k1\"; secret = \"env:RENEWD_TEST_NONE\"; } );\nstat_dir = \"x\";\n");
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT(said(&l, "renewd.conf:1:", "env:RENEWD_TEST_NONE is not set"));
    CU_ASSERT(said(&l, "renewd.conf:2:", "did you mean 'state_dir'"));
    CU_ASSERT(said(&l, "a.conf:1:", "did you mean 'schedule'"));
    CU_ASSERT(said(&l, "a.conf:2:", "env:RENEWD_TEST_NONE is not set"));
    CU_ASSERT_EQUAL(conf_mistakes_count(l.m), 4);
    CU_ASSERT_EQUAL(l.uses.count, 2);
    put("renewd.conf", "keys = ( { id = ;\n");
    cleanup(loaded_done) struct loaded broken = load();
    CU_ASSERT(said(&broken, "renewd.conf:1:", "syntax error"));
    CU_ASSERT(said(&broken, "a.conf:1:", "did you mean 'schedule'"));
}

static void set_mode(const char *name, mode_t mode)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    CU_ASSERT_EQUAL(chmod(path, mode), 0);
}

/* Said and nothing held: odd values, open files, a page that is nobody's. */
static void test_warnings(void)
{
    empty("conf.d");
    put("renewd.conf", MAIN);
    put("conf.d/a.conf", JOB "settings = { client_id = \"me\"; client_secret = \"file:quoted\"; };\n"
                             "reconnect_url = \"https://app.example.com/connections\";\n");
    put("quoted", "\"" VALUE "\"\r\n");
    set_mode("quoted", 0644);
    set_mode("conf.d/a.conf", 0666);
    set_mode("conf.d", 0770);
    cleanup(loaded_done) struct loaded l = load();
    CU_ASSERT_EQUAL(conf_mistakes_count(l.m), 0);
    CU_ASSERT(warned(&l, "a.conf:2:", "secret file:quoted stands in quotes"));
    CU_ASSERT(warned(&l, "a.conf:2:", "secret file:quoted may be read by everybody (mode 0644)"));
    CU_ASSERT(warned(&l, "a.conf:", "may be written by everybody (mode 0666)"));
    CU_ASSERT(warned(&l, "/conf.d", "may be written by its group (mode 0770)"));
    CU_ASSERT(warned(&l, "a.conf:3:", "'reconnect_url' still points at"));
    set_mode("quoted", 0600);
    set_mode("conf.d/a.conf", 0644);
    set_mode("conf.d", 0700);
    put("quoted", VALUE "\r\n");
    put("conf.d/a.conf", JOB "settings = { client_id = \"me\"; client_secret = \"file:quoted\"; };\n"
                             "reconnect_url = \"https://notexample.com/connections\";\n");
    set_mode("conf.d/a.conf", 0644);
    set_mode("renewd.conf", 0644);
    cleanup(loaded_done) struct loaded none = load();
    CU_ASSERT_PTR_NULL(conf_warnings_at(none.m, 0));
    for (size_t i = 0; conf_warnings_at(none.m, i) != NULL; i++)
        printf("#   warned: %s\n", conf_warnings_at(none.m, i));
}

static void test_ca_file(void)
{
    static const struct broken list[] = {
        {JOB SETTINGS "http = { ca_file = \"none.pem\"; };", "a.conf:3:", "none.pem cannot be read: No such file"},
        {JOB SETTINGS "http = { ca_file = \"conf.d\"; };", "a.conf:3:", "it is a folder"},
        {JOB SETTINGS "http = { ca_file = \"garbage.pem\"; };", "a.conf:3:", "holds no certificate in PEM form"},
        {JOB SETTINGS "http = { ca_file = \"nothing.pem\"; };", "a.conf:3:", "holds no certificate in PEM form"},
        {JOB SETTINGS "http = { ca_file = \"cut.pem\"; };", "a.conf:3:", "damaged or cut off"},
        {NULL, NULL, NULL},
    };
    static const char whole[] = CERTIFICATE;
    char cut[sizeof whole * 2];

    put("renewd.conf", MAIN);
    put("garbage.pem", "0123456789\n");
    put("nothing.pem", "");
    snprintf(cut, sizeof cut, "%s%.200s", whole, whole);
    put("cut.pem", cut);
    empty("conf.d");
    check_all(list, "conf.d/a.conf");
}

/* The files at the top of the tree are read by the same rules. */
static void test_shipped(void)
{
    struct loaded l = {.m = conf_mistakes_new()};
    char key[65]; /* what was read before is in the environment no more */

    memset(key, 'a', 64);
    key[64] = '\0';
    setenv("TOKEN_ENCRYPTION_KEY", key, 1);
    CU_ASSERT_EQUAL(config_load(TOP_SRCDIR "/renewd.conf", l.m, &l.uses, &l.c), 0);
    for (size_t i = 0; conf_mistakes_at(l.m, i) != NULL; i++)
        printf("# %s\n", conf_mistakes_at(l.m, i));
    loaded_done(&l);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"renewd.conf: every mistake has its line", test_broken_main},
        {"renewd.conf: all settings, and none", test_good_main},
        {"a job: every mistake has its line", test_broken_jobs},
        {"all mistakes of all files at once", test_all_at_once},
        {"two jobs of one name, or on one credential", test_between_jobs},
        {"two jobs that part the rows of one table", test_parted},
        {"two jobs that write one column by `also`", test_also_between_jobs},
        {"a disabled job needs no secrets", test_disabled_secret},
        {"a job with every setting", test_every_setting},
        {"a job with none", test_defaults},
        {"named statements and where they are looked for", test_statements},
        {"a mistake in renewd.conf hides none of the jobs'", test_goes_on},
        {"what is odd and holds nothing", test_warnings},
        {"ca_file must hold certificates", test_ca_file},
        {"the shipped renewd.conf", test_shipped},
        {NULL, NULL},
    };
    char key[65];

    if (mkdtemp(dir) == NULL)
        return 99;
    memset(key, 'a', 64);
    key[64] = '\0';
    setenv("RENEWD_TEST_KEY", key, 1);
    setenv("RENEWD_TEST_SECRET", VALUE, 1);
    setenv("RENEWD_TEST_DSN", "postgresql://app:" VALUE "/" VALUE "@db.example/app", 1);
    unsetenv("RENEWD_TEST_NONE");
    make_folder("conf.d");
    int status = run_tests("config", tests);
    empty(".");
    rmdir(dir);
    return status;
}
