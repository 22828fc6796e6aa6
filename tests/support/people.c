#include "support/people.h"

#include "base/clock.h"
#include "base/file.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400, TEXT_BYTES = 1 << 20 };

static void must(enum anb_status status)
{
    if (status == ANB_OK) return;
    printf("%s\n", test_error.text);
    abort();
}

static int64_t now_s(void)
{
    return clock_wall_ms() / 1000;
}

static void put_file(const struct people *people, const char *name, struct slice bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", people->folder, name);
    must(file_write(path, bytes, &test_error));
}

static size_t issue(struct people *people, const struct certificate_subject *subject, int64_t from_s, int64_t until_s,
                    unsigned char der[PEOPLE_DER_BYTES])
{
    struct key *key = NULL;
    struct certificate *made = NULL;
    struct buf bytes;
    const struct certificate_times times = {from_s, until_s};
    buf_init(&bytes, PEOPLE_DER_BYTES);
    must(key_make(&key, &test_error));
    must(certificate_issue(people->root, people->root_key, subject, key, &times, &made, &test_error));
    must(certificate_write_der(made, &bytes, &test_error));
    size_t size = bytes.size;
    memcpy(der, bytes.data, size);
    buf_fini(&bytes);
    certificate_free(made);
    key_free(key);
    return size;
}

void people_add(struct people *people, enum certificate_kind kind, const char *name, enum roster_role role,
                int64_t from_s, int64_t until_s)
{
    struct roster_member member = {.kind = kind, .roles = 1u << role};
    const struct certificate_subject subject = {kind, "p", name, NULL, 0};
    snprintf(member.name, sizeof member.name, "%s", name);
    member.certificate_bytes = issue(people, &subject, from_s, until_s, member.certificate);
    if (kind == CERTIFICATE_NODE) must(key_point(people->root_key, &member.encryption_key, &test_error));
    must(roster_put(people->roster, &member, &test_error));
}

void people_write(struct people *people)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    must(roster_sign(people->roster, people->root_key, now_s(), &text, &test_error));
    put_file(people, "roster", buf_slice(&text));
    buf_fini(&text);
}

size_t people_stranger(struct people *people, const struct certificate_subject *subject,
                       unsigned char der[PEOPLE_DER_BYTES])
{
    return issue(people, subject, now_s() - DAY_S, now_s() + DAY_S, der);
}

void people_begin(struct people *people, const char *folder)
{
    struct buf pem;
    const struct certificate_times times = {now_s() - 30 * DAY_S, now_s() + 30 * DAY_S};
    static const struct {
        enum certificate_kind kind;
        const char *name;
        enum roster_role role;
    } all[] = {{CERTIFICATE_USER, "ann", ROSTER_ADMIN},  {CERTIFICATE_USER, "leo", ROSTER_LEAD},
               {CERTIFICATE_USER, "mia", ROSTER_MEMBER}, {CERTIFICATE_USER, "max", ROSTER_MEMBER},
               {CERTIFICATE_USER, "rex", ROSTER_MEMBER}, {CERTIFICATE_NODE, "server-1", ROSTER_SERVER}};
    *people = (struct people){.root = NULL};
    snprintf(people->folder, sizeof people->folder, "%s", folder);
    must(key_make(&people->root_key, &test_error));
    must(certificate_make_root(people->root_key, "p", &times, &people->root, &test_error));
    must(roster_new("p", &people->roster, &test_error));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        people_add(people, all[i].kind, all[i].name, all[i].role, now_s() - DAY_S, now_s() + DAY_S);
    buf_init(&pem, TEXT_BYTES);
    must(certificate_write_pem(people->root, &pem, &test_error));
    put_file(people, "root.pem", buf_slice(&pem));
    buf_fini(&pem);
    people_write(people);
    must(roster_revoke(people->roster, "rex", &test_error));
    people_write(people);
}

void people_end(struct people *people)
{
    roster_free(people->roster);
    certificate_free(people->root);
    key_free(people->root_key);
}
