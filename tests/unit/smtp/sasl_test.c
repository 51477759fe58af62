/* The server's side of SASL: exchanges as tables, the examples of the RFCs among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/base64.h"
#include "smtp/sasl.h"
#include "smtp/scram.h"

enum { PLUS = 1 << SASL_SCRAM_SHA_256_PLUS, LINES = 8 };

/* The driver knows "user" with password "pencil" (RFC 7677's), and the token "good". */
struct driver {
    struct sasl *sasl;
    struct buf salt, proof_room;
    struct buf trace;
    bool is_down;
};

static const char server_nonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

static struct sasl_answer answer_proof(struct driver *driver, const struct sasl_question *question)
{
    static uint8_t signature[SCRAM_HASH];
    struct scram_keys keys;
    assert_true(scram_derive(BYTES("pencil"), buf_view(&driver->salt), 4096, &keys));
    bool is_good = scram_check(&keys, question->auth_message, question->proof, signature) &&
                   bytes_equal(question->user, BYTES("user"));
    return (struct sasl_answer){.verdict = is_good ? SASL_GRANTED : SASL_DENIED,
                                .account = BYTES("user@example.org"),
                                .signature = {signature, SCRAM_HASH}};
}

static struct sasl_answer judge(struct driver *driver, const struct sasl_question *question)
{
    struct sasl_answer answer = {.verdict = SASL_DENIED, .account = BYTES("user@example.org")};
    if (driver->is_down)
        return (struct sasl_answer){.verdict = SASL_UNAVAILABLE};
    switch (question->kind) {
    case SASL_ASK_PASSWORD:
        if (bytes_equal(question->user, BYTES("user")) &&
            bytes_equal(question->secret, BYTES("pencil")))
            answer.verdict = SASL_GRANTED;
        break;
    case SASL_ASK_SCRAM_SALT:
        answer.verdict = SASL_GRANTED;
        answer.salt = buf_view(&driver->salt);
        answer.iterations = 4096;
        answer.nonce = bytes_of(server_nonce);
        if (question->binding == SASL_TLS_EXPORTER)
            answer.binding = BYTES("exported");
        break;
    case SASL_ASK_SCRAM_PROOF: return answer_proof(driver, question);
    case SASL_ASK_TOKEN:
        if (bytes_equal(question->secret, BYTES("good")))
            answer.verdict = SASL_GRANTED;
        break;
    case SASL_ASK_CERTIFICATE:
        if (!question->user.len || bytes_equal(question->user, BYTES("user@example.org")))
            answer.verdict = SASL_GRANTED;
        break;
    }
    return answer;
}

/* Lets the driver answer, and writes what then is: "challenge", "+ account", "- why" with the
 * failure's kind. */
static void settle(struct driver *driver, enum sasl_step step)
{
    static const char *const kinds[] = {"malformed", "refused", "unavailable"};
    while (step == SASL_ASK) {
        struct sasl_answer answer = judge(driver, sasl_question(driver->sasl));
        step = sasl_answer(driver->sasl, &answer);
    }
    buf_clear(&driver->trace);
    if (step == SASL_CHALLENGE)
        buf_add(&driver->trace, sasl_challenge(driver->sasl));
    else if (step == SASL_SUCCESS)
        buf_addf(&driver->trace, "+ %.*s", BYTES_ARGS(sasl_account(driver->sasl)));
    else
        buf_addf(&driver->trace, "- %s", kinds[sasl_failure(driver->sasl).kind]);
}

static void driver_init(struct driver *driver, enum sasl_mechanism mechanism, unsigned offered)
{
    *driver = (struct driver){.sasl = sasl_new(mechanism, offered)};
    buf_init(&driver->salt, 100);
    buf_init(&driver->trace, SASL_MESSAGE_LIMIT);
    assert_true(base64_scan(&driver->salt, BYTES("W22ZaJ0SNY7soEsUEjb6gQ=="), BASE64_PLAIN));
}

static void driver_done(struct driver *driver)
{
    sasl_free(driver->sasl);
    buf_done(&driver->salt);
    buf_done(&driver->trace);
}

/* Messages of the client and what follows each. Here "|" is NUL and "^" is %x01. */
static const struct {
    const char *name;
    enum sasl_mechanism mechanism;
    unsigned offered;
    const char *lines[LINES];
} rows[] = {
    {"plain", SASL_PLAIN, 0, {"|user|pencil", "+ user@example.org"}},
    {"plain, as oneself", SASL_PLAIN, 0, {"user|user|pencil", "+ user@example.org"}},
    {"plain, as another", SASL_PLAIN, 0, {"boss|user|pencil", "- refused"}},
    {"plain, wrong", SASL_PLAIN, 0, {"|user|pencils", "- refused"}},
    {"plain, nobody", SASL_PLAIN, 0, {"|nobody|pencil", "- refused"}},
    {"plain, no password", SASL_PLAIN, 0, {"|user|", "- refused"}},
    {"plain, no name", SASL_PLAIN, 0, {"||pencil", "- malformed"}},
    {"plain, one part", SASL_PLAIN, 0, {"user", "- malformed"}},
    {"plain, two parts", SASL_PLAIN, 0, {"|user", "- malformed"}},
    {"plain, four parts", SASL_PLAIN, 0, {"|user|pencil|", "- malformed"}},
    {"plain, nothing", SASL_PLAIN, 0, {"", "- malformed"}},
    {"plain, no UTF-8", SASL_PLAIN, 0, {"|user|\xff", "- malformed"}},
    {"login", SASL_LOGIN, 0, {"user", "Password:", "pencil", "+ user@example.org"}},
    {"login, wrong", SASL_LOGIN, 0, {"user", "Password:", "", "- refused"}},
    {"login, no name", SASL_LOGIN, 0, {"", "- malformed"}},
    {"external", SASL_EXTERNAL, 0, {"", "+ user@example.org"}},
    {"external, named", SASL_EXTERNAL, 0, {"user@example.org", "+ user@example.org"}},
    {"external, another", SASL_EXTERNAL, 0, {"boss@example.org", "- refused"}},
    {"RFC 7677, 3",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "", "+ user@example.org"}},
    {"scram, proof changed",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "r=*",
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "- refused"}},
    {"scram, words behind the end",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "r=*",
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "v=*", "x", "- malformed"}},
    {"scram, nonce of another",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "r=*", "c=biws,r=rOprNGfwEbeRWgbNEkqO,p=AAAA",
      "- refused"}},
    {"scram, GS2 header changed",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=abc", "r=*", "c=eSws,r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA", "- refused"}},
    {"scram, no proof",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=abc", "r=*", "c=biws,r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "- malformed"}},
    {"scram, proof no base64",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=abc", "r=*", "c=biws,r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=?", "- malformed"}},
    {"scram, short proof",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=abc", "r=*", "c=biws,r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA", "- refused"}},
    {"scram, extension",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,n=user,r=abc,x=1", "r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=*"}},
    {"scram, unknown extension that must be known",
     SASL_SCRAM_SHA_256,
     0,
     {"n,,m=1,n=user,r=abc", "- malformed"}},
    {"scram, name with comma and =", SASL_SCRAM_SHA_256, 0, {"n,,n=a=2Cb=3Dc,r=abc", "r=abc*"}},
    {"scram, name badly written", SASL_SCRAM_SHA_256, 0, {"n,,n=a=2cb,r=abc", "- malformed"}},
    {"scram, name cut", SASL_SCRAM_SHA_256, 0, {"n,,n=a=2,r=abc", "- malformed"}},
    {"scram, no name", SASL_SCRAM_SHA_256, 0, {"n,,n=,r=abc", "- malformed"}},
    {"scram, as oneself", SASL_SCRAM_SHA_256, 0, {"n,a=user,n=user,r=abc", "r=abc*"}},
    {"scram, as another", SASL_SCRAM_SHA_256, 0, {"n,a=boss,n=user,r=abc", "- refused"}},
    {"scram, no nonce", SASL_SCRAM_SHA_256, 0, {"n,,n=user,r=", "- malformed"}},
    {"scram, blank in the nonce", SASL_SCRAM_SHA_256, 0, {"n,,n=user,r=a b", "- malformed"}},
    {"scram, no header", SASL_SCRAM_SHA_256, 0, {"n=user,r=abc", "- malformed"}},
    {"scram, other flag", SASL_SCRAM_SHA_256, 0, {"q,,n=user,r=abc", "- malformed"}},
    {"scram, nothing", SASL_SCRAM_SHA_256, 0, {"", "- malformed"}},
    {"scram, client could bind and we cannot", SASL_SCRAM_SHA_256, 0, {"y,,n=user,r=abc", "r=*"}},
    {"scram, the list was tampered with",
     SASL_SCRAM_SHA_256,
     PLUS,
     {"y,,n=user,r=abc", "- refused"}},
    {"scram, client cannot bind", SASL_SCRAM_SHA_256, PLUS, {"n,,n=user,r=abc", "r=*"}},
    {"scram, binding without -PLUS",
     SASL_SCRAM_SHA_256,
     PLUS,
     {"p=tls-exporter,,n=user,r=abc", "- malformed"}},
    {"plus", SASL_SCRAM_SHA_256_PLUS, PLUS, {"p=tls-exporter,,n=user,r=abc", "r=abc*"}},
    {"plus, no binding", SASL_SCRAM_SHA_256_PLUS, PLUS, {"n,,n=user,r=abc", "- malformed"}},
    {"plus, kind not to be had",
     SASL_SCRAM_SHA_256_PLUS,
     PLUS,
     {"p=tls-server-end-point,,n=user,r=abc", "- refused"}},
    {"plus, kind unknown",
     SASL_SCRAM_SHA_256_PLUS,
     PLUS,
     {"p=tls-unique,,n=user,r=abc", "- malformed"}},
    {"plus, other binding",
     SASL_SCRAM_SHA_256_PLUS,
     PLUS,
     {"p=tls-exporter,,n=user,r=abc", "r=*",
      "c=cD10bHMtZXhwb3J0ZXIsLG90aGVyLi4u,r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA",
      "- refused"}},
    {"oauthbearer (RFC 7628, 4.1)",
     SASL_OAUTHBEARER,
     0,
     {"n,a=user@example.com,^host=server.example.com^port=587^auth=Bearer good^^",
      "+ user@example.org"}},
    {"oauthbearer, nobody named", SASL_OAUTHBEARER, 0, {"n,,^auth=bearer good^^", "+ *"}},
    {"oauthbearer, bad token",
     SASL_OAUTHBEARER,
     0,
     {"n,,^auth=Bearer bad^^", "{\"status\":\"invalid_token\"}", "^", "- refused"}},
    {"oauthbearer, question only",
     SASL_OAUTHBEARER,
     0,
     {"n,,^auth=^^", "{\"status\":\"invalid_token\"}", "^", "- refused"}},
    {"oauthbearer, other scheme", SASL_OAUTHBEARER, 0, {"n,,^auth=Basic good^^", "{*", "", "- *"}},
    {"oauthbearer, two tokens",
     SASL_OAUTHBEARER,
     0,
     {"n,,^auth=Bearer bad^auth=Bearer good^^", "- malformed"}},
    {"oauthbearer, binding", SASL_OAUTHBEARER, 0, {"p=x,,^auth=Bearer good^^", "- malformed"}},
    {"oauthbearer, no auth", SASL_OAUTHBEARER, 0, {"n,,^host=a^^", "- malformed"}},
    {"oauthbearer, no end", SASL_OAUTHBEARER, 0, {"n,,^auth=Bearer good^", "- malformed"}},
    {"oauthbearer, more behind", SASL_OAUTHBEARER, 0, {"n,,^auth=Bearer good^^x", "- malformed"}},
    {"oauthbearer, control byte", SASL_OAUTHBEARER, 0, {"n,,^auth=Bearer go\tod^^", "{*"}},
    {"oauthbearer, %x01 first", SASL_OAUTHBEARER, 0, {"^", "- malformed"}},
    {"xoauth2", SASL_XOAUTH2, 0, {"user=user@example.org^auth=Bearer good^^", "+ *"}},
    {"xoauth2, bad",
     SASL_XOAUTH2,
     0,
     {"user=u^auth=Bearer bad^^", "{\"status\":\"401\",\"schemes\":\"bearer\"}", "", "- refused"}},
    {"xoauth2, no user", SASL_XOAUTH2, 0, {"auth=Bearer good^^", "- malformed"}},
    {"xoauth2, empty user", SASL_XOAUTH2, 0, {"user=^auth=Bearer good^^", "- malformed"}},
};

/* At the end of a block of exactly its size. */
static struct bytes message_of(const char *text, uint8_t **block)
{
    size_t len = strlen(text);
    *block = malloc(len ? len : 1);
    assert_non_null(*block);
    for (size_t i = 0; i < len; i++)
        (*block)[i] = text[i] == '|' ? 0 : text[i] == '^' ? 1 : (uint8_t)text[i];
    return (struct bytes){*block, len};
}

static bool is_like(struct bytes got, const char *want)
{
    struct bytes text = bytes_of(want);
    return text.len && text.at[text.len - 1] == '*'
               ? bytes_starts(got, bytes_sub(text, 0, text.len - 1))
               : bytes_equal(got, text);
}

static void exchanges_hold(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct driver driver;
        driver_init(&driver, rows[i].mechanism, rows[i].offered);
        for (size_t line = 0; line < LINES && rows[i].lines[line]; line += 2) {
            uint8_t *block;
            struct bytes message = message_of(rows[i].lines[line], &block);
            enum sasl_step step = sasl_respond(driver.sasl, message);
            free(block);
            settle(&driver, step);
            if (!is_like(buf_view(&driver.trace), rows[i].lines[line + 1]))
                fail_msg("%s: \"%.*s\" after \"%s\"", rows[i].name,
                         BYTES_ARGS(buf_view(&driver.trace)), rows[i].lines[line]);
        }
        driver_done(&driver);
    }
}

static void no_answer_is_no_refusal(void **state)
{
    static const struct {
        enum sasl_mechanism mechanism;
        const char *message;
    } first[] = {
        {SASL_PLAIN, "|user|pencil"},
        {SASL_SCRAM_SHA_256, "n,,n=user,r=abc"},
        {SASL_OAUTHBEARER, "n,,^auth=Bearer good^^"},
        {SASL_XOAUTH2, "user=u^auth=Bearer good^^"},
        {SASL_EXTERNAL, ""},
    };
    for (size_t i = 0; i < COUNT(first); i++) {
        struct driver driver;
        uint8_t *block;
        driver_init(&driver, first[i].mechanism, 0);
        driver.is_down = true;
        settle(&driver, sasl_respond(driver.sasl, message_of(first[i].message, &block)));
        free(block);
        assert_true(is_like(buf_view(&driver.trace), "- unavailable"));
        driver_done(&driver);
    }
}

static void the_client_is_asked_first(void **state)
{
    for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
        struct driver driver;
        driver_init(&driver, (enum sasl_mechanism)i, 0);
        assert_int_equal(sasl_begin(driver.sasl), SASL_CHALLENGE);
        assert_true(
            bytes_equal(sasl_challenge(driver.sasl), bytes_of(i == SASL_LOGIN ? "Username:" : "")));
        driver_done(&driver);
    }
}

static void names_are_found(void **state)
{
    enum sasl_mechanism found;
    for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
        assert_true(sasl_mechanism_find(sasl_mechanism_name((enum sasl_mechanism)i), &found));
        assert_int_equal(found, i);
    }
    assert_true(sasl_mechanism_find(BYTES("scram-sha-256-plus"), &found));
    assert_int_equal(found, SASL_SCRAM_SHA_256_PLUS);
    assert_false(sasl_mechanism_find(BYTES("CRAM-MD5"), &found));
    assert_false(sasl_mechanism_find(BYTES("PLAI"), &found));
}

static void length_is_bounded(void **state)
{
    static uint8_t text[SASL_MESSAGE_LIMIT + 1];
    memset(text, 'a', sizeof text);
    for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
        struct driver driver;
        driver_init(&driver, (enum sasl_mechanism)i, 0);
        settle(&driver, sasl_respond(driver.sasl, (struct bytes){text, sizeof text}));
        assert_true(is_like(buf_view(&driver.trace), "- malformed"));
        driver_done(&driver);
    }
    memcpy(text, "n,,n=user,r=", 12);
    struct driver driver;
    driver_init(&driver, SASL_SCRAM_SHA_256, 0);
    settle(&driver, sasl_respond(driver.sasl, (struct bytes){text, 12 + SASL_NONCE_LIMIT + 1}));
    assert_true(is_like(buf_view(&driver.trace), "- malformed"));
    driver_done(&driver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_hold),
        cmocka_unit_test(no_answer_is_no_refusal),
        cmocka_unit_test(the_client_is_asked_first),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(length_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
