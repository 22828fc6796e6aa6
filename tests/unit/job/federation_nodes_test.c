/* Who may speak: heads, incarnations, sequences, epochs. */
#include "support/federation.h"
#include "support/test.h"

#include <string.h>

static struct record down(void)
{
    return (struct record){RECORD_NODE_DOWN, .is.node_down = {.reason = ""}};
}

static void a_federation_without_partitions_is_not_made(void)
{
    CHECK(!federation_new("p", 0, true));
    CHECK(!federation_new("p", MAX_PARTITIONS + 1, true));
    struct federation *federation = federation_new("p", MAX_PARTITIONS, true);
    CHECK(federation != NULL);
    federation_free(federation);
    federation_free(NULL);
}

static void a_record_of_another_project_is_refused(void)
{
    struct world w;
    world_begin(&w);
    struct record record = down();
    record.is.node_down.head.project = "other";
    CHECK_REFUSED(&w, say(&w, "a", &record), ANB_DENIED, "wrong-project");
    CHECK(federation_node(w.federation, "a")->up);
    world_fini(&w);
}

static void a_node_that_has_not_announced_itself_is_refused(void)
{
    struct world w;
    world_begin(&w);
    struct record record = down();
    CHECK_REFUSED(&w, say(&w, "stranger", &record), ANB_DENIED, "unknown-node");
    world_fini(&w);
}

static void a_name_that_no_node_can_have_is_refused(void)
{
    struct world w;
    world_begin(&w);
    struct record record = {RECORD_NODE_UP, .is.node_up = {.head.node = "A.b", .version = ""}};
    CHECK_REFUSED(&w, say(&w, "stranger", &record), ANB_INVALID, "bad-record");
    CHECK(!federation_node(w.federation, "A.b"));
    world_fini(&w);
}

static void an_incarnation_or_sequence_below_one_is_refused(void)
{
    struct world w;
    world_begin(&w);
    struct record record = {RECORD_NODE_UP, .is.node_up = {.head.incarnation = -1, .version = ""}};
    CHECK_REFUSED(&w, say(&w, "d", &record), ANB_INVALID, "bad-record");
    record = down();
    record.is.node_down.head.sequence = -4;
    CHECK_REFUSED(&w, say(&w, "a", &record), ANB_INVALID, "bad-record");
    world_fini(&w);
}

static void a_record_of_an_older_incarnation_is_refused(void)
{
    struct world w;
    world_begin(&w);
    say_up(&w, "a", ROLE_CLIENT);
    struct record record = down();
    record.is.node_down.head.incarnation = 1;
    record.is.node_down.head.sequence = 100;
    CHECK_REFUSED(&w, say(&w, "a", &record), ANB_EXISTS, "stale-incarnation");
    world_fini(&w);
}

static void a_record_of_an_incarnation_that_has_not_begun_is_refused(void)
{
    struct world w;
    world_begin(&w);
    struct record record = down();
    record.is.node_down.head.incarnation = 2;
    CHECK_REFUSED(&w, say(&w, "a", &record), ANB_EXISTS, "stale-incarnation");
    world_fini(&w);
}

static void the_same_incarnation_begins_only_once(void)
{
    struct world w;
    world_begin(&w);
    struct record record = {RECORD_NODE_UP, .is.node_up = {.head = {.incarnation = 1, .sequence = 9}, .version = ""}};
    CHECK_REFUSED(&w, say(&w, "a", &record), ANB_EXISTS, "stale-incarnation");
    world_fini(&w);
}

static void a_repeated_record_is_refused(void)
{
    struct world w;
    world_begin(&w);
    struct record record = down();
    CHECK_EQUAL(say(&w, "a", &record), ANB_OK);
    CHECK_REFUSED(&w, say(&w, "a", &record), ANB_EXISTS, "repeated");
    world_fini(&w);
}

static void a_record_refused_for_its_content_is_not_taken_when_it_is_repeated(void)
{
    struct world w;
    world_begin(&w);
    struct record record = {RECORD_LEADER_CLAIMED, .is.leader_claimed = {.head.epoch = 1}};
    CHECK_REFUSED(&w, say(&w, "server-1", &record), ANB_EXISTS, "stale-epoch");
    record.is.leader_claimed.head.epoch = 9;
    CHECK_REFUSED(&w, say(&w, "server-1", &record), ANB_EXISTS, "repeated");
    world_fini(&w);
}

static void a_node_that_said_it_is_down_says_nothing_more(void)
{
    struct world w;
    world_begin(&w);
    say_down(&w, "server-1");
    CHECK_REFUSED(&w, say_claim(&w, "server-1"), ANB_INVALID, "node-down");
    world_fini(&w);
}

static void records_of_other_topics_are_refused(void)
{
    struct world w;
    world_begin(&w);
    struct record chunk = {.kind = RECORD_CHUNK}, pulse = {RECORD_PULSE, .is.pulse = {.job = "", .activity = ""}};
    CHECK_REFUSED(&w, federation_apply(w.federation, &chunk, 0, 0, &w.err), ANB_INVALID, "not-control");
    CHECK_REFUSED(&w, say(&w, "a", &pulse), ANB_INVALID, "not-control");
    world_fini(&w);
}

static void only_servers_lead(void)
{
    struct world w;
    world_begin(&w);
    CHECK_REFUSED(&w, say_claim(&w, "agg-1"), ANB_DENIED, "wrong-role");
    CHECK_REFUSED(&w, say_claim(&w, "a"), ANB_DENIED, "wrong-role");
    CHECK_TEXT(federation_leader(w.federation), "server-1");
    world_fini(&w);
}

static void an_epoch_that_is_taken_cannot_be_claimed(void)
{
    struct world w;
    world_begin(&w);
    say_up(&w, "server-2", ROLE_SERVER);
    struct record record = {RECORD_LEADER_CLAIMED, .is.leader_claimed = {.head.epoch = 1}};
    CHECK_REFUSED(&w, say(&w, "server-2", &record), ANB_EXISTS, "stale-epoch");
    CHECK_EQUAL(federation_epoch(w.federation), 1);
    world_fini(&w);
}

static void a_higher_epoch_takes_the_lead(void)
{
    struct world w;
    world_begin(&w);
    say_up(&w, "server-2", ROLE_SERVER);
    CHECK_EQUAL(say_claim(&w, "server-2"), ANB_OK);
    CHECK_TEXT(federation_leader(w.federation), "server-2");
    CHECK_EQUAL(federation_epoch(w.federation), 2);
    world_fini(&w);
}

static void a_leader_that_restarts_or_stops_leads_no_more(void)
{
    struct world w;
    world_begin(&w);
    say_up(&w, "server-1", ROLE_SERVER);
    CHECK(!federation_leader(w.federation));
    CHECK_EQUAL(federation_epoch(w.federation), 1);
    say_claim(&w, "server-1");
    say_down(&w, "server-1");
    CHECK(!federation_leader(w.federation));
    world_fini(&w);
}

static void decisions_of_a_leader_of_the_past_do_not_count(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_up(&w, "server-2", ROLE_SERVER);
    say_claim(&w, "server-2");
    struct record record = {
        RECORD_JOB_ENDED,
        .is.job_ended = {.head.epoch = 1, .job = WORLD_JOB, .outcome = OUTCOME_ABORTED, .reason = ""}};
    CHECK_REFUSED(&w, say(&w, "server-1", &record), ANB_EXISTS, "stale-epoch");
    CHECK_EQUAL(the_job(&w)->phase, JOB_RUNNING);
    world_fini(&w);
}

static void decisions_of_others_than_the_leader_do_not_count(void)
{
    struct world w;
    world_run(&w, 1, false);
    say_up(&w, "server-2", ROLE_SERVER);
    struct record record = {RECORD_JOB_ENDED,
                            .is.job_ended = {.job = WORLD_JOB, .outcome = OUTCOME_ABORTED, .reason = ""}};
    struct record again = record;
    CHECK_REFUSED(&w, say(&w, "server-2", &record), ANB_DENIED, "not-leader");
    again.is.job_ended.head.epoch = 7;
    CHECK_REFUSED(&w, say(&w, "server-1", &again), ANB_DENIED, "not-leader");
    CHECK_EQUAL(the_job(&w)->phase, JOB_RUNNING);
    world_fini(&w);
}

static void nodes_are_listed_by_name(void)
{
    struct world w;
    world_begin(&w);
    static const char *const names[] = {"a", "agg-1", "agg-2", "b", "c", "server-1"};
    const struct node_state *node = federation_nodes(w.federation);
    for (size_t i = 0; i < 6; i++, node = node->next) CHECK_TEXT(node->name, names[i]);
    CHECK(!node);
    world_fini(&w);
}

static void a_silent_node_is_dead_until_it_pulses(void)
{
    struct world w;
    world_begin(&w);
    const struct node_state *node = federation_node(w.federation, "a");
    CHECK(node_is_alive(node, w.now_ms + NODE_SILENT_MS));
    CHECK(!node_is_alive(node, w.now_ms + NODE_SILENT_MS + 1));
    w.now_ms += 60000;
    pulse_one(&w, "a");
    CHECK(node_is_alive(node, w.now_ms));
    CHECK_TEXT(node->activity, "idle");
    say_down(&w, "a");
    CHECK(!node_is_alive(node, w.now_ms));
    world_fini(&w);
}

static void a_pulse_of_another_incarnation_or_of_a_stranger_is_no_sign_of_life(void)
{
    struct world w;
    world_begin(&w);
    struct pulse pulse = {.head = {.project = "p", .node = "a", .incarnation = 2, .time_ms = w.now_ms + 60000},
                          .activity = "idle"};
    federation_pulse(w.federation, &pulse, w.now_ms + 60000);
    pulse.head.incarnation = 1;
    pulse.head.project = "other";
    federation_pulse(w.federation, &pulse, w.now_ms + 60000);
    pulse.head.node = "stranger";
    federation_pulse(w.federation, &pulse, w.now_ms + 60000);
    CHECK_EQUAL(federation_node(w.federation, "a")->last_seen_ms, w.now_ms);
    world_fini(&w);
}

static void a_pulse_that_is_said_again_or_is_old_keeps_nobody_alive(void)
{
    struct world w;
    world_begin(&w);
    const struct node_state *node = federation_node(w.federation, "a");
    struct pulse pulse = {.head = {.project = "p", .node = "a", .incarnation = 1, .time_ms = w.now_ms},
                          .activity = "idle"};
    federation_pulse(w.federation, &pulse, w.now_ms);
    federation_pulse(w.federation, &pulse, w.now_ms + 60000); /* word for word */
    CHECK_EQUAL(node->last_seen_ms, w.now_ms);
    pulse.head.time_ms += 1000;
    federation_pulse(w.federation, &pulse, w.now_ms + 301001); /* kept back for five minutes */
    CHECK_EQUAL(node->last_seen_ms, w.now_ms);
    federation_pulse(w.federation, &pulse, w.now_ms + 60000);
    CHECK_EQUAL(node->last_seen_ms, w.now_ms + 60000);
    world_fini(&w);
}

static void who_is_dismissed_is_down_and_what_it_had_open_is_given_up(void)
{
    struct world w;
    world_begin(&w);
    const struct node_state *node = federation_node(w.federation, "a");
    CHECK(node->up);
    federation_dismiss(w.federation, "a", "revoked", 99, w.now_ms);
    federation_dismiss(w.federation, "nobody", "revoked", 99, w.now_ms);
    CHECK(!node->up);
    world_fini(&w);
}

static void a_log_that_is_read_again_makes_nobody_alive(void)
{
    struct world w;
    world_init(&w);
    struct record record = {RECORD_NODE_UP, .is.node_up = {.head.time_ms = 1000, .version = "1"}};
    say(&w, "a", &record);
    CHECK(!node_is_alive(federation_node(w.federation, "a"), w.now_ms));
    world_fini(&w);
}

static void words_from_outside_are_cut_and_made_printable(void)
{
    struct world w;
    world_begin(&w);
    struct record record = {RECORD_NODE_UP,
                            .is.node_up = {.head.incarnation = 5, .version = "1.0 \n\xc3\xa9 and much more than fits"}};
    CHECK_EQUAL(say(&w, "a", &record), ANB_OK);
    CHECK_TEXT(federation_node(w.federation, "a")->version, "1.0?????and?much?more?t");
    world_fini(&w);
}

static enum anb_status tell_head(struct world *w, int64_t line)
{
    struct record record = {RECORD_AUDIT_HEAD, .is.audit_head = {.line = line}};
    record.is.audit_head.digest.bytes[0] = (unsigned char)line;
    return say(w, "a", &record);
}

static void heads_of_audit_logs_are_kept_the_last_ones(void)
{
    struct world w;
    world_begin(&w);
    CHECK_REFUSED(&w, tell_head(&w, 0), ANB_INVALID, "bad-record");
    for (int line = 1; line <= AUDIT_MARKS + 3; line++) CHECK_EQUAL(tell_head(&w, line), ANB_OK);
    CHECK_EQUAL(tell_head(&w, 2), ANB_OK); /* a log that began anew is seen, not refused */
    const struct node_state *node = federation_node(w.federation, "a");
    CHECK_EQUAL(node->n_audit_marks, AUDIT_MARKS);
    CHECK_EQUAL(node->audit_marks[0].line, 5);
    CHECK_EQUAL(node->audit_marks[0].digest.bytes[0], 5);
    CHECK_EQUAL(node->audit_marks[AUDIT_MARKS - 1].line, 2);
    world_fini(&w);
}

TEST_MAIN("federation nodes", TEST(heads_of_audit_logs_are_kept_the_last_ones),
          TEST(a_federation_without_partitions_is_not_made), TEST(a_record_of_another_project_is_refused),
          TEST(a_node_that_has_not_announced_itself_is_refused), TEST(a_name_that_no_node_can_have_is_refused),
          TEST(an_incarnation_or_sequence_below_one_is_refused), TEST(a_record_of_an_older_incarnation_is_refused),
          TEST(a_record_of_an_incarnation_that_has_not_begun_is_refused), TEST(the_same_incarnation_begins_only_once),
          TEST(a_repeated_record_is_refused), TEST(a_record_refused_for_its_content_is_not_taken_when_it_is_repeated),
          TEST(a_node_that_said_it_is_down_says_nothing_more), TEST(records_of_other_topics_are_refused),
          TEST(only_servers_lead), TEST(an_epoch_that_is_taken_cannot_be_claimed), TEST(a_higher_epoch_takes_the_lead),
          TEST(a_leader_that_restarts_or_stops_leads_no_more), TEST(decisions_of_a_leader_of_the_past_do_not_count),
          TEST(decisions_of_others_than_the_leader_do_not_count), TEST(nodes_are_listed_by_name),
          TEST(a_silent_node_is_dead_until_it_pulses),
          TEST(a_pulse_of_another_incarnation_or_of_a_stranger_is_no_sign_of_life),
          TEST(a_pulse_that_is_said_again_or_is_old_keeps_nobody_alive),
          TEST(who_is_dismissed_is_down_and_what_it_had_open_is_given_up),
          TEST(a_log_that_is_read_again_makes_nobody_alive), TEST(words_from_outside_are_cut_and_made_printable))
