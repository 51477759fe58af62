/* TLS inside streams, over a real socket pair: two sides in one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <openssl/rsa.h>

#include "authority.h"
#include "base/memory.h"
#include "net/stream.h"

enum { MUCH = 3 << 20, DAY = 86400 };

static struct authority authority;
static struct issued rsa, ec, ed, other, expired, alien;
static struct buf ca_pem;

/* --- Two sides ------------------------------------------------------------------------------ */

struct side {
    struct scene *scene;
    struct stream *stream;
    struct buf got;
    struct bytes to_send;
    size_t sent;
    bool is_secured, has_ended, waits_for_much;
    int ended_os;
    char failure[256];
    struct tls_facts facts;
};

struct scene {
    struct loop *loop;
    struct timer limit;
    struct side server, client;
    struct tls_context *server_context, *client_context;
    struct tls_signer signer;
    enum { SIGN_AT_ONCE, SIGN_ON_A_THREAD, SIGN_NEVER, SIGN_FAILS } signing;
    struct signature *pending;
    size_t signatures;
};

static bool is_over(const struct side *side)
{
    return side->has_ended || (side->is_secured && side->sent == side->to_send.len);
}

static void settle(struct scene *scene)
{
    struct side *server = &scene->server, *client = &scene->client;
    bool is_all_there =
        client->got.len >= server->to_send.len && server->got.len >= client->to_send.len;
    if (is_over(server) && is_over(client) &&
        (is_all_there || server->has_ended || client->has_ended))
        loop_stop(scene->loop);
}

static void send_more(struct side *side)
{
    side->sent += stream_send(side->stream, bytes_from(side->to_send, side->sent));
}

static void on_input(void *context, struct bytes input)
{
    struct side *side = context;
    buf_add(&side->got, input);
    settle(side->scene);
}

static void on_writable(void *context)
{
    struct side *side = context;
    send_more(side);
    settle(side->scene);
}

static void on_ended(void *context, int os)
{
    struct side *side = context;
    side->has_ended = true;
    side->ended_os = os;
    snprintf(side->failure, sizeof side->failure, "%s", stream_failure(side->stream));
    stream_close(side->stream);
    side->stream = NULL;
    settle(side->scene);
}

static void on_secured(void *context)
{
    struct side *side = context;
    side->is_secured = true;
    assert_true(stream_tls_facts(side->stream, &side->facts));
    send_more(side);
    settle(side->scene);
}

static const struct stream_events events = {on_input, on_writable, on_ended, on_secured};

static void on_limit(void *context)
{
    fail_msg("nothing happens any more");
}

static void open_pair(struct scene *scene, int ends[2])
{
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), errno);
    if (!scene->loop) {
        struct error err;
        scene->loop = loop_new(&err);
        timer_init(&scene->limit, scene->loop, on_limit, scene);
    }
    timer_set(&scene->limit, loop_now_ms(scene->loop) + 60000);
}

static void open_side(struct scene *scene, struct side *side, int fd, struct tls *tls)
{
    struct error err;
    struct bytes to_send = side->to_send;
    *side = (struct side){.scene = scene, .to_send = to_send};
    buf_init(&side->got, MUCH);
    side->stream = stream_open(scene->loop, fd, &events, side, &err);
    assert_non_null(side->stream);
    if (tls)
        stream_start_tls(side->stream, tls);
}

static void close_side(struct side *side)
{
    if (side->stream)
        stream_close(side->stream);
    side->stream = NULL;
    buf_done(&side->got);
}

static void run(struct scene *scene, const struct tls_target *target)
{
    int ends[2];
    open_pair(scene, ends);
    open_side(scene, &scene->server, ends[0],
              tls_server_new(scene->server_context, TLS_CLIENT_CERTIFICATE_ASKED));
    open_side(scene, &scene->client, ends[1], tls_client_new(scene->client_context, target));
    loop_run(scene->loop);
}

static void hang_up(struct scene *scene)
{
    close_side(&scene->client);
    close_side(&scene->server);
}

static void end(struct scene *scene)
{
    hang_up(scene);
    tls_context_free(scene->server_context);
    tls_context_free(scene->client_context);
    timer_clear(&scene->limit);
    loop_free(scene->loop);
}

/* --- Keys that are elsewhere ---------------------------------------------------------------- */

struct signature {
    struct scene *scene;
    EVP_PKEY *key;
    uint16_t scheme;
    uint8_t data[1024], signature[1024];
    size_t data_len, len;
    tls_signed *done;
    void *context;
};

static void sign(void *context)
{
    struct signature *signature = context;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key = NULL;
    const EVP_MD *digest = signature->scheme == 0x0807          ? NULL
                           : (signature->scheme & 0xff) == 0x05 ? EVP_sha384()
                           : (signature->scheme & 0xff) == 0x06 ? EVP_sha512()
                                                                : EVP_sha256();
    bool is_pss = signature->scheme >> 8 == 0x08 && digest;
    signature->len = sizeof signature->signature;
    if (EVP_DigestSignInit(hash, &key, digest, NULL, signature->key) != 1 ||
        (is_pss && (EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) != 1 ||
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(key, RSA_PSS_SALTLEN_DIGEST) != 1)) ||
        EVP_DigestSign(hash, signature->signature, &signature->len, signature->data,
                       signature->data_len) != 1)
        signature->len = 0;
    EVP_MD_CTX_free(hash);
}

static void signed_(void *context)
{
    struct signature *signature = context;
    struct bytes bytes = {signature->signature, signature->len};
    signature->done(signature->context, bytes);
    free(signature);
}

static void begin_to_sign(void *context, struct bytes key, uint16_t scheme, struct bytes data,
                          tls_signed *done, void *done_context)
{
    struct scene *scene = context;
    struct signature *signature = NEW(struct signature);
    signature->scene = scene;
    signature->key = bytes_equal(key, BYTES("rsa"))  ? rsa.key
                     : bytes_equal(key, BYTES("ec")) ? ec.key
                                                     : ed.key;
    signature->scheme = scheme;
    assert_in_range(data.len, 1, sizeof signature->data);
    memcpy(signature->data, data.at, data.len);
    signature->data_len = data.len;
    signature->done = done;
    signature->context = done_context;
    scene->signatures++;
    switch (scene->signing) {
    case SIGN_AT_ONCE:
        sign(signature);
        signed_(signature);
        return;
    case SIGN_ON_A_THREAD: loop_job(scene->loop, sign, signed_, signature); return;
    case SIGN_NEVER:
        scene->pending = signature;
        loop_stop(scene->loop);
        return;
    case SIGN_FAILS: signed_(signature); return;
    }
}

/* --- Contexts ------------------------------------------------------------------------------- */

static struct tls_identity with_key(const struct issued *issued)
{
    return (struct tls_identity){.chain_pem = buf_view(&issued->chain_pem),
                                 .key_pem = buf_view(&issued->key_pem)};
}

static void serve(struct scene *scene, const struct tls_identity *identities, size_t count,
                  enum tls_peers peers)
{
    struct error err;
    scene->signer = (struct tls_signer){scene, begin_to_sign};
    bool has_remote = identities[0].key_pem.len == 0;
    scene->server_context = tls_server_context_new(
        &(struct tls_server_settings){.peers = peers,
                                      .identities = identities,
                                      .identity_count = count,
                                      .signer = has_remote ? &scene->signer : NULL},
        &err);
    if (!scene->server_context)
        fail_msg("%s", err.text);
}

static void trust(struct scene *scene, enum tls_peers peers, const struct tls_identity *identity)
{
    struct error err;
    scene->client_context = tls_client_context_new(
        &(struct tls_client_settings){
            .peers = peers, .ca_pem = buf_view(&ca_pem), .identity = identity},
        &err);
    if (!scene->client_context)
        fail_msg("%s", err.text);
}

static const struct bytes mail_name[] = {BYTES_INIT("mail.example")};
static const struct tls_target mail = {
    .server_name = BYTES_INIT("mail.example"), .names = mail_name, .name_count = 1};

/* --- Tests ---------------------------------------------------------------------------------- */

static void much_goes_both_ways(void **state)
{
    struct scene scene = {.loop = NULL};
    struct tls_identity identity = with_key(&ec);
    serve(&scene, &identity, 1, TLS_PEERS_MODERN);
    trust(&scene, TLS_PEERS_MODERN, NULL);
    uint8_t *much = malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        much[i] = (uint8_t)(i * 31 + i / 4096);
    scene.client.to_send = (struct bytes){much, MUCH};
    scene.server.to_send = (struct bytes){much, MUCH - 1000};
    run(&scene, &mail);
    assert_true(bytes_equal(buf_view(&scene.server.got), scene.client.to_send));
    assert_true(bytes_equal(buf_view(&scene.client.got), scene.server.to_send));
    assert_string_equal(scene.client.facts.version, "TLSv1.3");
    assert_string_equal(scene.server.facts.server_name, "mail.example");
    assert_false(scene.server.facts.has_peer_certificate);
    assert_int_equal(scene.client.facts.exporter_len, TLS_HASH_SIZE);
    assert_int_equal(scene.client.facts.end_point_len, 32);
    assert_memory_equal(scene.client.facts.exporter, scene.server.facts.exporter, TLS_HASH_SIZE);
    assert_memory_equal(scene.client.facts.end_point, scene.server.facts.end_point, 32);
    end(&scene);
    free(much);
}

static void the_end_is_told_as_an_end(void **state)
{
    struct scene scene = {.loop = NULL};
    struct tls_identity identity = with_key(&ec);
    serve(&scene, &identity, 1, TLS_PEERS_MODERN);
    trust(&scene, TLS_PEERS_MODERN, NULL);
    run(&scene, &mail);
    close_side(&scene.client);
    scene.client.has_ended = true;
    loop_run(scene.loop);
    assert_true(scene.server.has_ended);
    assert_int_equal(scene.server.ended_os, 0);
    end(&scene);
}

/* Who is trusted. */
static void certificates_are_judged(void **state)
{
    static const struct bytes wrong[] = {BYTES_INIT("wrong.example")};
    static const struct bytes wild[] = {BYTES_INIT("a.wild.example")};
    static const struct bytes two[] = {BYTES_INIT("wrong.example"), BYTES_INIT("mail.example")};
    static uint8_t pins[2][TLS_HASH_SIZE];
    const uint8_t(*pinned)[TLS_HASH_SIZE] = (const uint8_t(*)[TLS_HASH_SIZE])pins;
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(alien.certificate), &der);
    assert_true(EVP_Digest(der, (size_t)len, pins[1], NULL, EVP_sha256(), NULL));
    OPENSSL_free(der);
    const struct {
        const char *name;
        const struct issued *server;
        struct tls_target target;
        bool is_verified;
        const char *words;
    } rows[] = {
        {"good", &ec, mail, true, "verified"},
        {"one of two names", &ec, {.names = two, .name_count = 2}, true, "verified"},
        {"without names", &ec, {.name_count = 0}, true, "verified"},
        {"wildcard", &ec, {.names = wild, .name_count = 1}, true, "verified"},
        {"wrong name",
         &ec,
         {.names = wrong, .name_count = 1},
         false,
         "the certificate is for other names: mail.example, *.wild.example"},
        {"expired", &expired, mail, false, "the certificate, or one of its chain, has expired"},
        {"self-signed", &alien, mail, false, "the certificate is self-signed"},
        {"pinned", &alien, {.pins = pinned, .pin_count = 2}, true, "pinned"},
        {"not the pinned one",
         &ec,
         {.pins = pinned, .pin_count = 2},
         false,
         "the certificate's key is none of the pinned ones"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct scene scene = {.loop = NULL};
        struct tls_identity identity = with_key(rows[i].server);
        serve(&scene, &identity, 1, TLS_PEERS_MODERN);
        trust(&scene, TLS_PEERS_MODERN, NULL);
        run(&scene, &rows[i].target);
        if (!scene.client.is_secured)
            fail_msg("%s: %s", rows[i].name, scene.client.failure);
        if (scene.client.facts.is_verified != rows[i].is_verified ||
            strcmp(scene.client.facts.verification, rows[i].words) != 0)
            fail_msg("%s: %s", rows[i].name, scene.client.facts.verification);
        end(&scene);
    }
}

static void a_client_certificate_is_seen(void **state)
{
    struct scene scene = {.loop = NULL};
    struct tls_identity identity = with_key(&ec), own = with_key(&alien);
    uint8_t hash[TLS_HASH_SIZE];
    serve(&scene, &identity, 1, TLS_PEERS_MODERN);
    trust(&scene, TLS_PEERS_MODERN, &own);
    run(&scene, &mail);
    assert_true(X509_digest(alien.certificate, EVP_sha256(), hash, NULL));
    assert_true(scene.server.facts.has_peer_certificate);
    assert_false(scene.server.facts.is_verified);
    assert_memory_equal(scene.server.facts.peer_certificate, hash, TLS_HASH_SIZE);
    assert_string_equal(scene.server.facts.peer_name, "CN = of a test");
    end(&scene);
}

static void server_names_choose_the_certificate(void **state)
{
    static const struct bytes other_name[] = {BYTES_INIT("other.example")};
    struct tls_target for_other = {
        .server_name = BYTES("other.example"), .names = other_name, .name_count = 1};
    struct tls_target unknown = {
        .server_name = BYTES("unknown.example"), .names = mail_name, .name_count = 1};
    const struct tls_target *targets[] = {&mail, &for_other, &unknown};
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct scene scene = {.loop = NULL};
        struct tls_identity identities[] = {with_key(&ec), with_key(&other), with_key(&rsa)};
        serve(&scene, identities, COUNT(identities), TLS_PEERS_MODERN);
        trust(&scene, TLS_PEERS_MODERN, NULL);
        run(&scene, targets[i]);
        assert_string_equal(scene.client.facts.verification, "verified");
        end(&scene);
    }
}

static void sessions_are_resumed(void **state)
{
    struct scene scene = {.loop = NULL};
    struct tls_identity identity = with_key(&ec);
    struct tls_target target = mail;
    target.session_key = BYTES("192.0.2.1");
    serve(&scene, &identity, 1, TLS_PEERS_MODERN);
    trust(&scene, TLS_PEERS_MODERN, NULL);
    scene.server.to_send = BYTES("220 so that the client reads the ticket too\r\n");
    for (int i = 0; i < 3; i++) {
        run(&scene, &target);
        assert_int_equal(scene.client.facts.was_resumed, i > 0);
        assert_int_equal(scene.server.facts.was_resumed, i > 0);
        assert_true(scene.client.facts.is_verified);
        assert_int_equal(scene.client.facts.end_point_len, i > 0 ? 0 : 32);
        hang_up(&scene);
    }
    target.session_key = BYTES("192.0.2.2");
    run(&scene, &target);
    assert_false(scene.client.facts.was_resumed);
    end(&scene);
}

static void keys_may_be_elsewhere(void **state)
{
    const struct {
        const struct issued *issued;
        const char *name;
    } keys[] = {{&rsa, "rsa"}, {&ec, "ec"}, {&ed, "ed"}};
    for (size_t i = 0; i < COUNT(keys); i++)
        for (int on_thread = 0; on_thread < 2; on_thread++) {
            struct scene scene = {.signing = on_thread ? SIGN_ON_A_THREAD : SIGN_AT_ONCE};
            struct tls_identity identity = {.chain_pem = buf_view(&keys[i].issued->chain_pem),
                                            .key_name = bytes_of(keys[i].name)};
            serve(&scene, &identity, 1, TLS_PEERS_MODERN);
            trust(&scene, TLS_PEERS_MODERN, NULL);
            scene.server.to_send = BYTES("220 hello\r\n");
            run(&scene, &mail);
            if (!scene.client.is_secured || !scene.client.facts.is_verified)
                fail_msg("%s: %s %s, server: %s", keys[i].name, scene.client.failure,
                         scene.client.facts.verification, scene.server.failure);
            assert_int_equal(scene.signatures, 1);
            end(&scene);
        }
}

static void a_signature_that_does_not_come_ends_one_handshake(void **state)
{
    struct scene scene = {.signing = SIGN_FAILS};
    struct tls_identity identity = {.chain_pem = buf_view(&ec.chain_pem), .key_name = BYTES("ec")};
    serve(&scene, &identity, 1, TLS_PEERS_MODERN);
    trust(&scene, TLS_PEERS_MODERN, NULL);
    run(&scene, &mail);
    assert_true(scene.server.has_ended);
    assert_int_equal(scene.server.ended_os, EPROTO);
    assert_string_equal(scene.client.failure, "the other side had an error of its own");
    hang_up(&scene);
    /* A stream may be closed while its signature is made, and the signature may come later. */
    scene.signing = SIGN_NEVER;
    run(&scene, &mail);
    hang_up(&scene);
    sign(scene.pending);
    signed_(scene.pending);
    scene.signing = SIGN_ON_A_THREAD;
    run(&scene, &mail);
    assert_true(scene.client.is_secured);
    end(&scene);
}

/* What comes is no handshake. */
static void failures_are_told_in_words(void **state)
{
    static const struct {
        const char *name, *sent;
        bool is_closed;
        const char *words;
    } rows[] = {
        {"clear text", "EHLO client.example\r\n", false, "what the other side sent is not TLS"},
        {"HTTP", "GET / HTTP/1.0\r\n\r\n", false, "the other side speaks HTTP"},
        {"nothing", "", true, "the other side closed the connection within the handshake"},
        {"half a record", "\x16\x03\x01", true,
         "the other side closed the connection within the handshake"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct scene scene = {.loop = NULL};
        struct tls_identity identity = with_key(&ec);
        int ends[2];
        serve(&scene, &identity, 1, TLS_PEERS_MODERN);
        open_pair(&scene, ends);
        open_side(&scene, &scene.server, ends[0],
                  tls_server_new(scene.server_context, TLS_CLIENT_CERTIFICATE_NONE));
        size_t len = strlen(rows[i].sent);
        assert_int_equal(write(ends[1], rows[i].sent, len), len);
        if (rows[i].is_closed)
            shutdown(ends[1], SHUT_WR);
        scene.client.has_ended = true;
        loop_run(scene.loop);
        if (scene.server.ended_os != EPROTO || strcmp(scene.server.failure, rows[i].words) != 0)
            fail_msg("%s: %d %s", rows[i].name, scene.server.ended_os, scene.server.failure);
        close(ends[1]);
        end(&scene);
    }
}

static void identities_are_checked(void **state)
{
    struct buf both;
    buf_init(&both, 1 << 16);
    buf_add(&both, bytes_sub(buf_view(&ec.chain_pem), 0, ec.chain_pem.len - 100));
    const struct {
        const char *name;
        struct bytes chain, key;
        const char *problem;
    } rows[] = {
        {"good", buf_view(&ec.chain_pem), buf_view(&ec.key_pem), NULL},
        {"certificate alone", buf_view(&ec.chain_pem), BYTES_NONE, NULL},
        {"another's key", buf_view(&ec.chain_pem), buf_view(&rsa.key_pem),
         "the key is not the certificate's; they are a pair: name the two that were made together"},
        {"expired", buf_view(&expired.chain_pem), buf_view(&expired.key_pem),
         "the certificate has expired; renew it, then: postrider reload"},
        {"no certificate", buf_view(&ec.key_pem), buf_view(&ec.key_pem),
         "there is no certificate in it (PEM, the server's own first, then its issuers)"},
        {"empty", BYTES_NONE, BYTES_NONE,
         "there is no certificate in it (PEM, the server's own first, then its issuers)"},
        {"cut short", buf_view(&both), BYTES_NONE, "a certificate in it is damaged"},
        {"no key", buf_view(&ec.chain_pem), buf_view(&ec.chain_pem),
         "there is no private key in it that can be read (PEM, without passphrase)"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error warning = {.os = 0}, err = {.os = 0};
        bool is_good = tls_identity_check(rows[i].chain, rows[i].key, (int64_t)time(NULL) * 1000,
                                          &warning, &err);
        if (is_good != !rows[i].problem || (!is_good && strcmp(err.text, rows[i].problem) != 0))
            fail_msg("%s: %s", rows[i].name, err.text);
        if (is_good)
            assert_string_equal(warning.text, "the certificate expires within 14 days; renew it");
    }
    buf_done(&both);
}

static int begin(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    authority_init(&authority);
    buf_init(&ca_pem, 1 << 20);
    authority_print(&authority, &ca_pem);
    const char *names = "DNS:mail.example,DNS:*.wild.example";
    authority_issue(&authority, "RSA", names, -60, DAY, &rsa);
    authority_issue(&authority, "EC", names, -60, DAY, &ec);
    authority_issue(&authority, "ED25519", names, -60, DAY, &ed);
    authority_issue(&authority, "EC", "DNS:other.example", -60, DAY, &other);
    authority_issue(&authority, "EC", names, -120, -60, &expired);
    authority_issue(NULL, "EC", names, -60, DAY, &alien);
    return 0;
}

static int finish(void **state)
{
    struct issued *all[] = {&rsa, &ec, &ed, &other, &expired, &alien};
    for (size_t i = 0; i < COUNT(all); i++)
        issued_done(all[i]);
    authority_done(&authority);
    buf_done(&ca_pem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(much_goes_both_ways),
        cmocka_unit_test(the_end_is_told_as_an_end),
        cmocka_unit_test(certificates_are_judged),
        cmocka_unit_test(a_client_certificate_is_seen),
        cmocka_unit_test(server_names_choose_the_certificate),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(keys_may_be_elsewhere),
        cmocka_unit_test(a_signature_that_does_not_come_ends_one_handshake),
        cmocka_unit_test(failures_are_told_in_words),
        cmocka_unit_test(identities_are_checked),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
