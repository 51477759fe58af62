/* Key records (RFC 6376, 3.6.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/dkim_key.h"

#define ED25519 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RSA_512                                                                                    \
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALgSoqXVSEmfcIsOzw7oRuCCOwsmtX/SJnTWxYyj2leFxfS/AVJ+dYfY+hXq" \
    "MsT7l+MZvvh/R1WzN4MO/kI/7XsCAwEAAQ=="
/* The same key as RSAPublicKey. */
#define RSA_512_BARE                                                                               \
    "MEgCQQC4EqKl1UhJn3CLDs8O6EbggjsLJrV/0iZ01sWMo9pXhcX0vwFSfnWH2PoV6jLE+5fjGb74f0dVszeDDv5CP+17" \
    "AgMBAAE="

enum { TESTING = 1, STRICT = 2, NO_SHA256 = 4 };

static const struct {
    const char *name, *record;
    enum dkim_key_status status;
    enum key_algorithm algorithm;
    unsigned flags, bits; /* bits 0: the record is good, but not its key */
} rows[] = {
    {"all default", "p=" RSA_512, DKIM_KEY_GOOD, KEY_RSA, 0, 512},
    {"a bare RSAPublicKey", "p=" RSA_512_BARE, DKIM_KEY_GOOD, KEY_RSA, 0, 512},
    {"all there", "v=DKIM1; h=sha1 : sha256; k=rsa; n=a=20b; p=" RSA_512 "; s=email:web; t=y:s",
     DKIM_KEY_GOOD, KEY_RSA, TESTING | STRICT, 512},
    {"ed25519", "v=DKIM1; k=ed25519; p=" ED25519, DKIM_KEY_GOOD, KEY_ED25519, 0, 256},
    {"blanks in p=",
     "p= MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALgSoqXVSEmfcIsOzw7oRuCCOwsmtX/\t\r\n "
     "SJnTWxYyj2leFxfS/AVJ+dYfY+hXqMsT7l+MZvvh/R1WzN4MO/kI/7XsCAwEAAQ == ",
     DKIM_KEY_GOOD, KEY_RSA, 0, 512},
    {"unknown tags and flags", "g=*; p=" RSA_512 "; t=n:y; x=1;", DKIM_KEY_GOOD, KEY_RSA, TESTING,
     512},
    {"every service", "s=chat:*; p=" RSA_512, DKIM_KEY_GOOD, KEY_RSA, 0, 512},
    {"sha1 alone", "h=sha1; p=" RSA_512, DKIM_KEY_GOOD, KEY_RSA, NO_SHA256, 512},
    {"revoked", "v=DKIM1; p=", DKIM_KEY_REVOKED, KEY_RSA, 0, 0},
    {"revoked, and cut off", "p= ;", DKIM_KEY_REVOKED, KEY_RSA, 0, 0},
    {"another version", "v=DKIM3; p=" RSA_512, DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"v= in lower case", "v=dkim1; p=" RSA_512, DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"v= not first", "k=rsa; v=DKIM1; p=" RSA_512, DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"no p=", "v=DKIM1; k=rsa", DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"another record", "v=spf1 -all", DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"another kind of key", "k=dsa; p=" RSA_512, DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"not for mail", "s=chat; p=" RSA_512, DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"a tag twice", "p=" RSA_512 "; p=" RSA_512, DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"no list", "k=rsa; t; p=" RSA_512, DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"nothing", "", DKIM_KEY_BAD, KEY_RSA, 0, 0},
    {"no base64", "p=***", DKIM_KEY_GOOD, KEY_RSA, 0, 0},
    {"no DER", "p=AAAA", DKIM_KEY_GOOD, KEY_RSA, 0, 0},
    {"an Ed25519 key taken for RSA", "p=" ED25519, DKIM_KEY_GOOD, KEY_RSA, 0, 0},
    {"an RSA key taken for Ed25519", "k=ed25519; p=" RSA_512, DKIM_KEY_GOOD, KEY_ED25519, 0, 0},
    {"an Ed25519 key in DER",
     "k=ed25519; p=MCowBQYDK2VwAyEA3SUqa9UbfciWkk7tlcJ9P1VD5pXAasg0JUn/"
     "OgjVbKE=",
     DKIM_KEY_GOOD, KEY_ED25519, 0, 0},
};

static void check(size_t i, struct bytes record)
{
    struct dkim_key key = {.allows_sha256 = true};
    struct bytes reason = BYTES_NONE;
    enum dkim_key_status status = dkim_key_parse(record, &key, &reason);
    if (status != rows[i].status)
        fail_msg("%s: status %d, %.*s", rows[i].name, status, BYTES_ARGS(reason));
    assert_int_equal(reason.len > 0, status != DKIM_KEY_GOOD);
    if (status != DKIM_KEY_GOOD)
        return;
    unsigned flags = (key.is_testing ? TESTING : 0) | (key.is_strict ? STRICT : 0) |
                     (key.allows_sha256 ? 0 : NO_SHA256);
    struct public_key *opened = dkim_key_open(&key);
    if (flags != rows[i].flags || key.algorithm != rows[i].algorithm ||
        (opened ? public_key_bits(opened) : 0) != rows[i].bits)
        fail_msg("%s: flags %u, %u bits", rows[i].name, flags,
                 opened ? public_key_bits(opened) : 0);
    public_key_free(opened);
}

static void records(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].record);
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, rows[i].record, len);
        check(i, (struct bytes){exact, len});
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
