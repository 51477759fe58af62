/* A signature's tags and their rules (RFC 6376, 3.5 and 6.1.1; RFC 8617, 4.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/body_hash.h"
#include "auth/dkim_signature.h"

#define BH "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; "
#define REST "d=example.org; s=sel; h=From:To; " BH "b=QUJDREVGR0hJSg=="
#define GOOD "v=1; a=rsa-sha256; " REST

static const struct {
    const char *name, *value;
    const char *reason; /* NULL: it is good */
} dkim_rows[] = {
    {"as it should be", GOOD, NULL},
    {"ed25519", "v=1; a=ed25519-sha256; " REST, NULL},
    {"folds and blanks", " v = 1;\r\n\ta=rsa-sha256 ;\r\n " REST " ;\r\n", NULL},
    {"unknown tags", "zz=1; " GOOD "; yy=", NULL},
    {"relaxed/relaxed", GOOD "; c=relaxed/relaxed", NULL},
    {"simple", GOOD "; c=simple", NULL},
    {"c= unknown", GOOD "; c=future", "c= is unknown"},
    {"c= with two slashes", GOOD "; c=simple/simple/simple", "c= is unknown"},
    {"c= empty", GOOD "; c=", "c= is unknown"},
    {"no v=", "a=rsa-sha256; " REST, "v= is missing"},
    {"v=0.5", "v=0.5; a=rsa-sha256; " REST, "v= is not 1"},
    {"rsa-sha1", "v=1; a=rsa-sha1; " REST, "a=rsa-sha1 is too weak to be accepted (RFC 8301)"},
    {"an unknown algorithm", "v=1; a=rsa-md5; " REST, "a= is unknown"},
    {"no b=", "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; " BH, "b= is missing"},
    {"b= empty", "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; " BH "b=", "b= is no base64"},
    {"b= no base64", "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; " BH "b=A",
     "b= is no base64"},
    {"no d=", "v=1; a=rsa-sha256; s=sel; h=From; " BH "b=QUJD", "d= is missing"},
    {"d= of one label", "v=1; a=rsa-sha256; d=org; s=sel; h=From; " BH "b=QUJD", "d= is no domain"},
    {"d= with dots", "v=1; a=rsa-sha256; d=example...; s=sel; h=From; " BH "b=QUJD",
     "d= is no domain"},
    {"d= empty", "v=1; a=rsa-sha256; d=; s=sel; h=From; " BH "b=QUJD", "d= is no domain"},
    {"s= empty", "v=1; a=rsa-sha256; d=example.org; s=; h=From; " BH "b=QUJD", "s= is no selector"},
    {"s= of two labels", "v=1; a=rsa-sha256; d=example.org; s=a.b; h=From; " BH "b=QUJD", NULL},
    {"s= with a blank", "v=1; a=rsa-sha256; d=example.org; s=a b; h=From; " BH "b=QUJD",
     "s= is no selector"},
    {"no h=", "v=1; a=rsa-sha256; d=example.org; s=sel; " BH "b=QUJD", "h= is missing"},
    {"h= without From", "v=1; a=rsa-sha256; d=example.org; s=sel; h=To; " BH "b=QUJD",
     "h= leaves out the From field"},
    {"no bh=", "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; b=QUJD", "bh= is missing"},
    {"bh= too short", "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; bh=QUJD; b=QUJD",
     "bh= has not the length of a SHA-256 hash"},
    {"i= itself", GOOD "; i=joe@example.org", NULL},
    {"i= below", GOOD "; i=@Sub.EXAMPLE.org", NULL},
    {"i= elsewhere", GOOD "; i=joe@example.com", "the domain of i= is not within d="},
    {"i= that only ends like it", GOOD "; i=joe@badexample.org",
     "the domain of i= is not within d="},
    {"i= without @", GOOD "; i=example.org", "i= is no address"},
    {"i= quoted-printable", GOOD "; i=joe=20x@example.org", NULL},
    {"t= and x=", GOOD "; t=1000; x=1001", NULL},
    {"x= not after t=", GOOD "; t=1000; x=1000", "x= is not after t="},
    {"t= empty", GOOD "; t=", "t= is no instant"},
    {"t= negative", GOOD "; t=-1", "t= is no instant"},
    {"t= of 13 digits", GOOD "; t=1000000000000", "t= is no instant"},
    {"x= no number", GOOD "; x=1e3", "x= is no instant"},
    {"l=", GOOD "; l=0", NULL},
    {"l= negative", GOOD "; l=-1", "l= is no length"},
    {"l= beyond 64 bits", GOOD "; l=18446744073709551616", "l= is no length"},
    {"q=", GOOD "; q=x/y : dns/txt", NULL},
    {"q= of another kind", GOOD "; q=http", "q= has no dns/txt"},
    {"a tag twice", GOOD "; a=rsa-sha256", "the signature is no list of tags"},
    {"no list", GOOD "; t", "the signature is no list of tags"},
    {"two semicolons", "v=1;; a=rsa-sha256; " REST, "the signature is no list of tags"},
    {"nothing", "", "v= is missing"},
};

#define ARC "a=rsa-sha256; d=example.org; s=sel; b=QUJD; "
#define AMS ARC "h=From:To; " BH

static const struct {
    const char *name;
    enum signature_kind kind;
    const char *value, *reason;
} arc_rows[] = {
    {"message", SIGNATURE_ARC_MESSAGE, "i=1; " AMS, NULL},
    {"message, the last instance", SIGNATURE_ARC_MESSAGE, "i=50; " AMS, NULL},
    {"message, no i=", SIGNATURE_ARC_MESSAGE, AMS, "i= is missing"},
    {"message, i=0", SIGNATURE_ARC_MESSAGE, "i=0; " AMS, "i= is no instance from 1 to 50"},
    {"message, i=51", SIGNATURE_ARC_MESSAGE, "i=51; " AMS, "i= is no instance from 1 to 50"},
    {"message, h= without From", SIGNATURE_ARC_MESSAGE, "i=1; h=; " ARC BH, NULL},
    {"message, h= with the seal", SIGNATURE_ARC_MESSAGE, "i=1; h=from:arc-SEAL; " ARC BH,
     "h= has the ARC-Seal field (RFC 8617, 4.1.2)"},
    {"seal", SIGNATURE_ARC_SEAL, "i=2; cv=pass; t=1; " ARC, NULL},
    {"seal, no cv=", SIGNATURE_ARC_SEAL, "i=2; t=1; " ARC, "cv= is missing"},
    {"seal, cv= unknown", SIGNATURE_ARC_SEAL, "i=2; cv=Pass; " ARC,
     "cv= is neither none, pass nor fail"},
    {"seal with h=", SIGNATURE_ARC_SEAL, "i=1; cv=none; h=from; " ARC,
     "a seal has no h= (RFC 8617, 4.1.3)"},
};

static void check(const char *name, enum signature_kind kind, const char *value, const char *reason)
{
    struct arena *arena = arena_new(SIGNATURE_ARENA);
    size_t len = strlen(value);
    uint8_t *exact = malloc(len ? len : 1);
    struct dkim_signature out;
    struct bytes why = BYTES_NONE;
    assert_non_null(exact);
    memcpy(exact, value, len);
    bool is_good = dkim_signature_parse(kind, (struct bytes){exact, len}, arena, &out, &why);
    if (is_good != (reason == NULL) || !bytes_equal(why, bytes_of(reason)))
        fail_msg("%s: %.*s", name, BYTES_ARGS(why));
    free(exact);
    arena_free(arena);
}

static void tables(void **state)
{
    for (size_t i = 0; i < COUNT(dkim_rows); i++)
        check(dkim_rows[i].name, SIGNATURE_DKIM, dkim_rows[i].value, dkim_rows[i].reason);
    for (size_t i = 0; i < COUNT(arc_rows); i++)
        check(arc_rows[i].name, arc_rows[i].kind, arc_rows[i].value, arc_rows[i].reason);
}

static bool is(struct bytes text, const char *want)
{
    return bytes_equal(text, bytes_of(want));
}

static void values(void **state)
{
    struct arena *arena = arena_new(SIGNATURE_ARENA);
    struct dkim_signature out;
    struct bytes reason;
    assert_true(
        dkim_signature_parse(SIGNATURE_DKIM,
                             BYTES("v=1; a=ed25519-sha256; c=relaxed; d=B\xc3\xbc"
                                   "cher.Example; s=Sel; i=j o@sub.b\xc3\xbc"
                                   "cher.example; t=5; x=999999999999; l=7; h=From : To; " BH
                                   "b=QUJD REVG\r\n R0hJSg=="),
                             arena, &out, &reason));
    assert_true(is(out.algorithm, "ed25519-sha256") && out.key == KEY_ED25519);
    assert_true(is(out.domain, "xn--bcher-kva.example") && is(out.selector, "Sel"));
    assert_true(is(out.identity, "jo@sub.b\xc3\xbc"
                                 "cher.example") &&
                out.is_subdomain);
    assert_true(out.header_form == CANONICAL_RELAXED && out.body_form == CANONICAL_SIMPLE);
    assert_true(is(out.names, "From : To") && out.body_limit == 7);
    assert_true(out.signed_s == 5 && out.expires_s == 999999999999);
    assert_true(is(out.signature, "ABCDEFGHIJ") && is(out.start, "QUJDREVG"));
    assert_true(dkim_signature_parse(SIGNATURE_DKIM, BYTES(GOOD), arena, &out, &reason));
    assert_true(is(out.identity, "@example.org") && !out.is_subdomain);
    assert_true(out.header_form == CANONICAL_SIMPLE && out.body_form == CANONICAL_SIMPLE);
    assert_true(out.body_limit == BODY_WHOLE && out.signed_s == -1 && out.expires_s == -1);
    /* Of a bad one, what a report should name. */
    assert_false(dkim_signature_parse(SIGNATURE_DKIM, BYTES("v=2; a=rsa-sha1; " REST), arena, &out,
                                      &reason));
    assert_true(is(reason, "v= is not 1") && is(out.algorithm, "rsa-sha1"));
    assert_true(is(out.domain, "example.org") && is(out.selector, "sel"));
    assert_true(is(out.start, "QUJDREVG") && out.identity.len == 0 && out.names.len == 0);
    assert_true(dkim_signature_parse(SIGNATURE_ARC_SEAL, BYTES("i=7; cv=pass; " ARC), arena, &out,
                                     &reason));
    assert_true(out.instance == 7 && is(out.chain, "pass") && out.identity.len == 0);
    arena_free(arena);
}

static void too_long(void **state)
{
    struct arena *arena = arena_new(SIGNATURE_ARENA);
    struct buf value;
    struct dkim_signature out;
    struct bytes reason;
    buf_init(&value, SIZE_MAX);
    buf_add(&value, BYTES(GOOD "; i="));
    while (value.len < SIGNATURE_VALUE_LIMIT - 12)
        buf_add_byte(&value, 'x');
    buf_add(&value, BYTES("@example.org"));
    assert_true(dkim_signature_parse(SIGNATURE_DKIM, buf_view(&value), arena, &out, &reason));
    buf_add(&value, BYTES(";"));
    assert_false(dkim_signature_parse(SIGNATURE_DKIM, buf_view(&value), arena, &out, &reason));
    assert_true(is(reason, "the signature is too long"));
    buf_done(&value);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables),
        cmocka_unit_test(values),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
