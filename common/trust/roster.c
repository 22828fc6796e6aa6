#include "trust/roster.h"

#include "crypto/sign.h"
#include "trust/roster_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char purpose[] = "anabranch roster";

/* -- roles */

static const struct {
    const char *word;
    enum certificate_kind kind;
} roles[] = {
#define X(role, word, kind) {word, CERTIFICATE_##kind},
    ROSTER_ROLE_LIST(X)
#undef X
};

const char *roster_role_word(enum roster_role role)
{
    return roles[role].word;
}

enum certificate_kind roster_role_kind(enum roster_role role)
{
    return roles[role].kind;
}

bool roster_role_parse(const char *word, enum roster_role *role)
{
    for (int i = 0; i < ROSTER_N_ROLES; i++) {
        if (strcmp(word, roles[i].word) != 0) continue;
        *role = (enum roster_role)i;
        return true;
    }
    return false;
}

bool roster_has_role(const struct roster_member *member, enum roster_role role)
{
    return member->roles >> role & 1;
}

/* -- memory */

static enum anb_status no_memory(struct anb_error *err)
{
    return anb_fail(err, ANB_NO_MEMORY, "no memory for a roster");
}

enum anb_status roster_new(const char *project, struct roster **out, struct anb_error *err)
{
    enum anb_status status = name_check("project", project, err);
    if (status != ANB_OK) return status;
    struct roster *roster = calloc(1, sizeof *roster);
    if (!roster) return no_memory(err);
    snprintf(roster->project, sizeof roster->project, "%s", project);
    *out = roster;
    return ANB_OK;
}

void roster_free(struct roster *roster)
{
    if (!roster) return;
    for (size_t i = 0; i < roster->n_members; i++) free(roster->members[i]);
    free(roster->members);
    free(roster->revoked);
    free(roster);
}

/* -- lookups */

/* Where the name is, or would be. */
static size_t member_place(const struct roster *roster, const char *name)
{
    size_t low = 0, high = roster->n_members;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(roster->members[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool member_is_at(const struct roster *roster, size_t place, const char *name)
{
    return place < roster->n_members && strcmp(roster->members[place]->name, name) == 0;
}

const struct roster_member *roster_find_any(const struct roster *roster, const char *name)
{
    size_t place = member_place(roster, name);
    return member_is_at(roster, place, name) ? roster->members[place] : NULL;
}

const struct roster_member *roster_find(const struct roster *roster, enum certificate_kind kind, const char *name)
{
    const struct roster_member *found = roster_find_any(roster, name);
    return found && found->kind == kind ? found : NULL;
}

const struct roster_revocation *roster_revocation(const struct roster *roster, const char *name)
{
    for (size_t i = 0; i < roster->n_revoked; i++)
        if (strcmp(roster->revoked[i].name, name) == 0) return &roster->revoked[i];
    return NULL;
}

enum anb_status roster_certificate(const struct roster *roster, const struct roster_member *member,
                                   const struct certificate *root, int64_t now_s, struct certificate **out,
                                   struct anb_error *err)
{
    struct certificate *found = NULL;
    const struct certificate_subject subject = {member->kind, roster->project, member->name, NULL, 0};
    enum anb_status status =
        certificate_read_der(slice_of(member->certificate, member->certificate_bytes), member->name, &found, err);
    if (status == ANB_OK) status = certificate_verify(found, root, &subject, now_s, err);
    if (status == ANB_OK)
        *out = found;
    else
        certificate_free(found);
    return status;
}

/* -- changes */

static enum anb_status check_roles(const struct roster_member *member, struct anb_error *err)
{
    int count = 0;
    for (int i = 0; i < ROSTER_N_ROLES; i++) {
        if (!roster_has_role(member, (enum roster_role)i)) continue;
        count++;
        if (roles[i].kind != member->kind)
            return anb_fail(err, ANB_INVALID, "%s: role %s is for %s", member->name, roles[i].word,
                            member->kind == CERTIFICATE_NODE ? "users only" : "nodes only");
    }
    if (member->roles >> ROSTER_N_ROLES || count < 1 || (member->kind == CERTIFICATE_USER && count > 1))
        return anb_fail(err, ANB_INVALID, "%s: a node has one role or more, a user just one", member->name);
    return ANB_OK;
}

static enum anb_status insert_member(struct roster *roster, size_t place, struct roster_member *member,
                                     struct anb_error *err)
{
    if (roster->n_members >= ROSTER_MAX_MEMBERS)
        return anb_fail(err, ANB_TOO_LARGE, "a project has at most %d nodes and users", ROSTER_MAX_MEMBERS);
    struct roster_member **members = realloc(roster->members, (roster->n_members + 1) * sizeof *members);
    if (!members) return no_memory(err);
    memmove(members + place + 1, members + place, (roster->n_members - place) * sizeof *members);
    members[place] = member;
    roster->members = members;
    roster->n_members++;
    return ANB_OK;
}

enum anb_status roster_put(struct roster *roster, const struct roster_member *member, struct anb_error *err)
{
    enum anb_status status = name_check("name", member->name, err);
    if (status == ANB_OK) status = check_roles(member, err);
    if (status != ANB_OK) return status;
    if (roster_revocation(roster, member->name))
        return anb_fail(err, ANB_DENIED, "%s was revoked: a revoked name is not given again, take another",
                        member->name);
    struct roster_member *copy = malloc(sizeof *copy);
    if (!copy) return no_memory(err);
    *copy = *member;
    size_t place = member_place(roster, member->name);
    if (member_is_at(roster, place, member->name)) {
        free(roster->members[place]);
        roster->members[place] = copy;
        return ANB_OK;
    }
    status = insert_member(roster, place, copy, err);
    if (status != ANB_OK) free(copy);
    return status;
}

static int compare_revocations(const void *a, const void *b)
{
    return strcmp(((const struct roster_revocation *)a)->name, ((const struct roster_revocation *)b)->name);
}

enum anb_status roster_revoke(struct roster *roster, const char *name, struct anb_error *err)
{
    size_t place = member_place(roster, name);
    if (!member_is_at(roster, place, name))
        return anb_fail(err, ANB_NOT_FOUND, "no node or user of project %s is called \"%.64s\"", roster->project, name);
    struct roster_revocation *revoked = realloc(roster->revoked, (roster->n_revoked + 1) * sizeof *revoked);
    if (!revoked) return no_memory(err);
    struct roster_member *member = roster->members[place];
    roster->revoked = revoked;
    memcpy(revoked[roster->n_revoked].name, member->name, sizeof member->name);
    revoked[roster->n_revoked++].version = roster->version + 1;
    qsort(revoked, roster->n_revoked, sizeof *revoked, compare_revocations);
    memmove(roster->members + place, roster->members + place + 1,
            (roster->n_members - place - 1) * sizeof *roster->members);
    roster->n_members--;
    free(member);
    return ANB_OK;
}

enum anb_status roster_check_successor(const struct roster *roster, const struct roster *next, struct anb_error *err)
{
    if (strcmp(roster->project, next->project) != 0)
        return anb_fail(err, ANB_DENIED, "the roster is of project %s, not %s", next->project, roster->project);
    if (next->version <= roster->version)
        return anb_fail(err, ANB_DENIED, "roster version %lld does not follow version %lld", (long long)next->version,
                        (long long)roster->version);
    for (size_t i = 0; i < roster->n_revoked; i++)
        if (!roster_revocation(next, roster->revoked[i].name))
            return anb_fail(err, ANB_DENIED, "roster version %lld forgets that %s was revoked",
                            (long long)next->version, roster->revoked[i].name);
    return ANB_OK;
}

/* -- signed text */

/* What no reader would take must not be signed: a role left out for want of memory, a certificate that is none. */
static enum anb_status check_body(struct slice body, struct anb_error *err)
{
    struct roster *read = NULL;
    enum anb_status status = roster_read_body(body, &read, err);
    roster_free(read);
    return status;
}

enum anb_status roster_sign(struct roster *roster, const struct key *root_key, int64_t now_s, struct buf *out,
                            struct anb_error *err)
{
    struct signature signature;
    struct buf text;
    const int64_t version = roster->version, issued_s = roster->issued_s;
    roster->version++;
    roster->issued_s = now_s;
    buf_init(&text, ROSTER_MAX_BYTES);
    enum anb_status status = roster_write_body(roster, &text, err);
    if (status == ANB_OK) status = check_body(buf_slice(&text), err);
    if (status == ANB_OK) status = sign_bytes(root_key, purpose, buf_slice(&text), &signature, err);
    if (status == ANB_OK) status = signature_append_line(&signature, &text, err);
    if (status == ANB_OK) status = buf_append(out, buf_slice(&text), err);
    if (status != ANB_OK) {
        roster->version = version;
        roster->issued_s = issued_s;
    }
    buf_fini(&text);
    return status;
}

static enum anb_status verify(struct slice body, const struct signature *signature, const struct certificate *root,
                              const char *project, int64_t now_s, struct anb_error *err)
{
    struct key *key = NULL;
    enum anb_status status = certificate_verify_root(root, project, now_s, err);
    if (status == ANB_OK) status = certificate_key(root, &key, err);
    if (status == ANB_OK) status = sign_verify(key, purpose, body, signature, err);
    key_free(key);
    return status;
}

enum anb_status roster_parse(struct slice text, const struct certificate *root, const char *project, int64_t now_s,
                             struct roster **out, struct anb_error *err)
{
    struct slice body;
    struct signature signature;
    struct roster *roster = NULL;
    enum anb_status status = ANB_OK;
    if (text.size > ROSTER_MAX_BYTES)
        status = anb_fail(err, ANB_TOO_LARGE, "a roster has at most %d bytes", ROSTER_MAX_BYTES);
    if (status == ANB_OK) status = signature_split(text, "a roster", &body, &signature, err);
    if (status == ANB_OK) status = verify(body, &signature, root, project, now_s, err);
    if (status == ANB_OK) status = roster_read_body(body, &roster, err);
    if (status == ANB_OK && strcmp(roster->project, project) != 0)
        status = anb_fail(err, ANB_DENIED, "it is of project %s", roster->project);
    if (status == ANB_OK)
        *out = roster;
    else
        roster_free(roster);
    if (status != ANB_OK) anb_error_prefix(err, "roster of project %.48s: ", project);
    return status;
}
