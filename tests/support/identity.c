#include "support/identity.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct certificate_times always = {1, 4085942400}; /* until 2099 */

struct person {
    char name[NAME_MAX_BYTES + 1];
    struct key *identity, *encryption;
};

struct identities {
    char project[NAME_MAX_BYTES + 1];
    struct key *root_key;
    struct certificate *root;
    struct roster *roster;
    struct buf text;
    struct person *people;
    size_t n_people;
};

static void must(enum anb_status status)
{
    if (status != ANB_OK) fprintf(stderr, "identities: %s\n", test_error.text);
    REQUIRE(status == ANB_OK);
}

struct identities *identities_new(const char *project)
{
    struct identities *identities = calloc(1, sizeof *identities);
    REQUIRE(identities != NULL);
    snprintf(identities->project, sizeof identities->project, "%s", project);
    buf_init(&identities->text, ROSTER_MAX_BYTES);
    must(key_make(&identities->root_key, &test_error));
    must(certificate_make_root(identities->root_key, project, &always, &identities->root, &test_error));
    must(roster_new(project, &identities->roster, &test_error));
    return identities;
}

void identities_free(struct identities *identities)
{
    if (!identities) return;
    for (size_t i = 0; i < identities->n_people; i++) {
        key_free(identities->people[i].identity);
        key_free(identities->people[i].encryption);
    }
    free(identities->people);
    roster_free(identities->roster);
    buf_fini(&identities->text);
    certificate_free(identities->root);
    key_free(identities->root_key);
    free(identities);
}

static struct person *find(const struct identities *identities, const char *name)
{
    for (size_t i = 0; i < identities->n_people; i++)
        if (strcmp(identities->people[i].name, name) == 0) return &identities->people[i];
    return NULL;
}

static struct person *new_person(struct identities *identities, const char *name)
{
    struct person *person = find(identities, name);
    if (!person) {
        identities->people = realloc(identities->people, (identities->n_people + 1) * sizeof *identities->people);
        REQUIRE(identities->people != NULL);
        person = &identities->people[identities->n_people++];
        *person = (struct person){.identity = NULL};
        snprintf(person->name, sizeof person->name, "%s", name);
    }
    key_free(person->identity);
    key_free(person->encryption);
    person->identity = person->encryption = NULL;
    must(key_make(&person->identity, &test_error));
    must(key_make(&person->encryption, &test_error));
    return person;
}

static void issue(struct identities *identities, const struct person *person, const struct certificate_subject *subject,
                  const struct certificate_times *times, struct roster_member *member)
{
    struct certificate *certificate = NULL;
    struct buf der;
    buf_init(&der, sizeof member->certificate);
    must(certificate_issue(identities->root, identities->root_key, subject, person->identity, times, &certificate,
                           &test_error));
    must(certificate_write_der(certificate, &der, &test_error));
    memcpy(member->certificate, der.data, der.size);
    member->certificate_bytes = der.size;
    buf_fini(&der);
    certificate_free(certificate);
}

static void add(struct identities *identities, const char *name, unsigned roles,
                const struct certificate_subject *subject, const struct certificate_times *times)
{
    bool is_node = roles & (1 << ROSTER_SERVER | 1 << ROSTER_AGGREGATOR | 1 << ROSTER_SITE);
    struct roster_member member = {.kind = is_node ? CERTIFICATE_NODE : CERTIFICATE_USER, .roles = roles};
    const struct certificate_subject own = {member.kind, identities->project, name, NULL, 0};
    const struct person *person = new_person(identities, name);
    snprintf(member.name, sizeof member.name, "%s", name);
    issue(identities, person, subject ? subject : &own, times, &member);
    if (is_node) must(key_point(person->encryption, &member.encryption_key, &test_error));
    must(roster_put(identities->roster, &member, &test_error));
}

void identities_add(struct identities *identities, const char *name, unsigned roles)
{
    add(identities, name, roles, NULL, &always);
}

void identities_add_for(struct identities *identities, const char *name, unsigned roles,
                        const struct certificate_times *times)
{
    add(identities, name, roles, NULL, times);
}

void identities_add_as(struct identities *identities, const char *name, unsigned roles,
                       const struct certificate_subject *subject)
{
    add(identities, name, roles, subject, &always);
}

void identities_revoke(struct identities *identities, const char *name)
{
    must(roster_revoke(identities->roster, name, &test_error));
}

struct slice identities_sign(struct identities *identities)
{
    buf_clear(&identities->text);
    must(roster_sign(identities->roster, identities->root_key, 1, &identities->text, &test_error));
    return buf_slice(&identities->text);
}

struct slice identities_roster(const struct identities *identities)
{
    return buf_slice(&identities->text);
}

struct node_trust *identities_trust(const struct identities *identities, const char *name)
{
    struct node_trust *trust = NULL;
    struct buf root, identity, encryption;
    const struct person *person = find(identities, name);
    REQUIRE(person != NULL);
    buf_init(&root, KEY_FILE_MAX_BYTES);
    buf_init(&identity, KEY_FILE_MAX_BYTES);
    buf_init(&encryption, KEY_FILE_MAX_BYTES);
    must(certificate_write_pem(identities->root, &root, &test_error));
    must(key_write_pem(person->identity, NULL, &identity, &test_error));
    must(key_write_pem(person->encryption, NULL, &encryption, &test_error));
    const struct trust_config config = {.project = identities->project,
                                        .name = name,
                                        .root = buf_slice(&root),
                                        .roster = identities_roster(identities),
                                        .identity_key = buf_slice(&identity),
                                        .encryption_key = buf_slice(&encryption),
                                        .now_s = 1795500000};
    must(node_trust_open(&config, &trust, &test_error));
    buf_fini(&root);
    key_fini_buf(&identity);
    key_fini_buf(&encryption);
    return trust;
}

const struct key *identities_key(const struct identities *identities, const char *name)
{
    const struct person *person = find(identities, name);
    REQUIRE(person != NULL);
    return person->identity;
}

const struct key *identities_root_key(const struct identities *identities)
{
    return identities->root_key;
}

const struct certificate *identities_root(const struct identities *identities)
{
    return identities->root;
}
