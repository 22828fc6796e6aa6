/* Any bytes as a certificate, a request for one and a key: read, asked for all they say, and never believed. */
#include "crypto/certificate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct certificate_subject node = {CERTIFICATE_NODE, "river", "site-a", NULL, 0};

static void ask(const struct certificate *certificate)
{
    struct certificate_times times;
    struct key *key = NULL;
    struct anb_error err;
    if (certificate_key(certificate, &key, &err) == ANB_OK) key_free(key);
    (void)certificate_times(certificate, &times, &err);
    (void)certificate_verify_root(certificate, "river", 1795500000, &err);
    (void)certificate_verify(certificate, certificate, &node, 1795500000, &err);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct certificate *certificate = NULL;
    struct key *key = NULL;
    struct anb_error err;
    if (certificate_read_der(slice_of(data, size), "fuzz", &certificate, &err) == ANB_OK) ask(certificate);
    certificate_free(certificate);
    certificate = NULL;
    if (certificate_read_pem(slice_of(data, size), "fuzz", &certificate, &err) == ANB_OK) ask(certificate);
    certificate_free(certificate);
    if (certificate_request_read(slice_of(data, size), &node, &key, &err) == ANB_OK) key_free(key);
    return 0;
}
