/* Verdicts: what is done with which results, and what the replies say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/verdict.h"

/* A query in short: letters for what is not as in a good message of example.com from 192.0.2.1.
 *   r, q: DMARC fails, the owner wants reject or quarantine; n: and wants nothing
 *   0: there is no DMARC record; T: DMARC is a temperror
 *   s: SPF fails; S: with an explanation; d: a DKIM signature of example.com is good
 *   x: one of example.net is; b: there is a bad one
 *   2: two From fields; u: author domains example.com and other.example
 *   f: the client is a forwarder; i: the client has no name; then seals, the newest first:
 *   a: one of lists.example that says pass; A: that does not; z: one of evil.example that does
 *   m: From shows another's address; M: mode mark */
static const struct {
    const char *name, *query, *want; /* action, rule, override, code and status */
} rows[] = {
    {"good", "", "accept"},
    {"p=reject", "r", "refuse dmarc 550 5.7.26"},
    {"p=quarantine", "q", "junk dmarc"},
    {"p=none", "n", "accept"},
    {"p=none, and SPF fails", "ns", "accept"},
    {"mode mark", "rM", "accept dmarc"},
    {"forwarder", "rf", "accept dmarc forwarder"},
    {"trusted seal", "ra", "accept dmarc arc"},
    {"trusted seal, quarantine", "qa", "accept dmarc arc"},
    {"trusted seal that does not say pass", "rA", "refuse dmarc 550 5.7.26"},
    {"trusted seal behind another", "rAa", "accept dmarc arc"},
    {"seal of nobody we trust", "rz", "refuse dmarc 550 5.7.26"},
    {"trusted seal in front of such a one", "rAz", "refuse dmarc 550 5.7.26"},
    {"trusted seal behind such a one", "rza", "refuse dmarc 550 5.7.26"},
    {"DMARC does not answer", "T", "accept"},
    {"no record, SPF fails", "0s", "junk spf"},
    {"no record, SPF fails, forwarded", "0sf", "accept spf forwarder"},
    {"no record, SPF fails, signed by the author", "0sd", "accept"},
    {"no record, SPF fails, signed by another", "0sx", "junk spf"},
    {"record, SPF fails, DMARC passes", "s", "accept"},
    {"two From fields", "2", "refuse author 550 5.6.0"},
    {"two From fields, forwarded", "2f", "refuse author 550 5.6.0"},
    {"two From fields, sealed", "2a", "refuse author 550 5.6.0"},
    {"no name", "i", "accept"},
    {"HELO fails", "h", "accept"},
    {"misleading name", "m", "accept"},
    {"HELO fails, and SPF too", "0sh", "junk spf"},
};

static const struct bytes sealers[] = {BYTES_INIT("other.example"), BYTES_INIT("lists.example")};
static const struct bytes example_com = BYTES_INIT("example.com");
static const struct bytes example_net = BYTES_INIT("example.net");
static const struct verdict_policy defaults = {.mode = VERDICT_ENFORCE,
                                               .on = {[VERDICT_ON_REJECT] = VERDICT_REFUSE,
                                                      [VERDICT_ON_QUARANTINE] = VERDICT_JUNK,
                                                      [VERDICT_ON_SPF_FAIL] = VERDICT_JUNK,
                                                      [VERDICT_ON_NO_AUTHOR] = VERDICT_REFUSE}};
static const struct verdict_trust trusted = {.sealers = sealers, .sealer_count = COUNT(sealers)};

struct scene {
    struct author author;
    struct dmarc_answer dmarc;
    struct verdict_seal seals[4];
    struct verdict_query query;
    enum verdict_mode mode;
};

static void set_dmarc(struct dmarc_answer *dmarc, char letter)
{
    dmarc->result = letter == '0' ? DMARC_NONE : letter == 'T' ? DMARC_TEMPERROR : DMARC_FAIL;
    dmarc->has_record = letter != '0';
    dmarc->policy = dmarc->disposition = letter == 'r'   ? DMARC_POLICY_REJECT
                                         : letter == 'q' ? DMARC_POLICY_QUARANTINE
                                                         : DMARC_POLICY_NONE;
    dmarc->reason_name = letter == 'T' ? BYTES("com") : BYTES_NONE;
}

static void set_spf(struct verdict_query *query, char letter)
{
    query->spf.result = "fail";
    query->spf.has_failed = true;
    query->spf.record = BYTES("v=spf1 -all");
    query->spf.explanation = letter == 'S' ? BYTES("see example.com/why") : BYTES_NONE;
}

static void set_helo(struct verdict_query *query)
{
    query->helo.result = "fail";
    query->helo.has_failed = true;
    query->helo.domain = BYTES("mail.example.net");
    query->helo.record = BYTES("v=spf1 a -all");
    query->helo.explanation = BYTES("not our server");
}

static void set(struct scene *scene, char letter)
{
    struct verdict_query *query = &scene->query;
    switch (letter) {
    case 's':
    case 'S': set_spf(query, letter); break;
    case 'h': set_helo(query); break;
    case 'd':
    case 'x':
        query->dkim.passed = letter == 'd' ? &example_com : &example_net;
        query->dkim.passed_count = 1;
        query->dkim.has_signature = true;
        break;
    case 'b': query->dkim.has_signature = true; break;
    case '2': scene->author = (struct author){.status = AUTHOR_SEVERAL_FIELDS}; break;
    case 'u':
        scene->author.domains[1] = BYTES("other.example");
        scene->author.count = 2;
        break;
    case 'f': query->is_forwarder = true; break;
    case 'a':
    case 'A':
    case 'z':
        scene->seals[query->seal_count].says_pass = letter != 'A';
        scene->seals[query->seal_count++].domain =
            letter == 'z' ? BYTES("evil.example") : BYTES("Lists.example");
        break;
    case 'i': query->has_name = false; break;
    case 'M': scene->mode = VERDICT_MARK; break;
    case 'm': scene->author.shown = BYTES("ceo@bank.example"); break;
    default: set_dmarc(&scene->dmarc, letter);
    }
}

static void make(struct scene *scene, const char *letters)
{
    *scene =
        (struct scene){.author = {.status = AUTHOR_FOUND, .domains = {example_com}, .count = 1},
                       .dmarc = {.result = DMARC_PASS,
                                 .author = example_com,
                                 .has_record = true,
                                 .domain = example_com},
                       .mode = VERDICT_ENFORCE,
                       .query = {.client = BYTES("192.0.2.1"),
                                 .has_name = true,
                                 .spf = {.result = "pass", .domain = BYTES("bounce.example.net")}}};
    scene->query.author = &scene->author;
    scene->query.dmarc = &scene->dmarc;
    scene->query.seals = scene->seals;
    for (; *letters; letters++)
        set(scene, *letters);
}

static void check_trusting(const char *name, const char *letters,
                           const struct verdict_policy *policy, const struct verdict_trust *trust,
                           const char *want, const char *want_text)
{
    struct scene scene;
    struct verdict_policy in_force = *policy;
    struct verdict verdict;
    struct buf text, got;
    buf_init(&text, 2000);
    buf_init(&got, 200);
    make(&scene, letters);
    in_force.mode = scene.mode;
    verdict_reach(&scene.query, &in_force, trust, &text, &verdict);
    buf_addf(&got, "%s%s%s%s%s", verdict_action_name(verdict.action), verdict.rule[0] ? " " : "",
             verdict.rule, verdict.override[0] ? " " : "", verdict.override);
    if (verdict.action == VERDICT_REFUSE)
        buf_addf(&got, " %d %s", verdict.code, verdict.status);
    if (!bytes_equal(buf_view(&got), bytes_of(want)))
        fail_msg("%s: %.*s", name, BYTES_ARGS(buf_view(&got)));
    if (want_text && !bytes_equal(buf_view(&text), bytes_of(want_text)))
        fail_msg("%s: %.*s", name, BYTES_ARGS(buf_view(&text)));
    if ((text.len > 0) != (verdict.rule[0] != '\0') || text.len > VERDICT_TEXT)
        fail_msg("%s: %zu bytes of text", name, text.len);
    buf_done(&text);
    buf_done(&got);
}

static void check(const char *name, const char *letters, const struct verdict_policy *policy,
                  const char *want, const char *want_text)
{
    check_trusting(name, letters, policy, &trusted, want, want_text);
}

static void defaults_are_kept(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        check(rows[i].name, rows[i].query, &defaults, rows[i].want, NULL);
}

static void policies_are_kept(void **state)
{
    static const struct bytes allow[] = {BYTES_INIT("example.com"), BYTES_INIT("a.example")};
    struct verdict_policy policy = defaults;
    policy.on[VERDICT_ON_REJECT] = VERDICT_JUNK;
    policy.on[VERDICT_ON_QUARANTINE] = VERDICT_ACCEPT;
    policy.on[VERDICT_ON_SPF_FAIL] = VERDICT_REFUSE;
    policy.on[VERDICT_ON_NO_NAME] = VERDICT_REFUSE;
    policy.on[VERDICT_ON_NO_AUTHOR] = VERDICT_JUNK;
    policy.on_unsure = VERDICT_DEFER_UNSURE;
    check("reject is junk", "r", &policy, "junk dmarc", NULL);
    check("quarantine is taken", "q", &policy, "accept", NULL);
    check("SPF is refused", "0s", &policy, "refuse spf 550 5.7.23", NULL);
    check("no name", "i", &policy, "refuse reverse-name 550 5.7.25", NULL);
    check("no author", "2", &policy, "junk author", NULL);
    policy.on[VERDICT_ON_HELO_FAIL] = VERDICT_JUNK;
    check("HELO is junk", "h", &policy, "junk helo", NULL);
    check("HELO of a forwarder", "hf", &policy, "accept helo forwarder", NULL);
    check("HELO, but DMARC comes first", "rih", &policy, "junk dmarc", NULL);
    check("HELO comes before the name", "ih", &policy, "junk helo", NULL);
    check("unsure", "T", &policy, "refuse dns 451 4.7.26", NULL);
    check("unsure, forwarded", "Tf", &policy, "accept dns forwarder", NULL);
    policy.on[VERDICT_ON_NO_AUTHOR] = VERDICT_ACCEPT;
    check("no author is no matter", "2", &policy, "accept", NULL);
    struct verdict_trust trust = {.allow = allow, .allow_count = COUNT(allow)};
    check_trusting("allowed", "r", &policy, &trust, "accept dmarc allow", NULL);
    check_trusting("one of two is allowed", "ru", &policy, &trust, "junk dmarc", NULL);
    policy.on[VERDICT_ON_MISLEADING] = VERDICT_JUNK;
    check("a misleading name is junk", "m", &policy, "junk misleading-name", NULL);
    check("and comes behind DMARC", "0sm", &policy, "refuse spf 550 5.7.23", NULL);
    check_trusting("allowed to mislead", "m", &policy, &trust, "accept misleading-name allow",
                   NULL);
}

static void replies_say_what_to_do(void **state)
{
    struct verdict_policy policy = defaults;
    policy.on[VERDICT_ON_SPF_FAIL] = VERDICT_REFUSE;
    policy.on[VERDICT_ON_NO_NAME] = VERDICT_REFUSE;
    policy.on_unsure = VERDICT_DEFER_UNSURE;
    check(
        "DMARC", "r", &policy, "refuse dmarc 550 5.7.26",
        "DMARC: example.com asks for reject (p=reject at _dmarc.example.com) of what is not shown "
        "to be its own: SPF is pass for bounce.example.net from 192.0.2.1, and there is no DKIM "
        "signature. Sign it as that domain, or send through its own servers");
    check(
        "DMARC, signed by another", "rsx", &policy, "refuse dmarc 550 5.7.26",
        "DMARC: example.com asks for reject (p=reject at _dmarc.example.com) of what is not shown "
        "to be its own: SPF is fail for bounce.example.net from 192.0.2.1, and DKIM is good for "
        "example.net only. Sign it as that domain, or send through its own servers");
    check("SPF", "0S", &policy, "refuse spf 550 5.7.23",
          "SPF: 192.0.2.1 may not send for bounce.example.net by its record, v=spf1 -all. Send "
          "through a server that the record names, or have its owner add this one. The domain "
          "says: see example.com/why");
    policy.on[VERDICT_ON_HELO_FAIL] = VERDICT_REFUSE;
    check("HELO", "h", &policy, "refuse helo 550 5.7.23",
          "SPF: 192.0.2.1 may not call itself mail.example.net by its record, v=spf1 a -all. Give "
          "the server its own name for EHLO, or have the owner of that one add this address. The "
          "domain says: not our server");
    check("From", "2", &policy, "refuse author 550 5.6.0",
          "From: there is more than one From field. A message needs exactly one From field "
          "(RFC 5322, 3.6), with an address that has a domain; correct it and send again");
    policy.on[VERDICT_ON_MISLEADING] = VERDICT_REFUSE;
    check("misleading name", "m", &policy, "refuse misleading-name 550 5.7.1",
          "From: it shows ceo@bank.example, but the message is from example.com. Write the name "
          "without an address that is not the sender's");
    check("DNS", "T", &policy, "refuse dns 451 4.7.26",
          "DMARC: the DNS does not answer for what shows whether example.com sent this (com); "
          "please try again later");
    check("name", "i", &policy, "refuse reverse-name 550 5.7.25",
          "192.0.2.1 has no name in the DNS that leads back to it. Give it one (PTR, and A or "
          "AAAA), or send through your provider's server");
}

static void long_names_stay_in_bounds(void **state)
{
    static uint8_t name[250];
    struct scene scene;
    struct verdict verdict;
    struct buf text;
    struct verdict_policy policy = defaults;
    struct bytes domain = {name, sizeof name};
    policy.on[VERDICT_ON_SPF_FAIL] = policy.on[VERDICT_ON_HELO_FAIL] =
        policy.on[VERDICT_ON_MISLEADING] = VERDICT_REFUSE;
    memset(name, 'a', sizeof name);
    for (const char *const *letters = (const char *const[]){"r", "rx", "0S", "h", "m", "T", NULL};
         *letters; letters++) {
        buf_init(&text, 2000);
        make(&scene, *letters);
        scene.author.domains[0] = scene.dmarc.author = scene.dmarc.domain = domain;
        scene.query.spf.domain = scene.query.spf.record = scene.query.spf.explanation = domain;
        scene.query.helo.domain = scene.query.helo.record = scene.query.helo.explanation = domain;
        if (scene.author.shown.len)
            scene.author.shown = domain;
        scene.query.client = BYTES("2001:0db8:1111:2222:3333:4444:5555:6666");
        if (scene.query.dkim.passed_count)
            scene.query.dkim.passed = &domain;
        verdict_reach(&scene.query, &policy, &trusted, &text, &verdict);
        if (text.len > VERDICT_TEXT)
            fail_msg("%s: %zu", *letters, text.len);
        buf_done(&text);
    }
}

/* Two policies in short, mode (E, M) and what is done on reject (a, j, r), D or T for unsure; the
 * wish is of a mode (or "-"), and an action (or "-"). */
static struct verdict_policy policy_of(const char *text)
{
    static const char actions[] = "ajr";
    return (struct verdict_policy){
        .mode = text[0] == 'E' ? VERDICT_ENFORCE : VERDICT_MARK,
        .on = {[VERDICT_ON_REJECT] =
                   text[1] == '-' ? 0 : (enum verdict_action)(strchr(actions, text[1]) - actions)},
        .on_unsure = text[2] == 'D' ? VERDICT_DEFER_UNSURE : VERDICT_TAKE_UNSURE};
}

static void check_policy(const char *name, const struct verdict_policy *got, const char *want)
{
    struct verdict_policy wanted = policy_of(want);
    if (got->mode != wanted.mode || got->on[VERDICT_ON_REJECT] != wanted.on[VERDICT_ON_REJECT] ||
        got->on_unsure != wanted.on_unsure)
        fail_msg("%s: %d %d %d", name, got->mode, got->on[VERDICT_ON_REJECT], got->on_unsure);
}

static void policies_are_joined(void **state)
{
    static const char *const joins[][3] = {
        {"ErD", "ErD", "ErD"}, {"EaT", "EaT", "EaT"}, {"ErT", "EaT", "EjT"}, {"ErT", "EjT", "EjT"},
        {"EaT", "EjT", "EjT"}, {"ErD", "EaT", "EjT"}, {"MrT", "MrT", "MrT"}, {"MrT", "MjT", "MjT"},
        {"MrD", "ErD", "EjT"}, {"ErD", "MrD", "EjT"}, {"MrT", "EaT", "EaT"}, {"EaT", "MrT", "EaT"},
    };
    for (size_t i = 0; i < COUNT(joins); i++) {
        struct verdict_policy policy = policy_of(joins[i][0]), other = policy_of(joins[i][1]);
        verdict_policy_join(&policy, &other);
        check_policy(joins[i][1], &policy, joins[i][2]);
    }
}

static void wishes_are_heard(void **state)
{
    static const char *const wishes[][3] = {
        {"ErD", "---", "ErD"}, {"ErD", "M--", "MrD"}, {"ErD", "-a-", "EaD"},
        {"ErD", "--T", "ErT"}, {"MaT", "EjD", "EjD"},
    };
    for (size_t i = 0; i < COUNT(wishes); i++) {
        struct verdict_policy policy = policy_of(wishes[i][0]);
        struct verdict_wish wish = {.policy = policy_of(wishes[i][1]),
                                    .has_mode = wishes[i][1][0] != '-',
                                    .has_on = {[VERDICT_ON_REJECT] = wishes[i][1][1] != '-'},
                                    .has_unsure = wishes[i][1][2] != '-'};
        verdict_policy_wish(&policy, &wish);
        check_policy(wishes[i][1], &policy, wishes[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_kept),      cmocka_unit_test(policies_are_kept),
        cmocka_unit_test(replies_say_what_to_do), cmocka_unit_test(policies_are_joined),
        cmocka_unit_test(wishes_are_heard),       cmocka_unit_test(long_names_stay_in_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
