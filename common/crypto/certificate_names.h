/* How the subject of a certificate is written into it: what certificates are made with and verified against. Only this
 * folder includes it. Any thread. */
#ifndef ANB_CRYPTO_CERTIFICATE_NAMES_H
#define ANB_CRYPTO_CERTIFICATE_NAMES_H

#include "base/id.h"
#include "crypto/certificate.h"
#include "crypto/openssl.h"

enum { ALTERNATIVE_NAMES_BYTES = 4400, URI_BYTES = 160 };

/* INVALID for a project or name that is none. */
enum anb_status subject_check(const struct certificate_subject *subject, struct anb_error *err);
/* O, OU and CN; without CN when `name` is NULL. NULL: no memory. Free with X509_NAME_free. */
X509_NAME *subject_name(const char *project, const char *unit, const char *name);
const char *subject_unit(enum certificate_kind kind); /* "node" */
/* Its alternative names are host names and addresses, and it is for TLS servers; else one URI, for TLS clients. */
bool subject_has_hosts(enum certificate_kind kind);
void subject_uri(const struct certificate_subject *subject, char uri[URI_BYTES]);

#endif
