/* SPDX-License-Identifier: MIT
 * renewctl: the command line client of renewd. Reads the command line, finds the command, and exits with its
 * status: 0 done, 1 failed, 2 usage, 69 no daemon. The commands are in core/cli.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/cli.h"

#define DEFAULT_SOCKET RUNSTATEDIR "/renewd/renewd.sock"

enum { OPERANDS_MAX = 1001 };

struct command {
    const char *name;
    int (*run)(const struct ctl *c);
    int least, most;     /* operands */
    const char *options; /* short names of its own options */
    const char *usage, *help;
};

static const struct command commands[] = {
    {"status", ctl_status, 0, 0, "", "status", "show the state of renewd"},
    {"jobs", ctl_jobs, 0, 1, "", "jobs [JOB]", "list the jobs, or one"},
    {"run", ctl_run, 1, 1, "N", "run JOB [--now]", "run a job now and wait for it"},
    {"pause", ctl_pause, 1, 1, "", "pause JOB", "stop a job until it is resumed"},
    {"resume", ctl_resume, 1, 1, "B", "resume JOB [--believe]",
     "let a paused or held job go on; --believe: accept the refusals"},
    {"runs", ctl_runs, 0, 1, "", "runs [JOB]", "list the latest runs"},
    {"records", ctl_records, 0, 1, "S", "records [JOB] [--state S]", "list the records"},
    {"show", ctl_show, 2, 2, "", "show JOB ID", "show one record"},
    {"explain", ctl_explain, 1, 2, "", "explain JOB [ID]", "say why a job, or one record, is not refreshed"},
    {"refresh", ctl_refresh, 0, 2, "o", "refresh JOB [ID] | [JOB] --owner OWNER",
     "refresh one, all, or one owner's records now and wait"},
    {"token", ctl_token, 2, 2, "v", "token JOB ID [--min-valid 5m]", "print a record's access token, fresh"},
    {"events", ctl_events, 1, 1, "S", "events JOB [--state S]", "list a job's events"},
    {"retry", ctl_retry, 1, OPERANDS_MAX, "", "retry JOB [ID...]", "send held events once more, or those named"},
    {"parked", ctl_parked, 0, 2, "", "parked [JOB] | parked apply ID",
     "list parked tokens, or write one into its row"},
    {"import", ctl_import, 2, 2, "R", "import JOB FILE [--replace]",
     "take records from JSON lines; FILE - is standard input"},
    {"reload", ctl_reload, 0, 0, "", "reload", "read the jobs' files again"},
    {"adopt", ctl_adopt, 0, 0, "", "adopt", "accept a database that was moved or restored"},
    {"forget-host", ctl_forget_host, 0, 1, "", "forget-host [HOST]",
     "list the hosts, or forget one that does not come back"},
    {"next", ctl_next, 1, 1, "Zfn", "next EXPR [--timezone Z] [--from TIME] [-n N]",
     "print when a cron expression fires next"},
    {"keygen", ctl_keygen, 0, 0, "", "keygen", "print a fresh key"},
    {"describe", ctl_describe, 1, 1, "", "describe PLUGIN", "show a plugin's settings and slots"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct option options[] = {
    {"socket", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"now", no_argument, NULL, 'N'},
    {"state", required_argument, NULL, 'S'},
    {"min-valid", required_argument, NULL, 'v'},
    {"owner", required_argument, NULL, 'o'},
    {"replace", no_argument, NULL, 'R'},
    {"believe", no_argument, NULL, 'B'},
    {"timezone", required_argument, NULL, 'Z'},
    {"from", required_argument, NULL, 'f'},
    {"count", required_argument, NULL, 'n'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
    puts("Usage: renewctl [-s SOCKET] [--json] COMMAND [...]\n\nCommands:");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-46s %s\n", commands[i].usage, commands[i].help);
    puts("\nOptions, before or after the command:\n"
         "  -s, --socket SOCKET    where renewd listens (" DEFAULT_SOCKET ")\n"
         "      --json             print one JSON document\n"
         "  -h, --help             print this\n"
         "  -V, --version          print the version\n"
         "\nExit status: 0 done, 1 failed, 2 wrong usage, 69 no renewd answers. See renewctl(1).");
}

static int usage(const struct command *command)
{
    if (command)
        fprintf(stderr, "usage: renewctl [-s SOCKET] [--json] %s\n", command->usage);
    else
        fputs("usage: renewctl [-s SOCKET] [--json] COMMAND [...]; renewctl --help lists the commands\n", stderr);
    return EXIT_USAGE;
}

static const struct command *ctl_main_find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

struct given {
    struct ctl ctl;
    char own[16]; /* which of the single commands' options were given */
    bool help, version, wrong;
};

static void ctl_main_remember(struct given *g, int option)
{
    size_t n = strlen(g->own);

    if (!strchr(g->own, option) && n + 1 < sizeof g->own)
        g->own[n] = (char)option;
}

static void take_option(struct given *g, int option)
{
    switch (option) {
    case 's':
        g->ctl.socket = optarg;
        return;
    case 'j':
        g->ctl.json = true;
        return;
    case 'h':
        g->help = true;
        return;
    case 'V':
        g->version = true;
        return;
    case 'S':
        g->ctl.state = optarg;
        break;
    case 'o':
        g->ctl.owner = optarg;
        break;
    case 'v':
        g->ctl.min_valid = optarg;
        break;
    case 'R':
        g->ctl.replace = true;
        break;
    case 'B':
        g->ctl.believe = true;
        break;
    case 'N':
        g->ctl.now = true;
        break;
    case 'Z':
        g->ctl.timezone = optarg;
        break;
    case 'f':
        g->ctl.from = optarg;
        break;
    case 'n':
        g->ctl.count = optarg;
        break;
    default:
        g->wrong = true;
        return;
    }
    ctl_main_remember(g, option);
}

static const char *option_name(int option)
{
    for (const struct option *o = options; o->name; o++)
        if (o->val == option)
            return o->name;
    return "?";
}

static int ctl_main_run(const struct command *command, const struct given *g)
{
    const struct ctl *c = &g->ctl;

    for (const char *o = g->own; *o; o++)
        if (!strchr(command->options, *o)) {
            fprintf(stderr, "renewctl: --%s does not belong to %s\n", option_name(*o), command->name);
            return usage(command);
        }
    if (c->arg_count < command->least || c->arg_count > command->most)
        return usage(command);
    for (int i = 0; i < c->arg_count; i++)
        if (!c->args[i][0]) {
            fprintf(stderr, "renewctl: an operand of %s is empty\n", command->name);
            return usage(command);
        }
    return print_end(command->run(c));
}

int main(int argc, char **argv)
{
    struct given g = {.ctl = {.socket = DEFAULT_SOCKET}};
    int option;

    while ((option = getopt_long(argc, argv, "s:n:hV", options, NULL)) != -1)
        take_option(&g, option);
    if (g.wrong)
        return usage(NULL);
    if (g.help) {
        print_help();
        return print_end(EXIT_DONE);
    }
    if (g.version) {
        puts("renewctl " PACKAGE_VERSION);
        return print_end(EXIT_DONE);
    }
    if (optind >= argc)
        return usage(NULL);
    const struct command *command = ctl_main_find(argv[optind]);
    if (!command) {
        fprintf(stderr, "renewctl: there is no command %s\n", argv[optind]);
        return usage(NULL);
    }
    g.ctl.args = argv + optind + 1;
    g.ctl.arg_count = argc - optind - 1;
    return ctl_main_run(command, &g);
}
