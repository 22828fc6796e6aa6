/* The project file: each mistake is told with its line. */
#include "cli/provision.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#define HEAD "project: river\nbrokers: [kafka-1.example.org:9093]\n"

static enum anb_status parse(const char *text)
{
    struct provision_project project;
    enum anb_status status = provision_project_parse(slice_of_text(text), "p.yaml", &project, &test_error);
    if (status == ANB_OK) provision_project_fini(&project);
    return status;
}

static void mistakes_are_told_with_their_line(void)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"- a\n", "p.yaml:1: a project is a map"},
        {"brokers: [a:1]\n", "name"},
        {"project: ri.ver\nbrokers: [a:1]\n", "p.yaml:1"},
        {"project: river\n", "brokers must be a list of 1..16"},
        {"project: river\nbrokers: []\n", "brokers must be a list"},
        {"project: river\nbrokers: a:1\n", "brokers must be a list"},
        {"project: river\nbrokers:\n  - a\n", "p.yaml:3: a broker is HOST:PORT"},
        {"project: river\nbrokers: ['a:0']\n", "HOST:PORT"},
        {"project: river\nbrokers: ['a:65535']\n", "HOST:PORT"},
        {"project: river\nbrokers: ['a:9093x']\n", "HOST:PORT"},
        {"project: river\nbrokers: ['a:+9']\n", "HOST:PORT"},
        {"project: river\nbrokers: ['a b:9093']\n", "HOST:PORT"},
        {"project: river\nbrokers: ['a$(id):9093']\n", "HOST:PORT"},
        {"project: river\nbrokers: [':9093']\n", "HOST:PORT"},
        {HEAD "partition: 4\n", "p.yaml:3: a project has no \"partition\""},
        {HEAD "broker_protocol: ssl\n", "p.yaml:3: broker_protocol must be tls or plaintext"},
        {HEAD "broker_protocol: [tls]\n", "broker_protocol must be"},
        {HEAD "partitions: 65\n", "partitions must be a number from 1 to 64"},
        {HEAD "partitions: many\n", "partitions must be"},
        {HEAD "valid_days: 0\n", "valid_days must be"},
        {HEAD "nodes: site-a\n", "nodes must be a list"},
        {HEAD "nodes: [site-a]\n", "a node is a map"},
        {HEAD "nodes:\n  - {name: site-a, roles: [site], port: 7}\n", "a node has no \"port\""},
        {HEAD "nodes:\n  - {roles: [site]}\n", "p.yaml:4"},
        {HEAD "nodes:\n  - {name: Site, roles: [site]}\n", "p.yaml:4"},
        {HEAD "nodes:\n  - {name: site-a}\n", "site-a: a role is needed"},
        {HEAD "nodes:\n  - {name: site-a, roles: []}\n", "a role is needed"},
        {HEAD "nodes:\n  - {name: site-a, roles: [sites]}\n", "role \"sites\" is unknown"},
        {HEAD "nodes:\n  - {name: site-a, roles: [admin]}\n", "a node cannot be admin"},
        {HEAD "nodes:\n  - {name: site-a, roles: [site, admin]}\n", "do not go together"},
        {HEAD "nodes:\n  - {name: site-a, roles: [site], addresses: [a]}\n", "site-a: only a server has addresses"},
        {HEAD "nodes:\n  - {name: s, roles: [server], addresses: ['a b']}\n", "p.yaml:4: s: address \"a b\" is no"},
        {HEAD "nodes:\n  - {name: s, roles: [server], addresses: ['a', '']}\n", "address \"\" is no"},
        {HEAD "nodes:\n  - {name: s, roles: [server], addresses: [a,b,c,d,e,f,g,h,i,j,k,l,m,n]}\n", "at most 13"},
        {HEAD "users:\n  - {name: alice, role: site}\n", "a user cannot be site"},
        {HEAD "users:\n  - {name: alice, roles: [admin, lead]}\n", "a user has one role"},
        {HEAD "nodes:\n  - {name: alice, roles: [site]}\nusers:\n  - {name: alice, role: admin}\n",
         "the name alice stands here twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_STATUS(parse(cases[i].text), ANB_INVALID);
        if (!strstr(test_error.text, cases[i].sentence)) fprintf(stderr, "case %zu: %s\n", i, test_error.text);
        CHECK(strstr(test_error.text, cases[i].sentence) != NULL);
        CHECK(strstr(test_error.text, "p.yaml") != NULL);
    }
}

static void a_whole_project_is_read(void)
{
    struct provision_project project;
    struct buf bootstrap;
    static const char text[] =
        "project: river\nbrokers: ['10.0.0.7:9093', kafka-2:9094]\npartitions: 8\nvalid_days: 90\n"
        "nodes:\n  - {name: conductor, roles: [aggregator, server]}\n  - name: site-a\n"
        "    roles: site\nusers:\n  - {name: alice, role: lead}\n";
    buf_init(&bootstrap, 256);
    CHECK_STATUS(provision_project_parse(slice_of_text(text), "p.yaml", &project, &test_error), ANB_OK);
    CHECK_TEXT(project.name, "river");
    CHECK(project.partitions == 8 && project.valid_days == 90);
    CHECK_STATUS(provision_bootstrap(&project, &bootstrap, &test_error), ANB_OK);
    CHECK_TEXT(buf_text(&bootstrap), "10.0.0.7:9093,kafka-2:9094");
    REQUIRE(project.n_members == 3);
    CHECK_TEXT(project.members[0].name, "conductor");
    CHECK_EQUAL(project.members[0].roles, 1 << ROSTER_SERVER | 1 << ROSTER_AGGREGATOR);
    CHECK_EQUAL(project.members[1].roles, 1 << ROSTER_SITE);
    CHECK(project.members[2].kind == CERTIFICATE_USER && project.members[2].roles == 1 << ROSTER_LEAD);
    provision_project_fini(&project);
    buf_fini(&bootstrap);
}

static void what_is_not_given_has_its_default(void)
{
    struct provision_project project;
    CHECK_STATUS(provision_project_parse(slice_of_text(HEAD), "p.yaml", &project, &test_error), ANB_OK);
    CHECK(project.partitions == 4 && project.valid_days == 365 && project.broker_tls && project.n_members == 0);
    provision_project_fini(&project);
}

TEST_MAIN("provision_project", TEST(mistakes_are_told_with_their_line), TEST(a_whole_project_is_read),
          TEST(what_is_not_given_has_its_default))
