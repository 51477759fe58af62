#include "cli/compose.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "cli/gmime.h"

#define CHARSET "utf-8"
enum { LINE_LIMIT = 998 }; /* bytes, RFC 5322, 2.1.1 */

struct composer {
    const struct send_plan *plan;
    struct gmime gmime;
    struct error *err;
};

/* --- Fields ----------------------------------------------------------------------------------- */

static void add_addresses(struct composer *composer, GMimeMessage *message, GMimeAddressType type,
                          const char *text)
{
    const struct gmime *gmime = &composer->gmime;
    InternetAddressList *list = gmime->internet_address_list_parse(NULL, text);
    if (!list)
        return;
    /* Else it takes the narrowest that does, which is one more to know for those who read it. */
    for (int i = 0; i < gmime->internet_address_list_length(list); i++)
        gmime->internet_address_set_charset(gmime->internet_address_list_get_address(list, i),
                                            CHARSET);
    gmime->internet_address_list_append(gmime->g_mime_message_get_addresses(message, type), list);
    gmime->g_object_unref(list);
}

static void add_lists(struct composer *composer, GMimeMessage *message)
{
    const struct send_plan *plan = composer->plan;
    add_addresses(composer, message, GMIME_ADDRESS_TYPE_FROM, plan->from);
    if (plan->reply_to)
        add_addresses(composer, message, GMIME_ADDRESS_TYPE_REPLY_TO, plan->reply_to);
    for (size_t i = 0; i < plan->to.count; i++)
        add_addresses(composer, message, GMIME_ADDRESS_TYPE_TO, plan->to.at[i]);
    for (size_t i = 0; i < plan->cc.count; i++)
        add_addresses(composer, message, GMIME_ADDRESS_TYPE_CC, plan->cc.at[i]);
}

static bool has_field(const struct send_plan *plan, const char *wanted)
{
    for (size_t i = 0; i < plan->headers.count; i++) {
        struct bytes name, value;
        bytes_cut(bytes_of(plan->headers.at[i]), ':', &name, &value);
        if (bytes_equal_nocase(name, bytes_of(wanted)))
            return true;
    }
    return false;
}

static void add_field(struct composer *composer, GMimeMessage *message, const char *field)
{
    struct bytes name, value;
    char text[1024];
    bytes_cut(bytes_of(field), ':', &name, &value);
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(name));
    composer->gmime.g_mime_object_append_header(GMIME_OBJECT(message), text,
                                                (const char *)bytes_trim(value).at, CHARSET);
}

/* Unique by 16 random bytes; the domain is the sender's, as no other is known to be ours. */
static void add_message_id(struct composer *composer, GMimeMessage *message)
{
    uint8_t random[16];
    char id[2 * sizeof random + 1 + 256] = "";
    struct bytes sender = composer->plan->mail_from;
    struct bytes domain = bytes_from(sender, bytes_find_last(sender, '@') + 1);
    if (RAND_bytes(random, sizeof random) != 1)
        return; /* then the server makes one */
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(id + 2 * i, 3, "%02x", random[i]);
    snprintf(id + 2 * sizeof random, sizeof id - 2 * sizeof random, "@%.*s",
             BYTES_ARGS(domain.len ? domain : BYTES("localhost")));
    composer->gmime.g_mime_message_set_message_id(message, id);
}

static void add_fields(struct composer *composer, GMimeMessage *message)
{
    const struct gmime *gmime = &composer->gmime;
    add_lists(composer, message);
    gmime->g_mime_message_set_subject(message, composer->plan->subject, CHARSET);
    if (!has_field(composer->plan, "Date")) {
        GDateTime *now = gmime->g_date_time_new_now_local();
        gmime->g_mime_message_set_date(message, now);
        gmime->g_date_time_unref(now);
    }
    if (!has_field(composer->plan, "Message-ID"))
        add_message_id(composer, message);
    for (size_t i = 0; i < composer->plan->headers.count; i++)
        add_field(composer, message, composer->plan->headers.at[i]);
}

/* --- Parts ------------------------------------------------------------------------------------ */

static GMimeObject *new_part(struct composer *composer, struct bytes type)
{
    char top[256], sub[256];
    struct bytes first, second;
    bytes_cut(type, '/', &first, &second);
    snprintf(top, sizeof top, "%.*s", BYTES_ARGS(first));
    snprintf(sub, sizeof sub, "%.*s", BYTES_ARGS(second));
    return GMIME_OBJECT(composer->gmime.g_mime_part_new_with_type(top, sub));
}

/* Gives the part what is in the stream. */
static void give_content(struct composer *composer, GMimeObject *part, GMimeStream *stream_owned)
{
    const struct gmime *gmime = &composer->gmime;
    GMimeDataWrapper *content =
        gmime->g_mime_data_wrapper_new_with_stream(stream_owned, GMIME_CONTENT_ENCODING_DEFAULT);
    gmime->g_mime_part_set_content(GMIME_PART(part), content);
    gmime->g_object_unref(content);
    gmime->g_object_unref(stream_owned);
}

/* What may stand as it is: in lines that SMTP carries. */
static bool is_plain(struct bytes text)
{
    while (text.len) {
        struct bytes line;
        bytes_cut(text, '\n', &line, &text);
        if (line.len > LINE_LIMIT || bytes_find(line, 0) < line.len ||
            bytes_find(line, '\r') < line.len)
            return false;
    }
    return true;
}

/* Never in base64, which would need its line ends made CRLF first (RFC 2045, 6.8), and which people
 * cannot read in what they are shown. */
static GMimeObject *text_part(struct composer *composer, struct bytes type, struct bytes text)
{
    const struct gmime *gmime = &composer->gmime;
    GMimeObject *part = new_part(composer, type);
    gmime->g_mime_object_set_content_type_parameter(part, "charset", CHARSET);
    gmime->g_mime_part_set_content_encoding(GMIME_PART(part),
                                            bytes_is_ascii(text) && is_plain(text)
                                                ? GMIME_CONTENT_ENCODING_7BIT
                                                : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
    give_content(
        composer, part,
        gmime->g_mime_stream_mem_new_with_buffer(text.at ? (const char *)text.at : "", text.len));
    return part;
}

/* A file that is read when the message is written, which needs it to be one that stays. */
static int open_file(const char *path, struct error *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error_set(err, errno, "%.150s", path);
        return -1;
    }
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    error_set(err, 0, "%.150s is no regular file", path);
    close(fd);
    return -1;
}

/* As Content-Disposition has it, and as old readers look for it in Content-Type. */
static void set_name(struct composer *composer, GMimeObject *part, struct bytes name)
{
    const struct gmime *gmime = &composer->gmime;
    char text[1024];
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(name));
    gmime->g_mime_part_set_filename(GMIME_PART(part), text);
    GMimeParam *of_type = gmime->g_mime_param_list_get_parameter(
        gmime->g_mime_content_type_get_parameters(gmime->g_mime_object_get_content_type(part)),
        "name");
    GMimeParam *of_disposition = gmime->g_mime_param_list_get_parameter(
        gmime->g_mime_content_disposition_get_parameters(
            gmime->g_mime_object_get_content_disposition(part)),
        "filename");
    if (of_type)
        gmime->g_mime_param_set_charset(of_type, CHARSET);
    if (of_disposition)
        gmime->g_mime_param_set_charset(of_disposition, CHARSET);
}

/* Byte for byte, so always in base64: line ends of a text would be made CRLF otherwise. NULL and
 * err: it cannot be read. */
static GMimeObject *file_part(struct composer *composer, const struct send_file *file)
{
    const struct gmime *gmime = &composer->gmime;
    char text[1024];
    int fd = open_file(file->path, composer->err);
    if (fd < 0)
        return NULL;
    GMimeObject *part = new_part(composer, file->type);
    GMimeStream *stream = gmime->g_mime_stream_fs_new(fd);
    gmime->g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), TRUE);
    give_content(composer, part, stream);
    gmime->g_mime_part_set_content_encoding(GMIME_PART(part), GMIME_CONTENT_ENCODING_BASE64);
    gmime->g_mime_object_set_disposition(part, file->cid.len ? GMIME_DISPOSITION_INLINE
                                                             : GMIME_DISPOSITION_ATTACHMENT);
    set_name(composer, part, file->name);
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(file->cid));
    if (file->cid.len)
        gmime->g_mime_object_set_content_id(part, text);
    return part;
}

/* Takes both over. */
static void give_part(struct composer *composer, GMimeObject *multipart, GMimeObject *part_owned)
{
    composer->gmime.g_mime_multipart_add(GMIME_MULTIPART(multipart), part_owned);
    composer->gmime.g_object_unref(part_owned);
}

/* A multipart that has `first`, and the files behind it. NULL and err; what was taken over is gone.
 */
static GMimeObject *with_files(struct composer *composer, const char *subtype,
                               GMimeObject *first_owned, const struct send_file *files,
                               size_t count)
{
    if (count == 0)
        return first_owned;
    GMimeObject *multipart =
        GMIME_OBJECT(composer->gmime.g_mime_multipart_new_with_subtype(subtype));
    give_part(composer, multipart, first_owned);
    for (size_t i = 0; i < count; i++) {
        GMimeObject *part = file_part(composer, &files[i]);
        if (!part) {
            composer->gmime.g_object_unref(multipart);
            return NULL;
        }
        give_part(composer, multipart, part);
    }
    return multipart;
}

/* Text alone, HTML with its pictures, or both for the reader to choose from (RFC 2046, 5.1.4: the
 * best last). */
static GMimeObject *readable(struct composer *composer, const struct compose_texts *texts)
{
    const struct send_plan *plan = composer->plan;
    GMimeObject *html = NULL;
    if (texts->has_html) {
        html = text_part(composer, BYTES("text/html"), texts->html);
        html = with_files(composer, "related", html, plan->pictures, plan->picture_count);
        if (!html)
            return NULL;
    }
    if (!texts->has_text && html)
        return html;
    GMimeObject *text = text_part(composer, BYTES("text/plain"), texts->text);
    if (!html)
        return text;
    GMimeObject *both =
        GMIME_OBJECT(composer->gmime.g_mime_multipart_new_with_subtype("alternative"));
    give_part(composer, both, text);
    give_part(composer, both, html);
    return both;
}

static bool write_message(struct composer *composer, GMimeMessage *message, int fd)
{
    const struct gmime *gmime = &composer->gmime;
    GMimeFormatOptions *options = gmime->g_mime_format_options_new();
    gmime->g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS);
    gmime->g_mime_format_options_set_param_encoding_method(options,
                                                           GMIME_PARAM_ENCODING_METHOD_RFC2231);
    GMimeStream *stream = gmime->g_mime_stream_fs_new(fd);
    gmime->g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
    errno = 0;
    bool is_written =
        gmime->g_mime_object_write_to_stream(GMIME_OBJECT(message), options, stream) >= 0 &&
        gmime->g_mime_stream_flush(stream) == 0;
    if (!is_written)
        error_set(composer->err, errno, "write the message");
    gmime->g_object_unref(stream);
    gmime->g_mime_format_options_free(options);
    return is_written;
}

bool compose(const struct send_plan *plan, const struct compose_texts *texts, int fd,
             struct error *err)
{
    struct composer composer = {.plan = plan, .err = err};
    const struct gmime *gmime = &composer.gmime;
    if (!gmime_load(&composer.gmime, err))
        return false;
    GMimeObject *body = readable(&composer, texts);
    if (body)
        body = with_files(&composer, "mixed", body, plan->attached, plan->attached_count);
    if (!body)
        return false;
    GMimeMessage *message = gmime->g_mime_message_new(TRUE);
    gmime->g_mime_message_set_mime_part(message, body);
    gmime->g_object_unref(body);
    add_fields(&composer, message);
    bool is_written = write_message(&composer, message, fd);
    gmime->g_object_unref(message);
    return is_written;
}
