/* Any bytes as YAML (first byte odd) or JSON. What one parser understands must come back the same through JSON. */
#include "base/doc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool truth)
{
    if (!truth) abort();
}

static void round_trip(const struct doc *doc)
{
    struct buf first, second;
    struct doc *again = NULL;
    struct anb_error err;
    buf_init(&first, 16 << 20);
    buf_init(&second, 16 << 20);
    require(doc_write_json(doc, false, &first, &err) == ANB_OK);
    if (doc_kind(doc) == DOC_LIST || doc_kind(doc) == DOC_MAP) {
        require(doc_parse_json(buf_slice(&first), "again", &again, &err) == ANB_OK);
        require(doc_write_json(again, false, &second, &err) == ANB_OK);
        require(slice_equal(buf_slice(&first), buf_slice(&second)));
    }
    doc_free(again);
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct anb_error err;
    struct doc *doc = NULL;
    if (size == 0) return 0;
    struct slice text = slice_of(data + 1, size - 1);
    enum anb_status status =
        data[0] % 2 ? doc_parse_yaml(text, "fuzz", &doc, &err) : doc_parse_json(text, "fuzz", &doc, &err);
    require((status == ANB_OK) == (doc != NULL));
    if (doc) round_trip(doc);
    doc_free(doc);
    return 0;
}
