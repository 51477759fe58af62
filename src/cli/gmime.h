/* GMime, loaded when somebody composes a message, and only then: linked, it would bring GObject,
 * GIO and GPGME into every process of the server, 0.6 MiB each (docs/design.md). Its functions are
 * those of its own headers, with their types. */
#pragma once

/* Casts between classes are plain then, and need no function of GObject. */
#define G_DISABLE_CAST_CHECKS
#include <gmime/gmime.h>

#include "base/error.h"

#define GMIME_FUNCTIONS(_)                                                                         \
    _(g_mime_object_get_content_type)                                                              \
    _(g_mime_object_get_content_disposition)                                                       \
    _(g_mime_content_type_get_parameters)                                                          \
    _(g_mime_content_disposition_get_parameters)                                                   \
    _(g_mime_param_list_get_parameter)                                                             \
    _(g_mime_param_set_charset)                                                                    \
    _(internet_address_list_length)                                                                \
    _(internet_address_list_get_address)                                                           \
    _(internet_address_set_charset)                                                                \
    _(g_mime_init)                                                                                 \
    _(g_mime_message_new)                                                                          \
    _(g_mime_message_get_addresses)                                                                \
    _(g_mime_message_set_subject)                                                                  \
    _(g_mime_message_set_date)                                                                     \
    _(g_mime_message_set_message_id)                                                               \
    _(g_mime_message_set_mime_part)                                                                \
    _(g_mime_part_new_with_type)                                                                   \
    _(g_mime_part_set_content)                                                                     \
    _(g_mime_part_set_content_encoding)                                                            \
    _(g_mime_part_set_filename)                                                                    \
    _(g_mime_object_append_header)                                                                 \
    _(g_mime_object_set_content_id)                                                                \
    _(g_mime_object_set_content_type_parameter)                                                    \
    _(g_mime_object_set_disposition)                                                               \
    _(g_mime_object_write_to_stream)                                                               \
    _(g_mime_multipart_new_with_subtype)                                                           \
    _(g_mime_multipart_add)                                                                        \
    _(g_mime_stream_fs_new)                                                                        \
    _(g_mime_stream_fs_set_owner)                                                                  \
    _(g_mime_stream_mem_new_with_buffer)                                                           \
    _(g_mime_stream_flush)                                                                         \
    _(g_mime_data_wrapper_new_with_stream)                                                         \
    _(g_mime_format_options_new)                                                                   \
    _(g_mime_format_options_free)                                                                  \
    _(g_mime_format_options_set_newline_format)                                                    \
    _(g_mime_format_options_set_param_encoding_method)                                             \
    _(internet_address_list_parse)                                                                 \
    _(internet_address_list_append)                                                                \
    _(g_object_unref)                                                                              \
    _(g_date_time_new_now_local)                                                                   \
    _(g_date_time_unref)

struct gmime {
#define GMIME_MEMBER(name) __typeof__(&name) name;
    GMIME_FUNCTIONS(GMIME_MEMBER)
#undef GMIME_MEMBER
};

/* Loads and begins it; it stays for the rest of the process. False and err: it is not installed, or
 * is another one. */
MUST_CHECK bool gmime_load(struct gmime *out, struct error *err);
