/* Where the user is logged in: which servers, and what is shown to them.
 *
 * All of it lies in anabranch/config.yaml below XDG_CONFIG_HOME or ~/.config. The file may hold tokens: it is written
 * whole, 0600, under the lock of its folder, and not read when others may read it. One thread. */
#ifndef ANB_CLI_CONTEXTS_H
#define ANB_CLI_CONTEXTS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { CONTEXT_TEXT_BYTES = 1024, CONTEXTS_MAX = 64 };

struct context {
    char server[CONTEXT_TEXT_BYTES];          /* "https://127.0.0.1:8500" */
    char root[CONTEXT_TEXT_BYTES];            /* PEM file of who vouches for the server; "": those of this machine */
    char kit[CONTEXT_TEXT_BYTES];             /* folder with certificate and key; "": none */
    char passphrase_file[CONTEXT_TEXT_BYTES]; /* for that key; "": it is not encrypted */
    char token[CONTEXT_TEXT_BYTES];           /* "": none */
};

/* The one for `server`, an address as server_address writes it; NULL: the current one. DENIED, with what to
 * type, when there is none. */
enum anb_status context_find(const char *server, struct context *context, struct anb_error *err);
/* Add it, or put it in the place of the one for its server. */
enum anb_status context_put(const struct context *context, bool make_current, struct anb_error *err);
/* *found: whether there was one. */
enum anb_status context_remove(const char *server, bool *found, struct anb_error *err);

#endif
