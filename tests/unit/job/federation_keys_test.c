/* Who may open which stream, who may ask for a key, and what an answer changes. */
#include "job/receivers.h"
#include "support/federation.h"
#include "support/test.h"

#include <string.h>

static enum anb_status say_asked(struct world *w, const char *node, const struct id *stream)
{
    struct record record = {RECORD_STREAM_KEY_ASKED, .is.stream_key_asked = {.stream = *stream}};
    return say(w, node, &record);
}

static enum anb_status say_given(struct world *w, const char *sender, const struct id *stream, const char *node,
                                 unsigned char wrap)
{
    struct record record = {RECORD_STREAM_KEY_GIVEN,
                            .is.stream_key_given = {.stream = *stream, .node = node, .wrap = {{wrap}}}};
    return say(w, sender, &record);
}

static bool is_for(struct world *w, enum purpose purpose, const char *sender, const char *node)
{
    struct stream_audience audience = stream_audience_of(purpose, sender, the_job(w));
    return stream_is_for(&audience, federation_node(w->federation, node)->role, node);
}

static void an_update_is_for_every_aggregator_and_its_own_site_alone(void)
{
    struct world w;
    world_run(&w, 1, false);
    CHECK(is_for(&w, PURPOSE_UPDATE, "a", "agg-1"));
    CHECK(is_for(&w, PURPOSE_UPDATE, "a", "agg-2"));
    CHECK(is_for(&w, PURPOSE_UPDATE, "a", "a"));
    CHECK(!is_for(&w, PURPOSE_UPDATE, "a", "b"));
    CHECK(!is_for(&w, PURPOSE_UPDATE, "a", "server-1"));
    world_fini(&w);
}

static void a_model_is_for_the_jobs_sites_the_aggregators_and_servers_that_keep_results(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_up(&w, "d", ROLE_CLIENT); /* takes no part */
    CHECK(is_for(&w, PURPOSE_MODEL, "agg-1", "a"));
    CHECK(is_for(&w, PURPOSE_MODEL, "agg-1", "agg-2"));
    CHECK(is_for(&w, PURPOSE_MODEL, "agg-1", "server-1"));
    CHECK(!is_for(&w, PURPOSE_MODEL, "agg-1", "d"));
    CHECK(is_for(&w, PURPOSE_BUNDLE, "server-1", "a"));
    CHECK(is_for(&w, PURPOSE_BUNDLE, "server-1", "server-1"));
    CHECK(!is_for(&w, PURPOSE_BUNDLE, "server-1", "d"));
    CHECK(!is_for(&w, PURPOSE_BUNDLE, "server-1", "agg-1"));
    CHECK(is_for(&w, PURPOSE_STATE, "agg-1", "agg-2"));
    CHECK(!is_for(&w, PURPOSE_STATE, "agg-1", "a"));
    CHECK(!is_for(&w, PURPOSE_PEER, "a", "agg-1"));
    world_fini(&w);
}

static void without_results_no_server_reads_a_model(void)
{
    struct world w;
    world_begin(&w);
    start_world_job(&w, "rounds: 1\nresults: []\nsites: {minimum: 2, names: [a, b, c]}\n");
    CHECK(!is_for(&w, PURPOSE_MODEL, "agg-1", "server-1"));
    CHECK(is_for(&w, PURPOSE_MODEL, "server-1", "server-1")); /* the first one, which it sends itself */
    CHECK(is_for(&w, PURPOSE_MODEL, "agg-1", "a"));
    world_fini(&w);
}

static void before_a_job_starts_all_that_are_invited_may_open_its_beginning(void)
{
    struct job_spec named = {.site_names = (const char *[]){"a"}, .n_site_names = 1}, any = {.n_site_names = 0};
    struct stream_audience audience = {.purpose = PURPOSE_BUNDLE, .sender = "server-1", .spec = &named};
    CHECK(stream_is_for(&audience, ROLE_CLIENT, "a"));
    CHECK(!stream_is_for(&audience, ROLE_CLIENT, "b"));
    audience.spec = &any;
    CHECK(stream_is_for(&audience, ROLE_CLIENT, "b"));
    CHECK(!stream_is_for(&audience, ROLE_AGGREGATOR, "agg-1"));
    audience.spec = NULL; /* nothing is known of the job */
    CHECK(!stream_is_for(&audience, ROLE_CLIENT, "a"));
    CHECK(stream_is_for(&audience, ROLE_SERVER, "server-1"));
}

static void who_may_not_open_a_stream_may_not_ask_for_its_key(void)
{
    struct world w;
    struct key_question question;
    world_run(&w, 1, false);
    struct id stream = send_update(&w, "a", WORLD_JOB, 1), unknown = next_id(&w);
    CHECK_REFUSED(&w, say_asked(&w, "b", &stream), ANB_DENIED, "not-a-receiver");
    CHECK_REFUSED(&w, say_asked(&w, "server-1", &stream), ANB_DENIED, "not-a-receiver");
    CHECK_REFUSED(&w, say_asked(&w, "agg-1", &unknown), ANB_EXISTS, "unknown-stream");
    CHECK(!federation_key_question(w.federation, "a", &question));
    world_fini(&w);
}

static void a_question_stands_until_the_sender_has_answered_it(void)
{
    struct world w;
    struct key_question question;
    world_run(&w, 1, false);
    struct id stream = send_update(&w, "a", WORLD_JOB, 1);
    CHECK_STATUS(say_asked(&w, "agg-2", &stream), ANB_OK);
    CHECK_REFUSED(&w, say_asked(&w, "agg-2", &stream), ANB_EXISTS, "repeated-question");
    CHECK(!federation_key_question(w.federation, "b", &question));
    REQUIRE(federation_key_question(w.federation, "a", &question));
    CHECK(id_equal(&question.stream, &stream));
    CHECK_TEXT(question.node, "agg-2");
    CHECK_REFUSED(&w, say_given(&w, "b", &stream, "agg-2", 1), ANB_DENIED, "not-a-receiver");
    CHECK(federation_key_question(w.federation, "a", &question));
    CHECK_STATUS(say_given(&w, "a", &stream, "agg-2", 1), ANB_OK);
    CHECK(!federation_key_question(w.federation, "a", &question));
    CHECK_STATUS(say_asked(&w, "agg-2", &stream), ANB_OK); /* it did not open: asked again */
    CHECK(federation_key_question(w.federation, "a", &question));
    federation_key_answered(w.federation, &question);
    CHECK(!federation_key_question(w.federation, "a", &question));
    world_fini(&w);
}

static void when_the_sender_is_down_another_receiver_is_asked(void)
{
    struct world w;
    struct key_question question;
    world_run(&w, 1, false);
    struct id stream = send_update(&w, "a", WORLD_JOB, 1);
    CHECK_STATUS(say_asked(&w, "agg-2", &stream), ANB_OK);
    CHECK(!federation_key_question(w.federation, "agg-1", &question));
    CHECK_STATUS(say_down(&w, "a"), ANB_OK);
    CHECK(!federation_key_question(w.federation, "b", &question));
    CHECK(!federation_key_question(w.federation, "agg-2", &question));
    REQUIRE(federation_key_question(w.federation, "agg-1", &question));
    CHECK_TEXT(question.node, "agg-2");
    CHECK_STATUS(say_given(&w, "agg-1", &stream, "agg-2", 1), ANB_OK);
    CHECK(!federation_key_question(w.federation, "agg-1", &question));
    world_fini(&w);
}

static void a_node_keeps_what_is_sealed_for_it_and_nothing_else(void)
{
    struct world w;
    struct receiver receivers[] = {{"a", {{1}}}, {"agg-1", {{2}}}, {"agg-2", {{3}}}};
    world_run(&w, 1, false);
    CHECK(federation_keep_wraps_of(w.federation, "agg-2"));
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.receivers = receivers;
    opened.n_receivers = 3;
    CHECK_STATUS(say_open(&w, "a", &opened), ANB_OK);
    const struct stream_state *stream = federation_stream(w.federation, &opened.stream);
    CHECK_EQUAL(stream->wrap.bytes[0], 3);
    CHECK_STATUS(say_asked(&w, "agg-2", &opened.stream), ANB_OK);
    CHECK(stream->key_is_asked);
    CHECK_STATUS(say_given(&w, "a", &opened.stream, "agg-1", 7), ANB_OK);
    CHECK_EQUAL(stream->wrap.bytes[0], 3);
    CHECK(stream->key_is_asked);
    CHECK_STATUS(say_given(&w, "a", &opened.stream, "agg-2", 8), ANB_OK);
    CHECK_EQUAL(stream->wrap.bytes[0], 8);
    CHECK(!stream->key_is_asked);
    CHECK_EQUAL(stream->n_given, 1);
    world_fini(&w);
}

static void questions_go_with_their_stream(void)
{
    struct world w;
    struct key_question question;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    CHECK_STATUS(say_open(&w, "a", &opened), ANB_OK);
    CHECK_STATUS(say_asked(&w, "agg-1", &opened.stream), ANB_OK);
    struct record record = {RECORD_JOB_ENDED, .is.job_ended = {.job = WORLD_JOB, .outcome = OUTCOME_ABORTED}};
    record.is.job_ended.head.epoch = 1;
    record.is.job_ended.reason = "";
    CHECK_STATUS(say(&w, "server-1", &record), ANB_OK);
    CHECK(!federation_key_question(w.federation, "a", &question));
    CHECK_REFUSED(&w, say_asked(&w, "agg-1", &opened.stream), ANB_EXISTS, "unknown-stream");
    world_fini(&w);
}

static void a_job_without_results_is_complete_when_its_last_round_is(void)
{
    struct world w;
    world_begin(&w);
    start_world_job(&w, "rounds: 1\nfinal_evaluation: false\nresults: []\nsites: {minimum: 2, names: [a, b, c]}\n");
    lead(&w);
    close_all_updates(&w);
    close_all_shares(&w);
    lead(&w);
    CHECK_EQUAL(the_job(&w)->phase, JOB_STORING);
    lead(&w);
    CHECK_EQUAL(the_job(&w)->phase, JOB_ENDED);
    CHECK_EQUAL(the_job(&w)->outcome, OUTCOME_COMPLETED);
    world_fini(&w);
}

TEST_MAIN("federation keys", TEST(an_update_is_for_every_aggregator_and_its_own_site_alone),
          TEST(a_model_is_for_the_jobs_sites_the_aggregators_and_servers_that_keep_results),
          TEST(without_results_no_server_reads_a_model),
          TEST(before_a_job_starts_all_that_are_invited_may_open_its_beginning),
          TEST(who_may_not_open_a_stream_may_not_ask_for_its_key),
          TEST(a_question_stands_until_the_sender_has_answered_it),
          TEST(when_the_sender_is_down_another_receiver_is_asked),
          TEST(a_node_keeps_what_is_sealed_for_it_and_nothing_else), TEST(questions_go_with_their_stream),
          TEST(a_job_without_results_is_complete_when_its_last_round_is))
