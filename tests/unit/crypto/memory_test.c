/* Every allocation of OpenSSL fails once: calls say so or do their work all the same, and no bad thing passes for good.
 */
#include "base/id.h"
#include "crypto/certificate.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "crypto/sign.h"
#include "support/test.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ALLOCATIONS = 20000 };
static const int64_t now_s = 1795500000;
static const struct certificate_times year = {1795500000 - 1, 1795500000 + 365 * 86400};
static const struct certificate_subject node = {CERTIFICATE_NODE, "river", "site-a", NULL, 0};

/* -- OpenSSL's heap */

static int until_failure; /* 0: none fails */
static bool has_failed;

static bool fails_now(void)
{
    if (until_failure == 0 || --until_failure > 0) return false;
    has_failed = true;
    return true;
}

static void *take(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails_now() ? NULL : malloc(size);
}

static void *grow(void *memory, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails_now() ? NULL : realloc(memory, size);
}

static void give(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

/* It takes them only before its first allocation. */
__attribute__((constructor)) static void set_heap(void)
{
    if (CRYPTO_set_mem_functions(take, grow, give) != 1) abort();
}

/* Run `work` with the first, the second, ... allocation failing, until it needs no more. */
static void fail_each_allocation(void (*work)(void))
{
    int n = 1;
    work(); /* what OpenSSL sets up once */
    for (has_failed = true; has_failed && n < MOST_ALLOCATIONS; n++) {
        has_failed = false;
        until_failure = n;
        work();
        until_failure = 0;
    }
    CHECK(n > 1 && n < MOST_ALLOCATIONS);
    work();
}

/* -- what is tried */

static struct key *key, *root_key;
static struct certificate *root, *certificate, *foreign;
static struct signature signature;
static struct buf pem, der;

static void make_things(void)
{
    struct key *other = NULL;
    struct certificate *other_root = NULL;
    buf_init(&pem, KEY_FILE_MAX_BYTES);
    buf_init(&der, CERTIFICATE_MAX_BYTES);
    CHECK_STATUS(key_make(&key, &test_error), ANB_OK);
    CHECK_STATUS(key_make(&root_key, &test_error), ANB_OK);
    CHECK_STATUS(key_make(&other, &test_error), ANB_OK);
    CHECK_STATUS(certificate_make_root(root_key, "river", &year, &root, &test_error), ANB_OK);
    CHECK_STATUS(certificate_make_root(other, "river", &year, &other_root, &test_error), ANB_OK);
    REQUIRE(root && other_root);
    CHECK_STATUS(certificate_issue(root, root_key, &node, key, &year, &certificate, &test_error), ANB_OK);
    CHECK_STATUS(certificate_issue(other_root, other, &node, key, &year, &foreign, &test_error), ANB_OK);
    CHECK_STATUS(sign_bytes(key, "test", slice_of_text("text"), &signature, &test_error), ANB_OK);
    CHECK_STATUS(key_write_pem(key, NULL, &pem, &test_error), ANB_OK);
    CHECK_STATUS(certificate_write_der(certificate, &der, &test_error), ANB_OK);
    REQUIRE(certificate && foreign);
    certificate_free(other_root);
    key_free(other);
}

static void free_things(void)
{
    certificate_free(root);
    certificate_free(certificate);
    certificate_free(foreign);
    key_free(key);
    key_free(root_key);
    buf_fini(&pem);
    buf_fini(&der);
}

/* A failure that nobody caused is none. */
static void check(enum anb_status status)
{
    CHECK(status == ANB_OK || has_failed);
}

static void digest_bytes(void)
{
    struct digest whole, parts, expected;
    enum anb_status status = digest_of(slice_of_text("abc"), &whole, &test_error);
    check(status);
    CHECK(hex_decode("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", expected.bytes,
                     sizeof expected.bytes));
    CHECK(status != ANB_OK || digest_equal(&whole, &expected));
    struct digest_context *context = digest_new();
    if (!context) return;
    digest_update(context, slice_of_text("ab"));
    digest_update(context, slice_of_text("c"));
    status = digest_finish(context, &parts, &test_error);
    check(status);
    CHECK(status != ANB_OK || digest_equal(&parts, &expected));
    digest_free(context);
}

static void a_digest_is_right_or_not_given(void)
{
    fail_each_allocation(digest_bytes);
}

static void verify_signatures(void)
{
    struct signature bad = signature;
    bad.bytes[63] ^= 1;
    check(sign_verify(key, "test", slice_of_text("text"), &signature, &test_error));
    CHECK(sign_verify(key, "test", slice_of_text("text"), &bad, &test_error) != ANB_OK);
    CHECK(sign_verify(key, "test", slice_of_text("texts"), &signature, &test_error) != ANB_OK);
}

static void a_bad_signature_never_passes(void)
{
    make_things();
    fail_each_allocation(verify_signatures);
    free_things();
}

static void verify_certificates(void)
{
    const struct certificate_subject other = {CERTIFICATE_NODE, "river", "site-b", NULL, 0};
    check(certificate_verify(certificate, root, &node, now_s, &test_error));
    check(certificate_verify_root(root, "river", now_s, &test_error));
    CHECK(certificate_verify(foreign, root, &node, now_s, &test_error) != ANB_OK);
    CHECK(certificate_verify(certificate, root, &other, now_s, &test_error) != ANB_OK);
    CHECK(certificate_verify(certificate, root, &node, year.until_s + 1, &test_error) != ANB_OK);
    CHECK(certificate_verify_root(certificate, "river", now_s, &test_error) != ANB_OK);
}

static void a_bad_certificate_never_passes(void)
{
    make_things();
    fail_each_allocation(verify_certificates);
    free_things();
}

static void read_and_write(void)
{
    struct key *read = NULL;
    struct certificate *again = NULL;
    struct buf out;
    buf_init(&out, KEY_FILE_MAX_BYTES);
    check(key_read_pem(buf_slice(&pem), "pem", NULL, &read, &test_error));
    check(certificate_read_der(buf_slice(&der), "der", &again, &test_error));
    check(key_write_pem(key, NULL, &out, &test_error));
    check(certificate_write_pem(certificate, &out, &test_error));
    key_free(read);
    certificate_free(again);
    key_fini_buf(&out);
}

static void keys_and_certificates_are_read_and_written_or_not(void)
{
    make_things();
    fail_each_allocation(read_and_write);
    free_things();
}

static void make_certificate(void)
{
    struct certificate *made = NULL;
    enum anb_status status = certificate_issue(root, root_key, &node, key, &year, &made, &test_error);
    check(status);
    CHECK((made != NULL) == (status == ANB_OK));
    certificate_free(made);
}

static void a_certificate_is_made_or_not(void)
{
    make_things();
    fail_each_allocation(make_certificate);
    free_things();
}

static void seal_and_open(void)
{
    unsigned char sealed[32 + SEAL_OVERHEAD_BYTES], secret[32] = {7}, out[32] = {0};
    struct sealer *sealer = sealer_new();
    if (!sealer) return;
    enum anb_status status =
        seal_bytes(sealer, key, slice_of_text("here"), slice_of(secret, sizeof secret), sealed, &test_error);
    check(status);
    if (status == ANB_OK) {
        status = seal_open(sealer, key, slice_of_text("here"), slice_of(sealed, sizeof sealed), out, &test_error);
        check(status);
        CHECK(status != ANB_OK || memcmp(out, secret, sizeof out) == 0);
        CHECK(seal_open(sealer, root_key, slice_of_text("here"), slice_of(sealed, sizeof sealed), out, &test_error) !=
              ANB_OK);
        sealed[100] ^= 1;
        CHECK(seal_open(sealer, key, slice_of_text("here"), slice_of(sealed, sizeof sealed), out, &test_error) !=
              ANB_OK);
    }
    sealer_free(sealer);
}

static void sealed_bytes_open_right_or_not_at_all(void)
{
    make_things();
    fail_each_allocation(seal_and_open);
    free_things();
}

TEST_MAIN("crypto_memory", TEST(a_digest_is_right_or_not_given), TEST(a_bad_signature_never_passes),
          TEST(a_bad_certificate_never_passes), TEST(keys_and_certificates_are_read_and_written_or_not),
          TEST(a_certificate_is_made_or_not), TEST(sealed_bytes_open_right_or_not_at_all))
