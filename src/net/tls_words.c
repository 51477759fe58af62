#include "net/tls_state.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What operators meet most, in better words than OpenSSL's. Alerts are the other side's. */
static const struct {
    int reason;
    const char *words;
} reasons[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "what the other side sent is not TLS"},
    {SSL_R_UNEXPECTED_MESSAGE, "the other side sent what has no place in the handshake"},
    {SSL_R_HTTP_REQUEST, "the other side speaks HTTP"},
    {SSL_R_HTTPS_PROXY_REQUEST, "the other side speaks HTTP"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "what the other side sent is not TLS"},
    {SSL_R_BAD_RECORD_TYPE, "what the other side sent is not TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "no TLS version in common: the other side's are too old"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "no signature algorithm in common"},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "no signature algorithm in common"},
    {SSL_R_NO_SUITABLE_GROUPS, "no key exchange group in common"},
    {SSL_R_DH_KEY_TOO_SMALL, "the other side's Diffie-Hellman key is too short"},
    {SSL_R_EE_KEY_TOO_SMALL, "the key of the certificate is too short"},
    {SSL_R_CA_MD_TOO_WEAK, "the certificate is signed by a hash that is too weak"},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING,
     "the other side closed the connection within the handshake"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the other side found no terms in common"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the other side wants another TLS version"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the other side does not know who issued our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the other side says that our certificate has expired"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the other side does not accept our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the other side does not accept our certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "the other side does not accept our certificate"},
    {SSL_R_TLSV1_ALERT_INTERNAL_ERROR, "the other side had an error of its own"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "the other side demands a client certificate"},
    {SSL_R_TLSV1_UNRECOGNIZED_NAME, "the other side does not know the name asked for"},
};

void tls_words(char *text, size_t size)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *words = code ? ERR_reason_error_string(code) : "no reason given";
    if (ERR_GET_LIB(code) == ERR_LIB_SSL)
        for (size_t i = 0; i < COUNT(reasons); i++)
            if (reasons[i].reason == ERR_GET_REASON(code))
                words = reasons[i].words;
    snprintf(text, size, "%s", words ? words : "an unknown error");
}

bool tls_error(struct error *err, const char *format, ...)
{
    char words[128], text[200];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    tls_words(words, sizeof words);
    return error_set(err, 0, "%s: %s", text, words);
}
