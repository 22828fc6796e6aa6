#include "crypto/key.h"

#include "crypto/openssl.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>
#include <string.h>

enum { KDF_ROUNDS = 600000, SALT_BYTES = 16 };
static const char curve[] = "prime256v1";

struct key *key_wrap(EVP_PKEY *evp)
{
    struct key *key = evp ? malloc(sizeof *key) : NULL;
    if (key)
        key->evp = evp;
    else
        EVP_PKEY_free(evp);
    return key;
}

void key_free(struct key *key)
{
    if (!key) return;
    EVP_PKEY_free(key->evp); /* OpenSSL overwrites private numbers as it frees them */
    free(key);
}

enum anb_status key_make(struct key **key, struct anb_error *err)
{
    struct key *made = key_wrap(EVP_EC_gen(curve));
    if (!made) return crypto_fail(err, ANB_FATAL, "cannot make a key");
    *key = made;
    return ANB_OK;
}

bool key_is_p256(const struct key *key)
{
    char group[64];
    size_t size = 0;
    return EVP_PKEY_is_a(key->evp, "EC") && EVP_PKEY_get_group_name(key->evp, group, sizeof group, &size) == 1 &&
           strcmp(group, curve) == 0;
}

/* -- public halves */

enum anb_status key_point(const struct key *key, struct key_point *point, struct anb_error *err)
{
    struct key_point found;
    size_t size = 0;
    if (EVP_PKEY_get_octet_string_param(key->evp, OSSL_PKEY_PARAM_PUB_KEY, found.bytes, sizeof found.bytes, &size) !=
            1 ||
        size != sizeof found.bytes || found.bytes[0] != POINT_CONVERSION_UNCOMPRESSED)
        return crypto_fail(err, ANB_FATAL, "cannot read the public half of a key");
    *point = found;
    return ANB_OK;
}

enum anb_status key_of_point(const struct key_point *point, struct key **key, struct anb_error *err)
{
    EVP_PKEY *evp = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)curve, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point->bytes, sizeof point->bytes),
        OSSL_PARAM_construct_end(),
    };
    bool made = point->bytes[0] == POINT_CONVERSION_UNCOMPRESSED && context && EVP_PKEY_fromdata_init(context) == 1 &&
                EVP_PKEY_fromdata(context, &evp, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(context);
    struct key *wrapped = key_wrap(made ? evp : NULL);
    if (!wrapped) return crypto_fail(err, ANB_INVALID, "not a public key on P-256");
    *key = wrapped;
    return ANB_OK;
}

/* -- PEM */

struct phrase {
    const char *text; /* NULL: none was given */
    bool asked;
};

static int give_passphrase(char *out, int size, int writing, void *context)
{
    struct phrase *phrase = context;
    (void)writing;
    phrase->asked = true;
    if (!phrase->text) return -1;
    size_t length = strlen(phrase->text);
    if (length > (size_t)size) return -1;
    memcpy(out, phrase->text, length);
    return (int)length;
}

static enum anb_status refuse_pem(const char *name, const struct phrase *phrase, struct anb_error *err)
{
    if (!phrase->asked) return crypto_fail(err, ANB_CORRUPT, "%s: no private key in PEM", name);
    if (!phrase->text) return crypto_fail(err, ANB_DENIED, "%s is encrypted: its passphrase is needed", name);
    return crypto_fail(err, ANB_DENIED, "%s cannot be decrypted: is this its passphrase?", name);
}

enum anb_status key_read_pem(struct slice pem, const char *name, const char *passphrase, struct key **key,
                             struct anb_error *err)
{
    struct phrase phrase = {passphrase, false};
    if (pem.size > KEY_FILE_MAX_BYTES) return anb_fail(err, ANB_TOO_LARGE, "%s is too large for a key", name);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    if (!bio) return crypto_fail(err, ANB_NO_MEMORY, "no memory for a key");
    struct key *read = key_wrap(PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &phrase));
    BIO_free(bio);
    if (!read) return refuse_pem(name, &phrase, err);
    if (key_is_p256(read)) {
        *key = read;
        return ANB_OK;
    }
    key_free(read);
    return anb_fail(err, ANB_INVALID, "%s: not a key on the curve P-256", name);
}

static bool write_encrypted(BIO *bio, PKCS8_PRIV_KEY_INFO *info, const char *passphrase)
{
    X509_ALGOR *method = PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), KDF_ROUNDS, NULL, SALT_BYTES, NULL, NID_hmacWithSHA256);
    X509_SIG *sealed = method ? PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), info, method) : NULL;
    if (!sealed) X509_ALGOR_free(method); /* else it belongs to `sealed` */
    bool written = sealed && PEM_write_bio_PKCS8(bio, sealed) == 1;
    X509_SIG_free(sealed);
    return written;
}

static bool write_private(BIO *bio, const struct key *key, const char *passphrase)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->evp);
    bool written = info && (passphrase ? write_encrypted(bio, info, passphrase)
                                       : PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info) == 1);
    PKCS8_PRIV_KEY_INFO_free(info);
    return written;
}

static bool is_private(const struct key *key)
{
    BIGNUM *number = NULL;
    bool found = EVP_PKEY_get_bn_param(key->evp, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1;
    BN_clear_free(number);
    return found;
}

enum anb_status key_write_pem(const struct key *key, const char *passphrase, struct buf *out, struct anb_error *err)
{
    if (!is_private(key)) return crypto_fail(err, ANB_INVALID, "a public key has no private half to write");
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    enum anb_status status = ANB_OK;
    if (!bio || !write_private(bio, key, passphrase)) status = crypto_fail(err, ANB_FATAL, "cannot write a key");
    if (status == ANB_OK) {
        long size = BIO_get_mem_data(bio, &text);
        status = buf_append(out, slice_of(text, (size_t)size), err);
    }
    BIO_free(bio);
    return status;
}

/* -- wiping */

void key_wipe(void *bytes, size_t size)
{
    if (bytes) OPENSSL_cleanse(bytes, size);
}

void key_fini_buf(struct buf *secret)
{
    key_wipe(secret->data, secret->capacity);
    buf_fini(secret);
}
