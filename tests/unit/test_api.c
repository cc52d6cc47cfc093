/* SPDX-License-Identifier: MIT
 * The API without an engine: which route a path finds and what else it takes, who may do what, the shapes to
 * the letter, how wrong secrets are slowed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "core/api/compat/functions.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/rules/outcome.h"
#include "tests/unit/runner.h"

/* ---- routes ---- */

static char *segments[SEGMENTS_MAX];
static char room[256];

static size_t split(const char *path)
{
    size_t n = 0;

    snprintf(room, sizeof room, "%s", path);
    for (char *at = room; at && *at == '/' && n < SEGMENTS_MAX; at = strchr(at, '/')) {
        *at++ = '\0';
        segments[n++] = at;
    }
    return n;
}

static const struct route *find(const char *method, const char *path, struct request *q, char **ret_allow)
{
    size_t n = split(path);

    memset(q, 0, sizeof *q);
    return route_find(method, segments, n, q, ret_allow);
}

static void test_routes(void)
{
    struct request q;
    char *allow = NULL;
    const struct route *r = find("GET", "/v1/jobs/shop/records/7/token", &q, &allow);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_PTR_EQUAL(r->handle, handle_token);
    CU_ASSERT_STRING_EQUAL(r->right, "token");
    CU_ASSERT_STRING_EQUAL(q.job, "shop");
    CU_ASSERT_STRING_EQUAL(q.id, "7");
    CU_ASSERT_PTR_NULL(find("POST", "/v1/jobs/shop/records/7/token", &q, &allow));
    CU_ASSERT_STRING_EQUAL(allow, "GET");
    free(allow);
    CU_ASSERT_PTR_NULL(find("PUT", "/v1/jobs/shop/records", &q, &allow));
    CU_ASSERT_STRING_EQUAL(allow, "GET, POST");
    free(allow);
    CU_ASSERT_PTR_NULL(find("GET", "/v1/jobs/shop/records/7/tokens", &q, &allow));
    CU_ASSERT_PTR_NULL(allow);
    CU_ASSERT_PTR_NULL(find("GET", "/v1/jobs//records", &q, &allow));
    CU_ASSERT_PTR_NULL(allow);
    CU_ASSERT_PTR_NULL(find("GET", "/v1/job", &q, &allow));
    CU_ASSERT_PTR_NULL(allow);
}

static void test_function_paths(void)
{
    struct request q = {0};
    size_t n = split("/functions/v1/refresh-token");

    memcpy(q.segments, segments, sizeof segments);
    CU_ASSERT_TRUE(is_function(&q, n));
    CU_ASSERT_FALSE(is_function(&q, n - 1));
    n = split("/functions/v2/refresh-token");
    memcpy(q.segments, segments, sizeof segments);
    CU_ASSERT_FALSE(is_function(&q, n));
}

/* Structs of the core own their texts; these are nobody's to free. */
static char shop[] = "shop", video[] = "video", token[] = "token", read_[] = "read", star[] = "*", app[] = "app",
            ops[] = "ops", seven[] = "7", quoted[] = "a \"b\"", invalid_grant[] = "invalid_grant", gone[] = "gone",
            demand[] = "demand", transient[] = "transient", x[] = "x";

/* ---- clients ---- */

static void test_rights(void)
{
    char *jobs[] = {shop, video, NULL}, *allow[] = {token, read_, NULL}, *all[] = {star, NULL};
    struct api_client some = {.name = app, .jobs = jobs, .allow = allow};
    struct api_client every = {.name = ops, .jobs = all, .allow = allow};

    CU_ASSERT_TRUE(client_allows(&some, "token", "shop"));
    CU_ASSERT_TRUE(client_allows(&some, "read", "video"));
    CU_ASSERT_FALSE(client_allows(&some, "operate", "shop"));
    CU_ASSERT_FALSE(client_allows(&some, "token", "mail"));
    CU_ASSERT_FALSE(client_allows(&some, "read", NULL));
    CU_ASSERT_TRUE(client_allows(&every, "read", NULL));
    CU_ASSERT_TRUE(client_allows(&every, "token", "mail"));
    CU_ASSERT_FALSE(client_allows(&every, "functions", "mail"));
}

enum { OPERATOR_UID = 54321 }; /* who is neither root nor renewd's own user */

/* What hands out a token, or sends one: whoever adds such a route adds it here, and gives it a right of tokens. */
static const char *const token_routes[] = {"GET /v1/jobs/{job}/records/{id}/token",
                                           "POST /v1/jobs/{job}/records/{id}/refused",
                                           "* /v1/jobs/{job}/records/{id}/forward",
                                           "POST /v1/jobs/{job}/records/{id}/events", NULL};

static bool is_of_tokens(const struct route *r)
{
    char text[128];

    snprintf(text, sizeof text, "%s %s", r->method, r->pattern);
    for (size_t i = 0; token_routes[i]; i++)
        if (strcmp(token_routes[i], text) == 0)
            return true;
    return false;
}

/* A member of the group renewd, as far as the group exists where the test runs: without it he may do nothing. */
static void test_operator_and_routes(void)
{
    struct config config = {0};
    struct api a = {.config = &config};
    struct request q = {.api = &a, .known = true, .uid = OPERATOR_UID, .gid = OPERATOR_UID, .job = shop};
    size_t of_tokens = 0;

    for (size_t i = 0; (q.route = route_at(i)); i++) {
        const char *right = route_right(q.route);
        struct requirement w = {.right = right, .job = shop, .tokens = right_is_of_tokens(right)};
        CU_ASSERT_EQUAL(w.tokens, is_of_tokens(q.route));
        of_tokens += w.tokens;
        CU_ASSERT_FALSE(w.tokens && caller_may(&q, &w));
        q.uid = geteuid(); /* renewd's own user may all */
        CU_ASSERT_TRUE(caller_may(&q, &w));
        q.uid = OPERATOR_UID;
        q.known = false; /* of whom nobody knows who he is may nothing */
        CU_ASSERT_FALSE(caller_may(&q, &w));
        q.known = true;
    }
    CU_ASSERT_EQUAL(of_tokens, 4);
}

static void test_clients_and_routes(void)
{
    char functions_[] = "functions", forward[] = "forward", events[] = "events", operate[] = "operate";
    char *rights[] = {functions_, token, forward, events, read_, operate, NULL};
    char *jobs[] = {shop, NULL}, *allow[] = {NULL, NULL};
    struct api_client client = {.name = app, .jobs = jobs, .allow = allow};
    struct request q = {.tcp = true, .job = shop};

    for (size_t i = 0; (q.route = route_at(i)); i++)
        for (size_t k = 0; rights[k]; k++) {
            struct requirement w = {.right = route_right(q.route), .job = shop, .tokens = is_of_tokens(q.route)};
            allow[0] = rights[k];
            q.client = &client;
            CU_ASSERT_EQUAL(caller_may(&q, &w), strcmp(rights[k], w.right) == 0);
            w.job = video; /* another's job */
            CU_ASSERT_FALSE(caller_may(&q, &w));
            q.client = NULL; /* no secret at all */
            CU_ASSERT_FALSE(caller_may(&q, &w));
        }
}

static void test_functions_and_callers(void)
{
    struct config config = {0};
    struct api a = {.config = &config};
    char *jobs[] = {shop, NULL}, *allow[] = {token, NULL}, functions_[] = "functions";
    struct api_client client = {.name = app, .jobs = jobs, .allow = allow};
    struct job_config job = {.job = shop};
    const struct function *f;
    size_t of_tokens = 0;

    for (size_t i = 0; (f = function_at(i)); i++) {
        struct request q = {.api = &a, .known = true, .uid = OPERATOR_UID, .gid = OPERATOR_UID};
        CU_ASSERT_EQUAL(f->tokens, strcmp(f->name, "refresh-token") == 0);
        of_tokens += f->tokens;
        CU_ASSERT_FALSE(f->tokens && function_open(&q, f, &job));
        q.uid = geteuid();
        CU_ASSERT_TRUE(function_open(&q, f, &job));
        q = (struct request){.api = &a, .tcp = true, .client = &client};
        allow[0] = token; /* is no right to functions */
        CU_ASSERT_FALSE(function_open(&q, f, &job));
        allow[0] = functions_;
        CU_ASSERT_TRUE(function_open(&q, f, &job));
        job.job = video;
        CU_ASSERT_FALSE(function_open(&q, f, &job));
        job.job = shop;
        q = (struct request){.api = &a, .tcp = true, .anonymous = true};
        CU_ASSERT_FALSE(function_open(&q, f, &job));
        job.allow_anonymous = true;
        CU_ASSERT_TRUE(function_open(&q, f, &job));
        job.allow_anonymous = false;
    }
    CU_ASSERT_EQUAL(of_tokens, 1);
}

/* ---- shapes ---- */

static void check_record(const struct record *r, const char *expected)
{
    struct answer a;

    answer_begin(&a);
    json_record(&a.json, NULL, r, "https://app.example/connect");
    CU_ASSERT_EQUAL(json_finish(&a.json), 0);
    if (strcmp(a.body.data, expected) != 0)
        printf("# %s\n", a.body.data);
    CU_ASSERT_STRING_EQUAL(a.body.data, expected);
    buf_done(&a.body);
}

static void test_record(void)
{
    struct record r = {.job = shop,
                       .hash = "seen",
                       .key = seven,
                       .account = quoted,
                       .state = STATE_OK,
                       .expires_at = 1793628000,
                       .point = 1793624400,
                       .due_at = 1793624400,
                       .generation = 3};

    check_record(&r,
                 "{\"job\":\"shop\",\"id\":\"7\",\"account\":\"a \\\"b\\\"\",\"owner\":null,\"state\":\"expired\","
                 "\"expires_at\":\"2026-11-02T14:00:00Z\",\"refreshed_at\":null,\"attempts\":0,"
                 "\"next_at\":\"2026-11-02T13:00:00Z\",\"generation\":3,\"last_error\":null}");
    r.state = STATE_RECONNECT;
    r.account = NULL;
    r.last_outcome = OUTCOME_RECONNECT;
    r.last_code = invalid_grant;
    r.last_text = gone;
    r.last_at = 1793624400;
    check_record(&r, "{\"job\":\"shop\",\"id\":\"7\",\"account\":null,\"owner\":null,\"state\":\"reconnect\","
                     "\"expires_at\":\"2026-11-02T14:00:00Z\",\"refreshed_at\":null,\"attempts\":0,"
                     "\"next_at\":null,\"generation\":3,\"last_error\":{\"outcome\":\"reconnect\","
                     "\"code\":\"invalid_grant\",\"text\":\"gone\",\"at\":\"2026-11-02T13:00:00Z\"},"
                     "\"remedy\":\"the account's owner has to connect it again; renewd makes no further attempt "
                     "until its application stores a new credential\","
                     "\"reconnect_url\":\"https://app.example/connect\"}");
}

static void test_next_at(void)
{
    struct record r = {.state = STATE_OK, .point = 50, .not_before = 70};

    CU_ASSERT_EQUAL(record_next_at(&r), 70);
    r.due_at = 60;
    CU_ASSERT_EQUAL(record_next_at(&r), 60);
    r.state = STATE_PENDING;
    CU_ASSERT_EQUAL(record_next_at(&r), 0);
    r.state = STATE_OK;
    r.without_credential = true;
    CU_ASSERT_EQUAL(record_next_at(&r), 0);
}

static void test_run(void)
{
    const struct run_row r =
        {.id = 12, .job = shop, .trigger = demand, .started_at = 1793624400, .due = 3, .refreshed = 2, .failed = 1};
    struct answer a;

    answer_begin(&a);
    json_run(&a.json, NULL, &r);
    CU_ASSERT_EQUAL(json_finish(&a.json), 0);
    CU_ASSERT_STRING_EQUAL(a.body.data, "{\"id\":\"12\",\"job\":\"shop\",\"trigger\":\"demand\","
                                        "\"started_at\":\"2026-11-02T13:00:00Z\",\"finished_at\":null,\"due\":3,"
                                        "\"refreshed\":2,\"failed\":1,\"skipped\":0,\"status\":\"running\"}");
    buf_done(&a.body);
}

/* A list of failures ends before it gets too long for readers of JSON. */
static void test_failures_are_bounded(void)
{
    enum { MANY = 20000 };
    char text[128];
    struct failure_row one = {.key = seven, .outcome = transient, .code = x, .text = text}, *list;
    struct answer a;

    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    list = xcalloc(MANY, sizeof *list);
    for (size_t i = 0; i < MANY; i++)
        list[i] = one;
    answer_begin(&a);
    json_begin_object(&a.json, NULL);
    json_failures(&a.json, list, MANY);
    json_end(&a.json);
    CU_ASSERT_EQUAL(json_finish(&a.json), 0);
    CU_ASSERT(a.body.len < JSON_TEXT_MAX);
    CU_ASSERT(a.body.len > JSON_TEXT_MAX / 2);
    buf_done(&a.body);
    free(list);
}

/* ---- the door ---- */

static int answered;

static void refuse(struct request *q)
{
    answered++;
    free(q);
}

static struct request *stranger(struct api *a)
{
    struct request *q = xcalloc(1, sizeof *q);

    q->api = a;
    return q;
}

static void test_door(void)
{
    struct loop *loop = loop_new();
    struct api a = {.loop = loop, .door = auth_throttle_new()};
    int64_t begun = clock_boot_ms();

    answered = 0;
    for (int i = 0; i < 5; i++)
        auth_throttle_delay(stranger(&a), refuse);
    CU_ASSERT_EQUAL(answered, 5);
    auth_throttle_delay(stranger(&a), refuse);
    CU_ASSERT_EQUAL(answered, 5);
    while (answered < 6)
        loop_turn(loop, -1);
    CU_ASSERT(clock_boot_ms() - begun >= 99);
    for (int i = 0; i < 64; i++) /* each later than the one before, up to a second */
        auth_throttle_delay(stranger(&a), refuse);
    CU_ASSERT_EQUAL(answered, 6);
    auth_throttle_free(a.door); /* who still waits is answered */
    CU_ASSERT_EQUAL(answered, 70);
    loop_free(loop);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a path finds its route, or what the path takes", test_routes},
        {"what is a function's path", test_function_paths},
        {"a client may do what it is allowed, for its jobs", test_rights},
        {"over the socket an operator has no route to a token", test_operator_and_routes},
        {"over TCP each route wants its own right, for its job", test_clients_and_routes},
        {"functions ask the same question", test_functions_and_callers},
        {"a record's shape", test_record},
        {"when a record comes up next", test_next_at},
        {"a run's shape", test_run},
        {"a list of failures is bounded", test_failures_are_bounded},
        {"wrong secrets are answered later and later", test_door},
        {NULL, NULL},
    };
    return run_tests("api", tests);
}
