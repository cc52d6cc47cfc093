/* SPDX-License-Identifier: MIT
 * load_check DIR NAME: loads a plugin as renewd does and prints its description as JSON, or says on
 * stderr why it cannot. For the tests of plugins that are built outside the tree.
 */
#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/plugin/load.h"

static void free_plugins_p(struct plugins **p)
{
    plugins_free(*p);
}

int main(int argc, char **argv)
{
    cleanup(free_plugins_p) struct plugins *all = NULL;
    cleanup(buf_done) struct buf text;
    const struct plugin *p;
    struct json_writer w;
    struct error e;

    buf_init(&text, 1024 * 1024);
    if (argc != 3) {
        fprintf(stderr, "usage: load_check DIR NAME\n");
        return 2;
    }
    if (plugins_new(argv[1], &all) < 0)
        return 1;
    if (plugins_get(all, argv[2], &p, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    json_writer_init(&w, &text);
    plugin_describe(p, &w);
    if (json_finish(&w) < 0)
        return 1;
    puts(text.data);
    return 0;
}
