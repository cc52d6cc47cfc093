/* SPDX-License-Identifier: MIT
 * oauth2.so under another name, which breaks a rule at each success as settings.extra.order says: before, between or
 * after the tokens that it sets, in place of the new refresh token, in what it leaves out, or in how it ends.
 */
#define renewd_plugin_v1 renewd_plugin_of_oauth2
#include "../../plugins/oauth2.c"
#undef renewd_plugin_v1

struct careless {
    const struct renewd_services *s;
    const struct renewd_refresh_in *in;
    const char *order;
};

static int is(const struct careless *c, const char *order)
{
    return strcmp(c->order, order) == 0;
}

static void set_from_answer(const struct careless *c, const char *slot, const char *path)
{
    c->s->set_text(c->in->call, slot, c->s->json_text(c->in->reply->json, path));
}

static void set_tokens(const struct careless *c)
{
    if (is(c, "before"))
        c->s->set_text(c->in->call, "no_such_slot", "x");
    if (!is(c, "nothing"))
        set_from_answer(c, "access_token", "access_token");
    if (is(c, "between"))
        c->s->once(c->in->call, "");
    if (!is(c, "dropped"))
        set_from_answer(c, is(c, "misspelt") || is(c, "nothing") ? "refresh_tokn" : "refresh_token",
                        "refresh_token");
    if (is(c, "after"))
        c->s->run(c->in->call, "no_such_statement", NULL);
    c->s->set_time(c->in->call, "expires_at", is(c, "expiry") ? -5 : c->in->now + 3600);
}

static int32_t end(const struct careless *c)
{
    if (is(c, "result"))
        return 77;
    if (is(c, "silent"))
        return RENEWD_FAILED;
    if (is(c, "outcome"))
        return c->s->fail(c->in->call, 99, NULL, "an outcome that there is not");
    if (is(c, "wait"))
        return RENEWD_WAIT;
    if (is(c, "url"))
        return c->s->request(c->in->call, "GET", "ftp://provider.example/") ? RENEWD_WAIT : RENEWD_DONE;
    if (is(c, "refused") && c->in->reply->status)
        return c->s->request(c->in->call, "GET", "http://provider.example/") ? RENEWD_WAIT : RENEWD_DONE;
    return RENEWD_DONE;
}

static int32_t careless_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    const struct oauth2 *o = instance;
    struct careless c = {o->services, in, NULL};
    const char *name = NULL;

    if (in->token_set)
        return RENEWD_DONE;
    if (!in->reply || in->reply->status != 200)
        return oauth2_refresh(instance, in, out);
    o->services->setting_member(o->host, "extra", 0, &name, &c.order);
    if (!is(&c, "ignored"))
        set_tokens(&c);
    return end(&c);
}

const struct renewd_plugin *renewd_plugin_v1(void)
{
    static struct renewd_plugin careless;

    careless = *renewd_plugin_of_oauth2();
    careless.name = "careless";
    careless.refresh = careless_refresh;
    return &careless;
}
