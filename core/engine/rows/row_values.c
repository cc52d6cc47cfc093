/* SPDX-License-Identifier: MIT
 * Converts between a row's stored bytes and the values that a plugin sees: opens sealed values, seals written ones.
 * Sealed values are bound to table, key and slot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/crypto/seal_hex.h"
#include "core/crypto/sealed_by.h"
#include "core/engine/state/state.h"
#include "core/engine/rows/rows.h"

static const char *job_seal_table(const struct job *j)
{
    return j->table->own ? j->table->source : j->table->name;
}

static bool is_sealed_job(const struct job *j)
{
    return j->table->own || strcmp(j->config->sealed, "none") != 0;
}

/* The key of the applications' own sealed form; NULL when the job uses renewd's. */
static const unsigned char *hex_key(const struct job *j)
{
    if (j->table->own || strcmp(j->config->sealed, "hex-iv-tag-data") != 0)
        return NULL;
    const struct keyring *ring = j->engine->setup.config->keys;
    return keyring_key(ring, j->config->sealed_key ? j->config->sealed_key : keyring_first(ring));
}

/* A value that another program has sealed is not a token. Otherwise it would be presented and refused, and its
 * owner would be notified. */
static int open_plain(const char *slot, const char *text, size_t len, struct secret **ret, struct error *e)
{
    const char *by = sealed_by_other(text, len);
    if (by)
        return error_set(e, -EINVAL,
                         "the value of %s looks as if it was encrypted by %s, which renewd cannot decrypt; it is "
                         "not presented: store it plain or in renewd's own form",
                         slot, by);
    *ret = secret_new(text, len);
    return 0;
}

static int open_hex(const struct job *j, const char *slot, const char *text, size_t len, struct secret **ret,
                    bool *ret_sealed, struct error *e)
{
    int res = seal_hex_open(hex_key(j), text, ret);
    if (res == -EINVAL && j->config->accept_plain)
        return open_plain(slot, text, len, ret, e);
    if (res == -EINVAL)
        return error_set(e, res,
                         "the value of %s is not of the form iv:tag:data in hexadecimal; set "
                         "accept_plain = true to take plain values over",
                         slot);
    if (res < 0)
        return error_set(e, res,
                         "the value of %s cannot be decrypted with the key \"%s\"; check sealed_key and keys", slot,
                         j->config->sealed_key ? j->config->sealed_key
                                               : keyring_first(j->engine->setup.config->keys));
    *ret_sealed = true;
    j->engine->on->key_proven(j->engine, j->config->sealed_key ? j->config->sealed_key
                                                               : keyring_first(j->engine->setup.config->keys));
    return 0;
}

static int open_secret(const struct job *j, const struct row *r, const char *slot, const char *text, size_t len,
                       struct secret **ret, bool *ret_sealed, struct error *e)
{
    if (hex_key(j))
        return open_hex(j, slot, text, len, ret, ret_sealed, e);
    if (!is_sealed_job(j) || (j->config->accept_plain && !seal_is_sealed(text)))
        return open_plain(slot, text, len, ret, e);
    const char *why = NULL;
    int res = seal_open(j->engine->setup.config->keys, job_seal_table(j), r->key, slot, text, ret, &why);
    if (res == -EINVAL)
        return error_set(e, -EINVAL,
                         "the value of %s is not sealed; set accept_plain = true to take plain "
                         "values over, or sealed = \"none\" to keep them plain",
                         slot);
    if (res == -ENOKEY) {
        cleanup(free_p) char *id = NULL;
        seal_key_id(text, &id);
        return error_set(e, res,
                         "the value of %s is sealed with the key \"%s\", which is not among keys of "
                         "renewd.conf; add that key",
                         slot, id ? id : "?");
    }
    if (res < 0)
        return error_set(e, res, "the sealed value of %s cannot be decrypted: %s", slot,
                         why ? why : "it was damaged or moved from another row");
    cleanup(free_p) char *id = NULL;
    seal_key_id(text, &id);
    j->engine->on->key_proven(j->engine, id);
    *ret_sealed = true;
    return 0;
}

static int open_one(const struct job *j, const struct row *r, size_t slot, struct row_values *v, struct error *e)
{
    int column = j->slot_column[slot];
    if (column < 0)
        return 0;
    const struct cell *cell = &r->cells[column];
    const struct renewd_slot *s = plugin_descriptor(j->config->plugin)->slots[slot];
    if (!cell->text || !cell->len)
        return 0;
    if (s->type == RENEWD_SECRET) {
        bool sealed = false;
        int res = open_secret(j, r, s->name, cell->text, cell->len, &v->owned[slot], &sealed, e);
        if (res < 0)
            return res;
        v->opened += sealed;
    } else {
        v->owned[slot] = secret_new(cell->text, cell->len);
    }
    v->list[slot].text = secret_text(v->owned[slot]);
    v->list[slot].len = secret_len(v->owned[slot]);
    if (!v->list[slot].len)
        v->list[slot].text = NULL;
    else if (s->type == RENEWD_TIME || s->type == RENEWD_INTEGER)
        v->list[slot].number = strtoll(v->list[slot].text, NULL, 10);
    return 0;
}

int row_values_decrypt(const struct job *j, const struct row *r, struct row_values *ret, struct error *e)
{
    const struct renewd_plugin *d = plugin_descriptor(j->config->plugin);
    struct row_values v = {0};
    if (r->unfit)
        return error_set(e, -EFBIG, "%s", r->unfit);
    while (d->slots[v.count])
        v.count++;
    v.list = xcalloc(v.count + 1, sizeof *v.list);
    v.owned = xcalloc(v.count + 1, sizeof *v.owned);
    int failed = 0;
    for (size_t i = 0; i < v.count; i++) {
        struct error why;
        int res = open_one(j, r, i, &v, &why);
        if (res < 0 && !failed)
            failed = error_set(e, res, "%s", why.text);
    }
    size_t opened = v.opened;
    if (failed)
        row_values_done(&v);
    *ret = v;
    ret->opened = opened;
    return failed;
}

void row_values_done(struct row_values *v)
{
    for (size_t i = 0; i < v->count; i++)
        secret_free(v->owned[i]);
    free(v->list);
    free(v->owned);
    memset(v, 0, sizeof *v);
}

void row_values_for_plugin(const struct job *j, const struct record *rec, const struct row *r,
                           const struct row_values *v, struct record_view *ret)
{
    int64_t refreshed = rec->refreshed_at;
    const struct cell *column = row_cell(j->table, r, "refreshed_at");
    if (column && column->text) {
        int64_t told = strtoll(column->text, NULL, 10);
        if (told > refreshed)
            refreshed = told;
    }
    *ret = (struct record_view){
        .key = r->key,
        .account = rec->account,
        .values = v->list,
        .refreshed_at = refreshed,
        .first_seen = rec->first_seen,
        .life = rec->life,
        .attempts = rec->attempts,
        .strikes = rec->strikes,
    };
}

int row_value_seal(const struct job *j, const char *key, const char *slot, const char *plain, size_t len,
                   bool secret, char **ret)
{
    if (!secret || !is_sealed_job(j)) {
        *ret = xstrndup(plain, len);
        return 0;
    }
    int res = fault_error(FAULT_SEAL, key);
    if (res < 0)
        return res;
    j->engine->on->key_proven(j->engine, hex_key(j) && j->config->sealed_key
                                             ? j->config->sealed_key
                                             : keyring_first(j->engine->setup.config->keys));
    if (hex_key(j))
        return seal_hex(hex_key(j), plain, len, ret);
    return seal(j->engine->setup.config->keys, job_seal_table(j), key, slot, plain, len, ret);
}
