/* Whether an audit log is as it was written: its chain, and the heads that the control log keeps of it. */
#include "audit/verify.h"
#include "cli/cli.h"
#include "cli/rest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADS = 1024 };

struct settings {
    struct cli_common common;
    char *node, *head;
};

static const struct option_entry entries[] = {
    OPTION_OPTIONAL_ENTRY(struct settings, node, "node",
                          "compare with the heads of this node that the control log keeps; asks the server"),
    OPTION_OPTIONAL_ENTRY(struct settings, head, "head",
                          "compare with this head, which you kept: DIGEST or LINE:DIGEST"),
    CLI_COMMON_ENTRIES(struct settings),
};

struct heads {
    struct chain_head list[MAX_HEADS];
    size_t n;
};

static enum anb_status add_head(struct heads *heads, int64_t sequence, const char *digest, struct anb_error *err)
{
    struct chain_head head = {.sequence = sequence};
    if (sequence < 0 || !hex_decode(digest, head.digest.bytes, DIGEST_BYTES))
        return anb_fail(err, ANB_INVALID, "a head is 64 hexadecimal digits, or LINE:DIGEST; got \"%.80s\"", digest);
    if (heads->n < MAX_HEADS) heads->list[heads->n++] = head;
    return ANB_OK;
}

static enum anb_status add_own(struct heads *heads, const char *text, struct anb_error *err)
{
    char *end;
    const char *colon = strchr(text, ':');
    if (!colon) return add_head(heads, 0, text, err);
    long long line = strtoll(text, &end, 10);
    return add_head(heads, end == colon && line > 0 ? line : -1, colon + 1, err);
}

static enum anb_status add_kept(struct heads *heads, const struct settings *settings, struct anb_error *err)
{
    struct doc *doc = NULL;
    struct rest *rest = NULL;
    char path[128];
    enum anb_status status = name_check("a node", settings->node, err);
    if (status != ANB_OK) return status;
    snprintf(path, sizeof path, "/v1/audit/%s", settings->node);
    status = rest_open(settings->common.server, &rest, err);
    if (status == ANB_OK) status = rest_call(rest, "GET", path, 0, &doc, err);
    rest_close(rest);
    const struct doc *list = doc_get(doc, "heads");
    for (size_t i = 0; i < doc_size(list) && status == ANB_OK; i++)
        status = add_head(heads, doc_int(doc_get(doc_at(list, i), "sequence"), -1),
                          doc_text(doc_get(doc_at(list, i), "digest"), ""), err);
    if (status == ANB_OK && doc_size(list) == 0)
        status = anb_fail(err, ANB_NOT_FOUND, "the control log keeps no head of %s", settings->node);
    doc_free(doc);
    return status;
}

static enum anb_status print_json(const struct audit_verdict *verdict, struct anb_error *err)
{
    char digest[DIGEST_TEXT_BYTES];
    struct doc *doc = doc_new_map();
    doc_set_bool(doc, "whole", !verdict->is_broken);
    doc_set_int(doc, "files", verdict->n_files);
    doc_set_int(doc, "lines", verdict->n_lines);
    doc_set_int(doc, "first", verdict->first_sequence);
    doc_set_int(doc, "last", verdict->last.sequence);
    doc_set_text(doc, "digest", digest_text(&verdict->last.digest, digest));
    doc_set_int(doc, "heads_met", (int64_t)verdict->n_heads_met);
    doc_set_int(doc, "heads_before", (int64_t)verdict->n_heads_before);
    if (verdict->is_broken) {
        doc_set_text(doc, "file", verdict->file);
        doc_set_int(doc, "line", verdict->line);
        doc_set_text(doc, "reason", verdict->reason);
    }
    enum anb_status status = cli_print_json(doc, err);
    doc_free(doc);
    return status;
}

static void print_text(const struct audit_verdict *verdict)
{
    char digest[DIGEST_TEXT_BYTES];
    printf("whole: lines %" PRId64 " to %" PRId64 " in %" PRId64 " file%s\nhead:  %" PRId64 ":%s\n",
           verdict->first_sequence, verdict->last.sequence, verdict->n_files, verdict->n_files == 1 ? "" : "s",
           verdict->last.sequence, digest_text(&verdict->last.digest, digest));
    if (verdict->n_heads_met + verdict->n_heads_before > 0)
        printf("kept:  %zu heads fit, %zu are of lines before these\n", verdict->n_heads_met, verdict->n_heads_before);
    if (verdict->first_sequence > 1)
        printf("note:  the lines before %" PRId64 " are in files that are not here\n", verdict->first_sequence);
}

static enum anb_status run(void *context, char **operands, struct anb_error *err)
{
    const struct settings *settings = context;
    struct audit_verdict verdict;
    struct heads *heads = calloc(1, sizeof *heads);
    enum anb_status status = heads ? ANB_OK : anb_fail(err, ANB_NO_MEMORY, "no memory for heads");
    if (status == ANB_OK && settings->head) status = add_own(heads, settings->head, err);
    if (status == ANB_OK && settings->node) status = add_kept(heads, settings, err);
    if (status == ANB_OK) status = audit_verify(operands[0], heads->list, heads->n, &verdict, err);
    free(heads);
    if (status == ANB_NOT_FOUND && err) err->status = status = ANB_INVALID;
    if (status != ANB_OK) return status;
    if (settings->common.json) status = print_json(&verdict, err);
    if (status != ANB_OK) return status;
    if (!verdict.is_broken && !settings->common.json) print_text(&verdict);
    if (!verdict.is_broken) return ANB_OK;
    if (verdict.line == 0) return anb_fail(err, ANB_ABANDONED, "%s: %s", operands[0], verdict.reason);
    return anb_fail(err, ANB_ABANDONED, "%s:%" PRId64 ": %s", verdict.file, verdict.line, verdict.reason);
}

static const struct option_table options =
    CLI_OPTIONS("audit verify", "FOLDER-OR-FILE", "check that an audit log is as it was written", entries);
const struct cli_verb verb_audit_verify = {&options, sizeof(struct settings), 1, run};
