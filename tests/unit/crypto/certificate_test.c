/* Certificates: every way in which one can be wrong is refused with its reason; good ones pass. */
#include "crypto/certificate.h"

#include "crypto/openssl.h"
#include "support/test.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { DAY_S = 86400 };
static const int64_t now_s = 1795500000;
static const struct certificate_times year = {1795500000 - DAY_S, 1795500000 + 365 * DAY_S};
static const struct certificate_subject node = {CERTIFICATE_NODE, "river", "site-a", NULL, 0};
static const struct certificate_subject user = {CERTIFICATE_USER, "river", "site-a", NULL, 0};
static const struct certificate_subject operator_subject = {CERTIFICATE_OPERATOR, "river", "kafka", NULL, 0};
static const char *const hosts[] = {"kafka.example.org", "10.0.0.7", "::1"};
static const struct certificate_subject broker = {CERTIFICATE_BROKER, "river", "kafka-1", hosts, 3};
static const struct certificate_subject rest = {CERTIFICATE_REST, "river", "kafka-1", hosts, 3};

struct scene {
    struct key *root_key, *key;
    struct certificate *root;
};

static struct key *make_key(void)
{
    struct key *key = NULL;
    CHECK_STATUS(key_make(&key, &test_error), ANB_OK);
    REQUIRE(key != NULL);
    return key;
}

static void open_scene(struct scene *scene)
{
    *scene = (struct scene){make_key(), make_key(), NULL};
    CHECK_STATUS(certificate_make_root(scene->root_key, "river", &year, &scene->root, &test_error), ANB_OK);
    REQUIRE(scene->root != NULL);
}

static void close_scene(struct scene *scene)
{
    certificate_free(scene->root);
    key_free(scene->root_key);
    key_free(scene->key);
}

static struct certificate *issue(const struct scene *scene, const struct certificate_subject *subject)
{
    struct certificate *made = NULL;
    CHECK_STATUS(certificate_issue(scene->root, scene->root_key, subject, scene->key, &year, &made, &test_error),
                 ANB_OK);
    REQUIRE(made != NULL);
    return made;
}

static void check_refused(const struct scene *scene, const struct certificate *certificate,
                          const struct certificate_subject *subject, int64_t when_s, const char *reason)
{
    CHECK_STATUS(certificate_verify(certificate, scene->root, subject, when_s, &test_error), ANB_DENIED);
    if (!strstr(test_error.text, reason)) fprintf(stderr, "said: %s\n", test_error.text);
    CHECK(strstr(test_error.text, reason) != NULL);
}

/* -- names and times */

static void certificate_of_another_subject_is_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    struct certificate *made = issue(&scene, &node);
    const struct certificate_subject other_name = {CERTIFICATE_NODE, "river", "site-b", NULL, 0};
    const struct certificate_subject other_project = {CERTIFICATE_NODE, "rivers", "site-a", NULL, 0};
    check_refused(&scene, made, &other_name, now_s, "site-b: it names another subject");
    check_refused(&scene, made, &other_project, now_s, "another subject");
    check_refused(&scene, made, &user, now_s, "another subject");
    check_refused(&scene, made, &operator_subject, now_s, "another subject");
    check_refused(&scene, made, &broker, now_s, "purpose");
    check_refused(&scene, made, &rest, now_s, "purpose");
    certificate_free(made);
    made = issue(&scene, &user);
    check_refused(&scene, made, &node, now_s, "another subject");
    certificate_free(made);
    close_scene(&scene);
}

static void certificate_is_refused_before_its_time_and_after(void)
{
    struct scene scene;
    open_scene(&scene);
    struct certificate *made = issue(&scene, &node);
    check_refused(&scene, made, &node, year.from_s - 1, "not yet valid");
    check_refused(&scene, made, &node, year.until_s + 1, "expired");
    CHECK_STATUS(certificate_verify(made, scene.root, &node, year.from_s, &test_error), ANB_OK);
    CHECK_STATUS(certificate_verify(made, scene.root, &node, year.until_s - 1, &test_error), ANB_OK);
    certificate_free(made);
    close_scene(&scene);
}

static void certificate_of_another_root_is_refused(void)
{
    struct scene scene, other;
    open_scene(&scene);
    open_scene(&other);
    struct certificate *made = issue(&other, &node);
    check_refused(&scene, made, &node, now_s, "certificate of node site-a");
    certificate_free(made);
    close_scene(&scene);
    close_scene(&other);
}

static void certificate_that_is_its_own_issuer_is_refused(void)
{
    struct scene scene;
    struct certificate *alone = NULL;
    open_scene(&scene);
    CHECK_STATUS(certificate_make_root(scene.key, "river", &year, &alone, &test_error), ANB_OK);
    REQUIRE(alone != NULL);
    check_refused(&scene, alone, &node, now_s, "certificate");
    certificate_free(alone);
    close_scene(&scene);
}

/* -- what a signer with the root's key could do wrong */

struct flaw {
    int nid;           /* this extension */
    const char *value; /* becomes this; NULL: goes away */
    const char *reason;
};

static void replace_extension(X509 *x509, const struct scene *scene, const struct flaw *flaw)
{
    X509V3_CTX context;
    int at = X509_get_ext_by_NID(x509, flaw->nid, -1);
    REQUIRE(at >= 0);
    X509_EXTENSION_free(X509_delete_ext(x509, at));
    X509V3_set_ctx(&context, scene->root->x509, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = flaw->value ? X509V3_EXT_conf_nid(NULL, &context, flaw->nid, flaw->value) : NULL;
    if (flaw->value) REQUIRE(extension && X509_add_ext(x509, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    REQUIRE(X509_sign(x509, scene->root_key->evp, EVP_sha256()) > 0);
}

static void certificates_with_a_flaw_are_refused(void)
{
    static const struct flaw flaws[] = {
        {NID_key_usage, "critical,digitalSignature,keyCertSign", ""},
        {NID_key_usage, "critical,keyAgreement", "usage"},
        {NID_key_usage, "critical,digitalSignature,keyAgreement", "key usage is another"},
        {NID_key_usage, NULL, "key usage is another"},
        {NID_ext_key_usage, "serverAuth", "purpose"},
        {NID_ext_key_usage, "codeSigning", "purpose"},
        {NID_ext_key_usage, "clientAuth,serverAuth", "extended key usage is another"},
        {NID_ext_key_usage, NULL, "extended key usage is another"},
        {NID_basic_constraints, "critical,CA:TRUE", "sign certificates"},
        {NID_subject_alt_name, "URI:anabranch://river/site-b", "alternative name"},
        {NID_subject_alt_name, "URI:anabranch://river/site-a,URI:anabranch://river/site-b", "alternative name"},
        {NID_subject_alt_name, "URI:anabranch://river/site-a,DNS:site-a", "alternative name"},
        {NID_subject_alt_name, "DNS:site-a", "alternative name"},
        {NID_subject_alt_name, "URI:anabranch://river/user/site-a", "alternative name"},
        {NID_subject_alt_name, NULL, "alternative name"},
        {NID_authority_key_identifier, NULL, ""},
    };
    struct scene scene;
    open_scene(&scene);
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        struct certificate *made = issue(&scene, &node);
        replace_extension(made->x509, &scene, &flaws[i]);
        check_refused(&scene, made, &node, now_s, flaws[i].reason);
        certificate_free(made);
    }
    close_scene(&scene);
}

static void uri_with_a_zero_byte_is_refused(void)
{
    static const char uri[] = "anabranch://river/site-a\0.example.org";
    struct scene scene;
    open_scene(&scene);
    struct certificate *made = issue(&scene, &node);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    REQUIRE(names && name && text && ASN1_STRING_set(text, uri, sizeof uri - 1) == 1);
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    sk_GENERAL_NAME_push(names, name);
    X509_add1_ext_i2d(made->x509, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE);
    GENERAL_NAMES_free(names);
    REQUIRE(X509_sign(made->x509, scene.root_key->evp, EVP_sha256()) > 0);
    check_refused(&scene, made, &node, now_s, "alternative name");
    certificate_free(made);
    close_scene(&scene);
}

static void other_keys_and_hashes_are_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    struct certificate *made = issue(&scene, &node);
    REQUIRE(X509_sign(made->x509, scene.root_key->evp, EVP_sha384()) > 0);
    check_refused(&scene, made, &node, now_s, "SHA-256");
    certificate_free(made);
    made = issue(&scene, &node);
    EVP_PKEY *p384 = EVP_EC_gen("P-384");
    REQUIRE(p384 && X509_set_pubkey(made->x509, p384) == 1);
    REQUIRE(X509_sign(made->x509, scene.root_key->evp, EVP_sha256()) > 0);
    check_refused(&scene, made, &node, now_s, "P-256");
    EVP_PKEY_free(p384);
    certificate_free(made);
    close_scene(&scene);
}

static void no_certificate_stands_between_the_root_and_a_node(void)
{
    struct scene scene;
    struct certificate *below = NULL;
    const struct flaw authority = {NID_basic_constraints, "critical,CA:TRUE", ""},
                      signs = {NID_key_usage, "critical,digitalSignature,keyCertSign", ""};
    open_scene(&scene);
    struct certificate *between = issue(&scene, &node);
    replace_extension(between->x509, &scene, &authority);
    replace_extension(between->x509, &scene, &signs);
    struct key *key = make_key();
    const struct certificate_subject second = {CERTIFICATE_NODE, "river", "site-b", NULL, 0};
    CHECK_STATUS(certificate_issue(between, scene.key, &second, key, &year, &below, &test_error), ANB_OK);
    REQUIRE(below != NULL);
    check_refused(&scene, below, &second, now_s, "certificate of node site-b");
    certificate_free(below);
    certificate_free(between);
    key_free(key);
    close_scene(&scene);
}

/* -- the root */

static void certificates_that_are_no_root_of_the_project_are_refused(void)
{
    struct scene scene;
    open_scene(&scene);
    struct certificate *made = issue(&scene, &node);
    CHECK_STATUS(certificate_verify_root(scene.root, "rivers", now_s, &test_error), ANB_DENIED);
    CHECK_STATUS(certificate_verify_root(scene.root, "river", year.until_s + 1, &test_error), ANB_DENIED);
    CHECK_STATUS(certificate_verify_root(made, "river", now_s, &test_error), ANB_DENIED);
    CHECK_STATUS(certificate_verify_root(scene.root, "river", now_s, &test_error), ANB_OK);
    certificate_free(made);
    const struct flaw endless = {NID_basic_constraints, "critical,CA:TRUE", ""};
    struct certificate fresh = {X509_dup(scene.root->x509)}; /* without what OpenSSL remembers of the old extensions */
    replace_extension(fresh.x509, &scene, &endless);
    CHECK_STATUS(certificate_verify_root(&fresh, "river", now_s, &test_error), ANB_DENIED);
    X509_free(fresh.x509);
    close_scene(&scene);
}

/* -- what cannot be made, what cannot be read */

static enum anb_status try_issue(const struct certificate_subject *subject, const struct certificate_times *times)
{
    struct scene scene;
    struct certificate *made = NULL;
    open_scene(&scene);
    enum anb_status status =
        certificate_issue(scene.root, scene.root_key, subject, scene.key, times, &made, &test_error);
    CHECK((made != NULL) == (status == ANB_OK));
    certificate_free(made);
    close_scene(&scene);
    return status;
}

static void bad_subjects_and_times_get_no_certificate(void)
{
    static const char *const bad_hosts[] = {"", "a,DNS:b", "a b", "a\n", "*"};
    const struct certificate_subject dotted = {CERTIFICATE_NODE, "river", "site.a", NULL, 0};
    const struct certificate_subject hostless = {CERTIFICATE_BROKER, "river", "kafka-1", hosts, 0};
    const struct certificate_times backwards = {year.until_s, year.from_s}, endless = {0, INT64_MAX};
    CHECK_STATUS(try_issue(&dotted, &year), ANB_INVALID);
    CHECK_STATUS(try_issue(&hostless, &year), ANB_INVALID);
    for (size_t i = 0; i < sizeof bad_hosts / sizeof *bad_hosts; i++) {
        const struct certificate_subject bad = {CERTIFICATE_BROKER, "river", "kafka-1", &bad_hosts[i], 1};
        CHECK_STATUS(try_issue(&bad, &year), ANB_INVALID);
    }
    CHECK_STATUS(try_issue(&node, &backwards), ANB_INVALID);
    CHECK_STATUS(try_issue(&node, &endless), ANB_INVALID);
}

static void bytes_that_are_no_certificate_are_refused(void)
{
    struct scene scene;
    struct certificate *read = NULL;
    struct buf der;
    buf_init(&der, CERTIFICATE_MAX_BYTES);
    open_scene(&scene);
    CHECK_STATUS(certificate_write_der(scene.root, &der, &test_error), ANB_OK);
    for (size_t size = 0; size < der.size; size++)
        CHECK_STATUS(certificate_read_der(slice_of(der.data, size), "x", &read, &test_error), ANB_CORRUPT);
    CHECK_STATUS(buf_append_text(&der, "!", &test_error), ANB_OK);
    CHECK_STATUS(certificate_read_der(buf_slice(&der), "x", &read, &test_error), ANB_CORRUPT);
    CHECK_STATUS(certificate_read_pem(slice_of_text("hello"), "x.pem", &read, &test_error), ANB_CORRUPT);
    CHECK(read == NULL && strstr(test_error.text, "x.pem") != NULL);
    buf_fini(&der);
    close_scene(&scene);
}

/* -- good ones */

static void certificates_of_all_kinds_are_verified(void)
{
    const struct certificate_subject *const subjects[] = {&node, &user, &broker, &operator_subject, &rest};
    struct scene scene;
    open_scene(&scene);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        struct certificate *made = issue(&scene, subjects[i]);
        CHECK_STATUS(certificate_verify(made, scene.root, subjects[i], now_s, &test_error), ANB_OK);
        certificate_free(made);
    }
    close_scene(&scene);
}

static void what_is_shown_to_users_is_for_tls_servers_only(void)
{
    struct scene scene;
    open_scene(&scene);
    struct certificate *made = issue(&scene, &rest);
    CHECK_EQUAL(X509_check_purpose(made->x509, X509_PURPOSE_SSL_SERVER, 0), 1);
    CHECK_EQUAL(X509_check_purpose(made->x509, X509_PURPOSE_SSL_CLIENT, 0), 0);
    check_refused(&scene, made, &broker, now_s, "another subject");
    certificate_free(made);
    close_scene(&scene);
}

static void a_broker_has_its_hosts_as_names(void)
{
    struct scene scene;
    open_scene(&scene);
    struct certificate *made = issue(&scene, &broker);
    CHECK_EQUAL(X509_check_host(made->x509, "kafka.example.org", 0, 0, NULL), 1);
    CHECK_EQUAL(X509_check_ip_asc(made->x509, "10.0.0.7", 0), 1);
    CHECK_EQUAL(X509_check_ip_asc(made->x509, "::1", 0), 1);
    CHECK_EQUAL(X509_check_host(made->x509, "other.example.org", 0, 0, NULL), 0);
    certificate_free(made);
    close_scene(&scene);
}

static void what_is_written_is_read_again(void)
{
    struct scene scene;
    struct certificate *from_pem = NULL, *from_der = NULL;
    struct certificate_times times;
    struct buf pem, der;
    buf_init(&pem, 1 << 16);
    buf_init(&der, CERTIFICATE_MAX_BYTES);
    open_scene(&scene);
    struct certificate *made = issue(&scene, &node);
    CHECK_STATUS(certificate_write_pem(made, &pem, &test_error), ANB_OK);
    CHECK_STATUS(certificate_write_der(made, &der, &test_error), ANB_OK);
    CHECK_STATUS(certificate_read_pem(buf_slice(&pem), "x", &from_pem, &test_error), ANB_OK);
    CHECK_STATUS(certificate_read_der(buf_slice(&der), "x", &from_der, &test_error), ANB_OK);
    REQUIRE(from_pem && from_der);
    CHECK_EQUAL(X509_cmp(made->x509, from_pem->x509), 0);
    CHECK_EQUAL(X509_cmp(made->x509, from_der->x509), 0);
    CHECK_STATUS(certificate_times(from_der, &times, &test_error), ANB_OK);
    CHECK(times.from_s == year.from_s && times.until_s == year.until_s);
    certificate_free(made);
    certificate_free(from_pem);
    certificate_free(from_der);
    close_scene(&scene);
    buf_fini(&pem);
    buf_fini(&der);
}

/* -- requests */

static enum anb_status read_request(struct slice der, const struct certificate_subject *subject)
{
    struct key *key = NULL;
    enum anb_status status = certificate_request_read(der, subject, &key, &test_error);
    CHECK((key != NULL) == (status == ANB_OK));
    key_free(key);
    return status;
}

static void altered_and_foreign_requests_are_refused(void)
{
    struct key *key = make_key();
    struct buf der;
    const struct certificate_subject other = {CERTIFICATE_NODE, "river", "site-b", NULL, 0};
    buf_init(&der, CERTIFICATE_MAX_BYTES);
    CHECK_STATUS(certificate_request_make(key, &node, &der, &test_error), ANB_OK);
    CHECK_STATUS(read_request(buf_slice(&der), &other), ANB_DENIED);
    CHECK_STATUS(read_request(buf_slice(&der), &user), ANB_DENIED);
    for (size_t i = 0; i < der.size; i++) {
        der.data[i] ^= 1;
        CHECK(read_request(buf_slice(&der), &node) != ANB_OK);
        der.data[i] ^= 1;
    }
    for (size_t size = 0; size < der.size; size++)
        CHECK_STATUS(read_request(slice_of(der.data, size), &node), ANB_CORRUPT);
    buf_fini(&der);
    key_free(key);
}

static void a_request_gives_the_key_that_made_it(void)
{
    struct key *key = make_key(), *found = NULL;
    struct key_point a, b;
    struct buf der;
    buf_init(&der, CERTIFICATE_MAX_BYTES);
    CHECK_STATUS(certificate_request_make(key, &node, &der, &test_error), ANB_OK);
    CHECK_STATUS(certificate_request_read(buf_slice(&der), &node, &found, &test_error), ANB_OK);
    REQUIRE(found != NULL);
    CHECK_STATUS(key_point(key, &a, &test_error), ANB_OK);
    CHECK_STATUS(key_point(found, &b, &test_error), ANB_OK);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    key_free(key);
    key_free(found);
    buf_fini(&der);
}

TEST_MAIN("certificate", TEST(certificate_of_another_subject_is_refused),
          TEST(certificate_is_refused_before_its_time_and_after), TEST(certificate_of_another_root_is_refused),
          TEST(certificate_that_is_its_own_issuer_is_refused), TEST(certificates_with_a_flaw_are_refused),
          TEST(uri_with_a_zero_byte_is_refused), TEST(other_keys_and_hashes_are_refused),
          TEST(no_certificate_stands_between_the_root_and_a_node),
          TEST(certificates_that_are_no_root_of_the_project_are_refused),
          TEST(bad_subjects_and_times_get_no_certificate), TEST(bytes_that_are_no_certificate_are_refused),
          TEST(certificates_of_all_kinds_are_verified), TEST(what_is_shown_to_users_is_for_tls_servers_only),
          TEST(a_broker_has_its_hosts_as_names), TEST(what_is_written_is_read_again),
          TEST(altered_and_foreign_requests_are_refused), TEST(a_request_gives_the_key_that_made_it))
