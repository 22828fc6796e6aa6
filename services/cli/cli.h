/* What every verb of `anabranch` shares.
 *
 * A verb is one `struct cli_verb`: its option table (whose program name, "anabranch job submit", is also how it is
 * called), its operands and its function. verbs.c lists them all; dispatch, help and docs/cli.md come from that list. A
 * verb prints its result on standard output and returns a status; the sentence of a failure is printed, and turned into
 * the exit code, in one place. One thread. */
#ifndef ANB_CLI_CLI_H
#define ANB_CLI_CLI_H

#include "base/doc.h"
#include "base/options.h"

#include <stdio.h>

enum cli_exit { EXIT_OK = 0, EXIT_JOB_FAILED = 1, EXIT_CANNOT = 2, EXIT_TIMED_OUT = 3, EXIT_BAD_INPUT = 4 };

/* The first member of each verb's settings. */
struct cli_common {
    char *server; /* NULL: where the user logged in last */
    bool json;
};

#define CLI_JSON_ENTRY(type) OPTION_BOOL_ENTRY(type, common.json, "json", "print JSON instead of text")
#define CLI_COMMON_ENTRIES(type)                                                                                       \
    OPTION_OPTIONAL_ENTRY(type, common.server, "server",                                                               \
                          "address of the server; else the one of the last anabranch login or dev up"),                \
        CLI_JSON_ENTRY(type)

struct cli_verb {
    const struct option_table *options;
    size_t settings_bytes;
    int n_operands;
    /* operands[0..n_operands-1]. ABANDONED: the job failed or was aborted (exit code 1). */
    enum anb_status (*run)(void *settings, char **operands, struct anb_error *err);
};

#define CLI_OPTIONS(program, argument, summary, entries)                                                               \
    {                                                                                                                  \
        "anabranch " program, argument, summary, entries, sizeof(entries) / sizeof *(entries)                          \
    }

extern const struct cli_verb verb_job_submit, verb_job_list, verb_job_show, verb_job_wait, verb_job_logs,
    verb_job_abort, verb_job_download, verb_job_delete, verb_site_list, verb_aggregator_list, verb_health, verb_version,
    verb_dev_up, verb_dev_status, verb_dev_down, verb_provision_create, verb_provision_add, verb_provision_request,
    verb_provision_approve, verb_provision_revoke, verb_provision_renew, verb_provision_show, verb_provision_brokers,
    verb_policy_check, verb_privacy_show, verb_audit_verify, verb_login, verb_logout, verb_whoami, verb_token_create,
    verb_token_list, verb_token_revoke, verb_roster_publish;

extern const struct cli_verb *const cli_verbs[]; /* NULL at the end */

/* "job submit" */
const char *cli_verb_words(const struct cli_verb *verb);
/* The verb called by argv[1] and argv[2], and how many words that took; INVALID with the nearest one when there is
 * none. */
enum anb_status cli_find_verb(int argc, char **argv, const struct cli_verb **verb, int *n_words, struct anb_error *err);
/* `anabranch help [WORDS]` and `anabranch help --markdown`. */
enum anb_status cli_help(int argc, char **argv, struct anb_error *err);
enum cli_exit cli_exit_code(enum anb_status status);

/* A document, indented, and a line end, on standard output. */
enum anb_status cli_print_json(const struct doc *doc, struct anb_error *err);

#endif
