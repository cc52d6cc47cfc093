/* SPDX-License-Identifier: MIT
 * Unit tests of what an answer says about a token: the usual reading, a plugin's word, and plugins
 * that break the rules or are slow.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/runner.h"
#include "tests/unit/tester.h"

static struct answer_says says(int status, const char *headers, size_t headers_len, const char *body)
{
    const struct http_reply reply = {.status = status,
                                     .body = body,
                                     .body_len = strlen(body),
                                     .headers = headers,
                                     .headers_len = headers_len};
    /* What is known without secrets. */
    const struct record_view bare = {.key = "9", .refreshed_at = 5};
    struct answer_says ret;

    instance_answer(tester.instance, &bare, &reply, 1795000000, &ret);
    return ret;
}

static bool is(struct answer_says s, bool refused, int64_t slow_for)
{
    return s.token_refused == refused && s.slow_for == slow_for;
}

static const char wait_7[] = "Retry-After: 7\0";
static const char wait_date[] = "Retry-After: Tue, 18 Nov 2026 11:08:20 GMT\0";

static void test_usual(void)
{
    tester_begin();
    CU_ASSERT(is(says(200, "", 0, ""), false, 0));
    CU_ASSERT(is(says(401, "", 0, ""), true, 0));
    CU_ASSERT(is(says(403, "", 0, "no json"), false, 0));
    CU_ASSERT(is(says(429, "", 0, ""), false, 60));
    CU_ASSERT(is(says(429, wait_7, sizeof(wait_7) - 1, ""), false, 7));
    CU_ASSERT(is(says(500, wait_7, sizeof(wait_7) - 1, ""), false, 0));
    tester_end();
}

static void test_not_whole(void)
{
    const struct http_reply cut = {.failure = HTTP_CUT, .status = 401, .body = ""};
    const struct record_view bare = {.key = "9"};
    struct answer_says ret = {.token_refused = true, .slow_for = 9};

    tester_begin();
    instance_answer(tester.instance, &bare, &cut, 1795000000, &ret);
    CU_ASSERT(is(ret, false, 0));
    tester_end();
}

static int32_t reads_all(const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    const struct renewd_services *s = tester.table;
    int64_t code = 0;

    CU_ASSERT_STRING_EQUAL(in->records[0]->key, "9");
    CU_ASSERT_EQUAL(in->records[0]->refreshed_at, 5);
    CU_ASSERT_PTR_NULL(in->records[1]);
    CU_ASSERT_EQUAL(s->slot(in->records[0], "access_token")->present, 0);
    CU_ASSERT_EQUAL(in->now, 1795000000);
    CU_ASSERT_EQUAL(in->retry_after, 7);
    CU_ASSERT_EQUAL(out->token_refused, 0);
    CU_ASSERT_EQUAL(s->json_integer(in->reply->json, "error.code", &code), RENEWD_FOUND);
    out->token_refused = in->reply->status == 200 && code == 190;
    out->slow_for = in->retry_after;
    return 0;
}

static void test_word(void)
{
    tester_begin();
    tester.on_answer = reads_all;
    CU_ASSERT(is(says(200, wait_7, sizeof(wait_7) - 1, "{\"error\":{\"code\":190}}"), true, 7));
    tester_end();
}

static int32_t no_refusal(const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    (void)in;
    out->token_refused = 0;
    out->slow_for = -1;
    return 0;
}

static int32_t for_ever(const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    (void)in;
    out->token_refused = 77;
    out->slow_for = INT64_MAX;
    return 0;
}

static int32_t fails(const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    out->token_refused = 0;
    out->slow_for = 5;
    return in ? -1 : 0;
}

static int32_t breaks(const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    out->token_refused = 0;
    tester.table->set_text(in->call, "note", "stolen");
    return 0;
}

static int32_t requests(const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    out->token_refused = 0;
    tester.table->request(in->call, "GET", "https://x/");
    return 0;
}

static int32_t dawdles(const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    (void)in;
    (void)out;
    tester.boot_ms += 51;
    return 0;
}

/* What it wrote to stderr while it answered. */
static struct answer_says answer_logged(act_answer_fn *f, char *ret_line, size_t size)
{
    FILE *file = tmpfile();
    int saved = dup(2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    tester_begin();
    tester.on_answer = f;
    fflush(stderr);
    dup2(fileno(file), 2);
    struct answer_says s = says(401, "", 0, "");
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    rewind(file);
    if (!fgets(ret_line, (int)size, file))
        ret_line[0] = '\0';
    fclose(file);
    tester_end();
    return s;
}

static void test_broken(void)
{
    char line[1024];

    CU_ASSERT(is(answer_logged(no_refusal, line, sizeof(line)), false, 0));
    CU_ASSERT_STRING_EQUAL(line, "");
    CU_ASSERT(is(answer_logged(for_ever, line, sizeof(line)), true, 86400));
    CU_ASSERT(is(answer_logged(fails, line, sizeof(line)), true, 0));
    CU_ASSERT(strstr(line, "on_answer failed") && strstr(line, "plugin=tester") && strstr(line, "job=job-1"));
    CU_ASSERT(is(answer_logged(breaks, line, sizeof(line)), true, 0));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "recorded an effect"));
    CU_ASSERT(is(answer_logged(requests, line, sizeof(line)), true, 0));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "only refresh and send_events may"));
    CU_ASSERT(is(answer_logged(dawdles, line, sizeof(line)), true, 0));
    CU_ASSERT(strstr(line, "callback=on_answer") && strstr(line, "ms=51"));
}

static void test_retry_after(void)
{
    struct http_reply reply = {.headers = wait_7, .headers_len = sizeof(wait_7) - 1};

    CU_ASSERT_EQUAL(retry_after_seconds(NULL), 0);
    CU_ASSERT_EQUAL(retry_after_seconds(&reply), 7);
    reply.headers = wait_date; /* a minute and 40 seconds from now */
    reply.headers_len = sizeof(wait_date) - 1;
    CU_ASSERT_EQUAL(retry_after_seconds(&reply), 100);
    reply.headers = "Retry-After: 99999999999\0";
    reply.headers_len = 25;
    CU_ASSERT_EQUAL(retry_after_seconds(&reply), 3600);
    reply.headers = "Retry-After: soon\0";
    reply.headers_len = 18;
    CU_ASSERT_EQUAL(retry_after_seconds(&reply), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"without a word of the plugin", test_usual},
        {"an answer that did not come whole says nothing", test_not_whole},
        {"the plugin's word", test_word},
        {"plugins that break the rules", test_broken},
        {"Retry-After", test_retry_after},
        {NULL, NULL},
    };
    return run_tests("instance_answer", tests);
}
