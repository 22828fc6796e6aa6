/* `anabranch`: finds the verb, reads its options, runs it, and turns its status into a sentence and an exit code. */
#include "cli/cli.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static enum anb_status check_operands(const struct cli_verb *verb, int n_operands, char **operands,
                                      struct anb_error *err)
{
    const struct option_table *options = verb->options;
    if (n_operands < verb->n_operands)
        return anb_fail(err, ANB_INVALID, "%s: %s is missing: see %s --help", options->program, options->argument,
                        options->program);
    if (n_operands > verb->n_operands)
        return anb_fail(err, ANB_INVALID, "%s: \"%.64s\" is not expected: see %s --help", options->program,
                        operands[verb->n_operands], options->program);
    return ANB_OK;
}

static enum anb_status run_verb(const struct cli_verb *verb, int argc, char **argv, struct anb_error *err)
{
    int n_operands = 0;
    void *settings = calloc(1, verb->settings_bytes);
    if (!settings) return anb_fail(err, ANB_NO_MEMORY, "no memory");
    enum anb_status status = options_parse(verb->options, argc, argv, settings, &n_operands, err);
    if (status == ANB_OK) {
        status = check_operands(verb, n_operands, argv + 1, err);
        if (status == ANB_OK) status = verb->run(settings, argv + 1, err);
        options_fini(verb->options, settings);
    } else if (status == ANB_CLOSED) {
        status = ANB_OK; /* the help was asked for, and printed */
    }
    free(settings);
    return status;
}

static enum anb_status run_words(int argc, char **argv, struct anb_error *err)
{
    static char version[] = "version";
    const struct cli_verb *verb = NULL;
    int n_words = 0;
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cli_help(argc, argv, err);
    if (strcmp(argv[1], "--version") == 0) argv[1] = version;
    enum anb_status status = cli_find_verb(argc, argv, &verb, &n_words, err);
    return status == ANB_OK ? run_verb(verb, argc - n_words, argv + n_words, err) : status;
}

int main(int argc, char **argv)
{
    struct anb_error err = {0};
    setlocale(LC_CTYPE, "");
    enum anb_status status = run_words(argc, argv, &err);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == ANB_OK)
        status = anb_fail(&err, ANB_IO, "cannot write to standard output");
    if (status != ANB_OK) fprintf(stderr, "anabranch: %s\n", err.text);
    return cli_exit_code(status);
}
