/* Streams: what may be opened, closed, abandoned, and what it does to parts and shares. */
#include "support/federation.h"
#include "support/test.h"
#include "wire/wire.h"

#include <math.h>
#include <string.h>

static void a_stream_without_an_id_or_with_impossible_sizes_is_refused(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened good = world_update(&w, WORLD_JOB, 1), bad = good;
    memset(&bad.stream, 0, sizeof bad.stream);
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    bad = good, bad.data_bytes = -1;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    bad = good, bad.chunk_count = 2;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    bad = good, bad.chunk_count = INT64_MAX;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    bad = good, bad.layout_bytes = bad.data_bytes = INT64_MAX;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_WAITING);
    world_fini(&w);
}

static void partitions_outside_or_twice_and_offsets_that_cannot_be_are_refused(void)
{
    struct world w;
    int32_t outside[] = {0, 1, 2, 4}, twice[] = {0, 1, 1, 2}, below[] = {-1};
    int64_t negative[] = {0, 0, -1, 0};
    world_run(&w, 1, false);
    struct stream_opened good = world_update(&w, WORLD_JOB, 1), bad = good;
    bad.partitions = outside;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    bad.partitions = twice;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    bad.partitions = below, bad.n_partitions = 1;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    bad = good, bad.n_start_offsets = 3;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    bad = good, bad.start_offsets = negative;
    CHECK_REFUSED(&w, say_open(&w, "a", &bad), ANB_INVALID, "bad-stream");
    world_fini(&w);
}

static void a_stream_of_another_round_or_of_no_job_is_refused(void)
{
    struct world w;
    world_run(&w, 2, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.round = 1;
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_EXISTS, "late");
    opened.job = "0000000000000fff";
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_EXISTS, "unknown-job");
    world_fini(&w);
}

static void an_update_of_one_who_takes_no_part_is_refused(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_up(&w, "d", ROLE_CLIENT);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    CHECK_REFUSED(&w, say_open(&w, "d", &opened), ANB_DENIED, "not-a-site");
    CHECK_REFUSED(&w, say_open(&w, "agg-1", &opened), ANB_DENIED, "not-a-site");
    world_fini(&w);
}

static void purposes_that_no_round_asks_for_are_refused(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.purpose = PURPOSE_PEER;
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_INVALID, "bad-stream");
    opened.purpose = PURPOSE_STATE;
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_INVALID, "bad-stream");
    world_fini(&w);
}

static void an_encoding_is_for_updates_alone(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.encoding = STREAM_ENCODING_INT8;
    opened.purpose = PURPOSE_MODEL;
    CHECK_REFUSED(&w, say_open(&w, "agg-1", &opened), ANB_INVALID, "bad-stream");
    opened.purpose = PURPOSE_UPDATE;
    CHECK_STATUS(say_open(&w, "a", &opened), ANB_OK);
    CHECK_EQUAL(federation_stream(w.federation, &opened.stream)->encoding, STREAM_ENCODING_INT8);
    world_fini(&w);
}

/* Not every reader knows the weight, so it moves nothing: an aggregator refuses the update. */
static void weights_that_cannot_be_used_move_nothing(void)
{
    static const double bad[] = {0, -1, NAN, INFINITY, 1e300, 1e-300};
    CHECK(weight_is_good(1) && weight_is_good(WEIGHT_LEAST) && weight_is_good(WEIGHT_MOST));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct world w;
        world_run(&w, 1, false);
        CHECK(!weight_is_good(bad[i]));
        struct stream_opened opened = world_update(&w, WORLD_JOB, bad[i]);
        CHECK_STATUS(say_open(&w, "a", &opened), ANB_OK);
        CHECK_EQUAL(part_of(&w, "a")->phase, PART_OPENED);
        CHECK(part_of(&w, "a")->is_heard);
        world_fini(&w);
    }
}

static enum anb_status say_unheard(struct world *w, const char *node, struct record *record)
{
    said_forget(record);
    return say(w, node, record);
}

static void who_cannot_hear_sees_the_same_moves_and_a_general_reason(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct record opened = {RECORD_STREAM_OPENED, .is.stream_opened = world_update(&w, WORLD_JOB, 4)};
    CHECK_STATUS(say_unheard(&w, "a", &opened), ANB_OK);
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_OPENED);
    CHECK(!part_of(&w, "a")->is_heard);
    CHECK_EQUAL(part_of(&w, "a")->weight, 0);
    struct record later = {RECORD_STREAM_OPENED, .is.stream_opened = opened.is.stream_opened};
    later.is.stream_opened.weight = 4;
    later.is.stream_opened.head.node = "b";
    federation_hear(w.federation, &later);
    CHECK(!part_of(&w, "a")->is_heard);
    later.is.stream_opened.head.node = "a";
    federation_hear(w.federation, &later);
    CHECK(part_of(&w, "a")->is_heard);
    CHECK_EQUAL(part_of(&w, "a")->weight, 4);
    struct record gives_up = {RECORD_STREAM_ABANDONED,
                              .is.stream_abandoned = {.job = WORLD_JOB, .gives_up = true, .reason = "disk of b full"}};
    CHECK_STATUS(say_unheard(&w, "b", &gives_up), ANB_OK);
    CHECK_EQUAL(part_of(&w, "b")->why, WHY_FAILED);
    CHECK_TEXT(part_of(&w, "b")->reason, "it gave up");
    struct record refused = {
        RECORD_STREAM_ABANDONED,
        .is.stream_abandoned = {.stream = opened.is.stream_opened.stream, .job = WORLD_JOB, .reason = "chunk 3"}};
    CHECK_STATUS(say_unheard(&w, "agg-1", &refused), ANB_OK);
    CHECK_EQUAL(part_of(&w, "a")->why, WHY_UNUSABLE);
    CHECK_TEXT(part_of(&w, "a")->reason, "agg-1 cannot use its update");
    world_fini(&w);
}

static void another_layout_excludes_the_site_and_names_both_digests(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.layout_digest.bytes[0] = 0xab;
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_INVALID, "bad-layout");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_EXCLUDED);
    CHECK(strstr(part_of(&w, "a")->reason, "layout ab00") != NULL);
    CHECK(strstr(part_of(&w, "a")->reason, "which is 0700") != NULL);
    world_fini(&w);
}

static void another_chunk_size_than_the_models_excludes_the_site(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.chunk_bytes = 256;
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_INVALID, "bad-layout");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_EXCLUDED);
    world_fini(&w);
}

static void an_update_that_leaves_partitions_out_excludes_the_site(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.n_partitions = 3;
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_INVALID, "bad-stream");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_EXCLUDED);
    world_fini(&w);
}

static void an_excluded_site_opens_nothing_more_in_the_round(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    opened.n_partitions = 3;
    say_open(&w, "a", &opened);
    opened = world_update(&w, WORLD_JOB, 1);
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_EXISTS, "excluded");
    world_fini(&w);
}

static void a_second_open_replaces_the_first(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened first = world_update(&w, WORLD_JOB, 1), second = world_update(&w, WORLD_JOB, 2);
    say_open(&w, "a", &first);
    CHECK_EQUAL(say_open(&w, "a", &second), ANB_OK);
    CHECK_EQUAL(federation_stream(w.federation, &first.stream)->phase, STREAM_ABANDONED);
    CHECK_REFUSED(&w, say_close(&w, "a", &first.stream), ANB_EXISTS, "abandoned-stream");
    CHECK_EQUAL(say_close(&w, "a", &second.stream), ANB_OK);
    CHECK(id_equal(&part_of(&w, "a")->stream, &second.stream));
    CHECK_EQUAL(part_of(&w, "a")->weight, 2);
    world_fini(&w);
}

static void the_same_stream_is_opened_and_closed_once(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    CHECK_REFUSED(&w, say_open(&w, "b", &opened), ANB_EXISTS, "repeated-stream");
    CHECK_EQUAL(say_close(&w, "a", &opened.stream), ANB_OK);
    CHECK_REFUSED(&w, say_close(&w, "a", &opened.stream), ANB_EXISTS, "repeated-stream");
    world_fini(&w);
}

static void after_its_update_is_closed_a_site_opens_no_other(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct id first = send_update(&w, "a", WORLD_JOB, 1);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 5);
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_EXISTS, "repeated-stream");
    CHECK(id_equal(&part_of(&w, "a")->stream, &first));
    CHECK_EQUAL(part_of(&w, "a")->weight, 1);
    world_fini(&w);
}

static void a_sender_that_opens_stream_after_stream_is_stopped(void)
{
    struct world w;
    world_run(&w, 1, false);
    enum anb_status status = ANB_OK;
    for (int i = 0; i < 200 && status == ANB_OK; i++) {
        struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
        status = say_open(&w, "a", &opened);
    }
    CHECK_EQUAL(status, ANB_DENIED);
    CHECK_EQUAL(refusals(&w, "too-many-streams"), 1);
    world_fini(&w);
}

static void a_stream_is_closed_by_its_sender_alone(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    CHECK_REFUSED(&w, say_close(&w, "b", &opened.stream), ANB_DENIED, "unknown-stream");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_OPENED);
    world_fini(&w);
}

static enum anb_status close_with(struct world *w, const struct id *stream, size_t n_marks, size_t at, struct mark mark)
{
    struct record record = {RECORD_STREAM_CLOSED, .is.stream_closed = world_close(w, stream)};
    record.is.stream_closed.n_marks = n_marks;
    if (mark.count) record.is.stream_closed.marks[at] = mark;
    return say(w, "a", &record);
}

static void marks_that_cannot_be_are_refused_and_the_stream_stays_open(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    struct mark none = {0}, few = {0, 10, 11, 2, {{0}}, {{0}}}, twice = {0, 10, 12, 3, {{0}}, {{0}}},
                early = {0, 9, 12, 3, {{0}}, {{0}}}, tight = {0, 10, 11, 3, {{0}}, {{0}}},
                outside = {4, 10, 12, 3, {{0}}, {{0}}};
    say_open(&w, "a", &opened);
    CHECK_REFUSED(&w, close_with(&w, &opened.stream, 3, 0, none), ANB_INVALID, "bad-marks");
    CHECK_REFUSED(&w, close_with(&w, &opened.stream, 4, 0, few), ANB_INVALID, "bad-marks");
    CHECK_REFUSED(&w, close_with(&w, &opened.stream, 4, 1, twice), ANB_INVALID, "bad-marks");
    CHECK_REFUSED(&w, close_with(&w, &opened.stream, 4, 0, early), ANB_INVALID, "bad-marks");
    CHECK_REFUSED(&w, close_with(&w, &opened.stream, 4, 0, tight), ANB_INVALID, "bad-marks");
    CHECK_REFUSED(&w, close_with(&w, &opened.stream, 4, 3, outside), ANB_INVALID, "bad-marks");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_OPENED);
    CHECK_EQUAL(say_close(&w, "a", &opened.stream), ANB_OK);
    CHECK_EQUAL(federation_stream(w.federation, &opened.stream)->marks[1].count, 3);
    world_fini(&w);
}

static void a_restarted_site_waits_again_and_its_open_stream_is_abandoned(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    say_up(&w, "a", ROLE_CLIENT);
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_WAITING);
    CHECK(id_is_zero(&part_of(&w, "a")->stream));
    CHECK_EQUAL(federation_stream(w.federation, &opened.stream)->phase, STREAM_ABANDONED);
    send_update(&w, "a", WORLD_JOB, 1);
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_CLOSED);
    world_fini(&w);
}

static void a_restarted_site_keeps_what_it_has_closed(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct id id = send_update(&w, "a", WORLD_JOB, 1);
    say_up(&w, "a", ROLE_CLIENT);
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_CLOSED);
    CHECK_EQUAL(federation_stream(w.federation, &id)->phase, STREAM_CLOSED);
    world_fini(&w);
}

static void an_abandoned_stream_leaves_its_site_waiting(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    CHECK_EQUAL(say_abandon(&w, "a", &opened.stream, WORLD_JOB, false, "no disk"), ANB_OK);
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_WAITING);
    CHECK_REFUSED(&w, say_abandon(&w, "a", &opened.stream, WORLD_JOB, false, ""), ANB_EXISTS, "abandoned-stream");
    world_fini(&w);
}

static void giving_up_excludes_the_site_with_its_reason_with_a_stream_or_without(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    CHECK_EQUAL(say_abandon(&w, "a", &opened.stream, WORLD_JOB, true, "exit status 1"), ANB_OK);
    CHECK_EQUAL(say_abandon(&w, "b", NULL, WORLD_JOB, true, "exit status 2"), ANB_OK);
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_EXCLUDED);
    CHECK_TEXT(part_of(&w, "a")->reason, "exit status 1");
    CHECK_TEXT(part_of(&w, "b")->reason, "exit status 2");
    CHECK_REFUSED(&w, say_abandon(&w, "b", NULL, WORLD_JOB, true, "again"), ANB_EXISTS, "late");
    world_fini(&w);
}

static void a_site_whose_update_is_closed_cannot_give_up(void)
{
    struct world w;
    world_run(&w, 1, false);
    send_update(&w, "a", WORLD_JOB, 1);
    CHECK_REFUSED(&w, say_abandon(&w, "a", NULL, WORLD_JOB, true, ""), ANB_EXISTS, "late");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_CLOSED);
    world_fini(&w);
}

static void one_who_takes_no_part_has_nothing_to_give_up(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_up(&w, "d", ROLE_CLIENT);
    CHECK_REFUSED(&w, say_abandon(&w, "d", NULL, WORLD_JOB, true, ""), ANB_EXISTS, "not-a-site");
    struct id unknown = next_id(&w);
    CHECK_REFUSED(&w, say_abandon(&w, "a", &unknown, WORLD_JOB, false, ""), ANB_EXISTS, "unknown-stream");
    world_fini(&w);
}

static void a_site_cannot_abandon_the_stream_of_another(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    CHECK_REFUSED(&w, say_abandon(&w, "b", &opened.stream, WORLD_JOB, true, ""), ANB_DENIED, "unknown-stream");
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_OPENED);
    CHECK_EQUAL(part_of(&w, "b")->phase, PART_WAITING);
    world_fini(&w);
}

static void an_update_that_an_aggregator_cannot_use_is_excluded_though_it_was_closed(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct id id = send_update(&w, "a", WORLD_JOB, 1);
    say_up(&w, "agg-3", ROLE_AGGREGATOR);
    CHECK_REFUSED(&w, say_abandon(&w, "agg-3", &id, WORLD_JOB, false, ""), ANB_DENIED, "not-a-share");
    CHECK_EQUAL(say_abandon(&w, "agg-2", &id, WORLD_JOB, false, "chunk 3 is damaged"), ANB_OK);
    CHECK_EQUAL(part_of(&w, "a")->phase, PART_EXCLUDED);
    CHECK_TEXT(part_of(&w, "a")->reason, "agg-2 cannot use its update: chunk 3 is damaged");
    CHECK_REFUSED(&w, say_abandon(&w, "agg-1", &id, WORLD_JOB, false, ""), ANB_DENIED, "not-a-share");
    world_fini(&w);
}

static void foreign_reasons_and_metrics_are_cut_to_a_bound(void)
{
    struct world w;
    char text[2000];
    static struct metric metrics[100];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    world_run(&w, 1, false);
    say_abandon(&w, "a", NULL, WORLD_JOB, true, text);
    CHECK_EQUAL(strlen(part_of(&w, "a")->reason), 512);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "b", &opened);
    for (int i = 0; i < 100; i++) metrics[i] = (struct metric){i == 0 ? text : i == 1 ? "" : "loss", i};
    struct record record = {RECORD_STREAM_CLOSED, .is.stream_closed = world_close(&w, &opened.stream)};
    record.is.stream_closed.metrics = metrics;
    record.is.stream_closed.n_metrics = 100;
    CHECK_EQUAL(say(&w, "b", &record), ANB_OK);
    CHECK_EQUAL(part_of(&w, "b")->n_metrics, PART_MAX_METRICS);
    CHECK_EQUAL(part_of(&w, "b")->metrics[0].value, 2);
    world_fini(&w);
}

/* -- an aggregator's share */

static struct stream_opened share_of(struct world *w, int32_t *partitions, size_t n)
{
    struct stream_opened opened = world_update(w, WORLD_JOB, 0);
    opened.purpose = PURPOSE_MODEL;
    opened.attempt = the_round(w)->attempt;
    opened.partitions = partitions;
    opened.n_partitions = n;
    return opened;
}

static void a_share_that_is_not_the_senders_is_refused(void)
{
    struct world w;
    int32_t of_agg_1[] = {0, 2}, of_agg_2[] = {1, 3};
    world_run(&w, 1, false);
    struct stream_opened opened = share_of(&w, of_agg_2, 2);
    CHECK_REFUSED(&w, say_open(&w, "agg-1", &opened), ANB_DENIED, "not-a-share");
    CHECK_REFUSED(&w, say_open(&w, "a", &opened), ANB_DENIED, "not-a-share");
    opened = share_of(&w, of_agg_1, 1);
    CHECK_REFUSED(&w, say_open(&w, "agg-1", &opened), ANB_DENIED, "not-a-share");
    opened = share_of(&w, of_agg_1, 2);
    opened.attempt = 1;
    CHECK_REFUSED(&w, say_open(&w, "agg-1", &opened), ANB_DENIED, "not-a-share");
    opened.attempt = -1;
    CHECK_REFUSED(&w, say_open(&w, "agg-1", &opened), ANB_EXISTS, "late");
    world_fini(&w);
}

static void a_model_of_another_layout_is_refused(void)
{
    struct world w;
    int32_t of_agg_1[] = {0, 2};
    world_run(&w, 1, false);
    struct stream_opened opened = share_of(&w, of_agg_1, 2);
    opened.layout_digest.bytes[0] = 1;
    CHECK_REFUSED(&w, say_open(&w, "agg-1", &opened), ANB_INVALID, "bad-layout");
    world_fini(&w);
}

static void a_share_is_not_closed_before_all_updates_are(void)
{
    struct world w;
    world_run(&w, 1, false);
    send_update(&w, "a", WORLD_JOB, 1);
    send_update(&w, "b", WORLD_JOB, 1);
    struct id share = open_share(&w, "agg-1", WORLD_JOB);
    CHECK_REFUSED(&w, say_close(&w, "agg-1", &share), ANB_INVALID, "illegal-move");
    CHECK(!the_round(&w)->shares[0].closed);
    send_update(&w, "c", WORLD_JOB, 1);
    CHECK_EQUAL(say_close(&w, "agg-1", &share), ANB_OK);
    CHECK(the_round(&w)->shares[0].closed);
    world_fini(&w);
}

static void a_restarted_aggregator_folds_again_unless_it_has_closed(void)
{
    struct world w;
    world_run(&w, 1, false);
    struct id open = open_share(&w, "agg-1", WORLD_JOB);
    say_up(&w, "agg-1", ROLE_AGGREGATOR);
    CHECK(id_is_zero(&the_round(&w)->shares[0].stream));
    CHECK_EQUAL(federation_stream(w.federation, &open)->phase, STREAM_ABANDONED);
    send_update(&w, "a", WORLD_JOB, 1);
    send_update(&w, "b", WORLD_JOB, 1);
    send_update(&w, "c", WORLD_JOB, 1);
    struct id closed = send_share(&w, "agg-1", WORLD_JOB);
    say_up(&w, "agg-1", ROLE_AGGREGATOR);
    CHECK(the_round(&w)->shares[0].closed);
    CHECK(id_equal(&the_round(&w)->shares[0].stream, &closed));
    struct stream_opened again = share_of(&w, (int32_t[]){0, 2}, 2);
    CHECK_REFUSED(&w, say_open(&w, "agg-1", &again), ANB_EXISTS, "repeated-stream");
    world_fini(&w);
}

static void an_aggregator_gives_up_once_in_a_round(void)
{
    struct world w;
    world_run(&w, 1, false);
    CHECK_EQUAL(say_abandon(&w, "agg-1", NULL, WORLD_JOB, true, "NaN"), ANB_OK);
    CHECK_EQUAL(the_round(&w)->n_give_ups, 1);
    CHECK_REFUSED(&w, say_abandon(&w, "agg-1", NULL, WORLD_JOB, true, "NaN"), ANB_EXISTS, "not-a-site");
    world_fini(&w);
}

static void what_must_stay_in_an_outbox_is_the_first_offset_that_a_job_needs(void)
{
    struct world w;
    world_run(&w, 2, false);
    CHECK_EQUAL(federation_needed_offset(w.federation, "server-1", 2), 30);
    CHECK_EQUAL(federation_needed_offset(w.federation, "a", 2), INT64_MAX);
    CHECK_EQUAL(federation_needed_offset(w.federation, "a", 4), INT64_MAX);
    CHECK_EQUAL(federation_needed_offset(w.federation, "a", -1), INT64_MAX);
    struct stream_opened opened = world_update(&w, WORLD_JOB, 1);
    say_open(&w, "a", &opened);
    CHECK_EQUAL(federation_needed_offset(w.federation, "a", 2), 30);
    say_abandon(&w, "a", &opened.stream, WORLD_JOB, false, "");
    CHECK_EQUAL(federation_needed_offset(w.federation, "a", 2), INT64_MAX);
    world_fini(&w);
}

TEST_MAIN("federation streams", TEST(a_stream_without_an_id_or_with_impossible_sizes_is_refused),
          TEST(partitions_outside_or_twice_and_offsets_that_cannot_be_are_refused),
          TEST(a_stream_of_another_round_or_of_no_job_is_refused), TEST(an_update_of_one_who_takes_no_part_is_refused),
          TEST(purposes_that_no_round_asks_for_are_refused), TEST(an_encoding_is_for_updates_alone),
          TEST(weights_that_cannot_be_used_move_nothing),
          TEST(who_cannot_hear_sees_the_same_moves_and_a_general_reason),
          TEST(another_layout_excludes_the_site_and_names_both_digests),
          TEST(another_chunk_size_than_the_models_excludes_the_site),
          TEST(an_update_that_leaves_partitions_out_excludes_the_site),
          TEST(an_excluded_site_opens_nothing_more_in_the_round), TEST(a_second_open_replaces_the_first),
          TEST(the_same_stream_is_opened_and_closed_once), TEST(after_its_update_is_closed_a_site_opens_no_other),
          TEST(a_sender_that_opens_stream_after_stream_is_stopped), TEST(a_stream_is_closed_by_its_sender_alone),
          TEST(marks_that_cannot_be_are_refused_and_the_stream_stays_open),
          TEST(a_restarted_site_waits_again_and_its_open_stream_is_abandoned),
          TEST(a_restarted_site_keeps_what_it_has_closed), TEST(an_abandoned_stream_leaves_its_site_waiting),
          TEST(giving_up_excludes_the_site_with_its_reason_with_a_stream_or_without),
          TEST(a_site_whose_update_is_closed_cannot_give_up), TEST(one_who_takes_no_part_has_nothing_to_give_up),
          TEST(a_site_cannot_abandon_the_stream_of_another),
          TEST(an_update_that_an_aggregator_cannot_use_is_excluded_though_it_was_closed),
          TEST(foreign_reasons_and_metrics_are_cut_to_a_bound), TEST(a_share_that_is_not_the_senders_is_refused),
          TEST(a_model_of_another_layout_is_refused), TEST(a_share_is_not_closed_before_all_updates_are),
          TEST(a_restarted_aggregator_folds_again_unless_it_has_closed), TEST(an_aggregator_gives_up_once_in_a_round),
          TEST(what_must_stay_in_an_outbox_is_the_first_offset_that_a_job_needs))
