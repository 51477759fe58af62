/* Passwords and the account directory: what goes in is found again, under every change, and by two
 * who look at the file at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/accounts.h"

static char folder[] = "/tmp/accounts_test_XXXXXX";
static const struct bytes ann = BYTES_INIT("ann@example.org"), bob = BYTES_INIT("bob@example.org"),
                          nobody = BYTES_INIT("nobody@example.org");

static int open_folder(void **state)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    return mkdtemp(folder) ? 0 : 1;
}

static int drop_folder(void **state)
{
    static const char *const names[] = {"accounts.db", "accounts.db-wal", "accounts.db-shm"};
    char path[80];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static struct accounts *open_here(void)
{
    struct error err;
    struct accounts *accounts = accounts_open(folder, &err);
    if (!accounts)
        fail_msg("%s", err.text);
    return accounts;
}

/* --- Passwords -------------------------------------------------------------------------------- */

static void a_password_is_right_for_its_hash_alone(void **state)
{
    static uint8_t longest[PASSWORD_LIMIT + 1];
    struct credentials made, again;
    struct error err;
    memset(longest, 'x', sizeof longest);
    assert_true(password_derive(BYTES("open sesame"), 1, &made, &err));
    assert_true(password_derive(BYTES("open sesame"), 1, &again, &err));
    assert_string_not_equal(made.hash, again.hash);
    assert_memory_not_equal(made.salt, again.salt, sizeof made.salt);
    assert_memory_equal(made.hash, "$y$", 3);
    assert_true(password_costs_the_same(made.hash, again.hash));
    assert_true(password_derive(BYTES("open sesame"), 2, &again, &err));
    assert_false(password_costs_the_same(made.hash, again.hash));
    assert_false(password_costs_the_same("", ""));
    assert_true(password_is_right(BYTES("open sesame"), made.hash));
    assert_false(password_is_right(BYTES("open sesam"), made.hash));
    assert_false(password_is_right(BYTES("open sesame\0"), made.hash));
    assert_false(password_is_right(BYTES_NONE, made.hash));
    assert_false(password_is_right(BYTES("open sesame"), ""));
    assert_false(password_is_right(BYTES("open sesame"), "*0"));
    assert_false(password_derive(BYTES_NONE, 1, &made, &err));
    assert_false(password_derive((struct bytes){longest, sizeof longest}, 1, &made, &err));
    assert_true(password_derive((struct bytes){longest, PASSWORD_LIMIT}, 1, &made, &err));
    assert_true(password_is_right((struct bytes){longest, PASSWORD_LIMIT}, made.hash));
    /* One that is longer is not cut to one that is right. */
    assert_false(password_is_right((struct bytes){longest, sizeof longest}, made.hash));
}

static void a_decoy_is_nobodys(void **state)
{
    char hash[PASSWORD_HASH_LIMIT];
    struct error err;
    assert_true(password_decoy(1, hash, &err));
    assert_false(password_is_right(BYTES_NONE, hash));
    assert_false(password_is_right(BYTES("x"), hash));
}

static void scram_keys_fit_the_password(void **state)
{
    struct credentials made;
    struct error err;
    uint8_t proof[SCRAM_HASH], wanted[SCRAM_HASH], got[SCRAM_HASH];
    assert_true(password_derive(BYTES("open sesame"), 1, &made, &err));
    struct bytes salt = {made.salt, sizeof made.salt}, message = BYTES("n=ann,r=x,r=xy");
    assert_true(scram_prove(BYTES("open sesame"), salt, made.iterations, message, proof, wanted));
    assert_true(scram_check(&made.keys, message, (struct bytes){proof, sizeof proof}, got));
    assert_memory_equal(got, wanted, sizeof got);
}

static void generated_ones_are_written_as_people_like(void **state)
{
    uint8_t digests[3][PASSWORD_DIGEST];
    struct buf first, second;
    buf_init(&first, 100);
    buf_init(&second, 100);
    password_generate(&first);
    password_generate(&second);
    assert_int_equal(first.len, 28);
    assert_false(bytes_equal(buf_view(&first), buf_view(&second)));
    password_digest(buf_view(&first), digests[0]);
    password_digest(buf_view(&second), digests[1]);
    assert_memory_not_equal(digests[0], digests[1], PASSWORD_DIGEST);
    password_digest(BYTES("abcde-fghij"), digests[0]);
    password_digest(BYTES("ABCDE fghij"), digests[1]);
    assert_memory_equal(digests[0], digests[1], PASSWORD_DIGEST);
    buf_done(&first);
    buf_done(&second);
}

/* --- The directory ---------------------------------------------------------------------------- */

static void accounts_come_and_go(void **state)
{
    struct accounts *accounts = open_here();
    struct credentials made;
    struct account found;
    struct error err;
    assert_true(password_derive(BYTES("open sesame"), 1, &made, &err));
    assert_int_equal(accounts_find(accounts, ann, &found, &err), ACCOUNTS_NONE);
    assert_int_equal(accounts_add(accounts, ann, &made, 1000, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_add(accounts, ann, &made, 1000, &err), ACCOUNTS_EXISTS);
    assert_int_equal(accounts_add(accounts, bob, NULL, 1000, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_find(accounts, ann, &found, &err), ACCOUNTS_DONE);
    assert_string_equal(found.address, "ann@example.org");
    assert_memory_equal(&found.credentials, &made, sizeof made);
    assert_true(found.has_password && !found.is_disabled);
    assert_int_equal(accounts_find(accounts, bob, &found, &err), ACCOUNTS_DONE);
    assert_false(found.has_password);
    assert_int_equal(accounts_set_password(accounts, bob, &made, 2000, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_set_disabled(accounts, bob, true, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_set_limits(accounts, bob, 5, 7, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_find(accounts, bob, &found, &err), ACCOUNTS_DONE);
    assert_true(found.has_password && found.is_disabled);
    assert_int_equal(found.messages_per_day, 5);
    assert_int_equal(found.recipients_per_day, 7);
    assert_int_equal(found.changed_ms, 2000);
    struct credentials renewed = made;
    renewed.iterations++;
    renewed.hash[10] ^= 1;
    assert_int_equal(accounts_renew_password(accounts, bob, "another", &renewed, &err),
                     ACCOUNTS_NONE);
    assert_int_equal(accounts_renew_password(accounts, bob, made.hash, &renewed, &err),
                     ACCOUNTS_DONE);
    assert_int_equal(accounts_find(accounts, bob, &found, &err), ACCOUNTS_DONE);
    assert_memory_equal(&found.credentials, &renewed, sizeof renewed);
    assert_int_equal(found.changed_ms, 2000);
    assert_int_equal(accounts_remove(accounts, bob, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_find(accounts, bob, &found, &err), ACCOUNTS_NONE);
    accounts_close(accounts);
    accounts = open_here();
    assert_int_equal(accounts_find(accounts, ann, &found, &err), ACCOUNTS_DONE);
    accounts_close(accounts);
}

static void nobody_cannot_be_changed(void **state)
{
    static const uint8_t digest[PASSWORD_DIGEST];
    struct accounts *accounts = open_here();
    struct error err;
    const enum accounts_status got[] = {
        accounts_set_password(accounts, nobody, NULL, 1, &err),
        accounts_set_disabled(accounts, nobody, true, &err),
        accounts_set_limits(accounts, nobody, 1, 1, &err),
        accounts_remove(accounts, nobody, &err),
        accounts_grant(accounts, nobody, ann, &err),
        accounts_revoke(accounts, nobody, ann, &err),
        accounts_add_app(accounts, nobody, BYTES("phone"), digest, 1, &err),
        accounts_remove_app(accounts, nobody, BYTES("phone"), &err),
    };
    for (size_t i = 0; i < COUNT(got); i++)
        if (got[i] != ACCOUNTS_NONE)
            fail_msg("row %zu: %d", i, got[i]);
    accounts_close(accounts);
}

static void note_text(void *context, struct bytes address)
{
    buf_add(context, address);
    buf_add_byte(context, ' ');
}

static void note_app(void *context, const struct app_password *app)
{
    note_text(context, bytes_of(app->name));
}

static void note_account(void *context, const struct account *account)
{
    note_text(context, bytes_of(account->address));
}

static void what_is_an_accounts_goes_with_it(void **state)
{
    uint8_t digest[PASSWORD_DIGEST];
    struct accounts *accounts = open_here();
    struct account found;
    struct app_password app;
    struct error err;
    struct buf out;
    buf_init(&out, 4096);
    password_digest(BYTES("abcde"), digest);
    assert_int_equal(accounts_add(accounts, ann, NULL, 1, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_grant(accounts, ann, BYTES("sales@example.org"), &err),
                     ACCOUNTS_DONE);
    assert_int_equal(accounts_grant(accounts, ann, BYTES("sales@example.org"), &err),
                     ACCOUNTS_EXISTS);
    assert_int_equal(accounts_grant(accounts, ann, BYTES("@example.net"), &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_add_app(accounts, ann, BYTES("phone"), digest, 5, &err),
                     ACCOUNTS_DONE);
    assert_int_equal(accounts_add_app(accounts, ann, BYTES("phone"), digest, 5, &err),
                     ACCOUNTS_EXISTS);
    assert_int_equal(accounts_find(accounts, ann, &found, &err), ACCOUNTS_DONE);
    assert_true(accounts_each_own_of(accounts, found.id, note_text, &out, &err));
    assert_true(accounts_each_app_of(accounts, found.id, note_app, &out, &err));
    assert_true(bytes_equal(buf_view(&out), BYTES("@example.net sales@example.org phone ")));
    assert_int_equal(accounts_find_app(accounts, found.id, digest, &app, &err), ACCOUNTS_DONE);
    assert_string_equal(app.name, "phone");
    assert_int_equal(app.used_ms, 0);
    assert_int_equal(accounts_used_app(accounts, found.id, BYTES("phone"), 9, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_find_app(accounts, found.id, digest, &app, &err), ACCOUNTS_DONE);
    assert_int_equal(app.used_ms, 9);
    assert_int_equal(accounts_find_app(accounts, found.id + 1, digest, &app, &err), ACCOUNTS_NONE);
    assert_int_equal(accounts_revoke(accounts, ann, BYTES("@example.net"), &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_remove_app(accounts, ann, BYTES("phone"), &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_find_app(accounts, found.id, digest, &app, &err), ACCOUNTS_NONE);
    assert_int_equal(accounts_remove(accounts, ann, &err), ACCOUNTS_DONE);
    buf_clear(&out);
    assert_true(accounts_each_own_of(accounts, found.id, note_text, &out, &err));
    assert_int_equal(out.len, 0);
    buf_done(&out);
    accounts_close(accounts);
}

static void two_see_each_others_changes(void **state)
{
    struct accounts *reader = open_here(), *writer = open_here();
    uint8_t secrets[2][32];
    int64_t before, after;
    struct error err;
    struct buf out;
    buf_init(&out, 4096);
    assert_true(accounts_version(reader, &before, &err));
    assert_int_equal(accounts_add(writer, bob, NULL, 1, &err), ACCOUNTS_DONE);
    assert_int_equal(accounts_add(writer, ann, NULL, 1, &err), ACCOUNTS_DONE);
    assert_true(accounts_version(reader, &after, &err));
    assert_int_not_equal(before, after);
    assert_true(accounts_names(reader, &out, &err));
    assert_true(bytes_equal(buf_view(&out), BYTES("ann@example.org\nbob@example.org\n")));
    buf_clear(&out);
    assert_true(accounts_each_account(reader, note_account, &out, &err));
    assert_true(bytes_equal(buf_view(&out), BYTES("ann@example.org bob@example.org ")));
    assert_true(accounts_secret(reader, secrets[0], &err));
    assert_true(accounts_secret(writer, secrets[1], &err));
    assert_memory_equal(secrets[0], secrets[1], sizeof secrets[0]);
    buf_done(&out);
    accounts_close(reader);
    accounts_close(writer);
}

static void nobody_else_may_read_it(void **state)
{
    char path[80];
    struct stat status;
    accounts_close(open_here());
    snprintf(path, sizeof path, "%s/accounts.db", folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void what_is_no_directory_is_refused(void **state)
{
    char path[80];
    struct error err;
    assert_null(accounts_open("/nonexistent", &err));
    snprintf(path, sizeof path, "%s/accounts.db", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("no database ", file);
    fclose(file);
    assert_null(accounts_open(folder, &err));
    assert_non_null(strstr(err.text, "accounts.db"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_is_right_for_its_hash_alone),
        cmocka_unit_test(a_decoy_is_nobodys),
        cmocka_unit_test(scram_keys_fit_the_password),
        cmocka_unit_test(generated_ones_are_written_as_people_like),
        cmocka_unit_test_setup_teardown(accounts_come_and_go, open_folder, drop_folder),
        cmocka_unit_test_setup_teardown(nobody_cannot_be_changed, open_folder, drop_folder),
        cmocka_unit_test_setup_teardown(what_is_an_accounts_goes_with_it, open_folder, drop_folder),
        cmocka_unit_test_setup_teardown(two_see_each_others_changes, open_folder, drop_folder),
        cmocka_unit_test_setup_teardown(nobody_else_may_read_it, open_folder, drop_folder),
        cmocka_unit_test_setup_teardown(what_is_no_directory_is_refused, open_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
