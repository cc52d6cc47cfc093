/* SPDX-License-Identifier: MIT
 * Reads all files of conf.d, one job each, and checks the rules between jobs. A file's mistakes hold its job.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/config/config_internal.h"

enum { JOBS_MAX = 10000 };

/* A job with its parsed file, for mistakes that name its lines. */
struct job_file {
    struct job_config *j;
    struct conf *conf; /* NULL: not readable */
    bool told_shared;  /* that another job has its column */
};

/* The first mistake since `before` is the reason why the job is held. */
static void config_job_hold(struct job_config *j, const struct conf_mistakes *m, size_t before)
{
    if (j->mistake != NULL || conf_mistakes_count(m) == before)
        return;
    const char *text = conf_mistakes_at(m, before);
    j->mistake = text ? xstrdup(text) : xasprintf("%s: it has mistakes; renewd --check names them", j->file);
}

static void hash_text(unsigned char io_hash[CRYPTO_HASH], const char *text)
{
    crypto_hash_on(io_hash, text ? text : "", text ? strlen(text) : 0);
}

static void put_hash(const unsigned char hash[CRYPTO_HASH], char ret[65])
{
    cleanup(buf_done) struct buf hex = {0};

    buf_init(&hex, 64);
    if (hex_encode(&hex, hash, CRYPTO_HASH) == 0)
        memcpy(ret, hex.data, 65);
}

/* Two that are equal mean the same job: also what lies outside of the file is in it. */
static void hash_job(struct job_config *j)
{
    cleanup(buf_done) struct buf text = {0};
    unsigned char hash[CRYPTO_HASH] = {0};

    if (file_read(j->file, CONF_FILE_MAX, &text) < 0)
        return;
    hash_text(hash, j->file);
    crypto_hash_on(hash, text.data ? text.data : "", text.len);
    put_hash(hash, j->file_hash);
    settings_hash(j->settings, hash);
    for (size_t i = 0; i < j->statement_count; i++)
        hash_text(hash, j->statements[i].sql);
    hash_text(hash, j->ready_sql);
    for (size_t i = 0; i < j->webhook_secret_count; i++)
        crypto_hash_on(hash, secret_text(j->webhook_secrets[i]), secret_len(j->webhook_secrets[i]));
    put_hash(hash, j->content_hash);
}

static struct job_file file_read_job(const struct config *c, struct plugins *plugins, const char *name,
                                     struct conf_mistakes *m, struct secret_uses *uses)
{
    struct job_file f = {xcalloc(1, sizeof *f.j), NULL, false};
    size_t before = conf_mistakes_count(m);
    struct error e = {""};

    f.j->file = xasprintf("%s/%s", c->conf_dir, name);
    f.j->job = xstrndup(name, strlen(name) - strlen(".conf"));
    modes_look(m, NULL, "this job's file", f.j->file);
    if (conf_load(f.j->file, &f.conf, &e) < 0) {
        f.j->enabled = true;
        conf_mistake(m, NULL, NULL, "%s", e.text);
    } else {
        struct job_reading r = {{m, uses, c->dir, true, false, &f.j->secret_files},
                                c,
                                plugins,
                                conf_root(f.conf),
                                f.j};
        job_read(&r);
        f.j->secret_missing = r.r.secret_missing;
    }
    job_wish_make(f.j);
    hash_job(f.j);
    config_job_hold(f.j, m, before);
    return f;
}

struct job_config *job_load(const struct config *c, struct plugins *plugins, const char *file,
                            struct conf_mistakes *m, struct secret_uses *uses)
{
    const char *slash = strrchr(file, '/');
    struct job_file f = file_read_job(c, plugins, slash ? slash + 1 : file, m, uses);

    conf_free(f.conf);
    return f.j;
}

static const char *credential_column(const struct job_config *j)
{
    for (size_t i = 0; i < j->column_count; i++)
        if (j->columns[i].credential)
            return j->columns[i].column;
    return NULL;
}

static bool share_credential(const struct job_config *a, const struct job_config *b)
{
    const char *of_a = credential_column(a), *of_b = credential_column(b);

    return a->enabled && b->enabled && a->table && b->table && of_a && of_b && strcmp(a->table, b->table) == 0 &&
           strcmp(of_a, of_b) == 0;
}

/* A shared column is noted as a mistake at both jobs, so that both are held; only once at each, however many share
 * it. */
static void jobs_pair_check(const struct config *c, struct job_file *a, struct job_file *b, struct conf_mistakes *m)
{
    struct job_file *pair[2] = {a, b};
    bool same_name = strcmp(a->j->job, b->j->job) == 0, shared = share_credential(a->j, b->j);

    for (size_t i = 0; i < 2; i++) {
        const struct conf_item *root = conf_root(pair[i]->conf);
        const struct job_config *other = pair[1 - i]->j;
        size_t before = conf_mistakes_count(m);
        if (same_name)
            conf_mistake(m, conf_child(root, "job"), pair[i]->j->file,
                         "the name '%s' is also that of the job in %s; each job needs its own", other->job,
                         other->file);
        if (shared && !pair[i]->told_shared)
            conf_mistake(m, conf_child(conf_child(root, "records"), "table"), pair[i]->j->file,
                         "job '%s' in %s keeps the same column of the same table fresh; two jobs would "
                         "spend each other's credentials, whatever their 'only' says: join them, or "
                         "disable one",
                         other->job, other->file);
        pair[i]->told_shared |= shared;
        also_check_mapped(c, root, pair[i]->j, other, m);
        config_job_hold(pair[i]->j, m, before);
    }
}

static int is_job_file(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int jobs_load(const struct config *c, struct plugins *plugins, struct conf_mistakes *m, struct secret_uses *uses,
              struct job_config ***ret, size_t *ret_count)
{
    struct dirent **entries = NULL;

    int found = scandir(c->conf_dir, &entries, is_job_file, by_name);
    if (found < 0) {
        int r = -errno;
        conf_mistake(m, NULL, c->conf_dir, "the folder of the jobs cannot be read: %s", strerror(-r));
        return r;
    }
    size_t count = found < JOBS_MAX ? (size_t)found : JOBS_MAX;
    if (count < (size_t)found)
        conf_mistake(m, NULL, c->conf_dir, "more than %d jobs; those after %s are left out", JOBS_MAX,
                     entries[count - 1]->d_name);
    cleanup(free_p) struct job_file *files = xcalloc(count + 1, sizeof *files);
    struct job_config **list = xcalloc(count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        files[i] = file_read_job(c, plugins, entries[i]->d_name, m, uses);
        list[i] = files[i].j;
        for (size_t k = 0; k < i; k++)
            jobs_pair_check(c, &files[k], &files[i], m);
    }
    jobs_also_meet(c, list, count);
    for (size_t i = 0; i < (size_t)found; i++)
        free(entries[i]);
    free(entries);
    for (size_t i = 0; i < count; i++)
        conf_free(files[i].conf);
    *ret = list;
    *ret_count = count;
    return 0;
}

void jobs_free(struct job_config **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        job_config_free(list[i]);
    free(list);
}
