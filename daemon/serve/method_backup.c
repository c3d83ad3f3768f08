/* See backup.h. */
#include "backup.h"
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

void backup_init(struct backup *backup, struct serve *serve)
{
    *backup = (struct backup){.serve = serve};
}

static void work(void *userdata)
{
    struct backup *backup = userdata;
    struct serve *serve = backup->serve;

    backup->result = store_backup(serve->store, backup->directory, &backup->error);
    atomic_store(&backup->done, true);
    uv_async_send(&serve->progress);
}

static enum proto_error error_of(int error)
{
    switch (error) {
    case -EEXIST:
        return PROTO_ERROR_CONFLICT;
    case -ECANCELED:
        return PROTO_ERROR_SHUTTING_DOWN;
    case -ENOSPC:
    case -EDQUOT:
        return PROTO_ERROR_NO_SPACE;
    case -EIO:
    case -EUCLEAN:
        return PROTO_ERROR_INTERNAL;
    case -ENOMEM:
        return PROTO_ERROR_BUSY;
    default: /* what the file system says of such a directory */
        return PROTO_ERROR_INVALID_PARAMETER;
    }
}

static int pack_answer(const struct backup *backup, msgpack_sbuffer *answer)
{
    msgpack_packer packer;
    int r;

    if (backup->result < 0)
        return message_pack_error(answer, backup->msgid, error_of(backup->result),
                                  backup->error != NULL ? backup->error : "out of memory",
                                  "parameter", "directory");
    r = message_pack_result(answer, backup->msgid);
    if (r < 0)
        return r;
    msgpack_packer_init(&packer, answer, msgpack_sbuffer_write);
    pack_map(&packer, 2);
    pack_kv_text(&packer, "directory", backup->directory);
    pack_kv_int(&packer, "sequence", (int64_t)backup->sequence);
    return 0;
}

static void answer(struct backup *backup)
{
    struct connection *connection = backup->connection;
    msgpack_sbuffer bytes;

    if (connection == NULL)
        return;
    backup->connection = NULL; /* answering may end it */
    msgpack_sbuffer_init(&bytes);
    if (pack_answer(backup, &bytes) == 0)
        connection_reply(connection, bytes.data, bytes.size, 0);
    else
        ipc_stream_close(connection->stream);
    msgpack_sbuffer_destroy(&bytes);
}

static void forget_job(struct backup *backup)
{
    free(backup->directory);
    free(backup->error);
    backup->directory = backup->error = NULL;
    backup->running = false;
}

void backup_advance(struct backup *backup)
{
    if (!backup->running || !atomic_load(&backup->done))
        return;
    (void)serve_now(backup->serve); /* something to do: the end of the turn */
    (void)uv_thread_join(&backup->thread);
    if (backup->result < 0)
        log_error("backup: %s", backup->error != NULL ? backup->error : strerror(-backup->result));
    else
        log_notice("backup into %s: done, it has the ledger through sequence %" PRIu64,
                   backup->directory, backup->sequence);
    answer(backup);
    forget_job(backup);
}

void backup_forget(struct backup *backup, const struct connection *connection)
{
    if (backup->connection == connection)
        backup->connection = NULL;
}

void backup_stop(struct backup *backup)
{
    if (backup->running)
        store_backup_cancel(backup->serve->store);
}

void backup_deinit(struct backup *backup)
{
    if (!backup->running)
        return;
    (void)uv_thread_join(&backup->thread);
    forget_job(backup);
}

/* --- the method --- */

static int begin(struct request *request, const char *directory, size_t length)
{
    struct backup *backup = &request->serve->backup;
    struct store_watermarks marks;
    int r;

    store_get_watermarks(request->serve->store, &marks);
    backup->sequence = marks.durable;
    backup->directory = strndup(directory, length);
    if (backup->directory == NULL)
        return -ENOMEM;
    backup->connection = request->connection;
    backup->msgid = request->msgid;
    backup->result = 0;
    atomic_store(&backup->done, false);
    r = uv_thread_create(&backup->thread, work, backup);
    if (r < 0) {
        backup->connection = NULL;
        forget_job(backup);
        return r;
    }
    backup->running = true;
    return 0;
}

int method_backup(struct request *request)
{
    const struct proto_value *directory = &request->params.values[PROTO_PARAMETER_DIRECTORY];
    const struct backup *backup = &request->serve->backup;
    int r;

    if (directory->text[0] != '/') {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER, "directory must be an absolute path",
                       "parameter", "directory");
        return REQUEST_ANSWERED;
    }
    if (backup->running) {
        request_refuse(request, PROTO_ERROR_BUSY, "another backup is being made", "directory",
                       backup->directory);
        return REQUEST_ANSWERED;
    }
    r = begin(request, directory->text, directory->length);
    if (r < 0)
        request_refuse_status(request, r);
    return REQUEST_ANSWERED;
}
