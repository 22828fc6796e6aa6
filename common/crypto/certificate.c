#include "crypto/certificate.h"

#include "crypto/certificate_names.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { PEM_MAX_BYTES = 65536 };

enum anb_status certificate_wrap(X509 *x509, struct certificate **out, struct anb_error *err)
{
    struct certificate *certificate = malloc(sizeof *certificate);
    if (!certificate) {
        X509_free(x509);
        return anb_fail(err, ANB_NO_MEMORY, "no memory for a certificate");
    }
    certificate->x509 = x509;
    *out = certificate;
    return ANB_OK;
}

void certificate_free(struct certificate *certificate)
{
    if (!certificate) return;
    X509_free(certificate->x509);
    free(certificate);
}

/* -- bytes */

enum anb_status certificate_read_der(struct slice der, const char *name, struct certificate **out,
                                     struct anb_error *err)
{
    const unsigned char *at = der.data;
    X509 *x509 = der.size <= CERTIFICATE_MAX_BYTES ? d2i_X509(NULL, &at, (long)der.size) : NULL;
    if (x509 && at == (const unsigned char *)der.data + der.size) return certificate_wrap(x509, out, err);
    X509_free(x509);
    return crypto_fail(err, ANB_CORRUPT, "%s: not a certificate", name);
}

enum anb_status certificate_read_pem(struct slice pem, const char *name, struct certificate **out,
                                     struct anb_error *err)
{
    BIO *bio = pem.size <= PEM_MAX_BYTES ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
    X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (x509) return certificate_wrap(x509, out, err);
    return crypto_fail(err, ANB_CORRUPT, "%s: no certificate in PEM", name);
}

enum anb_status certificate_write_der(const struct certificate *certificate, struct buf *out, struct anb_error *err)
{
    unsigned char *der = NULL;
    int size = i2d_X509(certificate->x509, &der);
    if (size <= 0) return crypto_fail(err, ANB_FATAL, "cannot write a certificate");
    enum anb_status status = buf_append(out, slice_of(der, (size_t)size), err);
    OPENSSL_free(der);
    return status;
}

enum anb_status certificate_write_pem(const struct certificate *certificate, struct buf *out, struct anb_error *err)
{
    char *text = NULL;
    enum anb_status status = ANB_OK;
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_X509(bio, certificate->x509) != 1)
        status = crypto_fail(err, ANB_FATAL, "cannot write a certificate");
    if (status == ANB_OK) {
        long size = BIO_get_mem_data(bio, &text);
        status = buf_append(out, slice_of(text, (size_t)size), err);
    }
    BIO_free(bio);
    return status;
}

/* -- what it says */

enum anb_status certificate_key(const struct certificate *certificate, struct key **public_key, struct anb_error *err)
{
    struct key *key = key_wrap(X509_get_pubkey(certificate->x509));
    if (!key) return crypto_fail(err, ANB_CORRUPT, "a certificate without a key");
    if (key_is_p256(key)) {
        *public_key = key;
        return ANB_OK;
    }
    key_free(key);
    return anb_fail(err, ANB_DENIED, "its key is not on the curve P-256");
}

/* ASN1_TIME to seconds without the time zone of this machine: days and seconds from 1970. */
static bool seconds_of(const ASN1_TIME *time, int64_t *seconds)
{
    int days, rest;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool done = epoch && ASN1_TIME_diff(&days, &rest, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    if (done) *seconds = (int64_t)days * 86400 + rest;
    return done;
}

enum anb_status certificate_times(const struct certificate *certificate, struct certificate_times *times,
                                  struct anb_error *err)
{
    struct certificate_times found;
    if (!seconds_of(X509_get0_notBefore(certificate->x509), &found.from_s) ||
        !seconds_of(X509_get0_notAfter(certificate->x509), &found.until_s))
        return crypto_fail(err, ANB_CORRUPT, "a certificate without readable times");
    *times = found;
    return ANB_OK;
}

/* -- verification */

static enum anb_status wrong(struct anb_error *err, const char *what)
{
    return crypto_fail(err, ANB_DENIED, "%s", what);
}

static bool set_demands(X509_VERIFY_PARAM *demands, int purpose, int64_t now_s)
{
    X509_VERIFY_PARAM_set_time(demands, (time_t)now_s);
    X509_VERIFY_PARAM_set_depth(demands, 0); /* nothing between the root and the certificate */
    return X509_VERIFY_PARAM_set_flags(demands, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE) == 1 &&
           (purpose < 0 || X509_VERIFY_PARAM_set_purpose(demands, purpose) == 1);
}

/* Does `root`, and nobody else, vouch for it? */
static enum anb_status check_chain(X509 *x509, X509 *root, int purpose, int64_t now_s, struct anb_error *err)
{
    int reason = X509_V_ERR_OUT_OF_MEM;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (store && context && X509_STORE_add_cert(store, root) == 1 &&
        X509_STORE_CTX_init(context, store, x509, NULL) == 1 &&
        set_demands(X509_STORE_CTX_get0_param(context), purpose, now_s)) {
        bool fits = X509_verify_cert(context) == 1;
        reason = fits ? X509_V_OK : X509_STORE_CTX_get_error(context);
        if (!fits && reason == X509_V_OK) reason = X509_V_ERR_UNSPECIFIED;
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    if (reason == X509_V_OK) return ANB_OK;
    if (reason == X509_V_ERR_OUT_OF_MEM) return crypto_fail(err, ANB_NO_MEMORY, "no memory to verify a certificate");
    return wrong(err, X509_verify_cert_error_string(reason));
}

static bool name_is(const X509_NAME *found, const char *project, const char *unit, const char *name)
{
    X509_NAME *expected = subject_name(project, unit, name);
    bool same = expected && X509_NAME_cmp(expected, found) == 0;
    X509_NAME_free(expected);
    return same;
}

/* Just one name, a URI, and just this one: a zero byte inside does not end it. */
static bool names_are(const GENERAL_NAMES *names, const char *uri)
{
    if (!names || sk_GENERAL_NAME_num(names) != 1) return false;
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
    if (name->type != GEN_URI) return false;
    const ASN1_IA5STRING *text = name->d.uniformResourceIdentifier;
    return slice_equal(slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)), slice_of_text(uri));
}

static bool certificate_names_are(const X509 *x509, const char *uri)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    bool same = names_are(names, uri);
    GENERAL_NAMES_free(names);
    return same;
}

/* Which hosts a certificate names is the TLS client's to check. */
static enum anb_status check_names(const X509 *x509, const struct certificate_subject *subject, struct anb_error *err)
{
    char uri[URI_BYTES];
    if (!name_is(X509_get_subject_name(x509), subject->project, subject_unit(subject->kind), subject->name))
        return wrong(err, "it names another subject");
    subject_uri(subject, uri);
    if (subject_has_hosts(subject->kind) || certificate_names_are(x509, uri)) return ANB_OK;
    return wrong(err, "its alternative name is another");
}

static bool is_ecdsa_sha256(const X509 *x509)
{
    return X509_get_signature_nid(x509) == NID_ecdsa_with_SHA256;
}

static uint32_t extended_usage(enum certificate_kind kind)
{
    if (kind == CERTIFICATE_BROKER) return XKU_SSL_SERVER | XKU_SSL_CLIENT;
    return kind == CERTIFICATE_REST ? XKU_SSL_SERVER : XKU_SSL_CLIENT;
}

static enum anb_status check_usage(X509 *x509, enum certificate_kind kind, struct anb_error *err)
{
    if (X509_get_key_usage(x509) != KU_DIGITAL_SIGNATURE) return wrong(err, "its key usage is another");
    if (X509_get_extended_key_usage(x509) != extended_usage(kind))
        return wrong(err, "its extended key usage is another");
    if (X509_get_extension_flags(x509) & EXFLAG_CA) return wrong(err, "it may sign certificates");
    return is_ecdsa_sha256(x509) ? ANB_OK : wrong(err, "it is not signed with ECDSA and SHA-256");
}

static enum anb_status check_key(const struct certificate *certificate, struct anb_error *err)
{
    struct key *key = NULL;
    enum anb_status status = certificate_key(certificate, &key, err);
    key_free(key);
    return status;
}

enum anb_status certificate_verify(const struct certificate *certificate, const struct certificate *root,
                                   const struct certificate_subject *subject, int64_t now_s, struct anb_error *err)
{
    int purpose = subject_has_hosts(subject->kind) ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
    enum anb_status status = check_chain(certificate->x509, root->x509, purpose, now_s, err);
    if (status == ANB_OK) status = check_names(certificate->x509, subject, err);
    if (status == ANB_OK) status = check_usage(certificate->x509, subject->kind, err);
    if (status == ANB_OK) status = check_key(certificate, err);
    if (status != ANB_OK)
        anb_error_prefix(err, "certificate of %s %.48s: ", subject_unit(subject->kind), subject->name);
    return status;
}

static enum anb_status check_root(const struct certificate *root, const char *project, struct anb_error *err)
{
    X509 *x509 = root->x509;
    if (!name_is(X509_get_subject_name(x509), project, "root", NULL)) return wrong(err, "it is another project's");
    if (X509_check_ca(x509) != 1 || X509_get_pathlen(x509) != 0) return wrong(err, "it is no root");
    if (X509_get_key_usage(x509) != (KU_KEY_CERT_SIGN | KU_DIGITAL_SIGNATURE))
        return wrong(err, "its key usage is another");
    if (!is_ecdsa_sha256(x509)) return wrong(err, "it is not signed with ECDSA and SHA-256");
    return check_key(root, err);
}

enum anb_status certificate_verify_root(const struct certificate *root, const char *project, int64_t now_s,
                                        struct anb_error *err)
{
    enum anb_status status = check_chain(root->x509, root->x509, -1, now_s, err);
    if (status == ANB_OK) status = check_root(root, project, err);
    if (status != ANB_OK) anb_error_prefix(err, "root of project %.48s: ", project);
    return status;
}

/* -- requests */

static bool request_names_are(X509_REQ *request, const char *uri)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
    bool same = names_are(names, uri);
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return same;
}

static enum anb_status check_request(X509_REQ *request, const struct certificate_subject *subject, struct key **key,
                                     struct anb_error *err)
{
    char uri[URI_BYTES];
    subject_uri(subject, uri);
    if (!name_is(X509_REQ_get_subject_name(request), subject->project, subject_unit(subject->kind), subject->name) ||
        !request_names_are(request, uri))
        return wrong(err, "the request names another subject");
    struct key *found = key_wrap(X509_REQ_get_pubkey(request));
    if (found && key_is_p256(found) && X509_REQ_verify(request, found->evp) == 1) {
        *key = found;
        return ANB_OK;
    }
    key_free(found);
    return wrong(err, "the request is not signed by its own key, or that is not on the curve P-256");
}

enum anb_status certificate_request_read(struct slice der, const struct certificate_subject *subject,
                                         struct key **public_key, struct anb_error *err)
{
    const unsigned char *at = der.data;
    enum anb_status status = subject_check(subject, err);
    if (status != ANB_OK) return status;
    X509_REQ *request = der.size <= CERTIFICATE_MAX_BYTES ? d2i_X509_REQ(NULL, &at, (long)der.size) : NULL;
    if (request && at == (const unsigned char *)der.data + der.size)
        status = check_request(request, subject, public_key, err);
    else
        status = crypto_fail(err, ANB_CORRUPT, "not a request for a certificate");
    X509_REQ_free(request);
    return status;
}
