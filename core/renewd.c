/* SPDX-License-Identifier: MIT
 * renewd: the daemon. Reads its options and configuration, creates the parts, and runs the loop; also --check and
 * --once. The work is done in core/engine; the HTTP API that renewctl uses is in core/api.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "config.h"
#include "core/api/api.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/notify.h"
#include "core/base/sandbox.h"
#include "core/base/vault.h"
#include "core/check.h"
#include "core/config/config.h"
#include "core/engine/engine.h"
#include "core/loop/loop.h"
#include "core/once.h"
#include "core/time/timestamp.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, FILES_MAX = 65536, LARGE_BYTES = 64 * 1024 };

struct options {
    const char *config_file;
    bool check, connect, once, has_at;
    int64_t at;
    char **jobs; /* --once: NULL-terminated, empty = all */
};

struct program {
    const struct options *options;
    struct loop *loop;
    struct config *config;
    struct plugins *plugins;
    struct state_dir *state;
    struct conf_mistakes *notes; /* of renewd.conf; its warnings are shown while the daemon runs */
    struct engine *engine;
    struct api *api;
    struct once *once;
    struct loop_timer *watchdog;
    bool stopping;
    int status;
};

static void main_usage(FILE *to)
{
    fputs(
        "usage: renewd [-c FILE]                        keep the records of all jobs fresh, in the foreground\n"
        "       renewd [-c FILE] --check                name every mistake in the configuration\n"
        "       renewd [-c FILE] --check --connect      look at the database as well; nothing that is written stays\n"
        "       renewd [-c FILE] --once [--at TIME] [JOB...]   refresh what is due, and exit\n"
        "       renewd --version | --help\n"
        "  -c, --config FILE   default " SYSCONFDIR "/renewd/renewd.conf\n"
        "      --at TIME       with --once: refresh what is due at TIME (RFC 3339 or Unix seconds)\n"
        "      --debug         log more\n",
        to);
}

static int parse_at(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (*text && !*end && !errno) {
        *ret = n;
        return 0;
    }
    return timestamp_parse(text, ret, NULL);
}

/* NULL, or why they do not go together. */
static const char *options_clash(const struct options *o)
{
    return o->check && o->once       ? "--check and --once exclude each other"
           : o->connect && !o->check ? "--connect goes with --check"
           : o->has_at && !o->once   ? "--at goes with --once"
           : *o->jobs && !o->once    ? "jobs are named with --once"
                                     : NULL;
}

/* 0, or the exit status plus one; the program has printed its message. */
static int parse_options(int argc, char **argv, struct options *o)
{
    enum { OPT_CHECK = 256, OPT_CONNECT, OPT_ONCE, OPT_AT, OPT_VERSION, OPT_HELP, OPT_DEBUG };
    static const struct option known[] = {{"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, OPT_CHECK},
                                          {"connect", no_argument, NULL, OPT_CONNECT},
                                          {"once", no_argument, NULL, OPT_ONCE},
                                          {"at", required_argument, NULL, OPT_AT},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {"help", no_argument, NULL, OPT_HELP},
                                          {"debug", no_argument, NULL, OPT_DEBUG},
                                          {NULL, 0, NULL, 0}};
    o->config_file = SYSCONFDIR "/renewd/renewd.conf";
    log_setup(LEVEL_INFO);
    for (int c; (c = getopt_long(argc, argv, "c:h", known, NULL)) != -1;) {
        switch (c) {
        case 'c':
            o->config_file = optarg;
            break;
        case OPT_CHECK:
            o->check = true;
            break;
        case OPT_CONNECT:
            o->connect = true;
            break;
        case OPT_ONCE:
            o->once = true;
            break;
        case OPT_DEBUG:
            log_setup(LEVEL_DEBUG);
            break;
        case OPT_AT:
            if (parse_at(optarg, &o->at) < 0) {
                fprintf(stderr, "renewd: --at %s is not a time; write 2026-11-21T14:00:00Z or Unix seconds\n",
                        optarg);
                return 1 + EXIT_USAGE;
            }
            o->has_at = true;
            break;
        case OPT_VERSION:
            printf("renewd %s\n", PACKAGE_VERSION);
            return 1;
        case 'h':
        case OPT_HELP:
            main_usage(stdout);
            return 1;
        default:
            main_usage(stderr);
            return 1 + EXIT_USAGE;
        }
    }
    o->jobs = argv + optind;
    const char *clash = options_clash(o);
    if (clash) {
        fprintf(stderr, "renewd: %s\n", clash);
        main_usage(stderr);
        return 1 + EXIT_USAGE;
    }
    return 0;
}

/* Connections of both sides are descriptors. */
static void want_descriptors(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    rlim_t wanted = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
    if (files.rlim_cur < wanted) {
        files.rlim_cur = wanted;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Large bodies and replies are returned to the system when they are freed. By default glibc keeps such blocks in
 * its heap after the first one is freed, with small ones between them. */
static void give_memory_back(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
#endif
}

/* No core dump may hold a token; files that renewd creates are accessible only to its user. */
static void harden(void)
{
    want_descriptors();
    give_memory_back();
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static void print_mistakes(const struct conf_mistakes *m)
{
    for (size_t i = 0; i < conf_mistakes_count(m); i++)
        fprintf(stderr, "renewd: %s\n", conf_mistakes_at(m, i));
    for (size_t i = 0; conf_warnings_at(m, i); i++)
        log_line(LEVEL_WARNING, conf_warnings_at(m, i), NULL);
}

/* ---- the running program ---- */

static void main_stopped(void *ctx)
{
    struct program *p = ctx;
    loop_stop(p->loop);
}

static void stop(struct program *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    notify_send("STOPPING=1");
    if (p->once)
        once_stop(p->once);
    fault_point(FAULT_STOPPING, NULL);
    if (p->api)
        api_stop_listening(p->api);
    engine_stop(p->engine, main_stopped, p);
}

static void on_stop_signal(void *ctx, int signo)
{
    struct program *p = ctx;
    log_line(LEVEL_INFO, "stopping", "signal", signo == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
    if (p->options->once && !p->stopping) /* before it was through */
        p->status = EXIT_FAILED;
    stop(p);
}

static void on_reload_signal(void *ctx, int signo)
{
    (void)signo;
    struct program *p = ctx;
    struct reload_result r;
    if (p->stopping)
        return;
    engine_reload(p->engine, &r);
    reload_result_done(&r);
    if (p->api)
        api_reload(p->api, NULL);
}

static void fatal(void *ctx, int status, const char *why)
{
    struct program *p = ctx;
    log_line(LEVEL_ERROR, why, NULL);
    p->status = status;
    stop(p);
}

static void once_end(void *ctx, int status, const char *why)
{
    struct program *p = ctx;
    if (why) {
        fatal(p, status, why);
        return;
    }
    p->status = status;
    stop(p);
}

static void main_ready(void *ctx)
{
    struct program *p = ctx;
    fault_point(FAULT_READY, NULL);
    if (p->once) {
        once_ready(p->once);
        return;
    }
    if (p->api)
        api_ready(p->api);
    log_line(LEVEL_INFO, "ready", NULL);
}

static int unknown_job(const struct program *p)
{
    for (char **name = p->options->jobs; *name; name++)
        if (!engine_job_by_name(p->engine, *name)) {
            const struct job_config *off = engine_disabled_called(p->engine, *name);
            if (off)
                fprintf(stderr, "renewd: job %s is disabled (enabled = false) in %s\n", off->job, off->file);
            else
                fprintf(stderr, "renewd: there is no job named %s in %s\n", *name, p->config->conf_dir);
            return EXIT_USAGE;
        }
    return 0;
}

/* The watchdog is notified as long as the loop turns. */
static void feed_watchdog(void *ctx)
{
    struct program *p = ctx;
    notify_send("WATCHDOG=1");
    p->watchdog = loop_after(p->loop, notify_watchdog_ms() / 2, feed_watchdog, p);
}

static int main_run(struct program *p)
{
    struct error e;
    bool daemon = !p->options->once;
    if (daemon && (p->config->api_socket || p->config->api_listen) &&
        api_open(p->engine, p->loop, p->config, &p->api, &e) < 0) {
        fprintf(stderr, "renewd: %s\n", e.text);
        return EXIT_FAILED;
    }
    const struct once_setup o = {p->loop, p->engine, p->options->jobs, once_end, p};
    if (!daemon)
        p->once = once_new(&o);
    engine_start(p->engine);
    if (daemon)
        notify_send("READY=1");
    if (daemon && notify_watchdog_ms() > 1)
        feed_watchdog(p);
    loop_run(p->loop);
    loop_cancel(&p->watchdog);
    return p->status;
}

static int make_engine(struct program *p, struct error *e)
{
    struct conf_mistakes *m = conf_mistakes_new();
    struct secret_uses uses = {0};
    struct engine_setup s = {.loop = p->loop,
                             .config = p->config,
                             .plugins = p->plugins,
                             .state = p->state,
                             .daemon = !p->options->once,
                             .fatal = fatal,
                             .ready = main_ready,
                             .ctx = p,
                             .config_notes = p->notes,
                             .job_notes = m};
    jobs_load(p->config, p->plugins, m, &uses, &s.jobs, &s.job_count);
    print_mistakes(m);
    secret_uses_done(&uses);
    int res = engine_new(&s, &p->engine, e); /* takes the jobs and their mistakes, unless it fails */
    if (res < 0) {
        jobs_free(s.jobs, s.job_count);
        conf_mistakes_free(m);
    }
    return res;
}

static char *folder_of(const char *path)
{
    char *real = path ? realpath(path, NULL) : NULL, *copy = path ? xstrdup(real ? real : path) : NULL;
    char *slash = copy ? strrchr(copy, '/') : NULL;
    if (slash)
        slash[slash == copy] = '\0';
    free(real);
    return copy;
}

/* Restricts an intruder to the folders that renewd writes. A program that a future version starts (a command for
 * notices) would be restricted, too: it would need sandbox = false, or an exception here. */
static void confine(const struct config *c)
{
    cleanup(free_p) char *database = folder_of(c->store_path), *door = folder_of(c->api_socket);
    const char *paths[] = {c->state_dir, "/dev/null", NULL, NULL, NULL};
    size_t n = 2;
    if (strcmp(c->store_driver, "sqlite") == 0 && database)
        paths[n++] = database;
    if (door)
        paths[n++] = door;
    int r = c->sandbox ? sandbox_writes(paths) : 0;
    if (r < 0)
        log_line(LEVEL_INFO,
                 "this kernel has no Landlock, so renewd cannot limit itself to its own folders; the service's "
                 "settings and the file modes still apply",
                 "reason", strerror(-r), NULL);
    if (!vault_locked())
        log_line(LEVEL_INFO, "keys and secrets are not locked in memory and may reach the swap; raise LimitMEMLOCK",
                 NULL);
}

static int main_start(struct program *p)
{
    struct error e;
    p->loop = loop_new();
    if (!p->loop || plugins_new(p->config->plugin_dir, &p->plugins) < 0)
        return EXIT_FAILED;
    loop_signal(p->loop, SIGTERM, on_stop_signal, p);
    loop_signal(p->loop, SIGINT, on_stop_signal, p);
    loop_signal(p->loop, SIGHUP, on_reload_signal, p);
    if (state_dir_open(p->config->state_dir, !p->options->once, &p->state, &e) < 0) {
        fprintf(stderr, "renewd: %s\n", e.text);
        return EXIT_FAILED;
    }
    confine(p->config);
    if (make_engine(p, &e) < 0) {
        fprintf(stderr, "renewd: %s\n", e.text);
        return EXIT_FAILED;
    }
    int res = unknown_job(p);
    if (!res && p->options->once && !engine_job(p->engine, 0))
        fprintf(stderr, "renewd: no job is enabled in %s\n", p->config->conf_dir);
    return res ? res : main_run(p);
}

static bool faults_ordered(void)
{
    char mistake[128];
    if (fault_setup(mistake, sizeof mistake))
        return true;
    fprintf(stderr, "renewd: %s\n", mistake);
    return false;
}

/* A reload may be requested before there is anything to reload: the loop handles the signal later. */
static void keep_reloads(void)
{
    sigset_t one;

    sigemptyset(&one);
    sigaddset(&one, SIGHUP);
    sigprocmask(SIG_BLOCK, &one, NULL);
}

int main(int argc, char **argv)
{
    keep_reloads();
    struct options o = {0};
    int res = parse_options(argc, argv, &o);
    if (res)
        return res - 1;
    if (!faults_ordered())
        return EXIT_USAGE;
    harden();
    if (o.check)
        return check_configuration(o.config_file, o.connect);
    if (o.has_at)
        clock_set_due(o.at);
    fault_point(FAULT_START, NULL);
    struct program p = {.options = &o, .notes = conf_mistakes_new()};
    struct secret_uses uses = {0};
    config_load(o.config_file, p.notes, &uses, &p.config);
    print_mistakes(p.notes);
    secret_uses_done(&uses);
    bool broken = !p.config || conf_mistakes_count(p.notes);
    int status = broken ? EXIT_CONFIG : main_start(&p);
    api_free(p.api);
    once_free(p.once);
    engine_free(p.engine);
    plugins_free(p.plugins);
    state_dir_free(p.state);
    loop_free(p.loop);
    config_free(p.config);
    conf_mistakes_free(p.notes);
    return status;
}
