/* What init makes: never over anything, with the modes that were asked for, and remembered. */
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

#include "cli/init_files.h"

static char folder[] = "/tmp/postrider-test.XXXXXX";

/* In a few places at a time. */
static const char *at(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static mode_t mode_of(const char *name)
{
    struct stat status;
    assert_int_equal(lstat(at(name), &status), 0);
    return status.st_mode & 0777;
}

static void folders_are_made_with_those_above(void **state)
{
    struct init_files files;
    struct error err;
    init_files_begin(&files);
    assert_true(init_files_folder(&files, at("a/b/c"), 0700, INIT_SERVERS, &err));
    assert_true(mode_of("a") == 0755 && mode_of("a/b") == 0755 && mode_of("a/b/c") == 0700);
    /* What is there stays as it is, and is not said to have been made. */
    assert_true(init_files_folder(&files, at("a/b"), 0700, INIT_OWN, &err));
    assert_int_equal(mode_of("a/b"), 0755);
    char made[400];
    snprintf(made, sizeof made, "%s\n%s\n%s\n", at("a"), at("a/b"), at("a/b/c"));
    assert_true(bytes_equal(buf_view(&files.made), bytes_of(made)));
    init_files_end(&files);
}

static void nothing_is_written_over(void **state)
{
    static const char *const taken[] = {"file", "link", "folder"};
    struct init_files files;
    struct error err;
    char text[8] = "";
    init_files_begin(&files);
    assert_true(init_files_is_free(at("file"), &err));
    assert_true(init_files_write(&files, at("file"), 0640, INIT_GROUP, BYTES("first"), &err));
    assert_int_equal(mode_of("file"), 0640);
    assert_int_equal(symlink(at("elsewhere"), at("link")), 0);
    assert_int_equal(mkdir(at("folder"), 0755), 0);
    for (size_t i = 0; i < COUNT(taken); i++) {
        assert_false(init_files_is_free(at(taken[i]), &err));
        assert_non_null(strstr(err.text, "init overwrites nothing"));
        assert_false(init_files_write(&files, at(taken[i]), 0600, INIT_OWN, BYTES("second"), &err));
    }
    assert_true(init_files_is_free(at("elsewhere"), &err));
    assert_false(init_files_folder(&files, at("file"), 0755, INIT_OWN, &err));
    assert_false(init_files_folder(&files, at("file/below"), 0755, INIT_OWN, &err));
    FILE *file = fopen(at("file"), "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "first");
    init_files_end(&files);
}

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"a/b/c", "a/b", "a", "folder"};
    if (unlink(at("file")) != 0 || unlink(at("link")) != 0)
        return -1;
    for (size_t i = 0; i < COUNT(names); i++)
        if (rmdir(at(names[i])) != 0)
            return -1;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_made_with_those_above),
        cmocka_unit_test(nothing_is_written_over),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
