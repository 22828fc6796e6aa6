/* The project file: what `anabranch provision create` makes a project from. */
#include "cli/provision.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PARTITIONS = 4, MAX_PARTITIONS = 64, DEFAULT_DAYS = 365, WORDS_BYTES = 128, ADDRESSES_BYTES = 4096 };

struct reading {
    const char *file;
    struct provision_project *project;
};

static enum anb_status bad(const struct reading *reading, const struct doc *at, struct anb_error *err,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

static enum anb_status bad(const struct reading *reading, const struct doc *at, struct anb_error *err,
                           const char *format, ...)
{
    char sentence[400];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return anb_fail(err, ANB_INVALID, "%s:%d: %s", reading->file, doc_line(at), sentence);
}

/* -- parts that have only known keys */

static bool is_known(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(key, *known) == 0) return true;
    return false;
}

static enum anb_status check_keys(const struct reading *reading, const struct doc *map, const char *what,
                                  const char *const *known, struct anb_error *err)
{
    if (doc_kind(map) != DOC_MAP)
        return bad(reading, map, err, "%s is a map, not %s", what, doc_kind_word(doc_kind(map)));
    for (size_t i = 0; i < doc_size(map); i++)
        if (!is_known(doc_key_at(map, i), known))
            return anb_fail(err, ANB_INVALID, "%s:%d: %s has no \"%.64s\"", reading->file, doc_key_line_at(map, i),
                            what, doc_key_at(map, i));
    return ANB_OK;
}

static enum anb_status read_number(const struct reading *reading, const struct doc *map, const char *key, int64_t most,
                                   int64_t *number, struct anb_error *err)
{
    const struct doc *found = doc_get(map, key);
    if (!found) return ANB_OK;
    int64_t value = doc_int(found, 0);
    if (doc_kind(found) != DOC_INT || value < 1 || value > most)
        return bad(reading, found, err, "%s must be a number from 1 to %lld", key, (long long)most);
    *number = value;
    return ANB_OK;
}

/* -- brokers */

static bool host_is_plain(struct slice host)
{
    const char *text = host.data;
    for (size_t i = 0; i < host.size; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '.' && text[i] != '-') return false;
    return host.size > 0 && host.size <= HOST_MAX_BYTES;
}

static bool read_address(const char *text, struct provision_broker *broker)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    if (!colon || !host_is_plain(slice_of(text, (size_t)(colon - text)))) return false;
    long port = isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : 0;
    if (!end || *end || port < 1 || port > 65534) return false; /* the controller takes the port above */
    snprintf(broker->host, sizeof broker->host, "%.*s", (int)(colon - text), text);
    broker->port = (int)port;
    return true;
}

static enum anb_status read_brokers(const struct reading *reading, const struct doc *map, struct anb_error *err)
{
    struct provision_project *project = reading->project;
    const struct doc *list = doc_get(map, "brokers");
    if (doc_kind(list) != DOC_LIST || doc_size(list) < 1 || doc_size(list) > PROVISION_MAX_BROKERS)
        return bad(reading, list ? list : map, err, "brokers must be a list of 1..%d addresses HOST:PORT",
                   PROVISION_MAX_BROKERS);
    for (size_t i = 0; i < doc_size(list); i++)
        if (!read_address(doc_text(doc_at(list, i), ""), &project->brokers[project->n_brokers++]))
            return bad(reading, doc_at(list, i), err, "a broker is HOST:PORT, a name or IPv4 address and a port");
    return ANB_OK;
}

static enum anb_status read_protocol(const struct reading *reading, const struct doc *map, struct anb_error *err)
{
    const struct doc *found = doc_get(map, "broker_protocol");
    const char *word = found ? doc_text(found, "") : "tls";
    reading->project->broker_tls = strcmp(word, "tls") == 0;
    if (reading->project->broker_tls || strcmp(word, "plaintext") == 0) return ANB_OK;
    return bad(reading, found, err, "broker_protocol must be tls or plaintext");
}

/* -- nodes and users */

enum anb_status provision_roles_parse(const char *words, enum certificate_kind *kind, unsigned *roles,
                                      struct anb_error *err)
{
    char copy[WORDS_BYTES], *rest = NULL;
    unsigned found = 0;
    if (snprintf(copy, sizeof copy, "%s", words) >= (int)sizeof copy)
        return anb_fail(err, ANB_INVALID, "too many roles");
    for (char *word = strtok_r(copy, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
        enum roster_role role;
        if (!roster_role_parse(word, &role))
            return anb_fail(err, ANB_INVALID,
                            "role \"%.32s\" is unknown: nodes are server, aggregator, site; users admin, lead, member",
                            word);
        if (found && roster_role_kind(role) != *kind)
            return anb_fail(err, ANB_INVALID, "roles of nodes and of users do not go together: \"%.64s\"", words);
        *kind = roster_role_kind(role);
        found |= 1u << role;
    }
    if (!found) return anb_fail(err, ANB_INVALID, "a role is needed");
    if (*kind == CERTIFICATE_USER && (found & (found - 1)))
        return anb_fail(err, ANB_INVALID, "a user has one role, not \"%.64s\"", words);
    *roles = found;
    return ANB_OK;
}

/* A text, or a list of texts as "a,b". False when that is too long. */
static bool join(const struct doc *words, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", doc_text(words, ""));
    for (size_t i = 0; doc_kind(words) == DOC_LIST && i < doc_size(words) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "," : "", doc_text(doc_at(words, i), "?"));
    return used < size;
}

static enum anb_status read_addresses(const struct reading *reading, const struct doc *map,
                                      struct provision_member *member, struct anb_error *err)
{
    char text[ADDRESSES_BYTES];
    struct anb_error why;
    const struct doc *addresses = doc_get(map, "addresses");
    if (!addresses) return ANB_OK;
    if (!(member->roles & 1u << ROSTER_SERVER))
        return bad(reading, addresses, err, "%s: only a server has addresses", member->name);
    if (!join(addresses, text, sizeof text))
        return bad(reading, addresses, err, "%s: too many addresses", member->name);
    if (provision_addresses_check(text, &why) != ANB_OK)
        return bad(reading, addresses, err, "%s: %s", member->name, why.text);
    member->addresses = strdup(text);
    return member->addresses ? ANB_OK : anb_fail(err, ANB_NO_MEMORY, "no memory for a project");
}

static bool name_is_taken(const struct provision_project *project, const char *name)
{
    for (size_t i = 0; i < project->n_members; i++)
        if (strcmp(project->members[i].name, name) == 0) return true;
    return false;
}

static enum anb_status read_member(const struct reading *reading, const struct doc *map, enum certificate_kind kind,
                                   struct anb_error *err)
{
    static const char *const keys[] = {"name", "roles", "role", "addresses", NULL};
    struct provision_project *project = reading->project;
    struct provision_member *member = &project->members[project->n_members];
    struct anb_error why;
    char words[WORDS_BYTES];
    const char *name = doc_text(doc_get(map, "name"), "");
    const char *what = kind == CERTIFICATE_NODE ? "a node" : "a user";
    enum anb_status status = check_keys(reading, map, what, keys, err);
    if (status != ANB_OK) return status;
    if (!join(doc_get(map, "roles") ? doc_get(map, "roles") : doc_get(map, "role"), words, sizeof words))
        return bad(reading, map, err, "too many roles");
    if (name_check("name", name, &why) != ANB_OK) return bad(reading, map, err, "%s", why.text);
    if (name_is_taken(project, name)) return bad(reading, map, err, "the name %s stands here twice", name);
    if (provision_roles_parse(words, &member->kind, &member->roles, &why) != ANB_OK)
        return bad(reading, map, err, "%s: %s", name, why.text);
    if (member->kind != kind) return bad(reading, map, err, "%s: %s cannot be %s", name, what, words);
    snprintf(member->name, sizeof member->name, "%s", name);
    project->n_members++;
    return read_addresses(reading, map, member, err);
}

static enum anb_status read_list(const struct reading *reading, const struct doc *map, const char *key,
                                 enum certificate_kind kind, struct anb_error *err)
{
    const struct doc *list = doc_get(map, key);
    enum anb_status status = ANB_OK;
    if (list && doc_kind(list) != DOC_LIST) return bad(reading, list, err, "%s must be a list", key);
    for (size_t i = 0; i < doc_size(list) && status == ANB_OK; i++)
        status = read_member(reading, doc_at(list, i), kind, err);
    return status;
}

static enum anb_status read_members(const struct reading *reading, const struct doc *map, struct anb_error *err)
{
    size_t most = doc_size(doc_get(map, "nodes")) + doc_size(doc_get(map, "users"));
    if (most > ROSTER_MAX_MEMBERS)
        return bad(reading, map, err, "a project has at most %d nodes and users", ROSTER_MAX_MEMBERS);
    reading->project->members = calloc(most + 1, sizeof *reading->project->members);
    if (!reading->project->members) return anb_fail(err, ANB_NO_MEMORY, "no memory for a project");
    enum anb_status status = read_list(reading, map, "nodes", CERTIFICATE_NODE, err);
    return status == ANB_OK ? read_list(reading, map, "users", CERTIFICATE_USER, err) : status;
}

/* -- the file */

static enum anb_status read_project(const struct reading *reading, const struct doc *map, struct anb_error *err)
{
    static const char *const keys[] = {"project",    "brokers", "broker_protocol", "partitions",
                                       "valid_days", "nodes",   "users",           NULL};
    struct provision_project *project = reading->project;
    struct anb_error why;
    const char *name = doc_text(doc_get(map, "project"), "");
    enum anb_status status = check_keys(reading, map, "a project", keys, err);
    if (status != ANB_OK) return status;
    if (name_check("project", name, &why) != ANB_OK) return bad(reading, map, err, "%s", why.text);
    snprintf(project->name, sizeof project->name, "%s", name);
    status = read_brokers(reading, map, err);
    if (status == ANB_OK) status = read_protocol(reading, map, err);
    if (status == ANB_OK) status = read_number(reading, map, "partitions", MAX_PARTITIONS, &project->partitions, err);
    if (status == ANB_OK)
        status = read_number(reading, map, "valid_days", PROVISION_MAX_DAYS, &project->valid_days, err);
    return status == ANB_OK ? read_members(reading, map, err) : status;
}

enum anb_status provision_project_parse(struct slice text, const char *file, struct provision_project *project,
                                        struct anb_error *err)
{
    struct doc *doc = NULL;
    const struct reading reading = {file, project};
    *project = (struct provision_project){.partitions = DEFAULT_PARTITIONS, .valid_days = DEFAULT_DAYS};
    enum anb_status status = doc_parse_yaml(text, file, &doc, err);
    if (status == ANB_OK) status = read_project(&reading, doc, err);
    if (status != ANB_OK) provision_project_fini(project);
    doc_free(doc);
    return status;
}

void provision_project_fini(struct provision_project *project)
{
    for (size_t i = 0; i < project->n_members; i++) free(project->members[i].addresses);
    free(project->members);
    *project = (struct provision_project){0};
}

enum anb_status provision_bootstrap(const struct provision_project *project, struct buf *out, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    for (size_t i = 0; i < project->n_brokers && status == ANB_OK; i++)
        status = buf_printf(out, err, "%s%s:%d", i ? "," : "", project->brokers[i].host, project->brokers[i].port);
    return status;
}
