/* SPDX-License-Identifier: MIT
 * Checks that a file holds CA certificates before it is used.
 */
#include "core/crypto/crypto.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/base/file.h"

enum { CA_FILE_MAX = 16 * 1024 * 1024 };

/* The number of certificates in the text; -EBADMSG when one of them is damaged. */
static int certificates(const struct buf *text)
{
    BIO *in = BIO_new_mem_buf(text->data, (int)text->len);
    X509 *one;
    int count = 0;

    if (in == NULL)
        return -ENOMEM;
    ERR_clear_error();
    while ((one = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
        X509_free(one);
        count++;
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(in);
    return ended ? count : -EBADMSG;
}

int crypto_ca_file(const char *path, struct error *e)
{
    cleanup(buf_done) struct buf text = {0};

    int r = file_read(path, CA_FILE_MAX, &text);
    if (r < 0)
        return error_set(e, r, "the file of CA certificates %s cannot be read: %s", path,
                         r == -EISDIR  ? "it is a folder"
                         : r == -EFBIG ? "it is larger than 16 MiB"
                                       : strerror(-r));
    r = text.len > 0 ? certificates(&text) : 0;
    if (r == -EBADMSG)
        return error_set(e, r, "%s holds a certificate that is damaged or cut off", path);
    if (r == 0)
        return error_set(e, -EINVAL, "%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path);
    return r < 0 ? error_set(e, r, "%s could not be checked: out of memory", path) : 0;
}
