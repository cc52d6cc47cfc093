/* SPDX-License-Identifier: MIT
 * The provider simulator: OAuth providers on 127.0.0.1 that can be told to misbehave and that
 * know the truth about every token. The oracle of the end-to-end tests, the stage of the quick
 * start. See tests/sim/README for its control API.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

enum { PEM_MAX = 1 << 20 };

struct options {
    uint16_t port;
    const char *port_file, *certificate, *key, *state;
    bool quiet, die_with_parent;
};

static void usage(FILE *to)
{
    fputs("usage: simulator [--port N] [--port-file FILE] [--tls CERTIFICATE KEY]\n"
          "                 [--state FILE] [--die-with-parent] [--quiet]\n"
          "Serves on 127.0.0.1 until SIGTERM. --port 0 (default) takes a free port.\n"
          "--port-file: the port is written there once the simulator is ready.\n"
          "--state: the truth about every account is written there at the end, as JSON.\n",
          to);
}

static bool read_port(const char *text, uint16_t *ret_port)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 0 || value > 65535)
        return false;
    *ret_port = (uint16_t)value;
    return true;
}

/* 0, or an exit status + 1. --tls takes its key from the argument that follows. */
static int options_read(int argc, char **argv, struct options *ret_options)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},      {"port-file", required_argument, NULL, 'f'},
        {"tls", required_argument, NULL, 't'},       {"state", required_argument, NULL, 's'},
        {"quiet", no_argument, NULL, 'q'},           {"help", no_argument, NULL, 'h'},
        {"die-with-parent", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'p' && !read_port(optarg, &ret_options->port))
            c = '?';
        if (c == 't' && optind >= argc)
            c = '?';
        switch (c) {
        case 'p':
            break;
        case 'f':
            ret_options->port_file = optarg;
            break;
        case 't':
            ret_options->certificate = optarg;
            ret_options->key = argv[optind++];
            break;
        case 's':
            ret_options->state = optarg;
            break;
        case 'q':
            ret_options->quiet = true;
            break;
        case 'd':
            ret_options->die_with_parent = true;
            break;
        case 'h':
            usage(stdout);
            return 1;
        default:
            usage(stderr);
            return 3;
        }
    }
    if (optind == argc)
        return 0;
    usage(stderr);
    return 3;
}

static char *file_read(const char *path)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = xmalloc(PEM_MAX + 1);
    ssize_t n = fd < 0 ? -1 : read(fd, text, PEM_MAX);

    if (n < 0) {
        fprintf(stderr, "simulator: cannot read %s: %s\n", path, strerror(errno));
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

/* All of it or nothing: written beside and renamed. */
static bool file_write(const char *path, const char *text)
{
    cleanup(free_p) char *beside = xasprintf("%s.%ld", path, (long)getpid());
    FILE *file = fopen(beside, "we");
    bool good = file && fputs(text, file) >= 0;

    if (file && fclose(file) != 0)
        good = false;
    if (good && rename(beside, path) == 0)
        return true;
    fprintf(stderr, "simulator: cannot write %s: %s\n", path, strerror(errno));
    unlink(beside);
    return false;
}

static void state_write(const char *path)
{
    struct json_object *list = json_object_new_array();

    truth_lock();
    for (size_t i = 0; provider_at(i); i++) {
        const struct account *account;
        size_t cursor = 0;
        while ((account = account_next(provider_at(i), &cursor)))
            json_object_array_add(list, truth_account_json(account));
    }
    truth_unlock();
    file_write(path, json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
    json_object_put(list);
}

/* False when the parent was gone before we could ask to go with it. */
static bool follow_parent(void)
{
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return getppid() == parent;
}

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int serve(const struct options *options, const sigset_t *ends)
{
    cleanup(free_p) char *certificate = NULL;
    cleanup(free_p) char *key = NULL;
    struct server_options server_options = {.port = options->port};
    uint16_t port;
    char line[32];
    int signal_number;

    if (options->certificate) {
        server_options.certificate = certificate = file_read(options->certificate);
        server_options.key = key = file_read(options->key);
        if (!certificate || !key)
            return 1;
    }
    struct server *server = server_start(&server_options, &port);
    if (!server)
        return 1;
    snprintf(line, sizeof(line), "%u\n", (unsigned)port);
    bool ready = !options->port_file || file_write(options->port_file, line);
    if (ready && !options->quiet)
        fprintf(stderr, "simulator: serving on http%s://127.0.0.1:%u\n", certificate ? "s" : "", (unsigned)port);
    if (ready)
        sigwait(ends, &signal_number);
    server_stop(server);
    if (ready && options->state)
        state_write(options->state);
    return ready ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    sigset_t ends;
    int wrong = options_read(argc, argv, &options);

    if (wrong)
        return wrong - 1;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    if (options.die_with_parent && !follow_parent())
        return 1;
    raise_file_limit();
    truth_init();
    int status = serve(&options, &ends);
    truth_done();
    return status;
}
