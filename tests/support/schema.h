/* Does a document have the form that a schema of schemas/openapi.yaml says? As much of JSON Schema as that file uses:
 * $ref, type, enum, required, properties, additionalProperties, items. */
#ifndef ANB_TEST_SUPPORT_SCHEMA_H
#define ANB_TEST_SUPPORT_SCHEMA_H

#include "base/doc.h"

/* schemas/openapi.yaml; the program runs in the project's folder. Ends the program when it is not readable. */
struct doc *openapi_load(void);
/* INVALID names the place and what is wrong there. `name` is one of components/schemas. */
enum anb_status schema_check(const struct doc *openapi, const char *name, const struct doc *value,
                             struct anb_error *err);
/* The same for a JSON text. */
enum anb_status schema_check_text(const struct doc *openapi, const char *name, const char *text, struct anb_error *err);
/* What "#/a/b" points to, or the document itself when it is no $ref. */
const struct doc *openapi_resolve(const struct doc *openapi, const struct doc *part);

#endif
