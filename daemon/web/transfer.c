/* Options, callbacks and ends of one transfer: see transfer.h. */
#include "transfer.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

static void carrier_drop(struct carrier *carrier)
{
    if (carrier->is_orphan && carrier->sockets == 0)
        free(carrier);
}

static curl_socket_t on_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct carrier *carrier = data;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

    (void)purpose;
    if (fd >= 0)
        carrier->sockets++;
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

/* close() alone leaves undelivered bytes to the kernel, which goes on sending them for minutes: a
 * request given up here could still arrive there. A reset discards them. */
static int on_close_socket(void *data, curl_socket_t fd)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct carrier *carrier = data;
    int undelivered = 0, r;

    if (!carrier->is_answered && ioctl(fd, SIOCOUTQ, &undelivered) == 0 && undelivered > 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    r = close(fd);
    carrier->sockets--;
    carrier_drop(carrier);
    return r;
}

static int on_begin(void *data, char *ip, char *local_ip, int port, int local_port)
{
    struct transfer *transfer = data;

    (void)ip, (void)local_ip, (void)port, (void)local_port;
    transfer->is_begun = true;
    return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *line, size_t size, size_t count, void *data)
{
    struct transfer *transfer = data;
    size_t length = size * count;

    head_line(&transfer->head, line, length);
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0)
        transfer->is_head_whole = false;
    else if (line[0] == '\r' || line[0] == '\n')
        transfer->is_head_whole = true;
    /* "HTTP/1.1 200 OK"; a status of 1xx is not the answer yet. */
    if (transfer->carrier && length > 9 && memcmp(line, "HTTP/", 5) == 0 && line[9] != '1')
        transfer->carrier->is_answered = true;
    return length;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    struct transfer *transfer = data;
    size_t length = size * count;
    size_t needed = transfer->received_length + length;

    if (transfer->is_body_dropped) {
        transfer->received_length = needed;
        return needed > HTTP_DROPPED_BODY_MAX ? 0 : length;
    }
    if (needed > HTTP_BODY_MAX) {
        transfer->is_too_large = true;
        return 0;
    }
    if (needed > transfer->received_capacity) {
        char *grown = malloc(needed * 2);

        if (!grown)
            return 0;
        if (transfer->received) {
            memcpy(grown, transfer->received, transfer->received_length);
            explicit_bzero(transfer->received, transfer->received_length);
            free(transfer->received);
        }
        transfer->received = grown;
        transfer->received_capacity = needed * 2;
    }
    memcpy(transfer->received + transfer->received_length, bytes, length);
    transfer->received_length = needed;
    return length;
}

static int header_add(struct transfer *transfer, const char *name, const char *value)
{
    CLEANUP(secret_cleanup) char *text = NULL;
    struct curl_slist *grown;

    if (asprintf(&text, value ? "%s: %s" : "%s:", name, value) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    grown = curl_slist_append(transfer->headers, text);
    if (!grown)
        return -ENOMEM;
    transfer->headers = grown;
    return 0;
}

/* What would begin a header of its own, or end the head. */
static bool is_one_line(const char *value)
{
    return strcspn(value, "\r\n") == strlen(value);
}

static int headers_build(struct transfer *transfer, const struct http_request *request)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];

        if (header->value && !is_one_line(header->value))
            r = -EINVAL;
        else if (header->value)
            r = header_add(transfer, header->name, header->value);
    }
    if (r == 0 && request->body)
        r = header_add(transfer, "Content-Type", "application/json");
    /* Without a value: libcurl leaves the header out, and waits for no "100 Continue". */
    if (r == 0)
        r = header_add(transfer, "Expect", NULL);
    return r;
}

/* Whether one failed is remembered: a security option that did not take must stop the transfer. */
#define SET(easy, failed, option, value)                                                           \
    ((failed) |= curl_easy_setopt((easy), (option), (value)) != CURLE_OK)

static int set_transport(CURL *easy, const struct http_request *request)
{
    int failed = 0;

    SET(easy, failed, CURLOPT_URL, request->url);
    SET(easy, failed, CURLOPT_PROTOCOLS_STR, request->is_https ? "https" : "http");
    SET(easy, failed, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, failed, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(easy, failed, CURLOPT_SSL_VERIFYHOST, 2L);
    SET(easy, failed, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, failed, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, failed, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(easy, failed, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(easy, failed, CURLOPT_PATH_AS_IS, 1L);
    SET(easy, failed, CURLOPT_NOSIGNAL, 1L);
    SET(easy, failed, CURLOPT_NOPROGRESS, 1L);
    SET(easy, failed, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout);
    SET(easy, failed, CURLOPT_TIMEOUT_MS, (long)request->timeout);
    /* A resolver that hangs must not hold the loop when its transfer has timed out. */
    SET(easy, failed, CURLOPT_QUICK_EXIT, 1L);
    if (request->is_loopback)
        SET(easy, failed, CURLOPT_NOPROXY, "*");
    return failed ? -EIO : 0;
}

static int set_write(struct transfer *transfer, bool is_put)
{
    CURL *easy = transfer->easy;
    int failed = 0;

    SET(easy, failed, CURLOPT_POST, 1L);
    if (is_put)
        SET(easy, failed, CURLOPT_CUSTOMREQUEST, "PUT");
    SET(easy, failed, CURLOPT_POSTFIELDS, transfer->body);
    SET(easy, failed, CURLOPT_POSTFIELDSIZE, (long)strlen(transfer->body));
    SET(easy, failed, CURLOPT_FRESH_CONNECT, 1L);
    SET(easy, failed, CURLOPT_FORBID_REUSE, 1L);
    SET(easy, failed, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(easy, failed, CURLOPT_OPENSOCKETDATA, transfer->carrier);
    SET(easy, failed, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(easy, failed, CURLOPT_CLOSESOCKETDATA, transfer->carrier);
    return failed ? -EIO : 0;
}

static int set_content(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    int failed = 0;

    SET(easy, failed, CURLOPT_HTTPHEADER, transfer->headers);
    SET(easy, failed, CURLOPT_USERAGENT, "creditd/" CREDITD_VERSION);
    SET(easy, failed, CURLOPT_ERRORBUFFER, transfer->error);
    SET(easy, failed, CURLOPT_PRIVATE, transfer);
    SET(easy, failed, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, failed, CURLOPT_HEADERDATA, transfer);
    SET(easy, failed, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, failed, CURLOPT_WRITEDATA, transfer);
    SET(easy, failed, CURLOPT_PREREQFUNCTION, on_begin);
    SET(easy, failed, CURLOPT_PREREQDATA, transfer);
    return failed ? -EIO : 0;
}

static void transfer_cleanup(struct transfer **transfer)
{
    transfer_free(*transfer);
}

int transfer_new(const struct http_request *request, http_done_fn *done, void *data,
                 struct transfer **ret_transfer)
{
    CLEANUP(transfer_cleanup) struct transfer *transfer = calloc(1, sizeof *transfer);
    int r;

    if (!transfer)
        return -ENOMEM;
    transfer->done = done;
    transfer->data = data;
    transfer->is_body_dropped = request->is_body_dropped;
    transfer->easy = curl_easy_init();
    if (request->body) {
        transfer->body = strdup(request->body);
        transfer->carrier = calloc(1, sizeof *transfer->carrier);
    }
    if (!transfer->easy || (request->body && (!transfer->body || !transfer->carrier)))
        return -ENOMEM;
    r = headers_build(transfer, request);
    if (r == 0)
        r = set_transport(transfer->easy, request);
    if (r == 0)
        r = set_content(transfer);
    if (r == 0 && request->body)
        r = set_write(transfer, request->is_put);
    if (r < 0)
        return r;
    *ret_transfer = TAKE_PTR(transfer);
    return 0;
}

struct transfer *transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return NULL;
    curl_easy_cleanup(transfer->easy);
    for (struct curl_slist *header = transfer->headers; header; header = header->next)
        explicit_bzero(header->data, strlen(header->data));
    curl_slist_free_all(transfer->headers);
    if (transfer->carrier) {
        transfer->carrier->is_orphan = true;
        carrier_drop(transfer->carrier);
    }
    free(transfer->body);
    if (transfer->received) /* it may hold a session's token */
        explicit_bzero(transfer->received, transfer->received_length);
    free(transfer->received);
    free(transfer);
    return NULL;
}

bool transfer_is_settled(const struct transfer *transfer)
{
    return !transfer->carrier || transfer->carrier->sockets == 0;
}

/* What came back is an answer, though none of HTTP's. */
static bool is_garbled(const struct transfer *transfer)
{
    switch (transfer->result) {
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        return true;
    default:
        return transfer->is_too_large;
    }
}

void transfer_end(const struct transfer *transfer, struct http_end *ret_end)
{
    struct http_end end = {.head = transfer->head};
    bool is_whole = transfer->result == CURLE_OK || transfer->is_body_dropped;
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    end.status = (int)status;
    if (is_whole && transfer->is_head_whole && status >= 200) {
        end.kind = HTTP_ANSWERED;
        end.body = transfer->received;
        end.body_length = transfer->received ? transfer->received_length : 0;
    } else {
        end.kind = !transfer->is_begun    ? HTTP_NOT_SENT
                   : is_garbled(transfer) ? HTTP_GARBLED
                                          : HTTP_UNANSWERED;
        end.error = transfer->result == CURLE_OK ? "the answer's head breaks off"
                    : transfer->is_too_large     ? "the answer is over 4 MiB"
                    : transfer->error[0] != '\0' ? transfer->error
                                                 : curl_easy_strerror(transfer->result);
    }
    *ret_end = end;
}
