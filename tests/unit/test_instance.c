/* SPDX-License-Identifier: MIT
 * Unit tests of instances: opening, windows, tokens that outlive a failed step, decisions after a
 * failure; and youtube.so taken through the real service table.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/plugin/load.h"
#include "core/rules/outcome.h"
#include "tests/unit/runner.h"
#include "tests/unit/tester.h"

/* ---- A token is never lost by what comes after it ------------------------------------------ */

WRONG(token_then_fail, s->set_text(c, "access_token", "new"); return s->fail(c, RENEWD_RECONNECT, NULL, "later");)
WRONG(wrong_then_token, s->set_text(c, "no_such", "x"); s->set_text(c, "access_token", "new"); return RENEWD_DONE;)
WRONG(token_then_wrong, s->set_text(c, "access_token", "new"); s->set_text(c, "no_such", "x"); return RENEWD_WAIT;)

/* A failure that the plugin tells is a success with what it has; a broken rule is a failure, with the token all the
 * same. */
static void test_token_kept(void)
{
    act_fn *const acts[] = {token_then_fail, token_then_wrong, wrong_then_token};

    for (size_t i = 0; i < 3; i++) {
        tester_begin();
        struct step_result r = tester_step(acts[i], NULL);
        CU_ASSERT_EQUAL(r.what, i == 0 ? RENEWD_DONE : RENEWD_FAILED);
        CU_ASSERT_EQUAL(r.misused, i > 0);
        CU_ASSERT(i == 0 || (r.code && strcmp(r.code, "plugin") == 0));
        CU_ASSERT(i == 0 || strstr(r.text, "no_such"));
        CU_ASSERT(plugin_attempt_effects(tester.attempt)->token_set);
        CU_ASSERT_EQUAL(plugin_attempt_effects(tester.attempt)->count, 1);
        tester_end();
    }
}

WRONG(unfit_then_token, s->set_text(c, "note", "\xff"); s->set_text(c, "access_token", "new"); return RENEWD_DONE;)
WRONG(wrong_alone, s->set_text(c, "no_such", "x"); return RENEWD_DONE;)

/* A value that the provider gave is not the plugin's fault; a rule that is broken where nothing was given loses
 * nothing. */
static void test_not_misused(void)
{
    const struct http_reply refused = {.status = 400, .body = ""}, fine = {.status = 200, .body = ""};

    tester_begin();
    struct step_result r = tester_step(unfit_then_token, &fine);
    CU_ASSERT_EQUAL(r.what, RENEWD_FAILED);
    CU_ASSERT_FALSE(r.misused);
    CU_ASSERT(plugin_attempt_effects(tester.attempt)->token_set);
    tester_end();
    tester_begin();
    r = tester_step(wrong_alone, &refused);
    CU_ASSERT_EQUAL(r.what, RENEWD_FAILED);
    CU_ASSERT_FALSE(r.misused);
    r = tester_step(wrong_alone, &fine);
    CU_ASSERT_EQUAL(r.outcome, OUTCOME_AMBIGUOUS);
    CU_ASSERT(r.misused);
    tester_end();
}

/* ---- RENEWD_DONE after a reply ---------------------------------------------------------------- */

WRONG(take_nothing, return RENEWD_DONE;)
WRONG(take_key, s->once(c, "k"); return RENEWD_DONE;)
WRONG(take_memo, s->memo(c, "", 0); return RENEWD_DONE;)
WRONG(take_access, s->set_text(c, "access_token", "new"); return RENEWD_DONE;)
WRONG(take_both, s->set_text(c, "refresh_token", "next"); return take_access(s, in);)
WRONG(ask_more, s->request(c, "GET", "https://x/"); return RENEWD_WAIT;)

static void one_done(act_fn *act, const struct http_reply *first, const struct http_reply *reply, const char *part,
                     bool misused)
{
    tester_begin();
    if (first)
        CU_ASSERT_EQUAL(tester_step(ask_more, first).what, RENEWD_WAIT);
    struct step_result r = tester_step(act, reply);
    CU_ASSERT_EQUAL(r.what, part ? RENEWD_FAILED : RENEWD_DONE);
    CU_ASSERT(!part || (r.text && strstr(r.text, part)));
    CU_ASSERT(!part || (r.code && strcmp(r.code, "plugin") == 0));
    CU_ASSERT(!part || r.outcome == (misused ? OUTCOME_AMBIGUOUS : OUTCOME_TRANSIENT));
    CU_ASSERT_EQUAL(r.misused, misused);
    tester_end();
}

/* A provider that does not rotate leaves the credential out, or repeats it. */
static void test_done(void)
{
    static const char rotated[] = "{\"refresh_token\":\"next\"}", same[] = "{\"refresh_token\":\"grant\"}";
    const struct http_reply none = {.status = 204, .body = ""}, refused = {.status = 400, .body = ""};
    const struct http_reply next = {.status = 200, .body = rotated, .body_len = sizeof(rotated) - 1};
    const struct http_reply stays = {.status = 200, .body = same, .body_len = sizeof(same) - 1};

    one_done(take_nothing, NULL, NULL, NULL, false);
    one_done(take_memo, NULL, &none, NULL, false);
    one_done(take_access, NULL, &none, NULL, false);
    one_done(take_access, NULL, &stays, NULL, false);
    one_done(take_both, NULL, &next, NULL, false);
    one_done(take_both, &next, &none, NULL, false);
    one_done(take_nothing, NULL, &none, "recorded nothing", true);
    one_done(take_nothing, NULL, &next, "recorded nothing", true);
    one_done(take_key, NULL, &next, "recorded nothing", true);
    one_done(take_nothing, &next, &refused, "recorded nothing", true);
    one_done(take_nothing, NULL, &refused, "recorded nothing", false);
    one_done(take_access, NULL, &next, "slot refresh_token", true);
    one_done(take_access, &next, &none, "slot refresh_token", true);
    one_done(take_memo, NULL, &next, "slot refresh_token", true);
}

/* ---- on_failure ---------------------------------------------------------------------------- */

static int32_t change_decision(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    CU_ASSERT_EQUAL(in->status, 500);
    CU_ASSERT_EQUAL(in->attempts, 2);
    CU_ASSERT_EQUAL(in->strikes, 1);
    CU_ASSERT_EQUAL(out->next_at, 100);
    out->outcome = RENEWD_RECONNECT;
    out->next_at = 0;
    out->strike = 1;
    tester.table->set_text(in->call, "note", "dead");
    return 0;
}

static int32_t break_decision(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    tester.table->set_text(in->call, "note", "dead");
    tester.table->set_text(in->call, "no_such", "dead");
    out->next_at = 7;
    return 0;
}

static int32_t token_and_break(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    tester.table->set_text(in->call, "refresh_token", "new");
    tester.table->set_text(in->call, "no_such", "dead");
    out->next_at = 7;
    return 0;
}

static int32_t absurd_decision(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    (void)in;
    out->outcome = 77;
    out->next_at = -5;
    return 0;
}

WRONG(note_then_fail, s->set_text(c, "note", "dropped"); return s->fail(c, RENEWD_TRANSIENT, "e", "t");)

static struct decision decide(int32_t (*f)(const struct renewd_on_failure_in *, struct renewd_on_failure_out *))
{
    const struct failure failure = {.outcome = OUTCOME_TRANSIENT, .status = 500, .code = "e", .text = "t"};
    struct decision d = {.outcome = OUTCOME_TRANSIENT, .next_at = 100};

    CU_ASSERT_EQUAL(tester_step(note_then_fail, NULL).what, RENEWD_FAILED);
    tester.on_failure = f;
    plugin_attempt_failed(tester.attempt, &failure, NULL, 50, &d);
    return d;
}

static void test_on_failure(void)
{
    tester_begin();
    struct decision d = decide(change_decision);
    CU_ASSERT(d.outcome == OUTCOME_RECONNECT && d.next_at == 0 && d.strike && !d.notify);
    CU_ASSERT_EQUAL_FATAL(plugin_attempt_effects(tester.attempt)->count, 1);
    CU_ASSERT_STRING_EQUAL(plugin_attempt_effects(tester.attempt)->list[0].text, "dead");
    tester_end();
    tester_begin();
    d = decide(break_decision);
    CU_ASSERT(d.outcome == OUTCOME_TRANSIENT && d.next_at == 100);
    CU_ASSERT_EQUAL(plugin_attempt_effects(tester.attempt)->count, 0);
    tester_end();
    tester_begin();
    d = decide(token_and_break); /* what a refusal brought stays */
    CU_ASSERT(d.outcome == OUTCOME_TRANSIENT && d.next_at == 100);
    CU_ASSERT(d.misused && strstr(d.misused, "no_such"));
    CU_ASSERT_EQUAL_FATAL(plugin_attempt_effects(tester.attempt)->count, 1);
    CU_ASSERT(plugin_attempt_effects(tester.attempt)->token_set);
    tester_end();
    tester_begin();
    d = decide(absurd_decision);
    CU_ASSERT(d.outcome == OUTCOME_TRANSIENT && d.next_at == 100);
    tester_end();
}

/* ---- open and needs_refresh ---------------------------------------------------------------- */

static int32_t refuse_open(const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)out;
    return in->services->fail(in->call, RENEWD_MISCONFIGURED, NULL, "the region is unknown");
}

static int32_t single_use_open(const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)in;
    out->replay = RENEWD_REPLAY_SINGLE_USE;
    return 0;
}

static int32_t request_in_open(const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)out;
    in->services->request(in->call, "GET", "https://x/");
    return 0;
}

static int open_with(int32_t (*f)(const struct renewd_open_in *, struct renewd_open_out *), int *ret_replay,
                     struct error *e)
{
    struct instance *i = NULL;

    tester.open = f;
    int r = instance_open(tester.plugin, "job-2", tester.settings, &i, e);
    if (r == 0)
        *ret_replay = instance_replay(i, NULL);
    instance_free(i);
    tester.open = NULL;
    return r;
}

static void test_open(void)
{
    struct error e = {""};
    int64_t grace = 0;
    int replay = 0;

    tester_begin();
    CU_ASSERT_EQUAL(instance_replay(tester.instance, &grace), RENEWD_REPLAY_GRACE);
    CU_ASSERT_EQUAL(grace, 30);
    CU_ASSERT_EQUAL(open_with(refuse_open, &replay, &e), -EBADMSG);
    CU_ASSERT(strstr(e.text, "the region is unknown") && strstr(e.text, "job-2"));
    CU_ASSERT_EQUAL(open_with(request_in_open, &replay, &e), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "only refresh and send_events may"));
    CU_ASSERT_EQUAL(open_with(single_use_open, &replay, &e), 0);
    CU_ASSERT_EQUAL(replay, RENEWD_REPLAY_SINGLE_USE);
    tester_end();
}

static int32_t some_window(const struct renewd_needs_refresh_in *in, struct renewd_needs_refresh_out *out)
{
    out->earliest = 1;
    out->preferred = in->now;
    out->latest = in->now + in->refresh_before;
    out->death = tester.table->slot(in->records[0], "expires_at")->number;
    return 0;
}

static int32_t effect_in_window(const struct renewd_needs_refresh_in *in, struct renewd_needs_refresh_out *out)
{
    (void)out;
    tester.table->set_time(in->call, "expires_at", 5);
    return 0;
}

static int32_t slow_window(const struct renewd_needs_refresh_in *in, struct renewd_needs_refresh_out *out)
{
    (void)in;
    (void)out;
    tester.boot_ms += 51;
    return 0;
}

static void test_window(void)
{
    struct error e = {""};
    struct window w;

    tester_begin();
    tester.window = some_window;
    CU_ASSERT_EQUAL(instance_window(tester.instance, &tester_record, 100, 20, &w, &e), 0);
    CU_ASSERT(w.earliest == 1 && w.preferred == 100 && w.latest == 120 && w.death == 1795000500);
    tester.window = effect_in_window;
    CU_ASSERT_EQUAL(instance_window(tester.instance, &tester_record, 100, 20, &w, &e), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "only refresh and on_failure may"));
    tester_end();
}

static void test_slow(void)
{
    char line[1024] = "";
    struct error e;
    struct window w;
    FILE *file = tmpfile();
    int saved = dup(2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    tester_begin();
    tester.window = slow_window;
    fflush(stderr);
    dup2(fileno(file), 2);
    CU_ASSERT_EQUAL(instance_window(tester.instance, &tester_record, 100, 20, &w, &e), 0);
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    rewind(file);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), file));
    CU_ASSERT(strstr(line, "plugin=tester") && strstr(line, "callback=needs_refresh") &&
              strstr(line, "job=job-1") && strstr(line, "ms=51"));
    fclose(file);
    tester_end();
}

/* ---- youtube.so through the real table ------------------------------------------------------ */

static void youtube_attempt(struct instance *i)
{
    static const struct slot_value row[] = {{"old", 3, 0}, {"1//g", 4, 0}, {0}, {0}, {0}};
    const struct record_view r = {.key = "1", .values = row};
    struct plugin_attempt *a = plugin_attempt_new(i, &r);
    struct step_result s;

    plugin_attempt_step(a, NULL, 1000, &s);
    CU_ASSERT_EQUAL_FATAL(s.what, RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(s.request.url, "http://127.0.0.1:1/token");
    CU_ASSERT_STRING_EQUAL(s.request.headers[1], "Content-Type: application/x-www-form-urlencoded");
    CU_ASSERT_STRING_EQUAL((const char *)s.request.body, "grant_type=refresh_token&refresh_token=1%2F%2Fg"
                                                         "&client_id=c&client_secret=s");
    struct http_reply reply = {.status = 200, .body = "{\"access_token\":\"ya29\",\"expires_in\":3599}"};
    reply.body_len = strlen(reply.body);
    plugin_attempt_step(a, &reply, 1000, &s);
    CU_ASSERT_EQUAL(s.what, RENEWD_DONE);
    const struct effects *e = plugin_attempt_effects(a);
    CU_ASSERT_EQUAL_FATAL(e->count, 2);
    CU_ASSERT_STRING_EQUAL(e->list[0].text, "ya29");
    CU_ASSERT_EQUAL(e->list[1].number, 4599);
    plugin_attempt_free(a);
}

static void test_youtube(void)
{
    struct settings *set = settings_new();
    struct plugins *all = NULL;
    struct instance *i = NULL;
    const struct plugin *p;
    struct error e = {""};

    settings_put(set, "client_id", "c", 0);
    settings_put(set, "client_secret", "s", 0);
    settings_put(set, "base_url", "http://127.0.0.1:1", 0);
    CU_ASSERT_EQUAL_FATAL(plugins_new("plugins/.libs", &all), 0);
    CU_ASSERT_EQUAL_FATAL(plugins_get(all, "youtube", &p, &e), 0);
    CU_ASSERT_EQUAL_FATAL(instance_open(p, "yt", set, &i, &e), 0);
    youtube_attempt(i);
    instance_free(i);
    plugins_free(all);
    settings_free(set);
}

/* ---- A plugin built with the header of minor 0 ----------------------------------------------- */

static void old_minor_attempt(struct instance *i)
{
    static const struct slot_value row[] = {{"old", 3, 0}, {"r1", 2, 0}, {"1500", 4, 1500}};
    const struct record_view r = {.key = "1", .values = row, .refreshed_at = 900};
    const struct failure failure = {.outcome = OUTCOME_TRANSIENT, .status = 503};
    struct http_reply reply = {.status = 200, .body = "{\"access_token\":\"new\"}", .body_len = 22};
    struct plugin_attempt *a = plugin_attempt_new(i, &r);
    struct decision d = {.outcome = OUTCOME_TRANSIENT, .next_at = 9000};
    struct step_result s;
    struct window w;
    struct error e = {""};

    CU_ASSERT_EQUAL(instance_window(i, &r, 1000, 0, &w, &e), 0);
    CU_ASSERT_EQUAL(w.latest, 1440);
    plugin_attempt_step(a, NULL, 1000, &s);
    CU_ASSERT_EQUAL_FATAL(s.what, RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL((const char *)s.request.body, "refresh_token=r1");
    plugin_attempt_step(a, &reply, 1000, &s);
    CU_ASSERT_EQUAL(s.what, RENEWD_DONE);
    CU_ASSERT_EQUAL_FATAL(plugin_attempt_effects(a)->count, 1);
    CU_ASSERT_STRING_EQUAL(plugin_attempt_effects(a)->list[0].text, "new");
    plugin_attempt_failed(a, &failure, NULL, 1000, &d);
    CU_ASSERT_EQUAL(d.next_at, 1060);
    plugin_attempt_free(a);
}

static void test_old_minor(void)
{
    const struct http_reply refused = {.status = 401, .body = ""};
    const struct event_message m = {.source = "", .body = "{}", .body_len = 2, .key = "1"};
    const struct record_view bare = {.key = "1"};
    struct settings *set = settings_new();
    struct plugins *all = NULL;
    struct instance *i = NULL;
    const struct plugin *p;
    struct answer_says says;
    struct taken_event t;
    struct error e = {""};

    CU_ASSERT_EQUAL_FATAL(plugins_new("tests/plugins/.libs", &all), 0);
    CU_ASSERT_EQUAL_FATAL(plugins_get(all, "old_minor", &p, &e), 0);
    CU_ASSERT_EQUAL_FATAL(instance_open(p, "old", set, &i, &e), 0);
    old_minor_attempt(i);
    instance_answer(i, &bare, &refused, 1000, &says);
    CU_ASSERT(says.token_refused && says.slow_for == 0);
    CU_ASSERT_FALSE(instance_takes_events(i));
    CU_ASSERT_EQUAL(instance_take_event(i, &m, 1000, &t, &e), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "old_minor takes no events"));
    instance_free(i);
    plugins_free(all);
    settings_free(set);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a token is kept", test_token_kept},
        {"what is no misuse", test_not_misused},
        {"done after a reply", test_done},
        {"on_failure", test_on_failure},
        {"open", test_open},
        {"the window", test_window},
        {"a slow callback is named", test_slow},
        {"youtube through the real table", test_youtube},
        {"a plugin of minor 0", test_old_minor},
        {NULL, NULL},
    };
    return run_tests("instance", tests);
}
