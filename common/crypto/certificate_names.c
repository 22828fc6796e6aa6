#include "crypto/certificate_names.h"

#include <stdio.h>

static const char *const units[] = {[CERTIFICATE_NODE] = "node",
                                    [CERTIFICATE_USER] = "user",
                                    [CERTIFICATE_BROKER] = "broker",
                                    [CERTIFICATE_OPERATOR] = "operator",
                                    [CERTIFICATE_REST] = "rest"};

const char *subject_unit(enum certificate_kind kind)
{
    return units[kind];
}

enum anb_status subject_check(const struct certificate_subject *subject, struct anb_error *err)
{
    enum anb_status status = name_check("project", subject->project, err);
    return status == ANB_OK ? name_check(units[subject->kind], subject->name, err) : status;
}

bool subject_has_hosts(enum certificate_kind kind)
{
    return kind == CERTIFICATE_BROKER || kind == CERTIFICATE_REST;
}

static bool add_entry(X509_NAME *name, const char *field, const char *text)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text, -1, -1, 0) == 1;
}

X509_NAME *subject_name(const char *project, const char *unit, const char *name)
{
    X509_NAME *made = X509_NAME_new();
    if (made && add_entry(made, "O", project) && add_entry(made, "OU", unit) && (!name || add_entry(made, "CN", name)))
        return made;
    X509_NAME_free(made);
    return NULL;
}

/* A node's has no word before its name, so that a name and a kind can never be mistaken for each other: names have no
 * slash. */
void subject_uri(const struct certificate_subject *subject, char uri[URI_BYTES])
{
    bool node = subject->kind == CERTIFICATE_NODE;
    snprintf(uri, URI_BYTES, "anabranch://%.*s/%s%s%.*s", NAME_MAX_BYTES, subject->project,
             node ? "" : units[subject->kind], node ? "" : "/", NAME_MAX_BYTES, subject->name);
}
