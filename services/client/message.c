#include "message.h"

#include <math.h>
#include <string.h>

static enum anb_status parse_hello(const struct doc *doc, struct message *message, struct anb_error *err)
{
    message->kind = MESSAGE_HELLO;
    message->protocol = doc_int(doc_get(doc, "protocol"), -1);
    message->library = doc_text(doc_get(doc, "library"), "");
    if (message->protocol == PROTOCOL_VERSION) return ANB_OK;
    return anb_fail(err, ANB_CORRUPT,
                    "this agent speaks protocol %d, the trainer's library %lld: install a matching one",
                    PROTOCOL_VERSION, (long long)message->protocol);
}

static enum anb_status parse_next(const struct doc *doc, struct message *message, struct anb_error *err)
{
    (void)doc, (void)err;
    message->kind = MESSAGE_NEXT;
    return ANB_OK;
}

static enum anb_status parse_metrics(const struct doc *metrics, struct message *message, struct anb_error *err)
{
    message->has_metrics = doc_kind(metrics) == DOC_MAP;
    if (doc_kind(metrics) == DOC_NULL) return ANB_OK;
    if (!message->has_metrics) return anb_fail(err, ANB_INVALID, "metrics must be an object of numbers");
    for (size_t i = 0; i < doc_size(metrics); i++) {
        const struct doc *value = doc_at(metrics, i);
        const char *name = doc_key_at(metrics, i);
        if (doc_kind(value) == DOC_NULL) {
            message->n_unusable++;
            continue;
        }
        if (doc_kind(value) != DOC_INT && doc_kind(value) != DOC_REAL)
            return anb_fail(err, ANB_INVALID, "metric %.64s must be a number, got %s", name,
                            doc_kind_word(doc_kind(value)));
        if (strlen(name) > METRIC_NAME_MAX_BYTES)
            return anb_fail(err, ANB_INVALID, "metric %.64s...: a name has at most %d bytes", name,
                            METRIC_NAME_MAX_BYTES);
        if (message->n_metrics == PART_MAX_METRICS)
            return anb_fail(err, ANB_INVALID, "more than %d metrics", PART_MAX_METRICS);
        message->metrics[message->n_metrics++] = (struct metric){.name = name, .value = doc_real(value, 0)};
    }
    return ANB_OK;
}

static enum anb_status parse_result(const struct doc *doc, struct message *message, struct anb_error *err)
{
    const char *type = doc_text(doc_get(doc, "params_type"), "FULL");
    const struct doc *weight = doc_get(doc, "weight");
    message->kind = MESSAGE_RESULT;
    message->task = doc_text(doc_get(doc, "task"), NULL);
    if (!message->task) return anb_fail(err, ANB_INVALID, "a result needs the id of its task");
    if (strcmp(type, "FULL") != 0 && strcmp(type, "DIFF") != 0)
        return anb_fail(err, ANB_INVALID, "params_type must be FULL or DIFF, got \"%.32s\"", type);
    message->params_type = strcmp(type, "DIFF") == 0 ? PARAMS_TYPE_DIFF : PARAMS_TYPE_FULL;
    message->weight = weight ? doc_real(weight, NAN) : 1;
    if (!(message->weight >= WEIGHT_LEAST && message->weight <= WEIGHT_MOST))
        return anb_fail(err, ANB_INVALID, "weight must be a number from %g to %g", WEIGHT_LEAST, WEIGHT_MOST);
    return parse_metrics(doc_get(doc, "metrics"), message, err);
}

static enum anb_status parse_log(const struct doc *doc, struct message *message, struct anb_error *err)
{
    const struct doc *value = doc_get(doc, "value"), *step = doc_get(doc, "step");
    message->kind = MESSAGE_LOG;
    message->key = doc_text(doc_get(doc, "key"), NULL);
    message->value = doc_real(value, NAN);
    message->step = doc_int(step, -1);
    if (!message->key || strlen(message->key) > 256)
        return anb_fail(err, ANB_INVALID, "a log message needs a key of at most 256 bytes");
    if (message->step < -1 || (step && doc_kind(step) != DOC_NULL && doc_kind(step) != DOC_INT))
        return anb_fail(err, ANB_INVALID, "the step of %.64s must be an integer >= 0", message->key);
    return ANB_OK;
}

static enum anb_status parse_failed(const struct doc *doc, struct message *message, struct anb_error *err)
{
    (void)err;
    message->kind = MESSAGE_FAILED;
    message->reason = doc_text(doc_get(doc, "reason"), "the trainer gave no reason");
    return ANB_OK;
}

static enum anb_status parse_kind(const struct doc *doc, struct message *message, struct anb_error *err)
{
    static const struct {
        const char *type;
        enum anb_status (*parse)(const struct doc *doc, struct message *message, struct anb_error *err);
    } kinds[] = {{"hello", parse_hello},
                 {"next", parse_next},
                 {"result", parse_result},
                 {"log", parse_log},
                 {"failed", parse_failed}};
    const char *type = doc_text(doc_get(doc, "type"), NULL);
    if (!type) return anb_fail(err, ANB_CORRUPT, "a message is a JSON object with a text \"type\"");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].type, type) == 0) return kinds[i].parse(doc, message, err);
    return anb_fail(err, ANB_INVALID, "this agent does not know messages of type \"%.32s\"", type);
}

enum anb_status message_parse(struct slice bytes, struct message *message, struct anb_error *err)
{
    *message = (struct message){.step = -1};
    if (doc_parse_json(bytes, "message", &message->doc, err) != ANB_OK) {
        if (err) err->status = ANB_CORRUPT;
        return ANB_CORRUPT;
    }
    enum anb_status status = parse_kind(message->doc, message, err);
    if (status != ANB_OK) message_fini(message);
    return status;
}

void message_fini(struct message *message)
{
    doc_free(message->doc);
    message->doc = NULL;
}

/* -- the agent's words */

/* Takes `doc`. */
static enum anb_status write_out(struct doc *doc, struct buf *out, struct anb_error *err)
{
    enum anb_status status =
        doc ? doc_write_json(doc, false, out, err) : anb_fail(err, ANB_NO_MEMORY, "no memory for a message");
    doc_free(doc);
    return status;
}

static struct doc *begin(const char *type)
{
    struct doc *doc = doc_new_map();
    doc_set_text(doc, "type", type);
    return doc;
}

enum anb_status message_write_welcome(const char *job, const char *job_name, const char *site, int32_t rounds,
                                      struct buf *out, struct anb_error *err)
{
    struct doc *doc = begin("welcome");
    doc_set_int(doc, "protocol", PROTOCOL_VERSION);
    doc_set_text(doc, "job", job);
    doc_set_text(doc, "job_name", job_name);
    doc_set_text(doc, "site", site);
    struct doc *tasks = doc_set_map(doc, "tasks");
    for (size_t i = 0; i < sizeof task_words / sizeof *task_words; i++)
        doc_set_text(tasks, task_words[i], task_words[i]);
    doc_set_int(doc_set_map(doc, "config"), "rounds", rounds);
    return write_out(doc, out, err);
}

enum anb_status message_write_task(const struct message_task *task, struct buf *out, struct anb_error *err)
{
    struct doc *doc = begin("task");
    doc_set_text(doc, "id", task->id);
    doc_set_text(doc, "name", task_words[task->task]);
    doc_set_int(doc, "round", task->round);
    doc_set_int(doc, "total_rounds", task->total_rounds);
    return write_out(doc, out, err);
}

enum anb_status message_write_accepted(const char *task, bool late, struct buf *out, struct anb_error *err)
{
    struct doc *doc = begin("accepted");
    doc_set_text(doc, "task", task);
    doc_set_bool(doc, "late", late);
    return write_out(doc, out, err);
}

enum anb_status message_write_refused(const char *task, const char *reason, struct buf *out, struct anb_error *err)
{
    struct doc *doc = begin("refused");
    doc_set_text(doc, "task", task);
    doc_set_text(doc, "reason", reason);
    return write_out(doc, out, err);
}

enum anb_status message_write_end(const char *outcome, const char *reason, struct buf *out, struct anb_error *err)
{
    struct doc *doc = begin("end");
    doc_set_text(doc, "outcome", outcome);
    doc_set_text(doc, "reason", reason);
    return write_out(doc, out, err);
}
