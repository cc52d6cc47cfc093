/* SPDX-License-Identifier: MIT
 * Reads all files of conf.d, one job each, and checks the rules between jobs. A file's mistakes hold its job.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/config/config_internal.h"

enum { JOBS_MAX = 10000 };

/* A job with its parsed file, for mistakes that name its lines. */
struct job_file {
    struct job_config *j;
    struct conf *conf; /* NULL: not readable */
    bool told_shared;  /* that an older one takes some of its rows */
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

static int64_t changed_at(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
}

static struct job_file file_read_job(const struct config *c, struct plugins *plugins, const char *name,
                                     struct conf_mistakes *m, struct secret_uses *uses)
{
    struct job_file f = {xcalloc(1, sizeof *f.j), NULL, false};
    size_t before = conf_mistakes_count(m);
    struct error e = {""};

    f.j->file = xasprintf("%s/%s", c->conf_dir, name);
    f.j->job = xstrndup(name, strlen(name) - strlen(".conf"));
    f.j->file_time = changed_at(f.j->file);
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

/* Noted once, at the job of the newer file, however many overlap with it. */
static void overlap_check(const struct config *c, struct job_file *a, struct job_file *b, struct conf_mistakes *m)
{
    cleanup(free_p) char *overlap = NULL;
    struct job_file *newer = job_is_newer(a->j, b->j) ? a : b, *older = newer == a ? b : a;

    if (newer->told_shared || !jobs_share(c, a->j, b->j) ||
        jobs_parted_by(c, newer->j, NULL, older->j, NULL, &overlap))
        return;
    cleanup(free_p) char *text = jobs_overlap_text(newer->j, older->j, overlap);
    size_t before = conf_mistakes_count(m);
    conf_mistake(m, conf_child(conf_child(conf_root(newer->conf), "records"), "table"), newer->j->file, "%s", text);
    newer->told_shared = true;
    config_job_hold(newer->j, m, before);
}

static void jobs_pair_check(const struct config *c, struct job_file *a, struct job_file *b, struct conf_mistakes *m)
{
    struct job_file *pair[2] = {a, b};
    bool same_name = strcmp(a->j->job, b->j->job) == 0, shares = jobs_may_share(a->j, b->j);

    if (shares)
        a->j->shares = b->j->shares = true;
    overlap_check(c, a, b, m);

    for (size_t i = 0; i < 2; i++) {
        const struct conf_item *root = conf_root(pair[i]->conf);
        const struct job_config *other = pair[1 - i]->j;
        size_t before = conf_mistakes_count(m);
        if (same_name)
            conf_mistake(m, conf_child(root, "job"), pair[i]->j->file,
                         "the name '%s' is also that of the job in %s; each job needs its own", other->job,
                         other->file);
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
    api_jobs_check(c, list, count, m);
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
