#include "node/trust.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct known { /* of the member at the same place in the roster; NULL key: not looked at yet */
    struct key *key;
    struct certificate_times times;
};

struct node_trust {
    /* constant after node_trust_open */
    char project[NAME_MAX_BYTES + 1], name[NAME_MAX_BYTES + 1];
    struct certificate *root;
    struct key *identity, *encryption;
    struct key_point identity_point, encryption_point;
    struct buf kit_roster;
    int64_t kit_version;

    pthread_rwlock_t lock; /* written to change the roster; read to use it */
    struct roster *roster; /* in force; NULL: none */
    int64_t expected;

    pthread_mutex_t known_lock; /* guards the first look at each; taken under `lock` */
    struct known *known;
};

const char *trust_refusal_word(enum trust_refusal refusal)
{
    static const char *const words[] = {
#define X(code, word) word,
        TRUST_REFUSAL_LIST(X)
#undef X
    };
    return words[refusal];
}

static enum anb_status no_memory(struct anb_error *err)
{
    return anb_fail(err, ANB_NO_MEMORY, "no memory for identities");
}

/* -- the roster in force */

static void drop_roster(struct node_trust *trust)
{
    for (size_t i = 0; trust->roster && i < trust->roster->n_members; i++) key_free(trust->known[i].key);
    free(trust->known);
    roster_free(trust->roster);
    trust->known = NULL;
    trust->roster = NULL;
}

/* Takes `roster` when it gives OK. */
static enum anb_status put_roster(struct node_trust *trust, struct roster *roster, struct anb_error *err)
{
    struct known *known = calloc(roster->n_members + 1, sizeof *known);
    if (!known) return no_memory(err);
    drop_roster(trust);
    trust->roster = roster;
    trust->known = known;
    return ANB_OK;
}

static enum anb_status check_next(const struct roster *last, const struct roster *next, struct anb_error *err)
{
    if (!last) return ANB_OK;
    if (next->version == last->version)
        return anb_fail(err, ANB_EXISTS, "roster version %lld is in force already", (long long)next->version);
    return roster_check_successor(last, next, err);
}

enum anb_status node_trust_replace(struct node_trust *trust, struct slice text, int64_t now_s, struct anb_error *err)
{
    struct roster *next = NULL;
    enum anb_status status = roster_parse(text, trust->root, trust->project, now_s, &next, err);
    if (status != ANB_OK) return status;
    pthread_rwlock_wrlock(&trust->lock);
    status = check_next(trust->roster, next, err);
    if (status == ANB_OK) status = put_roster(trust, next, err);
    pthread_rwlock_unlock(&trust->lock);
    if (status != ANB_OK) roster_free(next);
    return status;
}

enum anb_status node_trust_preview(struct node_trust *trust, struct slice text, int64_t now_s, int64_t *version,
                                   struct anb_error *err)
{
    struct roster *next = NULL;
    enum anb_status status = roster_parse(text, trust->root, trust->project, now_s, &next, err);
    if (status != ANB_OK) return status;
    pthread_rwlock_rdlock(&trust->lock);
    status = check_next(trust->roster, next, err);
    pthread_rwlock_unlock(&trust->lock);
    if (status == ANB_OK) *version = next->version;
    roster_free(next);
    return status;
}

void node_trust_rewind(struct node_trust *trust)
{
    pthread_rwlock_wrlock(&trust->lock);
    drop_roster(trust);
    pthread_rwlock_unlock(&trust->lock);
}

int64_t node_trust_version(struct node_trust *trust)
{
    pthread_rwlock_rdlock(&trust->lock);
    int64_t version = trust->roster ? trust->roster->version : 0;
    pthread_rwlock_unlock(&trust->lock);
    return version;
}

void node_trust_expect(struct node_trust *trust, int64_t version)
{
    pthread_rwlock_wrlock(&trust->lock);
    if (version > trust->expected) trust->expected = version;
    pthread_rwlock_unlock(&trust->lock);
}

int64_t node_trust_expected(struct node_trust *trust)
{
    pthread_rwlock_rdlock(&trust->lock);
    int64_t expected = trust->expected;
    pthread_rwlock_unlock(&trust->lock);
    return expected;
}

struct slice node_trust_kit_roster(const struct node_trust *trust)
{
    return buf_slice(&trust->kit_roster);
}

int64_t node_trust_kit_version(const struct node_trust *trust)
{
    return trust->kit_version;
}

/* -- members; under `lock` */

static enum anb_status refuse(enum trust_refusal why, enum trust_refusal *refusal, struct anb_error *err,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

static enum anb_status refuse(enum trust_refusal why, enum trust_refusal *refusal, struct anb_error *err,
                              const char *format, ...)
{
    char sentence[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (refusal) *refusal = why;
    return anb_fail(err, ANB_DENIED, "%s", sentence);
}

static int compare_name(const void *name, const void *member)
{
    return strcmp(name, (*(struct roster_member *const *)member)->name);
}

/* Where a member is in the roster. */
static enum anb_status find_place(const struct node_trust *trust, const char *name, size_t *place,
                                  enum trust_refusal *refusal, struct anb_error *err)
{
    const struct roster *roster = trust->roster;
    if (!roster) return refuse(TRUST_UNKNOWN_SENDER, refusal, err, "%.64s is unknown: there is no roster yet", name);
    struct roster_member **found =
        roster->n_members ? bsearch(name, roster->members, roster->n_members, sizeof *found, compare_name) : NULL;
    if (found) {
        *place = (size_t)(found - roster->members);
        return ANB_OK;
    }
    if (roster_revocation(roster, name)) return refuse(TRUST_REVOKED, refusal, err, "%.64s was revoked", name);
    return refuse(TRUST_UNKNOWN_SENDER, refusal, err, "%.64s is not in the roster", name);
}

static enum anb_status check_times(const char *name, const struct certificate_times *times, int64_t now_s,
                                   enum trust_refusal *refusal, struct anb_error *err)
{
    if (now_s < times->from_s)
        return refuse(TRUST_EXPIRED, refusal, err, "the certificate of %.64s is not valid yet", name);
    if (now_s <= times->until_s) return ANB_OK;
    return refuse(TRUST_EXPIRED, refusal, err, "the certificate of %.64s has expired: anabranch provision renew", name);
}

static enum anb_status read_times(const struct roster_member *member, struct certificate_times *times,
                                  struct anb_error *err)
{
    struct certificate *certificate = NULL;
    struct slice der = slice_of(member->certificate, member->certificate_bytes);
    enum anb_status status = certificate_read_der(der, member->name, &certificate, err);
    if (status == ANB_OK) status = certificate_times(certificate, times, err);
    certificate_free(certificate);
    return status;
}

static enum anb_status read_certificate(const struct node_trust *trust, const struct roster_member *member,
                                        int64_t now_s, struct key **key, struct anb_error *err)
{
    struct certificate *certificate = NULL;
    enum anb_status status = roster_certificate(trust->roster, member, trust->root, now_s, &certificate, err);
    if (status == ANB_OK) status = certificate_key(certificate, key, err);
    certificate_free(certificate);
    return status;
}

/* The first look at a member. Under known_lock. */
static enum anb_status look_at(const struct node_trust *trust, const struct roster_member *member, int64_t now_s,
                               struct known *known, enum trust_refusal *refusal, struct anb_error *err)
{
    struct anb_error why = {.text = ""};
    struct certificate_times times = {0, 0};
    enum anb_status status = read_times(member, &times, &why);
    if (status == ANB_OK && check_times(member->name, &times, now_s, refusal, err) != ANB_OK) return ANB_DENIED;
    if (status == ANB_OK) status = read_certificate(trust, member, now_s, &known->key, &why);
    if (status == ANB_OK) known->times = times;
    if (status == ANB_OK || status == ANB_NO_MEMORY) return status == ANB_OK ? ANB_OK : no_memory(err);
    return refuse(TRUST_BAD_CERTIFICATE, refusal, err, "%s", why.text);
}

/* *member and *key live as long as the roster is in force. */
static enum anb_status find(struct node_trust *trust, const char *name, int64_t now_s,
                            const struct roster_member **member, const struct key **key, enum trust_refusal *refusal,
                            struct anb_error *err)
{
    size_t place = 0;
    enum anb_status status = find_place(trust, name, &place, refusal, err);
    if (status != ANB_OK) return status;
    struct known *known = &trust->known[place];
    *member = trust->roster->members[place];
    pthread_mutex_lock(&trust->known_lock);
    if (!known->key) status = look_at(trust, *member, now_s, known, refusal, err);
    *key = known->key;
    pthread_mutex_unlock(&trust->known_lock);
    return status == ANB_OK ? check_times(name, &known->times, now_s, refusal, err) : status;
}

/* -- questions */

unsigned node_trust_roles(struct node_trust *trust, const char *name)
{
    pthread_rwlock_rdlock(&trust->lock);
    const struct roster_member *member = trust->roster ? roster_find_any(trust->roster, name) : NULL;
    unsigned roles = member ? member->roles : 0;
    pthread_rwlock_unlock(&trust->lock);
    return roles;
}

bool node_trust_has_role(struct node_trust *trust, const char *name, enum roster_role role)
{
    return node_trust_roles(trust, name) >> role & 1;
}

void node_trust_each(struct node_trust *trust, enum roster_role role, node_trust_visit *visit, void *context)
{
    pthread_rwlock_rdlock(&trust->lock);
    for (size_t i = 0; trust->roster && i < trust->roster->n_members; i++)
        if (roster_has_role(trust->roster->members[i], role)) visit(trust->roster->members[i], context);
    pthread_rwlock_unlock(&trust->lock);
}

enum anb_status node_trust_read(struct node_trust *trust, node_trust_look *look, void *context, struct anb_error *err)
{
    pthread_rwlock_rdlock(&trust->lock);
    enum anb_status status = trust->roster ? look(trust->roster, trust->root, context, err)
                                           : anb_fail(err, ANB_UNAVAILABLE, "no roster is in force yet: try again");
    pthread_rwlock_unlock(&trust->lock);
    return status;
}

const char *node_trust_project(const struct node_trust *trust)
{
    return trust->project;
}

const char *node_trust_name(const struct node_trust *trust)
{
    return trust->name;
}

/* -- signatures and keys */

enum anb_status node_trust_sign(struct node_trust *trust, const char *purpose, struct slice bytes,
                                struct signature *out, struct anb_error *err)
{
    return sign_bytes(trust->identity, purpose, bytes, out, err);
}

enum anb_status node_trust_verify(struct node_trust *trust, const char *name, const char *purpose, struct slice bytes,
                                  const struct signature *signature, int64_t now_s, enum trust_refusal *refusal,
                                  struct anb_error *err)
{
    const struct roster_member *member;
    const struct key *key;
    pthread_rwlock_rdlock(&trust->lock);
    enum anb_status status = find(trust, name, now_s, &member, &key, refusal, err);
    if (status == ANB_OK && (status = sign_verify(key, purpose, bytes, signature, err)) == ANB_DENIED)
        status = refuse(TRUST_BAD_SIGNATURE, refusal, err, "%.64s did not sign this", name);
    pthread_rwlock_unlock(&trust->lock);
    return status;
}

enum anb_status node_trust_seal_key(struct node_trust *trust, const char *name, int64_t now_s, struct key_point *out,
                                    struct anb_error *err)
{
    const struct roster_member *member;
    const struct key *key;
    pthread_rwlock_rdlock(&trust->lock);
    enum anb_status status = find(trust, name, now_s, &member, &key, NULL, err);
    if (status == ANB_OK && member->kind != CERTIFICATE_NODE)
        status = anb_fail(err, ANB_DENIED, "%.64s is a user: nothing is sealed for users", name);
    if (status == ANB_OK) *out = member->encryption_key;
    pthread_rwlock_unlock(&trust->lock);
    return status;
}

const struct key *node_trust_own_encryption(const struct node_trust *trust)
{
    return trust->encryption;
}

/* -- this node in the roster */

static bool same_point(const struct key_point *a, const struct key_point *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static enum anb_status check_keys(struct node_trust *trust, const struct roster_member *member, const struct key *key,
                                  struct anb_error *err)
{
    struct key_point point;
    enum anb_status status = key_point(key, &point, err);
    if (status != ANB_OK) return status;
    if (same_point(&point, &trust->identity_point) && same_point(&member->encryption_key, &trust->encryption_point))
        return ANB_OK;
    return anb_fail(err, ANB_DENIED,
                    "roster version %lld has other keys for %s than its kit: start it with the kit that was made last",
                    (long long)trust->roster->version, trust->name);
}

static enum anb_status check_own(struct node_trust *trust, unsigned roles, int64_t now_s, struct anb_error *err)
{
    const struct roster_member *member;
    const struct key *key;
    enum anb_status status = find(trust, trust->name, now_s, &member, &key, NULL, err);
    if (status == ANB_OK) status = check_keys(trust, member, key, err);
    if (status == ANB_OK && !(member->roles & roles))
        status = anb_fail(err, ANB_DENIED, "%s does not have the role of this program in roster version %lld",
                          trust->name, (long long)trust->roster->version);
    return status;
}

enum anb_status node_trust_check_own(struct node_trust *trust, unsigned roles, int64_t now_s, struct anb_error *err)
{
    pthread_rwlock_rdlock(&trust->lock);
    enum anb_status status = check_own(trust, roles, now_s, err);
    pthread_rwlock_unlock(&trust->lock);
    return status;
}

/* -- opening */

static enum anb_status read_key(struct slice pem, const char *name, const char *passphrase, struct key **key,
                                struct key_point *point, struct anb_error *err)
{
    enum anb_status status = key_read_pem(pem, name, passphrase, key, err);
    return status == ANB_OK ? key_point(*key, point, err) : status;
}

static enum anb_status read_kit(struct node_trust *trust, const struct trust_config *config, struct anb_error *err)
{
    enum anb_status status = certificate_read_pem(config->root, "root", &trust->root, err);
    if (status == ANB_OK)
        status = read_key(config->identity_key, "identity key", config->passphrase, &trust->identity,
                          &trust->identity_point, err);
    if (status == ANB_OK)
        status = read_key(config->encryption_key, "encryption key", config->passphrase, &trust->encryption,
                          &trust->encryption_point, err);
    if (status == ANB_OK) status = node_trust_replace(trust, config->roster, config->now_s, err);
    if (status == ANB_OK) status = buf_append(&trust->kit_roster, config->roster, err);
    if (status == ANB_OK) trust->expected = trust->kit_version = trust->roster->version;
    return status;
}

/* A roster that waits must not be kept out by those who verify one after another. */
static void init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t kind;
    pthread_rwlockattr_init(&kind);
    pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &kind);
    pthread_rwlockattr_destroy(&kind);
}

enum anb_status node_trust_open(const struct trust_config *config, struct node_trust **out, struct anb_error *err)
{
    enum anb_status status = name_check("project", config->project, err);
    if (status == ANB_OK) status = name_check("node", config->name, err);
    if (status != ANB_OK) return status;
    struct node_trust *trust = calloc(1, sizeof *trust);
    if (!trust) return no_memory(err);
    init_lock(&trust->lock);
    pthread_mutex_init(&trust->known_lock, NULL);
    buf_init(&trust->kit_roster, ROSTER_MAX_BYTES);
    snprintf(trust->project, sizeof trust->project, "%s", config->project);
    snprintf(trust->name, sizeof trust->name, "%s", config->name);
    status = read_kit(trust, config, err);
    if (status == ANB_OK)
        status = node_trust_check_own(trust, 1 << ROSTER_SERVER | 1 << ROSTER_AGGREGATOR | 1 << ROSTER_SITE,
                                      config->now_s, err);
    if (status == ANB_OK)
        *out = trust;
    else
        node_trust_free(trust);
    return status;
}

void node_trust_free(struct node_trust *trust)
{
    if (!trust) return;
    drop_roster(trust);
    buf_fini(&trust->kit_roster);
    key_free(trust->identity);
    key_free(trust->encryption);
    certificate_free(trust->root);
    pthread_rwlock_destroy(&trust->lock);
    pthread_mutex_destroy(&trust->known_lock);
    free(trust);
}
