/* dkim_tool: signs and verifies many messages in one run, for test_dkim_peers.py.
 *
 *     dkim_tool sign DOMAIN TIME SELECTOR=KEY.pem...
 *         writes PATH.signed for each PATH
 *     dkim_tool verify ZONE.json
 *         prints PATH, the results of its DKIM signatures with commas, and that of its ARC chain,
 * by tabs
 *
 * Paths come on standard input, one a line; messages have CRLF. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/arc.h"
#include "auth/dkim.h"
#include "auth/dkim_sign.h"
#include "base/error.h"
#include "facts/facts.h"
#include "facts/zone.h"
#include "unit/auth/letter.h"

enum { FILE_LIMIT = 16 << 20, PATH = 4096, KEYS = DKIM_SIGN_KEYS_MOST };

static struct buf read_file(const char *path)
{
    struct buf text;
    FILE *file = fopen(path, "rb");
    if (!file)
        perror(path), exit(1);
    buf_init(&text, FILE_LIMIT);
    for (int byte; (byte = fgetc(file)) != EOF;)
        buf_add_byte(&text, (uint8_t)byte);
    fclose(file);
    return text;
}

static void split(struct bytes text, struct bytes *section, struct bytes *body)
{
    size_t length;
    if (!header_end(text, &length))
        length = text.len;
    *section = bytes_sub(text, 0, length);
    *body = bytes_from(text, length + 2);
}

static void sign_file(const char *path, const struct dkim_sign_plan *plan, EVP_PKEY **pkeys)
{
    struct buf text = read_file(path), out;
    struct bytes section, body_text;
    struct body_hash *body = body_hash_new();
    char name[PATH];
    split(buf_view(&text), &section, &body_text);
    struct dkim_sign *sign = dkim_sign_new(plan, section, body);
    ASSERT(sign);
    body_hash_add(body, body_text);
    body_hash_end(body);
    for (size_t i = 0; i < plan->key_count; i++) {
        uint8_t digest[DIGEST_BYTES], signature[512];
        dkim_sign_digest(sign, i, digest);
        size_t len = sign_digest(pkeys[i], digest, signature);
        dkim_sign_add(sign, i, (struct bytes){signature, len});
    }
    buf_init(&out, 2 * FILE_LIMIT);
    dkim_sign_print(sign, &out);
    buf_add(&out, buf_view(&text));
    snprintf(name, sizeof name, "%s.signed", path);
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(out.at, 1, out.len, file) != out.len || fclose(file) != 0)
        perror(name), exit(1);
    dkim_sign_free(sign);
    body_hash_free(body);
    buf_done(&out);
    buf_done(&text);
}

static void verify_file(const char *path, const struct zone *zone)
{
    struct buf text = read_file(path);
    struct bytes section, body_text;
    struct body_hash *body = body_hash_new();
    struct facts *facts = facts_new();
    struct dkim_report report;
    struct arc_report chain;
    split(buf_view(&text), &section, &body_text);
    struct dkim_verify *dkim = dkim_verify_new(section, body, NULL);
    struct arc_verify *arc = arc_verify_new(section, body, NULL);
    body_hash_add(body, body_text);
    body_hash_end(body);
    while (dkim_verify_finish(dkim, facts, time(NULL), &report) == DKIM_NEEDS_FACTS)
        zone_answer(zone, facts);
    while (arc_verify_finish(arc, facts, time(NULL), &chain) == ARC_NEEDS_FACTS)
        zone_answer(zone, facts);
    printf("%s\t", path);
    for (size_t i = 0; i < report.count; i++)
        printf("%s%s", i ? "," : "", dkim_result_name(report.checks[i].result));
    printf("\t%s\n", arc_result_name(chain.result));
    arc_verify_free(arc);
    dkim_verify_free(dkim);
    facts_free(facts);
    body_hash_free(body);
    buf_done(&text);
}

static bool next_path(char *path, size_t size)
{
    if (!fgets(path, (int)size, stdin))
        return false;
    path[strcspn(path, "\n")] = 0;
    return true;
}

static int run_verify(const char *zone_path)
{
    struct error err;
    struct buf text = read_file(zone_path);
    struct zone *zone = zone_parse(buf_view(&text), &err);
    char path[PATH - 16];
    if (!zone)
        return fprintf(stderr, "%s: %s\n", zone_path, err.text), 1;
    while (next_path(path, sizeof path))
        verify_file(path, zone);
    zone_free(zone);
    buf_done(&text);
    return 0;
}

static int run_sign(const char *domain, const char *now, int count, char **arguments)
{
    struct dkim_sign_key keys[KEYS];
    EVP_PKEY *pkeys[KEYS];
    char path[PATH - 16];
    uint64_t now_s;
    if (!scan_u64(bytes_of(now), INT64_MAX, &now_s))
        return fprintf(stderr, "%s: no time\n", now), 1;
    for (int i = 0; i < count; i++) {
        struct bytes selector, file_name;
        ASSERT(count <= KEYS && bytes_cut(bytes_of(arguments[i]), '=', &selector, &file_name));
        FILE *file = fopen((const char *)file_name.at, "r");
        pkeys[i] = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
        if (!pkeys[i])
            return fprintf(stderr, "%s: no key\n", arguments[i]), 1;
        fclose(file);
        bool is_rsa = EVP_PKEY_get_base_id(pkeys[i]) == EVP_PKEY_RSA;
        keys[i] = (struct dkim_sign_key){selector, is_rsa ? KEY_RSA : KEY_ED25519};
    }
    struct dkim_sign_plan plan = {
        .domain = bytes_of(domain), .keys = keys, .key_count = (size_t)count, .now_s = time(NULL)};
    while (next_path(path, sizeof path))
        sign_file(path, &plan, pkeys);
    for (int i = 0; i < count; i++)
        EVP_PKEY_free(pkeys[i]);
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "verify") == 0)
        return run_verify(arguments[2]);
    if (count > 4 && strcmp(arguments[1], "sign") == 0)
        return run_sign(arguments[2], arguments[3], count - 4, arguments + 4);
    return fprintf(stderr, "usage: dkim_tool sign DOMAIN TIME SELECTOR=KEY... | verify ZONE\n"), 2;
}
