/* The same as dkim_bench.c by OpenDKIM's library, with RSA: messages a second of processor time.
 *
 *     opendkim_bench sign MESSAGE COUNT KEY.pem
 *     opendkim_bench verify MESSAGE COUNT RECORD
 *
 * RECORD is a file with the key's TXT record, which is there at once. Built by bench/identity.py.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <opendkim/dkim.h>

static char *record;

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    size_t room = 64 << 20;
    char *text = malloc(room);
    if (!file || !text)
        perror(path), exit(1);
    *len = fread(text, 1, room - 1, file);
    text[*len] = 0;
    fclose(file);
    return text;
}

static void must(DKIM_STAT status, const char *what)
{
    if (status == DKIM_STAT_OK)
        return;
    fprintf(stderr, "opendkim_bench: %s: %s\n", what, dkim_getresultstr(status));
    exit(1);
}

static DKIM_CBSTAT look_up(DKIM *dkim, DKIM_SIGINFO *signature, u_char *out, size_t room)
{
    (void)dkim;
    (void)signature;
    snprintf((char *)out, room, "%s", record);
    return DKIM_CBSTAT_CONTINUE;
}

/* Each field without its last CRLF, then the body in one piece. */
static void feed(DKIM *dkim, char *message, size_t len)
{
    char *at = message, *end = strstr(message, "\r\n\r\n");
    while (end && at < end + 2) {
        char *line = strstr(at, "\r\n");
        while (line[2] == ' ' || line[2] == '\t')
            line = strstr(line + 2, "\r\n");
        must(dkim_header(dkim, (u_char *)at, (size_t)(line - at)), "header");
        at = line + 2;
    }
    must(dkim_eoh(dkim), "end of header");
    at = end + 4;
    must(dkim_body(dkim, (u_char *)at, len - (size_t)(at - message)), "body");
}

static void verify(DKIM_LIB *library, char *message, size_t len)
{
    DKIM_STAT status;
    DKIM *dkim = dkim_verify(library, (const u_char *)"bench", NULL, &status);
    must(status, "verify");
    feed(dkim, message, len);
    must(dkim_eom(dkim, NULL), "end of message");
    dkim_free(dkim);
}

static void sign(DKIM_LIB *library, char *message, size_t len, char *key)
{
    DKIM_STAT status;
    u_char *field;
    size_t field_len;
    DKIM *dkim =
        dkim_sign(library, (const u_char *)"bench", NULL, (u_char *)key, (const u_char *)"r",
                  (const u_char *)"client.example", DKIM_CANON_RELAXED, DKIM_CANON_RELAXED,
                  DKIM_SIGN_RSASHA256, -1, &status);
    must(status, "sign");
    feed(dkim, message, len);
    must(dkim_eom(dkim, NULL), "end of message");
    must(dkim_getsighdr_d(dkim, 0, &field, &field_len), "field");
    dkim_free(dkim);
}

static double seconds_used(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int count, char **arguments)
{
    size_t len, unused;
    if (count != 5)
        return fprintf(stderr, "usage: opendkim_bench sign|verify MESSAGE COUNT KEY|RECORD\n"), 2;
    bool is_verifying = strcmp(arguments[1], "verify") == 0;
    char *message = read_file(arguments[2], &len), *key = read_file(arguments[4], &unused);
    long messages = strtol(arguments[3], NULL, 10);
    DKIM_LIB *library = dkim_init(NULL, NULL);
    record = key;
    must(dkim_set_key_lookup(library, look_up), "key");
    double begin = seconds_used();
    for (long i = 0; i < messages; i++)
        if (is_verifying)
            verify(library, message, len);
        else
            sign(library, message, len, key);
    printf("%.0f\n", (double)messages / (seconds_used() - begin));
    dkim_close(library);
    free(message);
    free(key);
    return 0;
}
