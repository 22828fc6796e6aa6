/* Any bytes as a job file. What is read can be written as JSON, which is read as the same and written as the same. */
#include "job/spec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool truth)
{
    if (!truth) abort();
}

static void write_and_read_again(const struct job_spec *spec)
{
    struct buf first, second;
    struct job_spec *again = NULL;
    struct anb_error err;
    buf_init(&first, JOB_FILE_MAX_BYTES);
    buf_init(&second, JOB_FILE_MAX_BYTES);
    require(job_spec_write_json(spec, &first, &err) == ANB_OK);
    require(job_spec_parse(buf_slice(&first), "again", &again, &err) == ANB_OK);
    require(job_spec_write_json(again, &second, &err) == ANB_OK);
    require(slice_equal(buf_slice(&first), buf_slice(&second)));
    job_spec_free(again);
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct job_spec *spec = NULL;
    struct anb_error err;
    if (job_spec_parse(slice_of(data, size), "job.yaml", &spec, &err) == ANB_OK) write_and_read_again(spec);
    job_spec_free(spec);
    return 0;
}
