/* A program's settings: one table gives the command line, the environment, the configuration file, --help and the page
 * in docs/.
 *
 *     struct settings { char *node; int64_t port; bool verbose; };
 *     static const struct option_entry table[] = {
 *         OPTION_TEXT_ENTRY(struct settings, node, "node", NULL, "this node's name"),
 *     };
 *
 * Later sources win: default, configuration file (YAML, --config FILE), environment (ANABRANCH_ and the name in
 * capitals, - becomes _), command line (--name VALUE, --name=VALUE, --flag). An unknown name is an error with the
 * nearest known one. A path in a configuration file is relative to the folder of that file. */
#ifndef ANB_BASE_OPTIONS_H
#define ANB_BASE_OPTIONS_H

#include "base/buf.h"

enum option_kind { OPTION_TEXT, OPTION_INT, OPTION_BOOL };

struct option_entry {
    const char *name; /* "data-folder" */
    enum option_kind kind;
    size_t offset;            /* of a char *, int64_t or bool in the settings */
    const char *default_text; /* NULL: must be given, unless `optional` */
    bool optional;            /* may be absent: NULL */
    int64_t least, most;      /* for OPTION_INT */
    const char *unit;         /* "ms", "MiB", "" */
    const char *sentence;     /* what it does */
    bool is_path;             /* in a configuration file: relative to the folder of that file */
};

struct option_table {
    const char *program;  /* "anabranch-server" */
    const char *argument; /* operands in the usage line, "" for none: an operand is then an error */
    const char *summary;
    const struct option_entry *entries;
    size_t n_entries;
};

#define OPTION_TEXT_ENTRY(type, field, name, value, sentence)                                                          \
    {                                                                                                                  \
        name, OPTION_TEXT, offsetof(type, field), value, false, 0, 0, "", sentence, false                              \
    }
#define OPTION_OPTIONAL_ENTRY(type, field, name, sentence)                                                             \
    {                                                                                                                  \
        name, OPTION_TEXT, offsetof(type, field), NULL, true, 0, 0, "", sentence, false                                \
    }
#define OPTION_INT_ENTRY(type, field, name, value, least, most, unit, sentence)                                        \
    {                                                                                                                  \
        name, OPTION_INT, offsetof(type, field), value, false, least, most, unit, sentence, false                      \
    }
#define OPTION_BOOL_ENTRY(type, field, name, sentence)                                                                 \
    {                                                                                                                  \
        name, OPTION_BOOL, offsetof(type, field), "false", false, 0, 0, "", sentence, false                            \
    }

#define OPTION_OPTIONAL_PATH_ENTRY(type, field, name, sentence)                                                        \
    {                                                                                                                  \
        name, OPTION_TEXT, offsetof(type, field), NULL, true, 0, 0, "", sentence, true                                 \
    }
#define OPTION_PATH_ENTRY(type, field, name, sentence) /* must be given */                                             \
    {                                                                                                                  \
        name, OPTION_TEXT, offsetof(type, field), NULL, false, 0, 0, "", sentence, true                                \
    }

/* Fill `settings` from all sources; argv[0] is skipped. Operands stay in argv, moved to the front:
 * argv[1..*n_operands]. CLOSED when --help (or --help-markdown, for docs/) was asked for and printed. Texts are owned
 * by `settings`: options_fini frees them. */
enum anb_status options_parse(const struct option_table *table, int argc, char **argv, void *settings, int *n_operands,
                              struct anb_error *err);
void options_fini(const struct option_table *table, void *settings);

void options_print_help(const struct option_table *table);
enum anb_status options_markdown(const struct option_table *table, struct buf *out, struct anb_error *err);

/* The word of `words` (NULL-terminated) that is nearest to `word`, or NULL when none is near (edit distance). */
const char *nearest_word(const char *word, const char *const *words);

#endif
