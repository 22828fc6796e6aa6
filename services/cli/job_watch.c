/* Following a job: long polls by revision, so that nothing is asked in vain and nothing is missed. A server that is
 * away for a while (restarted, another one takes over) only makes the wait longer. */
#include "base/clock.h"
#include "cli/format.h"
#include "cli/job.h"
#include "cli/terminal.h"

#include <string.h>

enum { POLL_S = 20, PAUSE_MS = 200, AWAY_MS = 60000, WORDS_BYTES = 256 };

struct watch {
    struct rest *rest;
    const char *id;
    bool quiet;
    int64_t deadline_ms;  /* INT64_MAX: none */
    int64_t revision;     /* of the last answer; -1: none yet */
    int64_t next_printed; /* number of the round whose line comes next */
    struct bar bar;
};

static int64_t left_ms(const struct watch *watch)
{
    if (watch->deadline_ms == INT64_MAX) return INT64_MAX;
    int64_t left = watch->deadline_ms - clock_monotonic_ms();
    return left > 0 ? left : 0;
}

static enum anb_status ask(struct watch *watch, struct doc **body, struct anb_error *err)
{
    char path[JOB_PATH_BYTES];
    int64_t left = left_ms(watch), wait_s = left / 1000 < POLL_S ? left / 1000 : POLL_S;
    if (watch->revision < 0) wait_s = 0;
    snprintf(path, sizeof path, "/v1/jobs/%s?rounds=last", watch->id);
    if (watch->revision >= 0)
        snprintf(path + strlen(path), sizeof path - strlen(path), "&wait_s=%lld&revision=%lld", (long long)wait_s,
                 (long long)watch->revision);
    /* The first answer has no more patience than any call: a wrong address is told at once. */
    int64_t patience_ms = watch->revision < 0 ? REST_PATIENCE_MS : AWAY_MS;
    rest_set_patience(watch->rest, left < patience_ms ? left : patience_ms);
    return rest_call(watch->rest, "GET", path, wait_s, body, err);
}

static void add_metrics(const struct doc *metrics, char *words, size_t size)
{
    for (size_t i = 0; i < doc_size(metrics); i++) {
        char value[FORMAT_BYTES];
        size_t used = strlen(words);
        format_metric(doc_real(doc_at(metrics, i), 0), value);
        snprintf(words + used, size - used, " %.40s=%s", doc_key_at(metrics, i), value);
    }
}

static void print_round(const struct doc *round, int64_t total)
{
    char bytes[FORMAT_BYTES], spent[FORMAT_BYTES], metrics[WORDS_BYTES] = "";
    const struct doc *list = doc_get(round, "metrics");
    bool training = strcmp(doc_text(doc_get(round, "task"), "train"), "train") == 0;
    add_metrics(list, metrics, sizeof metrics);
    format_bytes(doc_int(doc_get(round, "bytes"), 0), bytes);
    format_duration(doc_int(doc_get(round, "closed_ms"), 0) - doc_int(doc_get(round, "opened_ms"), 0), spent);
    if (training)
        printf("round %lld of %lld closed: %zu of %zu sites in, %s, %s%s%s\n",
               (long long)doc_int(doc_get(round, "round"), 0), (long long)total, doc_size(doc_get(round, "counted")),
               doc_size(doc_get(round, "sites")), bytes, spent, *metrics ? "; the model it began with:" : "", metrics);
    else
        printf("final evaluation: %zu of %zu sites in, %s;%s\n", doc_size(doc_get(round, "counted")),
               doc_size(doc_get(round, "sites")), spent, metrics);
}

static bool round_is_closed(const struct doc *round)
{
    return strcmp(doc_text(doc_get(round, "phase"), ""), "closed") == 0;
}

/* Lines of all closed rounds that have none yet. The last answer may name only the newest round, so ask for all when
 * there are any to print. */
static enum anb_status print_rounds(struct watch *watch, const struct doc *job, struct anb_error *err)
{
    const struct doc *rounds = doc_get(job, "rounds"), *newest = doc_at(rounds, doc_size(rounds) - 1);
    int64_t closed = doc_int(doc_get(newest, "round"), -1) + (round_is_closed(newest) ? 1 : 0);
    if (doc_size(rounds) == 0 || closed <= watch->next_printed) return ANB_OK;
    char path[JOB_PATH_BYTES];
    struct doc *body = NULL;
    snprintf(path, sizeof path, "/v1/jobs/%s?rounds=all", watch->id);
    enum anb_status status = rest_call(watch->rest, "GET", path, 0, &body, err);
    rounds = doc_get(doc_get(body, "job"), "rounds");
    for (size_t i = 0; i < doc_size(rounds); i++) {
        const struct doc *round = doc_at(rounds, i);
        int64_t number = doc_int(doc_get(round, "round"), -1);
        if (number < watch->next_printed || !round_is_closed(round)) continue;
        print_round(round, doc_int(doc_get(job, "rounds_total"), 0));
        watch->next_printed = number + 1;
    }
    fflush(stdout);
    doc_free(body);
    return status;
}

static int64_t sites_in(const struct doc *round)
{
    const struct doc *sites = doc_get(round, "sites");
    int64_t count = 0;
    for (size_t i = 0; i < doc_size(sites); i++)
        count += strcmp(doc_text(doc_get(doc_at(sites, i), "phase"), ""), "closed") == 0;
    return count;
}

/* "round 3/10  sites 2/4  12s  accuracy=0.87", or another state than running in place of the round. */
static void draw_bar(struct watch *watch, const struct doc *job)
{
    char words[WORDS_BYTES], spent[FORMAT_BYTES], sites[48] = "";
    const struct doc *rounds = doc_get(job, "rounds"), *newest = doc_at(rounds, doc_size(rounds) - 1);
    int64_t total = doc_int(doc_get(job, "rounds_total"), 0), done = job_rounds_done(job);
    bool running = strcmp(job_state_word(job), "running") == 0;
    format_duration(clock_monotonic_ms() - watch->bar.started_ms, spent);
    if (running && doc_size(rounds) > 0)
        snprintf(sites, sizeof sites, "  sites %lld/%zu", (long long)sites_in(newest),
                 doc_size(doc_get(newest, "sites")));
    if (running)
        snprintf(words, sizeof words, "round %lld/%lld%s  %s ", (long long)done, (long long)total, sites, spent);
    else
        snprintf(words, sizeof words, "%.32s  %s ", job_state_word(job), spent);
    add_metrics(doc_get(newest, "metrics"), words, sizeof words);
    bar_steps(&watch->bar, done, total, words);
}

static enum anb_status show(struct watch *watch, const struct doc *job, struct anb_error *err)
{
    if (watch->quiet) return ANB_OK;
    if (!terminal_is(stderr)) return print_rounds(watch, job, err);
    draw_bar(watch, job);
    return ANB_OK;
}

static enum anb_status result_of(const struct watch *watch, const struct doc *job, struct anb_error *err)
{
    const char *word = job_state_word(job);
    if (strcmp(word, "completed") == 0) return ANB_OK;
    return anb_fail(err, ANB_ABANDONED, "job %s %s: %.300s", watch->id,
                    strcmp(word, "aborted") == 0 ? "was aborted" : word,
                    doc_text(doc_get(job, "reason"), "no reason given"));
}

static enum anb_status timed_out(const struct watch *watch, const struct doc *job, int64_t timeout_s,
                                 struct anb_error *err)
{
    return anb_fail(err, ANB_TIMEOUT,
                    "job %s is still %s after %lld s (round %lld of %lld): wait again, or see anabranch job show %s",
                    watch->id, job_state_word(job), (long long)timeout_s, (long long)job_rounds_done(job),
                    (long long)doc_int(doc_get(job, "rounds_total"), 0), watch->id);
}

/* One poll; true when the watch is over, with its result in *status. */
static bool step(struct watch *watch, int64_t timeout_s, struct doc **last, enum anb_status *status,
                 struct anb_error *err)
{
    struct doc *body = NULL;
    *status = ask(watch, &body, err);
    if (*status == ANB_UNAVAILABLE && left_ms(watch) == 0) {
        *status = timed_out(watch, doc_get(*last, "job"), timeout_s, err);
        return true;
    }
    if (*status != ANB_OK) return true;
    doc_free(*last);
    *last = body;
    const struct doc *job = doc_get(body, "job");
    watch->revision = doc_int(doc_get(job, "revision"), 0);
    *status = show(watch, job, err);
    if (*status != ANB_OK) return true;
    if (job_has_ended(job))
        *status = result_of(watch, job, err);
    else if (left_ms(watch) == 0)
        *status = timed_out(watch, job, timeout_s, err);
    else
        return false;
    return true;
}

enum anb_status job_watch(struct rest *rest, const char *id, int64_t timeout_s, bool quiet, struct doc **job,
                          struct anb_error *err)
{
    struct watch watch = {.rest = rest, .id = id, .quiet = quiet, .revision = -1, .deadline_ms = INT64_MAX};
    enum anb_status status;
    struct doc *last = NULL;
    if (timeout_s > 0) watch.deadline_ms = clock_monotonic_ms() + timeout_s * 1000;
    char label[JOB_ID_DIGITS + 1];
    snprintf(label, sizeof label, "job %.8s", id);
    bar_init(&watch.bar, label);
    while (!step(&watch, timeout_s, &last, &status, err)) {
        int64_t left = left_ms(&watch);
        clock_sleep_ms(left < PAUSE_MS ? left : PAUSE_MS);
    }
    bar_clear(&watch.bar);
    *job = last;
    return status;
}
