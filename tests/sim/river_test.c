#include "river.h"

#include "base/clock.h"
#include "support/test.h"
#include "wire/frame.h"
#include "wire/wire.h"

#include <stdio.h>
#include <string.h>

static const struct river_config plain = {
    .n_sites = 3, .n_aggregators = 1, .rounds = 4, .deadline_ms = 60000, .n_elements = 3000, .chunk_bytes = 1000};

/* Runs to the end; the job must complete. */
static struct digest finish(struct river *river)
{
    struct digest digest = {{0}};
    enum outcome outcome = OUTCOME_FAILED;
    char reason[256] = "";
    CHECK(river_await_end(river, &outcome, reason, &digest));
    CHECK_EQUAL(outcome, OUTCOME_COMPLETED);
    if (outcome != OUTCOME_COMPLETED) printf("job ended: %s\n", reason);
    river_close(river);
    return digest;
}

static struct digest undisturbed(const struct river_config *config)
{
    return finish(river_open(config));
}

static void one_two_and_three_aggregators_give_the_same_model(void)
{
    struct river_config config = plain;
    struct digest one = undisturbed(&config);
    for (int n = 2; n <= 3; n++) {
        config.n_aggregators = n;
        struct digest other = undisturbed(&config);
        CHECK(digest_equal(&one, &other));
    }
}

static void chunk_size_does_not_change_how_a_job_ends(void)
{
    struct river_config config = plain;
    config.chunk_bytes = 100000;
    undisturbed(&config);
    config.chunk_bytes = 64;
    config.n_elements = 200;
    undisturbed(&config);
}

static void diff_updates_and_full_updates_come_to_the_same_rounds(void)
{
    struct river_config config = plain;
    config.diff = true;
    config.n_aggregators = 2;
    struct digest two = undisturbed(&config);
    config.n_aggregators = 3;
    struct digest three = undisturbed(&config);
    CHECK(digest_equal(&two, &three));
}

static void kill_and_revive(const char *name)
{
    struct river_config config = plain;
    config.n_aggregators = 2;
    config.n_elements = 20000;
    struct digest expected = undisturbed(&config);
    for (int round = 0; round < 3; round++) {
        struct river *river = river_open(&config);
        CHECK(river_await_uploads(river, round));
        river_kill(river, name);
        river_start(river, name);
        struct digest digest = finish(river);
        CHECK(digest_equal(&digest, &expected));
    }
}

static void a_killed_aggregator_folds_again_from_the_log(void)
{
    kill_and_revive("aggregator-1");
}

static void a_killed_server_reads_the_log_and_goes_on(void)
{
    kill_and_revive("server");
}

static void a_killed_site_trains_again_and_the_model_is_the_same(void)
{
    kill_and_revive("site-2");
}

static void a_mute_site_is_cut_at_the_deadline_when_the_quorum_is_there(void)
{
    struct river_config config = plain;
    config.quorum = 2;
    config.deadline_ms = 1000;
    config.rounds = 2;
    struct river *river = river_open(&config);
    river_mute(river, "site-3", true);
    finish(river);
}

static void without_quorum_the_job_fails_and_names_who_is_missing(void)
{
    struct river_config config = plain;
    struct digest digest;
    enum outcome outcome;
    char reason[256] = "";
    config.deadline_ms = 1000;
    struct river *river = river_open(&config);
    river_mute(river, "site-3", true);
    CHECK(river_await_end(river, &outcome, reason, &digest));
    CHECK_EQUAL(outcome, OUTCOME_FAILED);
    CHECK(strstr(reason, "site-3") != NULL);
    river_close(river);
}

static void repeated_and_hidden_records_change_nothing(void)
{
    struct river_config config = plain;
    struct digest expected = undisturbed(&config);
    config.faults =
        (struct memory_faults){.repeat_per_million = 100000, .full_per_million = 100000, .hide_per_million = 100000};
    config.n_aggregators = 2;
    struct digest digest = undisturbed(&config);
    CHECK(digest_equal(&digest, &expected));
}

static void a_damaged_update_is_left_out_by_name_and_the_quorum_goes_on(void)
{
    struct river_config config = plain;
    config.n_aggregators = 2;
    config.rounds = 2;
    config.quorum = 2;
    config.faults.damaged_topic = "p.out.site-2";
    struct river *river = river_open(&config);
    struct digest digest;
    enum outcome outcome = OUTCOME_FAILED;
    char reason[256] = "";
    CHECK(river_await_end(river, &outcome, reason, &digest));
    CHECK_EQUAL(outcome, OUTCOME_COMPLETED);
    const struct federation *federation = node_lock(river_server(river));
    const struct job_state *job = federation_job_at(federation, 0);
    for (int r = 0; r < config.rounds; r++) {
        const struct part_state *part = &job->rounds[r]->parts[1];
        CHECK_TEXT(part->site, "site-2");
        CHECK_EQUAL(part->phase, PART_EXCLUDED);
        CHECK(part->reason && strstr(part->reason, "was altered") != NULL);
    }
    node_unlock(river_server(river));
    river_close(river);
}

static int64_t refusals(struct node *node, const char *word)
{
    int64_t found = 0, count;
    const char *reason;
    const struct federation *federation = node_lock(node);
    for (size_t i = 0; i < federation_n_refusals(federation); i++) {
        federation_refusal_at(federation, i, &reason, &count);
        if (strcmp(reason, word) == 0) found = count;
    }
    node_unlock(node);
    return found;
}

/* Parts of the current round. */
static int n_closed(struct river *river)
{
    int n = 0;
    const struct federation *federation = node_lock(river_server(river));
    const struct round_state *round =
        federation_n_jobs(federation) ? job_round(federation_job_at(federation, 0)) : NULL;
    for (size_t i = 0; round && i < round->n_parts; i++) n += round->parts[i].phase == PART_CLOSED;
    node_unlock(river_server(river));
    return n;
}

/* Site-3 has been asked and is silent; it is revoked, and then speaks after all. The deadline is a minute away. */
static void a_site_that_is_revoked_in_the_middle_of_a_round_is_waited_for_no_longer(void)
{
    struct river_config config = plain;
    struct digest digest;
    enum outcome outcome = OUTCOME_FAILED;
    char reason[256] = "";
    config.quorum = 2;
    config.rounds = 3;
    struct river *river = river_open(&config);
    river_mute(river, "site-3", true);
    while (n_closed(river) < 2) clock_sleep_ms(1);
    river_revoke(river, "site-3");
    while (node_trust_version(node_trust(river_server(river))) < 2) clock_sleep_ms(1);
    struct record late = {.kind = RECORD_NODE_DOWN, .is.node_down = {.reason = "I am still here"}};
    CHECK_STATUS(node_append(river_node(river, "site-3"), &late, true, &test_error), ANB_OK);
    river_mute(river, "site-3", false);
    CHECK(river_await_end(river, &outcome, reason, &digest));
    CHECK_EQUAL(outcome, OUTCOME_COMPLETED);
    CHECK(refusals(river_server(river), "revoked") >= 1);
    const struct job_state *job = federation_job_at(node_lock(river_server(river)), 0);
    const struct round_state *last = job->rounds[config.rounds - 1];
    CHECK(last->closed_ms < last->opened_ms + config.deadline_ms);
    for (size_t i = 0; i < last->n_parts; i++) CHECK(strcmp(last->parts[i].site, "site-3") != 0);
    node_unlock(river_server(river));
    river_close(river);
}

/* It was folding; what it had written counts no more, and the other one folds all of it. */
static void an_aggregator_that_is_revoked_loses_its_share(void)
{
    struct river_config config = plain;
    struct digest expected = undisturbed(&config);
    config.n_aggregators = 2;
    struct river *river = river_open(&config);
    CHECK(river_await_uploads(river, 1));
    river_revoke(river, "aggregator-1");
    struct digest digest = finish(river);
    CHECK(digest_equal(&digest, &expected));
}

static void a_damaged_update_without_quorum_fails_the_job_by_name(void)
{
    struct river_config config = plain;
    struct digest digest;
    enum outcome outcome = OUTCOME_COMPLETED;
    char reason[256] = "";
    config.faults.damaged_topic = "p.out.site-2";
    struct river *river = river_open(&config);
    CHECK(river_await_end(river, &outcome, reason, &digest));
    CHECK_EQUAL(outcome, OUTCOME_FAILED);
    CHECK(strstr(reason, "site-2") != NULL);
    river_close(river);
}

static bool all_wait_for(struct river *river, const char *site)
{
    const struct job_state *job = federation_job_at(node_lock(river_server(river)), 0);
    const struct round_state *round = job ? job_round(job) : NULL;
    bool all = round && round->phase == ROUND_OPEN;
    for (size_t i = 0; all && i < round->n_parts; i++) {
        bool is_site = strcmp(round->parts[i].site, site) == 0;
        all = round->parts[i].phase == (is_site ? PART_WAITING : PART_CLOSED);
    }
    node_unlock(river_server(river));
    return all;
}

static int n_given_keys(struct river *river)
{
    int n = 0;
    struct buf bytes;
    buf_init(&bytes, CONTROL_RECORD_MAX_BYTES);
    for (int64_t i = 0; memory_log_get(river_log(river), "p.control", 0, i, &bytes) == ANB_OK; i++) {
        enum record_kind kind;
        struct slice rest;
        n += frame_open(buf_slice(&bytes), &kind, &rest, NULL) == ANB_OK && kind == RECORD_STREAM_KEY_GIVEN;
        bytes.size = 0;
    }
    buf_fini(&bytes);
    return n;
}

/* The round's updates are sealed for the aggregator there is; it stops, and one that joins the project later takes
 * over. It needs the keys of two updates and, since they are changes, of the model that they change. */
static void an_aggregator_that_is_added_later_is_given_the_keys(bool restart_a_sender)
{
    struct river_config config = plain;
    config.diff = true;
    struct digest expected = undisturbed(&config);
    struct river *river = river_open(&config);
    river_mute(river, "site-3", true);
    while (!all_wait_for(river, "site-3")) clock_sleep_ms(1);
    river_stop(river, "aggregator-1");
    if (restart_a_sender) river_kill(river, "site-2");
    river_add_aggregator(river);
    if (restart_a_sender) river_start(river, "site-2");
    river_mute(river, "site-3", false);
    struct digest digest = {{0}};
    enum outcome outcome = OUTCOME_FAILED;
    char reason[256] = "";
    CHECK(river_await_end(river, &outcome, reason, &digest));
    CHECK_EQUAL(outcome, OUTCOME_COMPLETED);
    CHECK(digest_equal(&digest, &expected));
    CHECK(n_given_keys(river) >= 3);
    river_close(river);
}

static void a_receiver_without_a_wrap_gets_the_key_from_the_sender(void)
{
    an_aggregator_that_is_added_later_is_given_the_keys(false);
}

static void a_sender_that_was_started_again_still_gives_its_keys(void)
{
    an_aggregator_that_is_added_later_is_given_the_keys(true);
}

/* In how many records of the control log the word stands. */
static int count_in_log(struct river *river, const char *word)
{
    int n = 0;
    struct memory_log *log = river_log(river);
    struct buf record;
    buf_init(&record, 1 << 20);
    for (int64_t i = 0; i < memory_log_end(log, "p.control", 0); i++) {
        buf_clear(&record);
        CHECK_STATUS(memory_log_get(log, "p.control", 0, i, &record), ANB_OK);
        n += memmem(record.data, record.size, word, strlen(word)) != NULL;
    }
    buf_fini(&record);
    return n;
}

/* How much of the last round's parts a node knows: weights of others, metrics of others. */
static void count_heard(struct river *river, const char *name, size_t *n_weights, size_t *n_metrics)
{
    struct node *node = river_node(river, name);
    node_wait(node, node_control_offset(river_server(river)) - 1, 10000);
    const struct round_state *round = job_round(federation_job_at(node_lock(node), 0));
    *n_weights = *n_metrics = 0;
    for (size_t i = 0; i < round->n_parts; i++) {
        const struct part_state *part = &round->parts[i];
        CHECK_EQUAL(part->phase, PART_CLOSED);
        if (strcmp(part->site, name) == 0) continue;
        *n_weights += part->is_heard && part->weight > 0;
        *n_metrics += part->n_metrics;
    }
    node_unlock(node);
}

static void what_sites_say_is_known_to_server_and_aggregators_alone(void)
{
    struct river_config config = plain;
    struct digest digest;
    enum outcome outcome = OUTCOME_FAILED;
    char reason[256];
    size_t weights, metrics;
    config.n_aggregators = 2;
    config.rounds = 2;
    struct river *river = river_open(&config);
    CHECK(river_await_end(river, &outcome, reason, &digest));
    CHECK_EQUAL(outcome, OUTCOME_COMPLETED);
    count_heard(river, "server", &weights, &metrics);
    CHECK_EQUAL(weights, 3);
    CHECK_EQUAL(metrics, 3);
    for (int i = 1; i <= 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "aggregator-%d", i);
        count_heard(river, name, &weights, &metrics);
        CHECK_EQUAL(weights, 3);
        snprintf(name, sizeof name, "site-%d", i);
        count_heard(river, name, &weights, &metrics);
        CHECK_EQUAL(weights, 0);
        CHECK_EQUAL(metrics, 0);
    }
    CHECK_EQUAL(count_in_log(river, "loss"), 0); /* the metric that all sites report */
    CHECK(count_in_log(river, "site-1") > 0);
    river_close(river);
}

TEST_MAIN("river", TEST(one_two_and_three_aggregators_give_the_same_model),
          TEST(chunk_size_does_not_change_how_a_job_ends), TEST(diff_updates_and_full_updates_come_to_the_same_rounds),
          TEST(a_killed_aggregator_folds_again_from_the_log), TEST(a_killed_server_reads_the_log_and_goes_on),
          TEST(a_killed_site_trains_again_and_the_model_is_the_same),
          TEST(a_mute_site_is_cut_at_the_deadline_when_the_quorum_is_there),
          TEST(without_quorum_the_job_fails_and_names_who_is_missing), TEST(repeated_and_hidden_records_change_nothing),
          TEST(a_damaged_update_is_left_out_by_name_and_the_quorum_goes_on),
          TEST(a_receiver_without_a_wrap_gets_the_key_from_the_sender),
          TEST(a_sender_that_was_started_again_still_gives_its_keys),
          TEST(a_site_that_is_revoked_in_the_middle_of_a_round_is_waited_for_no_longer),
          TEST(an_aggregator_that_is_revoked_loses_its_share),
          TEST(a_damaged_update_without_quorum_fails_the_job_by_name),
          TEST(what_sites_say_is_known_to_server_and_aggregators_alone))
