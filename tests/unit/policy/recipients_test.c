/* Who gets mail here: the answers to RCPT, and what aliases expand to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/recipients.h"

enum { CEILING = 1 << 20 };

static void alias(struct recipients *to, const char *domain, const char *local, const char *target)
{
    recipients_add_alias(to, bytes_of(domain), bytes_of(local), bytes_of(target));
}

/* The directory of all rows. */
static struct recipients *directory(void)
{
    struct recipients *all = recipients_new(7);
    assert_true(recipients_add_domain(all, BYTES("Example.ORG"), MAILBOXES_LISTED));
    assert_false(recipients_add_domain(all, BYTES("example.org"), MAILBOXES_ANY));
    recipients_set_delimiter(all, BYTES("example.org"), '+');
    recipients_add_mailbox(all, BYTES("example.org"), BYTES("Ann"));
    recipients_add_mailbox(all, BYTES("example.org"), BYTES("bob"));
    recipients_add_mailbox(all, BYTES("example.org"), BYTES("bob+keep"));
    recipients_add_mailbox(all, BYTES("example.org"), BYTES("\"two words\""));
    recipients_add_mailbox(all, BYTES("example.org"), BYTES("copied"));
    alias(all, "example.org", "sales", "ann@example.org");
    alias(all, "example.org", "sales", "Bob+sales@example.org");
    alias(all, "example.org", "sales", "carl@elsewhere.example");
    alias(all, "example.org", "sales", "ANN@Example.org");
    alias(all, "example.org", "all", "sales@example.org");
    alias(all, "example.org", "all", "sales+again@example.org");
    alias(all, "example.org", "all", "dora@elsewhere.example");
    alias(all, "example.org", "copied", "copied@example.org");
    alias(all, "example.org", "copied", "archive@elsewhere.example");
    alias(all, "example.org", "self", "self@example.org");
    alias(all, "example.org", "loop1", "loop2@example.org");
    alias(all, "example.org", "loop2", "loop3@example.org");
    alias(all, "example.org", "loop3", "loop1@example.org");
    alias(all, "example.org", "dead", "nobody@example.org");
    alias(all, "example.org", "half", "nobody@example.org");
    alias(all, "example.org", "half", "ann@example.org");
    alias(all, "example.org", "broken", "no address");

    assert_true(recipients_add_domain(all, BYTES("any.example"), MAILBOXES_ANY));
    recipients_set_delimiter(all, BYTES("any.example"), '-');
    alias(all, "any.example", "info", "ann@example.org");

    assert_true(recipients_add_domain(all, BYTES("catch.example"), MAILBOXES_LISTED));
    recipients_add_mailbox(all, BYTES("catch.example"), BYTES("zoe"));
    recipients_set_catch_all(all, BYTES("catch.example"), BYTES("old@example.org"));
    recipients_set_catch_all(all, BYTES("catch.example"), BYTES("ann@example.org"));

    assert_true(recipients_add_domain(all, BYTES("pm.example"), MAILBOXES_LISTED));
    alias(all, "pm.example", "postmaster", "bob@example.org");

    assert_true(recipients_add_domain(all, BYTES("forward.example"), MAILBOXES_LISTED));
    alias(all, "forward.example", "team", "x@elsewhere.example");

    assert_true(recipients_add_relayed(all, BYTES("Backup.example")));
    assert_false(recipients_add_relayed(all, BYTES("backup.EXAMPLE")));
    assert_true(recipients_add_relayed(all, BYTES(".below.example")));
    assert_true(recipients_add_domain(all, BYTES("void.example"), MAILBOXES_LISTED));
    recipients_set_catch_all(all, BYTES("void.example"), BYTES("gone@void.example"));
    return all;
}

static const struct {
    const char *name, *path;
    bool may_relay, has_route;
    int code;
    const char *status, *rule;
    const char *final; /* joined by spaces, for accepted ones */
} rows[] = {
    {"mailbox", "<ann@example.org>", 0, 0, 250, "2.1.5", "mailbox", "ann@example.org"},
    {"any case", "<ANN@EXAMPLE.ORG>", 0, 0, 250, "2.1.5", "mailbox", "ANN@EXAMPLE.ORG"},
    {"source route", "<@a.example:ann@example.org>", 0, 0, 250, "2.1.5", "mailbox",
     "ann@example.org"},
    {"detail is kept", "<ann+lists@example.org>", 0, 0, 250, "2.1.5", "mailbox",
     "ann+lists@example.org"},
    {"quoted name without need", "<\"ann\"@example.org>", 0, 0, 250, "2.1.5", "mailbox",
     "\"ann\"@example.org"},
    {"quoted pair", "<\"\\a\\n\\n\"@example.org>", 0, 0, 250, "2.1.5", "mailbox",
     "\"\\a\\n\\n\"@example.org"},
    {"quoted name with need", "<\"Two Words\"@example.org>", 0, 0, 250, "2.1.5", "mailbox",
     "\"Two Words\"@example.org"},
    {"unknown", "<zed@example.org>", 0, 0, 550, "5.1.1", "unknown-mailbox", NULL},
    {"unknown, though relay is allowed", "<zed@example.org>", 1, 1, 550, "5.1.1", "unknown-mailbox",
     NULL},
    {"detail alone", "<+ann@example.org>", 0, 0, 550, "5.1.1", "unknown-mailbox", NULL},
    {"no delimiter here", "<zoe+x@catch.example>", 0, 0, 250, "2.1.5", "catch-all",
     "ann@example.org"},
    {"alias: each once, in order, details kept", "<sales@example.org>", 0, 0, 250, "2.1.5", "alias",
     "ann@example.org Bob+sales@example.org carl@elsewhere.example"},
    {"alias with detail", "<sales+x@example.org>", 0, 0, 250, "2.1.5", "alias",
     "ann@example.org Bob+sales@example.org carl@elsewhere.example"},
    {"alias of an alias, twice", "<all@example.org>", 0, 0, 250, "2.1.5", "alias",
     "ann@example.org Bob+sales@example.org carl@elsewhere.example dora@elsewhere.example"},
    {"alias with a copy for the mailbox", "<copied@example.org>", 0, 0, 250, "2.1.5", "alias",
     "copied@example.org archive@elsewhere.example"},
    {"alias of itself, no mailbox", "<self@example.org>", 0, 0, 550, "5.1.1", "unknown-mailbox",
     NULL},
    {"loop", "<loop1@example.org>", 0, 0, 550, "5.4.6", "alias-loop", NULL},
    {"loop, from its middle", "<loop3@example.org>", 0, 0, 550, "5.4.6", "alias-loop", NULL},
    {"alias to nobody", "<dead@example.org>", 0, 0, 550, "5.1.1", "unknown-mailbox", NULL},
    {"alias to one and nobody", "<half@example.org>", 0, 0, 250, "2.1.5", "alias",
     "nobody@example.org ann@example.org"},
    {"alias to no address", "<broken@example.org>", 0, 0, 550, "5.1.1", "unknown-mailbox", NULL},
    {"passed on", "<Zed+x@backup.example>", 0, 0, 250, "2.1.5", "relay-domain",
     "Zed+x@backup.example"},
    {"passed on, below a domain", "<zed@a.below.example>", 0, 0, 250, "2.1.5", "relay-domain",
     "zed@a.below.example"},
    {"not that domain itself", "<zed@below.example>", 0, 0, 550, "5.7.1", "relay", NULL},
    {"below one that is passed on alone", "<zed@a.backup.example>", 0, 0, 550, "5.7.1", "relay",
     NULL},
    {"passed on, but no percent hack", "<zed%far.example@backup.example>", 0, 0, 550, "5.7.1",
     "relay", NULL},
    {"passed on, but no bang path", "<far.example!zed@backup.example>", 0, 0, 550, "5.7.1", "relay",
     NULL},
    {"passed on, but no address in quotes", "<\"zed@far.example\"@backup.example>", 0, 0, 550,
     "5.7.1", "relay", NULL},
    {"percent hack of one who may relay", "<zed%far.example@backup.example>", 1, 0, 250, "2.1.5",
     "relay", "zed%far.example@backup.example"},
    {"any mailbox", "<zed@any.example>", 0, 0, 250, "2.1.5", "mailbox", "zed@any.example"},
    {"alias beside any", "<info-x@any.example>", 0, 0, 250, "2.1.5", "alias", "ann@example.org"},
    {"catch-all", "<who@catch.example>", 0, 0, 250, "2.1.5", "catch-all", "ann@example.org"},
    {"mailbox before catch-all", "<zoe@catch.example>", 0, 0, 250, "2.1.5", "mailbox",
     "zoe@catch.example"},
    {"catch-all that catches itself", "<who@void.example>", 0, 0, 550, "5.1.1", "unknown-mailbox",
     NULL},
    {"postmaster by alias", "<Postmaster@pm.example>", 0, 0, 250, "2.1.5", "alias",
     "bob@example.org"},
    {"postmaster without a domain: where there is one", "<postmaster>", 0, 0, 250, "2.1.5", "alias",
     "bob@example.org"},
    {"nobody named postmaster: first mailbox", "<postmaster@example.org>", 0, 0, 250, "2.1.5",
     "alias", "Ann@example.org"},
    {"nobody named postmaster: detail", "<postmaster+x@example.org>", 0, 0, 250, "2.1.5", "alias",
     "Ann@example.org"},
    {"nobody named postmaster: catch-all", "<postmaster@catch.example>", 0, 0, 250, "2.1.5",
     "catch-all", "ann@example.org"},
    {"nobody named postmaster: any", "<postmaster@any.example>", 0, 0, 250, "2.1.5", "mailbox",
     "postmaster@any.example"},
    {"nobody named postmaster: first alias", "<postmaster@forward.example>", 0, 0, 250, "2.1.5",
     "alias", "x@elsewhere.example"},
    {"percent hack", "<bob%elsewhere.example@example.org>", 0, 0, 550, "5.1.1", "unknown-mailbox",
     NULL},
    {"percent hack, any mailbox", "<bob%elsewhere.example@any.example>", 1, 1, 550, "5.1.1",
     "unknown-mailbox", NULL},
    {"percent hack, catch-all", "<bob%elsewhere.example@catch.example>", 0, 0, 550, "5.1.1",
     "unknown-mailbox", NULL},
    {"bang path", "<elsewhere.example!bob@any.example>", 0, 0, 550, "5.1.1", "unknown-mailbox",
     NULL},
    {"address in quotes", "<\"bob@elsewhere.example\"@any.example>", 0, 0, 550, "5.1.1",
     "unknown-mailbox", NULL},
    {"path in a name", "<\"../../etc\"@any.example>", 0, 0, 550, "5.1.1", "unknown-mailbox", NULL},
    {"empty name", "<\"\"@any.example>", 0, 0, 550, "5.1.1", "unknown-mailbox", NULL},
    {"elsewhere", "<carl@elsewhere.example>", 0, 1, 550, "5.7.1", "relay", NULL},
    {"elsewhere, subdomain of ours", "<ann@sub.example.org>", 0, 1, 550, "5.7.1", "relay", NULL},
    {"elsewhere, ours in front", "<ann@example.org.elsewhere.example>", 0, 1, 550, "5.7.1", "relay",
     NULL},
    {"address literal", "<ann@[192.0.2.1]>", 0, 1, 550, "5.7.1", "relay", NULL},
    {"elsewhere, trusted", "<carl@elsewhere.example>", 1, 1, 250, "2.1.5", "relay",
     "carl@elsewhere.example"},
    {"elsewhere, by MX", "<carl@elsewhere.example>", 1, 0, 250, "2.1.5", "relay",
     "carl@elsewhere.example"},
    {"elsewhere, UTF-8",
     "<carl@b\xc3\xbc"
     "cher.example>",
     1, 0, 250, "2.1.5", "relay",
     "carl@b\xc3\xbc"
     "cher.example"},
    {"literal, trusted", "<carl@[192.0.2.1]>", 1, 0, 250, "2.1.5", "relay", "carl@[192.0.2.1]"},
    {"IPv6 literal, trusted", "<carl@[IPv6:2001:db8::1]>", 1, 0, 250, "2.1.5", "relay",
     "carl@[IPv6:2001:db8::1]"},
    {"a snowman is no domain", "<carl@\xe2\x98\x83.example>", 1, 0, 550, "5.1.2", "no-domain",
     NULL},
    {"a snowman with a route", "<carl@\xe2\x98\x83.example>", 1, 1, 250, "2.1.5", "relay",
     "carl@\xe2\x98\x83.example"},
};

static struct address parse(const char *path)
{
    struct bytes rest = bytes_of(path);
    struct address address;
    assert_int_equal(path_parse(&rest, ADDRESS_UTF8, &address), PATH_OK);
    return address;
}

static void expect_final(const struct recipients *all, size_t row)
{
    struct address address = parse(rows[row].path);
    struct arena *arena = arena_new(CEILING);
    struct bytes *final;
    size_t count;
    char joined[1024] = "";
    assert_true(recipients_expand(all, &address, BYTES("mx.example.org"), arena, &final, &count));
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(joined);
        snprintf(joined + len, sizeof joined - len, "%s%.*s", i ? " " : "", BYTES_ARGS(final[i]));
    }
    if (strcmp(joined, rows[row].final) != 0)
        fail_msg("%s: expands to %s", rows[row].name, joined);
    arena_free(arena);
}

static void rcpt_table(void **state)
{
    struct recipients *all = directory();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct address address = parse(rows[i].path);
        struct recipient_query query = {.address = &address,
                                        .hostname = BYTES("mx.example.org"),
                                        .may_relay = rows[i].may_relay,
                                        .has_route = rows[i].has_route,
                                        .client = BYTES("192.0.2.1")};
        struct arena *arena = arena_new(CEILING);
        struct recipient_verdict got = recipients_check(all, &query, arena);
        if (got.code != rows[i].code || got.is_accepted != (got.code == 250) ||
            !bytes_equal(got.status, bytes_of(rows[i].status)) ||
            !bytes_equal(got.rule, bytes_of(rows[i].rule)))
            fail_msg("%s: %d %.*s %.*s (%.*s)", rows[i].name, got.code, BYTES_ARGS(got.status),
                     BYTES_ARGS(got.text), BYTES_ARGS(got.rule));
        if (got.text.len == 0 || got.text.len > 480)
            fail_msg("%s: text of %zu bytes", rows[i].name, got.text.len);
        if (rows[i].final)
            expect_final(all, i);
        arena_free(arena);
    }
    recipients_free(all);
}

static const struct {
    const char *name, *path, *domain, *local; /* domain NULL: no mailbox here */
} mailbox_rows[] = {
    {"plain", "<Ann@Example.org>", "example.org", "ann"},
    {"detail", "<ann+Lists@example.org>", "example.org", "ann"},
    {"a name with the delimiter", "<bob+KEEP@example.org>", "example.org", "bob+keep"},
    {"detail of no mailbox", "<bob+keep+x@example.org>", "example.org", "bob"},
    {"quoted", "<\"two words\"@example.org>", "example.org", "two words"},
    {"any", "<zed-x@any.example>", "any.example", "zed"},
    {"alias that names itself", "<copied@example.org>", "example.org", "copied"},
    {"alias", "<sales@example.org>", NULL, NULL},
    {"unknown", "<zed@example.org>", NULL, NULL},
    {"catch-all", "<zed@catch.example>", NULL, NULL},
    {"elsewhere", "<carl@elsewhere.example>", NULL, NULL},
    {"odd name", "<\"a/b\"@any.example>", NULL, NULL},
};

static void mailbox_table(void **state)
{
    struct recipients *all = directory();
    for (size_t i = 0; i < COUNT(mailbox_rows); i++) {
        struct address address = parse(mailbox_rows[i].path);
        struct arena *arena = arena_new(CEILING);
        struct bytes domain, local;
        bool is_mailbox = recipients_mailbox(all, &address, arena, &domain, &local);
        if (is_mailbox != (mailbox_rows[i].domain != NULL))
            fail_msg("%s: mailbox or not", mailbox_rows[i].name);
        if (is_mailbox && (!bytes_equal(domain, bytes_of(mailbox_rows[i].domain)) ||
                           !bytes_equal(local, bytes_of(mailbox_rows[i].local))))
            fail_msg("%s: %.*s", mailbox_rows[i].name, BYTES_ARGS(local));
        arena_free(arena);
    }
    recipients_free(all);
}

static int check_code(const struct recipients *all, const char *path, struct arena *arena)
{
    struct address address = parse(path);
    struct recipient_query query = {.address = &address, .hostname = BYTES("mx.example.org")};
    return recipients_check(all, &query, arena).code;
}

static void expansion_is_bounded(void **state)
{
    struct recipients *all = recipients_new(1);
    char local[32], target[64];
    assert_true(recipients_add_domain(all, BYTES("a.example"), MAILBOXES_LISTED));
    for (int i = 0; i < EXPANSION_LIMIT; i++) {
        snprintf(target, sizeof target, "u%d@b.example", i);
        alias(all, "a.example", "full", target);
    }
    alias(all, "a.example", "over", "full@a.example");
    alias(all, "a.example", "over", "one-more@b.example");
    for (int i = 1; i <= ALIAS_DEPTH_LIMIT + 1; i++) {
        snprintf(local, sizeof local, "chain%d", i);
        snprintf(target, sizeof target, "chain%d@a.example", i - 1);
        alias(all, "a.example", local, i == 1 ? "end@b.example" : target);
    }
    /* A bomb: each level names the next one twice over, under different details. */
    recipients_set_delimiter(all, BYTES("a.example"), '+');
    for (int i = 0; i < 8; i++) {
        snprintf(local, sizeof local, "bomb%d", i);
        for (int j = 0; j < 100; j++) {
            snprintf(target, sizeof target, "bomb%d+%d@a.example", i + 1, j);
            alias(all, "a.example", local, target);
        }
    }
    alias(all, "a.example", "bomb8", "end@b.example");

    struct arena *arena = arena_new(CEILING), *tiny = arena_new(16);
    assert_int_equal(check_code(all, "<full@a.example>", arena), 250);
    assert_int_equal(check_code(all, "<over@a.example>", arena), 550);
    assert_int_equal(check_code(all, "<chain10@a.example>", arena), 250);
    assert_int_equal(check_code(all, "<chain11@a.example>", arena), 550);
    assert_int_equal(check_code(all, "<bomb0@a.example>", arena), 250);
    /* Without memory a refusal is still one. */
    assert_int_equal(check_code(all, "<nobody@a.example>", tiny), 550);
    assert_int_equal(check_code(all, "<postmaster>", tiny), 452);

    struct bytes *out;
    size_t count;
    struct address address = parse("<bomb0@a.example>");
    assert_true(recipients_expand(all, &address, BYTES("h"), arena, &out, &count));
    assert_int_equal(count, 1);
    address = parse("<full@a.example>");
    assert_true(recipients_expand(all, &address, BYTES("h"), arena, &out, &count));
    assert_int_equal(count, EXPANSION_LIMIT);
    assert_false(recipients_expand(all, &address, BYTES("h"), tiny, &out, &count));
    address = parse("<over@a.example>");
    assert_false(recipients_expand(all, &address, BYTES("h"), arena, &out, &count));
    arena_free(arena);
    arena_free(tiny);
    recipients_free(all);
}

static void no_domain_no_postmaster(void **state)
{
    struct recipients *none = recipients_new(1);
    struct arena *arena = arena_new(CEILING);
    assert_int_equal(check_code(none, "<postmaster>", arena), 550);
    assert_int_equal(check_code(none, "<ann@example.org>", arena), 550);
    assert_false(recipients_is_local_domain(none, BYTES("mx.example.org")));
    /* The host's own name, when it is a domain here, comes before the first one. */
    assert_true(recipients_add_domain(none, BYTES("first.example"), MAILBOXES_ANY));
    assert_true(recipients_add_domain(none, BYTES("mx.example.org"), MAILBOXES_ANY));
    struct address address = parse("<PostMaster>");
    struct bytes *out;
    size_t count;
    assert_true(recipients_expand(none, &address, BYTES("MX.example.org"), arena, &out, &count));
    assert_true(count == 1 && bytes_equal(out[0], BYTES("postmaster@mx.example.org")));
    arena_free(arena);
    recipients_free(none);
    recipients_free(NULL);
}

/* Mailboxes that somebody else knows. */
static void accounts_get_mail(void **state)
{
    static const struct {
        const char *path;
        int code;
        const char *mailbox; /* of its final address; NULL: it has none here */
    } accounts[] = {
        {"<ann@acc.example>", 250, "ann"},
        {"<Ann+list@ACC.example>", 250, "ann"},
        {"<bob@acc.example>", 550, NULL},
        {"<\xc3\x9c@acc.example>", 250, "\xc3\xbc"}, /* however it is spelled */
        {"<info@acc.example>", 250, NULL},
        {"<far@acc.example>", 250, NULL},
        {"<copied@acc.example>", 250, "copied"},
        {"<dead@acc.example>", 550, NULL},
        {"<\"a/b\"@acc.example>", 550, NULL},
        {"<ann@b\xc3\xbc"
         "cher.example>",
         250, "ann"},
        {"<postmaster@acc.example>", 250, NULL},
    };
    struct directory known = {.is_known = false};
    struct directory everybody = {.is_known = true, .has_all = true};
    struct arena *arena = arena_new(CEILING);
    struct recipients *all = recipients_new(1);
    struct bytes domain, local;
    assert_false(recipients_need_directory(all));
    assert_true(recipients_add_domain(all, BYTES("acc.example"), MAILBOXES_DIRECTORY));
    assert_true(recipients_add_domain(all,
                                      BYTES("b\xc3\xbc"
                                            "cher.example"),
                                      MAILBOXES_DIRECTORY));
    recipients_set_delimiter(all, BYTES("acc.example"), '+');
    alias(all, "acc.example", "info", "ann@acc.example");
    alias(all, "acc.example", "far", "x@far.example");
    alias(all, "acc.example", "copied", "copied@acc.example");
    alias(all, "acc.example", "dead", "bob@acc.example");
    assert_true(recipients_need_directory(all));
    assert_int_equal(check_code(all, "<ann@acc.example>", arena), 451);
    recipients_set_directory(all, &known);
    assert_int_equal(check_code(all, "<ann@acc.example>", arena), 451);
    known.is_known = true;
    known.names = BYTES("a/b@acc.example\nann@acc.example\nann@xn--bcher-kva.example\n"
                        "copied@acc.example\n\xc3\xbc@acc.example\n");
    for (size_t i = 0; i < COUNT(accounts); i++) {
        struct address address = parse(accounts[i].path);
        if (check_code(all, accounts[i].path, arena) != accounts[i].code)
            fail_msg("%s: not %d", accounts[i].path, accounts[i].code);
        bool has_mailbox = recipients_mailbox(all, &address, arena, &domain, &local);
        if (has_mailbox != (accounts[i].mailbox != NULL) ||
            (has_mailbox && !bytes_equal(local, bytes_of(accounts[i].mailbox))))
            fail_msg("%s: another mailbox", accounts[i].path);
    }
    /* Whoever delivers has been told before who has one. */
    recipients_set_directory(all, &everybody);
    struct address gone = parse("<Gone+list@acc.example>");
    assert_true(recipients_mailbox(all, &gone, arena, &domain, &local));
    assert_true(bytes_equal(local, BYTES("gone")));
    arena_free(arena);
    recipients_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rcpt_table),           cmocka_unit_test(mailbox_table),
        cmocka_unit_test(expansion_is_bounded), cmocka_unit_test(no_domain_no_postmaster),
        cmocka_unit_test(accounts_get_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
