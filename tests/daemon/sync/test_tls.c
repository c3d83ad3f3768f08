/*
 * A server with a certificate that nobody vouches for: it must not see one byte of a request. (That
 * a good one is taken cannot be shown here: the system says whom it trusts.)
 */
#include "rig.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tls_server {
    int fd;
    char url[64];
    SSL_CTX *context;
    pthread_t thread;
    unsigned handshakes; /* begun */
    int received;        /* bytes of a request */
};

/* Names the very address, is valid now, and is signed by itself. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_EXTENSION *address = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"127.0.0.1", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_add_ext(certificate, address, -1);
    X509_set_pubkey(certificate, key);
    cr_assert(X509_sign(certificate, key, EVP_sha256()) > 0);
    X509_EXTENSION_free(address);
    return certificate;
}

static void *run_server(void *data)
{
    struct tls_server *server = data;
    int fd;

    while ((fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        SSL *tls = SSL_new(server->context);
        char bytes[256];

        server->handshakes++;
        SSL_set_fd(tls, fd);
        if (SSL_accept(tls) == 1) {
            int n = SSL_read(tls, bytes, sizeof bytes);

            server->received += n > 0 ? n : 0;
        }
        SSL_free(tls);
        close(fd);
    }
    return NULL;
}

static void server_init(struct tls_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);

    *server = (struct tls_server){.context = SSL_CTX_new(TLS_server_method())};
    cr_assert_eq(SSL_CTX_use_certificate(server->context, certificate), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(server->context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(server->fd, 16), 0);
    cr_assert_eq(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server->url, sizeof server->url, "https://127.0.0.1:%d", ntohs(address.sin_port));
    cr_assert_eq(pthread_create(&server->thread, NULL, run_server, server), 0);
}

static void server_deinit(struct tls_server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    SSL_CTX_free(server->context);
}

Test(tls, a_certificate_that_nobody_vouches_for_is_refused_before_the_key_is_sent)
{
    struct harness_directory directory;
    char path[HARNESS_PATH_MAX], log[HARNESS_PATH_MAX + 16];
    const char *const environment[] = {log, NULL};
    struct tls_server server;
    struct rig rig;
    json_t *answer;

    signal(SIGPIPE, SIG_IGN);
    harness_directory_init(&directory);
    harness_path(&directory, "tls-secrets", path);
    snprintf(log, sizeof log, "SSLKEYLOGFILE=%s", path);
    server_init(&server);
    rig_init_with(&rig, NULL, 0, server.url, NULL, environment);
    answer = rig_deduct(&rig, 0);
    rig_expect(answer, "{\"outcome\":\"not_sent\",\"http_status\":0}", "a deduct");
    cr_expect_not_null(strstr(harness_text(answer, "message"), "certificate"));
    json_decref(answer);
    answer = rig_balance(&rig, 0);
    rig_expect(answer, "{\"outcome\":\"not_sent\",\"http_status\":0}", "a read");
    json_decref(answer);
    rig_deinit(&rig);
    server_deinit(&server);
    cr_expect(access(path, F_OK) < 0, "the secrets of the connections were written to a file");
    harness_directory_deinit(&directory);
    cr_expect_eq(server.handshakes, 2);
    cr_expect_eq(server.received, 0);
}
