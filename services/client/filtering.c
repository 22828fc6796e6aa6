#include "filtering.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/keystream.h"
#include "privacy/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct filtering {
    struct filtering_result result;
    struct filter_run *run; /* NULL: not measured yet */
    bool is_spent;
    struct transfer_filter filter;
};

enum anb_status filtering_new(const struct filtering_result *result, struct filtering **out, struct anb_error *err)
{
    struct filtering *filtering = calloc(1, sizeof *filtering);
    if (!filtering) return anb_fail(err, ANB_NO_MEMORY, "no memory for filters");
    filtering->result = *result;
    *out = filtering;
    return ANB_OK;
}

void filtering_free(struct filtering *filtering)
{
    if (!filtering) return;
    filter_run_free(filtering->run);
    if (filtering->result.base_fd >= 0) close(filtering->result.base_fd);
    free(filtering);
}

/* The model that was given: only where its data begin is of use, once its layout is known to be the result's. */
static enum anb_status find_base(const struct filtering_result *result, int64_t *data_offset, struct anb_error *err)
{
    struct safetensors base;
    enum anb_status status = safetensors_open(result->base_fd, "the model received", &base, err);
    if (status != ANB_OK) return status;
    if (!digest_equal(layout_digest(base.layout), layout_digest(result->file->layout)))
        status = anb_fail(err, ANB_INVALID,
                          "the update's tensors are not those of the model received: the site's filters need the same "
                          "names, dtypes and shapes");
    *data_offset = base.data_offset;
    safetensors_fini(&base);
    return status;
}

static enum anb_status measure(struct filtering *filtering, struct anb_error *err)
{
    const struct filtering_result *result = &filtering->result;
    unsigned char seed[FILTER_SEED_BYTES];
    struct filter_source source = {.layout = result->file->layout,
                                   .fd = result->fd,
                                   .base_fd = result->base_fd,
                                   .data_offset = result->file->data_offset,
                                   .is_change = result->is_change};
    enum anb_status status = find_base(result, &source.base_data_offset, err);
    if (status == ANB_OK) status = random_bytes(seed, sizeof seed, err);
    if (status == ANB_OK) status = filter_run_new(result->scope->chain, &source, seed, &filtering->run, err);
    explicit_bzero(seed, sizeof seed);
    return status;
}

static enum anb_status record_spending(const struct filtering_result *result, struct anb_error *err)
{
    char on[64], detail[160];
    snprintf(on, sizeof on, "job %s", result->job);
    snprintf(detail, sizeof detail, "one more update of scope %s, round %d", result->scope->name, result->round);
    const struct audit_event event = {.what = AUDIT_BUDGET_SPENT, .on = on, .detail = detail};
    return audit_write(result->scope->audit, &event, err);
}

static enum anb_status spend(struct filtering *filtering, struct anb_error *err)
{
    const struct filtering_result *result = &filtering->result;
    const struct filter_budget *budget = &result->scope->chain->budget;
    struct ledger_entry entry = {
        .time_ms = clock_wall_ms(), .round = result->round, .loss = filter_run_loss(filtering->run)};
    snprintf(entry.job, sizeof entry.job, "%s", result->job);
    enum anb_status status = record_spending(result, err);
    if (status == ANB_OK) status = ledger_spend(result->scope->ledger, budget, &entry, err);
    if (status != ANB_OK) return status;
    log_event(LOG_INFO, "privacy-spent", "job=%s round=%d scope=%s epsilon=%.3f of=%.3f", result->job, result->round,
              result->scope->name, privacy_epsilon(&entry.total, budget->delta), budget->epsilon);
    return ANB_OK;
}

static enum anb_status fill(void *context, int64_t begin, int64_t end, unsigned char *out, size_t *size,
                            struct anb_error *err)
{
    return filter_run_fill(context, begin, end, out, size, err);
}

enum anb_status filtering_prepare(struct filtering *filtering, const struct transfer_filter **filter,
                                  struct anb_error *err)
{
    const struct filter_chain *chain = filtering->result.scope->chain;
    enum anb_status status = filtering->run ? ANB_OK : measure(filtering, err);
    if (status == ANB_OK && !filtering->is_spent && filter_chain_spends(chain)) status = spend(filtering, err);
    if (status != ANB_OK) return status;
    filtering->is_spent = true;
    filtering->filter = (struct transfer_filter){chain->encoding, fill, filtering->run};
    *filter = &filtering->filter;
    return ANB_OK;
}
