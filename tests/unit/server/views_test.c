#include "server/views.h"
#include "support/federation.h"
#include "support/schema.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct doc *openapi;

static struct job_spec *make_spec(void)
{
    struct job_spec *spec = NULL;
    CHECK_STATUS(job_spec_parse(slice_of_text("name: digits\nrounds: 10\nsites: {minimum: 2}\n"
                                              "trainer: {command: [python3, train.py]}\n"),
                                "job.yaml", &spec, &test_error),
                 ANB_OK);
    return spec;
}

/* A job with one round that is closed and one that is open, as the state would have it. */
struct sample {
    struct job_state job;
    struct round_state rounds[2], *places[2];
    struct part_state parts[3];
    struct share_state share;
    struct answer_state answers[2];
    const char *sites[3];
    struct metric metrics[2];
    struct id model;
};

static void fill_sample(struct sample *sample)
{
    memset(sample, 0, sizeof *sample);
    sample->metrics[0] = (struct metric){"loss", 0.25};
    sample->metrics[1] = (struct metric){"broken", NAN};
    sample->parts[0] = (struct part_state){
        .site = "site-1", .phase = PART_CLOSED, .weight = 7, .metrics = sample->metrics, .n_metrics = 2};
    sample->parts[1] = (struct part_state){.site = "site-2", .phase = PART_EXCLUDED, .reason = "too late"};
    sample->parts[2] = (struct part_state){.site = "site-3", .phase = PART_WAITING};
    sample->share = (struct share_state){.node = "aggregator-1", .partitions = 5, .closed = true};
    sample->rounds[0] = (struct round_state){.task = TASK_TRAIN,
                                             .phase = ROUND_CLOSED,
                                             .opened_ms = 1,
                                             .closed_ms = 2,
                                             .parts = sample->parts,
                                             .n_parts = 3,
                                             .shares = &sample->share,
                                             .n_shares = 1,
                                             .model = &sample->model,
                                             .n_model = 1,
                                             .metrics = sample->metrics,
                                             .n_metrics = 1};
    sample->rounds[1] =
        (struct round_state){.round = 1, .task = TASK_EVALUATE, .opened_ms = 3, .parts = sample->parts, .n_parts = 3};
    sample->places[0] = &sample->rounds[0];
    sample->places[1] = &sample->rounds[1];
    sample->answers[0] = (struct answer_state){"site-1", true, ""};
    sample->answers[1] = (struct answer_state){"site-4", false, "no GPU"};
    sample->sites[0] = "site-1";
    sample->job = (struct job_state){.id = WORLD_JOB,
                                     .request = "run-7",
                                     .submitter = "rest",
                                     .spec = make_spec(),
                                     .phase = JOB_RUNNING,
                                     .reason = "",
                                     .revision = 17,
                                     .submitted_ms = 1,
                                     .answers = sample->answers,
                                     .n_answers = 2,
                                     .sites = sample->sites,
                                     .n_sites = 1,
                                     .rounds = sample->places,
                                     .n_rounds = 2};
}

static struct doc *show(const struct job_state *job, enum view_rounds rounds)
{
    struct doc *doc = doc_new_map();
    view_job(doc, job, rounds);
    CHECK_STATUS(schema_check(openapi, "Job", doc, &test_error), ANB_OK);
    return doc;
}

static void a_job_without_rounds_has_nulls(void)
{
    struct sample sample;
    fill_sample(&sample);
    sample.job.n_rounds = sample.job.n_sites = 0;
    sample.job.phase = JOB_SUBMITTED;
    struct doc *doc = show(&sample.job, VIEW_ALL_ROUNDS);
    CHECK_EQUAL(doc_kind(doc_get(doc, "round")), DOC_NULL);
    CHECK_EQUAL(doc_kind(doc_get(doc, "outcome")), DOC_NULL);
    CHECK_EQUAL(doc_kind(doc_get(doc, "started_ms")), DOC_NULL);
    CHECK_EQUAL(doc_kind(doc_get(doc, "model")), DOC_NULL);
    CHECK_EQUAL(doc_size(doc_get(doc, "rounds")), 0);
    doc_free(doc);
    job_spec_free(sample.job.spec);
}

static void rounds_say_who_counted_and_who_did_not(void)
{
    struct sample sample;
    fill_sample(&sample);
    struct doc *doc = show(&sample.job, VIEW_ALL_ROUNDS);
    const struct doc *round = doc_at(doc_get(doc, "rounds"), 0);
    CHECK_EQUAL(doc_size(doc_get(round, "counted")), 1);
    CHECK_TEXT(doc_text(doc_at(doc_get(round, "counted"), 0), ""), "site-1");
    CHECK_TEXT(doc_text(doc_get(doc_at(doc_get(round, "excluded"), 0), "reason"), ""), "too late");
    CHECK_EQUAL(doc_size(doc_get(round, "sites")), 3);
    CHECK_EQUAL(doc_size(doc_get(doc_at(doc_get(round, "shares"), 0), "partitions")), 2);
    const struct doc *open = doc_at(doc_get(doc, "rounds"), 1);
    CHECK_EQUAL(doc_size(doc_get(open, "counted")), 0);
    CHECK_EQUAL(doc_kind(doc_get(open, "digest")), DOC_NULL);
    doc_free(doc);
    job_spec_free(sample.job.spec);
}

static void a_metric_that_is_no_number_is_null(void)
{
    struct sample sample;
    fill_sample(&sample);
    struct doc *doc = show(&sample.job, VIEW_ALL_ROUNDS);
    const struct doc *site = doc_at(doc_get(doc_at(doc_get(doc, "rounds"), 0), "sites"), 0);
    CHECK_EQUAL(doc_kind(doc_get(doc_get(site, "metrics"), "broken")), DOC_NULL);
    doc_free(doc);
    job_spec_free(sample.job.spec);
}

static void only_the_rounds_asked_for_are_shown(void)
{
    struct sample sample;
    fill_sample(&sample);
    struct doc *none = show(&sample.job, VIEW_NO_ROUNDS), *last = show(&sample.job, VIEW_LAST_ROUND);
    CHECK_EQUAL(doc_size(doc_get(none, "rounds")), 0);
    CHECK_EQUAL(doc_int(doc_get(none, "rounds_left_out"), -1), 2);
    CHECK_EQUAL(doc_size(doc_get(last, "rounds")), 1);
    CHECK_EQUAL(doc_int(doc_get(doc_at(doc_get(last, "rounds"), 0), "round"), -1), 1);
    doc_free(none);
    doc_free(last);
    job_spec_free(sample.job.spec);
}

static void of_very_many_rounds_the_oldest_are_left_out(void)
{
    static struct round_state round;
    static struct round_state *many[3 * VIEW_MAX_PARTS];
    struct sample sample;
    fill_sample(&sample);
    for (size_t i = 0; i < 3 * VIEW_MAX_PARTS; i++) many[i] = &round;
    sample.job.rounds = many;
    sample.job.n_rounds = 3 * VIEW_MAX_PARTS;
    struct doc *doc = doc_new_map();
    view_job(doc, &sample.job, VIEW_ALL_ROUNDS);
    CHECK_EQUAL(doc_size(doc_get(doc, "rounds")), VIEW_MAX_PARTS);
    CHECK_EQUAL(doc_int(doc_get(doc, "rounds_left_out"), -1), 2 * VIEW_MAX_PARTS);
    doc_free(doc);
    job_spec_free(sample.job.spec);
}

static void a_stored_model_is_that_of_the_last_train_round(void)
{
    struct sample sample;
    fill_sample(&sample);
    sample.job.phase = JOB_ENDED;
    sample.job.stored = true;
    sample.job.file_bytes = 12;
    struct doc *doc = show(&sample.job, VIEW_ALL_ROUNDS);
    CHECK_EQUAL(doc_int(doc_get(doc_get(doc, "model"), "round"), -1), 0);
    CHECK_EQUAL(doc_int(doc_get(doc_get(doc, "model"), "bytes"), -1), 12);
    CHECK_TEXT(doc_text(doc_get(doc, "outcome"), ""), "completed");
    CHECK_EQUAL(doc_kind(doc_get(doc, "reason")), DOC_NULL);
    doc_free(doc);
    job_spec_free(sample.job.spec);
}

static void a_job_of_the_real_state_has_the_form_of_the_schema(void)
{
    struct world world;
    world_run(&world, 2, true);
    send_update(&world, "a", WORLD_JOB, 2);
    const struct job_state *job = the_job(&world);
    REQUIRE(job != NULL);
    struct doc *doc = show(job, VIEW_ALL_ROUNDS);
    CHECK_EQUAL(doc_size(doc_get(doc, "rounds")), 1);
    doc_free(doc);
    struct doc *summary = doc_new_map();
    view_summary(summary, job);
    CHECK_STATUS(schema_check(openapi, "Summary", summary, &test_error), ANB_OK);
    doc_free(summary);
    world_fini(&world);
}

static void nodes_are_listed_by_role(void)
{
    struct world world;
    world_init(&world);
    say_up(&world, "server-1", ROLE_SERVER);
    say_up(&world, "site-1", ROLE_CLIENT);
    say_up(&world, "site-2", ROLE_CLIENT);
    say_down(&world, "site-2");
    struct doc *root = doc_new_map(), *list = doc_set_list(root, "sites");
    view_nodes(list, federation_nodes(world.federation), ROLE_CLIENT, world.now_ms);
    CHECK_STATUS(schema_check(openapi, "Sites", root, &test_error), ANB_OK);
    REQUIRE(doc_size(list) == 2);
    CHECK(doc_bool(doc_get(doc_at(list, 0), "alive"), false));
    CHECK(!doc_bool(doc_get(doc_at(list, 1), "up"), true));
    CHECK_TEXT(doc_text(doc_get(doc_at(list, 1), "name"), ""), "site-2");
    doc_free(root);
    world_fini(&world);
}

static void views_begin(void)
{
    openapi = openapi_load();
    CHECK(doc_size(openapi) > 0);
}

static void views_end(void)
{
    doc_free(openapi);
}

TEST_MAIN("server_views", TEST(views_begin), TEST(a_job_without_rounds_has_nulls),
          TEST(rounds_say_who_counted_and_who_did_not), TEST(a_metric_that_is_no_number_is_null),
          TEST(only_the_rounds_asked_for_are_shown), TEST(of_very_many_rounds_the_oldest_are_left_out),
          TEST(a_stored_model_is_that_of_the_last_train_round),
          TEST(a_job_of_the_real_state_has_the_form_of_the_schema), TEST(nodes_are_listed_by_role), TEST(views_end))
