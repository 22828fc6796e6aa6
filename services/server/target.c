#include "server/target.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_path_byte(unsigned char c)
{
    return isalnum(c) || (c && strchr("/._-", c));
}

static bool is_query_byte(unsigned char c)
{
    return isalnum(c) || (c && strchr("=&._-", c));
}

static enum anb_status check_bytes(const char *raw, struct anb_error *err)
{
    size_t path = strcspn(raw, "?"), size = strlen(raw);
    if (size > TARGET_MAX_BYTES)
        return anb_fail(err, ANB_INVALID, "the target is longer than %d bytes", TARGET_MAX_BYTES);
    if (*raw != '/') return anb_fail(err, ANB_INVALID, "the target must begin with /");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)raw[i];
        if (i == path || (i < path ? is_path_byte(c) : is_query_byte(c))) continue;
        return anb_fail(err, ANB_INVALID, "byte %zu of the target (0x%02x) is none that a target of this service has",
                        i, c);
    }
    return ANB_OK;
}

static enum anb_status check_path(const char *path, struct anb_error *err)
{
    if (strstr(path, "..") || strstr(path, "//") || strstr(path, "/./"))
        return anb_fail(err, ANB_INVALID, "the path has \"..\", \"/./\" or an empty segment");
    return ANB_OK;
}

static enum anb_status split_queries(char *text, struct target *target, struct anb_error *err)
{
    char *rest = text;
    while (rest && *rest) {
        char *query = strsep(&rest, "&");
        char *equals = strchr(query, '=');
        if (!equals || equals == query) return anb_fail(err, ANB_INVALID, "query \"%s\" must be NAME=VALUE", query);
        *equals = 0;
        if (target_query(target, query)) return anb_fail(err, ANB_INVALID, "query \"%s\" stands twice", query);
        if (target->n_queries == TARGET_MAX_QUERIES)
            return anb_fail(err, ANB_INVALID, "more than %d queries", TARGET_MAX_QUERIES);
        target->queries[target->n_queries++] = (struct target_query){query, equals + 1};
    }
    return ANB_OK;
}

enum anb_status target_parse(const char *raw, struct target *target, struct anb_error *err)
{
    enum anb_status status = check_bytes(raw, err);
    if (status != ANB_OK) return status;
    memset(target, 0, sizeof *target);
    strcpy(target->text, raw);
    target->path = target->text;
    char *queries = strchr(target->text, '?');
    if (queries) *queries++ = 0;
    status = check_path(target->path, err);
    if (status == ANB_OK && queries) status = split_queries(queries, target, err);
    return status;
}

static bool is_word_of(const char *words, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (length == size && strncmp(at, word, size) == 0) return true;
        at += length;
    }
    return false;
}

enum anb_status target_check_queries(const struct target *target, const char *known, struct anb_error *err)
{
    for (size_t i = 0; i < target->n_queries; i++) {
        if (is_word_of(known, target->queries[i].name)) continue;
        return anb_fail(err, ANB_INVALID, "unknown query \"%s\": %s takes %s", target->queries[i].name, target->path,
                        *known ? known : "none");
    }
    return ANB_OK;
}

const char *target_query(const struct target *target, const char *name)
{
    for (size_t i = 0; i < target->n_queries; i++)
        if (strcmp(target->queries[i].name, name) == 0) return target->queries[i].value;
    return NULL;
}

enum anb_status target_query_int(const struct target *target, const char *name, int64_t least, int64_t most,
                                 int64_t *value, struct anb_error *err)
{
    const char *text = target_query(target, name);
    if (!text) return ANB_OK;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || number < least || number > most)
        return anb_fail(err, ANB_INVALID, "%s must be %lld..%lld, got \"%s\"", name, (long long)least, (long long)most,
                        text);
    *value = number;
    return ANB_OK;
}
