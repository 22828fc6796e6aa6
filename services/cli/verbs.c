/* The one table of verbs: dispatch, help and the page in docs/ are made from it. */
#include "cli/cli.h"

#include <string.h>

const struct cli_verb *const cli_verbs[] = {&verb_job_submit,
                                            &verb_job_list,
                                            &verb_job_show,
                                            &verb_job_wait,
                                            &verb_job_logs,
                                            &verb_job_abort,
                                            &verb_job_download,
                                            &verb_job_delete,
                                            &verb_site_list,
                                            &verb_aggregator_list,
                                            &verb_login,
                                            &verb_logout,
                                            &verb_whoami,
                                            &verb_token_create,
                                            &verb_token_list,
                                            &verb_token_revoke,
                                            &verb_roster_publish,
                                            &verb_health,
                                            &verb_version,
                                            &verb_dev_up,
                                            &verb_dev_status,
                                            &verb_dev_down,
                                            &verb_provision_create,
                                            &verb_provision_add,
                                            &verb_provision_request,
                                            &verb_provision_approve,
                                            &verb_provision_revoke,
                                            &verb_provision_renew,
                                            &verb_provision_show,
                                            &verb_provision_brokers,
                                            &verb_policy_check,
                                            &verb_privacy_show,
                                            &verb_audit_verify,
                                            NULL};

enum { WORDS_BYTES = 96, MAX_VERBS = 64 };

static const char exit_codes[] = "Exit codes: 0 ok; 1 the job failed or was aborted; 2 the server cannot be reached or "
                                 "does not allow it, or the\nwork could not be done (disk full, server error); 3 timed "
                                 "out; 4 bad input.\n";

const char *cli_verb_words(const struct cli_verb *verb)
{
    return verb->options->program + strlen("anabranch ");
}

/* The first one or two words of the command line, as in "job submit". */
static void join_words(int argc, char **argv, int n_words, char words[WORDS_BYTES])
{
    *words = 0;
    for (int i = 1; i <= n_words && i < argc && argv[i][0] != '-'; i++) {
        size_t used = strlen(words);
        snprintf(words + used, WORDS_BYTES - used, "%s%s", used ? " " : "", argv[i]);
    }
}

static const struct cli_verb *verb_named(const char *words)
{
    for (size_t i = 0; cli_verbs[i]; i++)
        if (strcmp(cli_verb_words(cli_verbs[i]), words) == 0) return cli_verbs[i];
    return NULL;
}

static bool verb_is_in_group(const struct cli_verb *verb, const char *group)
{
    size_t length = strlen(group);
    return strncmp(cli_verb_words(verb), group, length) == 0 && cli_verb_words(verb)[length] == ' ';
}

static const char *nearest_verb(const char *words)
{
    const char *known[MAX_VERBS] = {NULL};
    for (size_t i = 0; cli_verbs[i] && i + 1 < MAX_VERBS; i++) known[i] = cli_verb_words(cli_verbs[i]);
    return nearest_word(words, known);
}

static enum anb_status unknown_verb(int argc, char **argv, struct anb_error *err)
{
    char two[WORDS_BYTES], one[WORDS_BYTES];
    join_words(argc, argv, 2, two);
    join_words(argc, argv, 1, one);
    for (size_t i = 0; strcmp(one, two) == 0 && cli_verbs[i]; i++)
        if (verb_is_in_group(cli_verbs[i], one))
            return anb_fail(err, ANB_INVALID, "\"%s\" needs a second word: see anabranch help %s", one, one);
    const char *near = nearest_verb(two);
    if (!near) near = nearest_verb(one);
    if (near) return anb_fail(err, ANB_INVALID, "unknown verb \"%s\": did you mean \"%s\"?", two, near);
    return anb_fail(err, ANB_INVALID, "unknown verb \"%s\": see anabranch help", *two ? two : argv[1]);
}

enum anb_status cli_find_verb(int argc, char **argv, const struct cli_verb **verb, int *n_words, struct anb_error *err)
{
    for (int n = 2; n >= 1; n--) {
        char words[WORDS_BYTES];
        join_words(argc, argv, n, words);
        const struct cli_verb *found = verb_named(words);
        if (!found) continue;
        *verb = found;
        *n_words = strchr(words, ' ') ? 2 : 1;
        return ANB_OK;
    }
    return unknown_verb(argc, argv, err);
}

static bool print_verbs(const char *group)
{
    bool any = false;
    for (size_t i = 0; cli_verbs[i]; i++) {
        char left[WORDS_BYTES];
        if (group && !verb_is_in_group(cli_verbs[i], group)) continue;
        snprintf(left, sizeof left, "%s %s", cli_verb_words(cli_verbs[i]), cli_verbs[i]->options->argument);
        printf("  %-24s %s\n", left, cli_verbs[i]->options->summary);
        any = true;
    }
    return any;
}

static enum anb_status print_markdown(struct anb_error *err)
{
    struct buf page;
    buf_init(&page, 1 << 20);
    enum anb_status status = buf_append_text(
        &page,
        "# The command line\n\nMade by `anabranch help --markdown` from the tables in the program. Each option can "
        "also "
        "be set in the environment\n(`ANABRANCH_` and its name in capitals, `_` for `-`) and in a YAML file given by "
        "`--config FILE`.\n\n",
        err);
    if (status == ANB_OK) status = buf_printf(&page, err, "%s\n", exit_codes);
    for (size_t i = 0; status == ANB_OK && cli_verbs[i]; i++) {
        struct option_table titled = *cli_verbs[i]->options;
        char title[WORDS_BYTES];
        snprintf(title, sizeof title, "%s%s%s", titled.program, *titled.argument ? " " : "", titled.argument);
        titled.program = title;
        status = options_markdown(&titled, &page, err);
    }
    if (status == ANB_OK) fwrite(page.data, 1, page.size - 1, stdout); /* without the last empty line */
    buf_fini(&page);
    return status;
}

static void print_overview(void)
{
    printf("usage: anabranch VERB [options] [operands]\n\nFederated learning over Apache Kafka: jobs, sites, a "
           "federation on this machine, and who belongs to a project.\n\nverbs:\n");
    print_verbs(NULL);
    printf("  %-24s %s\n\n%s", "help [VERB]", "print this, or the options of one verb", exit_codes);
}

enum anb_status cli_help(int argc, char **argv, struct anb_error *err)
{
    const struct cli_verb *verb = NULL;
    int n_words = 0;
    if (argc <= 2) {
        print_overview();
        return argc == 2 ? ANB_OK : anb_fail(err, ANB_INVALID, "a verb is needed");
    }
    if (strcmp(argv[2], "--markdown") == 0) return print_markdown(err);
    if (argc == 3 && print_verbs(argv[2])) return ANB_OK;
    enum anb_status status = cli_find_verb(argc - 1, argv + 1, &verb, &n_words, err);
    if (status == ANB_OK) options_print_help(verb->options);
    return status;
}

enum cli_exit cli_exit_code(enum anb_status status)
{
    switch (status) {
    case ANB_OK: return EXIT_OK;
    case ANB_ABANDONED: return EXIT_JOB_FAILED;
    case ANB_TIMEOUT: return EXIT_TIMED_OUT;
    case ANB_INVALID:
    case ANB_NOT_FOUND:
    case ANB_EXISTS:
    case ANB_TOO_LARGE:
    case ANB_CORRUPT: return EXIT_BAD_INPUT;
    default: return EXIT_CANNOT;
    }
}

enum anb_status cli_print_json(const struct doc *doc, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, (size_t)1 << 28);
    enum anb_status status = doc_write_json(doc, true, &text, err);
    if (status == ANB_OK) printf("%s\n", buf_text(&text));
    buf_fini(&text);
    return status;
}
