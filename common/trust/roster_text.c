/* A roster's body is JSON as roster_write_body prints it. It is read leniently, written again, and must be the same
 * bytes: so keys in another order, unknown keys, other spellings of numbers and texts are all refused
 * by one comparison, and every reader sees what the root saw when it signed. */
#include "trust/roster_text.h"

#include "base/doc.h"
#include "crypto/base64.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char form[] = "anabranch-1";

/* -- write */

static enum anb_status set_base64(struct doc *map, const char *key, struct slice bytes, struct anb_error *err)
{
    struct buf text;
    buf_init(&text, 2 * ROSTER_CERTIFICATE_BYTES);
    enum anb_status status = base64_encode(bytes, &text, err);
    if (status == ANB_OK) doc_set_text(map, key, buf_text(&text));
    buf_fini(&text);
    return status;
}

static enum anb_status fill_member(struct doc *map, const struct roster_member *member, struct anb_error *err)
{
    doc_set_text(map, "name", member->name);
    doc_set_text(map, "kind", member->kind == CERTIFICATE_NODE ? "node" : "user");
    struct doc *roles = doc_set_list(map, "roles");
    for (int i = 0; i < ROSTER_N_ROLES; i++)
        if (roster_has_role(member, (enum roster_role)i)) doc_add_text(roles, roster_role_word((enum roster_role)i));
    enum anb_status status =
        set_base64(map, "certificate", slice_of(member->certificate, member->certificate_bytes), err);
    if (status != ANB_OK || member->kind != CERTIFICATE_NODE) return status;
    return set_base64(map, "encryption_key", slice_of(member->encryption_key.bytes, KEY_POINT_BYTES), err);
}

static enum anb_status write_member(const struct roster_member *member, bool first, struct buf *out,
                                    struct anb_error *err)
{
    struct doc *map = doc_new_map();
    enum anb_status status = fill_member(map, member, err);
    if (status == ANB_OK) status = buf_append_text(out, first ? "\n" : ",\n", err);
    if (status == ANB_OK) status = doc_write_json(map, false, out, err);
    doc_free(map);
    return status;
}

/* A line for each member and each revoked name, so that versions can be compared by eye. Names are plain. */
enum anb_status roster_write_body(const struct roster *roster, struct buf *out, struct anb_error *err)
{
    enum anb_status status = buf_printf(out, err,
                                        "{\"roster\":\"%s\",\"project\":\"%s\",\"version\":%" PRId64
                                        ",\"issued_s\":%" PRId64 ",\"members\":[",
                                        form, roster->project, roster->version, roster->issued_s);
    for (size_t i = 0; i < roster->n_members && status == ANB_OK; i++)
        status = write_member(roster->members[i], i == 0, out, err);
    if (status == ANB_OK) status = buf_append_text(out, "\n],\"revoked\":[", err);
    for (size_t i = 0; i < roster->n_revoked && status == ANB_OK; i++)
        status = buf_printf(out, err, "%s\n{\"name\":\"%s\",\"version\":%" PRId64 "}", i ? "," : "",
                            roster->revoked[i].name, roster->revoked[i].version);
    if (status == ANB_OK) status = buf_append_text(out, "\n]}\n", err);
    return status;
}

/* -- read */

static enum anb_status corrupt(struct anb_error *err, const char *what)
{
    return anb_fail(err, ANB_CORRUPT, "%s", what);
}

static enum anb_status get_base64(const struct doc *map, const char *key, unsigned char *bytes, size_t room,
                                  size_t *size, struct anb_error *err)
{
    struct buf decoded;
    buf_init(&decoded, room + 2); /* base64 comes in threes */
    enum anb_status status = base64_decode(slice_of_text(doc_text(doc_get(map, key), "")), &decoded, err);
    if (status == ANB_OK && decoded.size > room) status = corrupt(err, "a key or certificate is too large");
    if (status == ANB_OK) {
        if (decoded.size > 0) memcpy(bytes, decoded.data, decoded.size);
        *size = decoded.size;
    }
    buf_fini(&decoded);
    return status;
}

static bool copy_name(const struct doc *map, char name[NAME_MAX_BYTES + 1])
{
    const char *text = doc_text(doc_get(map, "name"), "");
    if (!name_is_valid(slice_of_text(text))) return false;
    snprintf(name, NAME_MAX_BYTES + 1, "%s", text);
    return true;
}

static enum anb_status read_roles(const struct doc *list, unsigned *roles, struct anb_error *err)
{
    for (size_t i = 0; i < doc_size(list); i++) {
        enum roster_role role;
        if (!roster_role_parse(doc_text(doc_at(list, i), ""), &role)) return corrupt(err, "an unknown role");
        *roles |= 1u << role;
    }
    return ANB_OK;
}

static enum anb_status read_keys(const struct doc *map, struct roster_member *member, struct anb_error *err)
{
    size_t size = 0;
    enum anb_status status = get_base64(map, "certificate", member->certificate, sizeof member->certificate,
                                        &member->certificate_bytes, err);
    if (status != ANB_OK || member->kind == CERTIFICATE_USER) return status;
    status = get_base64(map, "encryption_key", member->encryption_key.bytes, KEY_POINT_BYTES, &size, err);
    if (status == ANB_OK && size != KEY_POINT_BYTES) status = corrupt(err, "an encryption key has another size");
    return status;
}

static enum anb_status read_member(const struct doc *map, struct roster_member *member, struct anb_error *err)
{
    *member = (struct roster_member){
        .kind = strcmp(doc_text(doc_get(map, "kind"), ""), "node") == 0 ? CERTIFICATE_NODE : CERTIFICATE_USER};
    if (!copy_name(map, member->name)) return corrupt(err, "a name is none");
    enum anb_status status = read_roles(doc_get(map, "roles"), &member->roles, err);
    return status == ANB_OK ? read_keys(map, member, err) : status;
}

/* Names must rise, so each is put at the end. */
static enum anb_status read_members(const struct doc *list, struct roster *roster, struct anb_error *err)
{
    enum anb_status status = ANB_OK;
    struct roster_member *member = malloc(sizeof *member);
    if (!member) return anb_fail(err, ANB_NO_MEMORY, "no memory for a roster");
    for (size_t i = 0; i < doc_size(list) && status == ANB_OK; i++) {
        status = read_member(doc_at(list, i), member, err);
        if (status == ANB_OK) status = roster_put(roster, member, err);
    }
    free(member);
    return status;
}

static enum anb_status read_revoked(const struct doc *list, struct roster *roster, struct anb_error *err)
{
    size_t n = doc_size(list);
    if (n == 0) return ANB_OK;
    roster->revoked = calloc(n, sizeof *roster->revoked);
    if (!roster->revoked) return anb_fail(err, ANB_NO_MEMORY, "no memory for a roster");
    for (; roster->n_revoked < n; roster->n_revoked++) {
        const struct doc *map = doc_at(list, roster->n_revoked);
        struct roster_revocation *revocation = &roster->revoked[roster->n_revoked];
        if (!copy_name(map, revocation->name)) return corrupt(err, "a revoked name is none");
        if (roster->n_revoked > 0 && strcmp(revocation[-1].name, revocation->name) >= 0)
            return corrupt(err, "revoked names do not rise");
        revocation->version = doc_int(doc_get(map, "version"), 0);
        if (revocation->version < 1 || revocation->version > roster->version)
            return corrupt(err, "a name is revoked in another version");
    }
    return ANB_OK;
}

static enum anb_status read_document(const struct doc *doc, struct roster **out, struct anb_error *err)
{
    struct roster *roster = NULL;
    if (strcmp(doc_text(doc_get(doc, "roster"), ""), form) != 0) return corrupt(err, "its form is not anabranch-1");
    enum anb_status status = roster_new(doc_text(doc_get(doc, "project"), ""), &roster, err);
    if (status != ANB_OK) return status;
    roster->version = doc_int(doc_get(doc, "version"), 0);
    roster->issued_s = doc_int(doc_get(doc, "issued_s"), -1);
    if (roster->version < 1 || roster->issued_s < 0) status = corrupt(err, "its version or time is none");
    if (status == ANB_OK) status = read_revoked(doc_get(doc, "revoked"), roster, err);
    if (status == ANB_OK) status = read_members(doc_get(doc, "members"), roster, err);
    if (status == ANB_OK)
        *out = roster;
    else
        roster_free(roster);
    return status;
}

static enum anb_status check_form(const struct roster *roster, struct slice body, struct anb_error *err)
{
    struct buf again;
    buf_init(&again, ROSTER_MAX_BYTES);
    enum anb_status status = roster_write_body(roster, &again, err);
    if (status == ANB_OK && !slice_equal(buf_slice(&again), body)) status = corrupt(err, "it is not in its one form");
    buf_fini(&again);
    return status;
}

enum anb_status roster_read_body(struct slice body, struct roster **out, struct anb_error *err)
{
    struct doc *doc = NULL;
    struct roster *roster = NULL;
    if (body.size > ROSTER_MAX_BYTES)
        return anb_fail(err, ANB_TOO_LARGE, "a roster has at most %d bytes", ROSTER_MAX_BYTES);
    enum anb_status status = doc_parse_json(body, "roster", &doc, err);
    if (status == ANB_OK) status = read_document(doc, &roster, err);
    if (status == ANB_OK) status = check_form(roster, body, err);
    if (status == ANB_OK)
        *out = roster;
    else
        roster_free(roster);
    doc_free(doc);
    if (status == ANB_OK || status == ANB_NO_MEMORY || status == ANB_TOO_LARGE) return status;
    if (err) err->status = ANB_CORRUPT; /* whatever rule of a roster or of JSON it breaks */
    return ANB_CORRUPT;
}
