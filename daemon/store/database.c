/*
 * The store's LMDB: one database a table, and one row that says how far the store has come.
 */
#include "database.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <util/fd.h>
#include <util/macros.h>

#include "files.h"
#include "images.h"

#define LEDGER_TABLE "ledger"
#define STATE_KEY "state"
#define STATE_VERSION 1
#define MAP_FIRST (64u * 1024u * 1024u)
#define READERS_MAX 512
/* Bytes put into one transaction, and what a small row counts as: each may cost a page of 4 KiB,
 * and LMDB keeps the pages of a transaction in memory. */
#define TRANSACTION_BYTES (4u * 1024u * 1024u)
#define ROW_BYTES 256u
#define PROBE_BYTES (1024 * 1024) /* more than LMDB writes with one call */

_Static_assert(sizeof(struct ledger_state) == 56, "written to disk as it is");

struct database {
    MDB_env *env;
    MDB_dbi tables[TABLE_COUNT_];
    MDB_dbi ledger;
    uint64_t map_size, map_limit;
    pthread_rwlock_t map_lock; /* readers and writer share it; growing the map has it alone */
};

/* Keys of one machine word are compared as such; all others as bytes. */
static size_t integer_key(enum record_table table)
{
    static const uint8_t sizes[TABLE_COUNT_] = {
        [TABLE_BALANCE] = 4, [TABLE_NAME] = 4, [TABLE_READING] = 4, [TABLE_PUSH] = 8};

    return sizes[table];
}

static int translate(int error)
{
    switch (error) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return -ENOENT;
    case MDB_MAP_FULL:
        return -EXFULL;
    case MDB_VERSION_MISMATCH:
    case MDB_INVALID:
        return -EPROTONOSUPPORT;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        return -EUCLEAN;
    case MDB_READERS_FULL:
        return -EAGAIN;
    case MDB_BAD_VALSIZE:
        return -EMSGSIZE;
    case EDQUOT:
        return -ENOSPC;
    default:
        return error > 0 ? -error : -EIO;
    }
}

static int compare_words(const void *left, const void *right, size_t size)
{
    uint64_t a = 0, b = 0;

    memcpy(&a, left, size);
    memcpy(&b, right, size);
    return (a > b) - (a < b);
}

int database_compare_keys(enum record_table table, const void *left, size_t left_length,
                          const void *right, size_t right_length)
{
    size_t shorter = left_length < right_length ? left_length : right_length;
    int order;

    if (integer_key(table) > 0 && shorter == integer_key(table))
        return compare_words(left, right, shorter);
    order = memcmp(left, right, shorter);
    return order != 0 ? order : (left_length > right_length) - (left_length < right_length);
}

static void abort_transaction(MDB_txn **txn)
{
    if (*txn)
        mdb_txn_abort(*txn);
    *txn = NULL;
}

static int commit(MDB_txn **txn)
{
    return translate(mdb_txn_commit(TAKE_PTR(*txn)));
}

/* --- opening --- */

static int open_tables(struct database *database, MDB_txn *txn)
{
    int r = translate(mdb_dbi_open(txn, LEDGER_TABLE, MDB_CREATE, &database->ledger));

    for (size_t i = 0; i < TABLE_COUNT_ && r == 0; i++) {
        unsigned flags = MDB_CREATE | (integer_key((enum record_table)i) ? MDB_INTEGERKEY : 0u);

        r = translate(mdb_dbi_open(txn, record_table_name((enum record_table)i), flags,
                                   &database->tables[i]));
    }
    return r;
}

static int put_state(struct database *database, MDB_txn *txn, const struct ledger_state *state)
{
    MDB_val key = {sizeof(STATE_KEY) - 1, (void *)(uintptr_t)STATE_KEY};
    MDB_val value = {sizeof(*state), (void *)(uintptr_t)state};

    return translate(mdb_put(txn, database->ledger, &key, &value, 0));
}

static int get_state(struct database *database, MDB_txn *txn, struct ledger_state *ret_state)
{
    MDB_val key = {sizeof(STATE_KEY) - 1, (void *)(uintptr_t)STATE_KEY}, value;
    int r = translate(mdb_get(txn, database->ledger, &key, &value));

    if (r < 0)
        return r;
    if (value.mv_size != sizeof(*ret_state))
        return -EPROTONOSUPPORT;
    memcpy(ret_state, value.mv_data, sizeof(*ret_state));
    return ret_state->version == STATE_VERSION ? 0 : -EPROTONOSUPPORT;
}

/* A store that has tables but not ours is somebody else's. */
static bool is_empty(MDB_txn *txn)
{
    MDB_dbi main_table;
    MDB_stat status;

    return mdb_dbi_open(txn, NULL, 0, &main_table) == 0 &&
           mdb_stat(txn, main_table, &status) == 0 && status.ms_entries == 0;
}

static int load(struct database *database, struct ledger_state *ret_state)
{
    CLEANUP(abort_transaction) MDB_txn *txn = NULL;
    struct ledger_state state;
    bool empty;
    int r;

    r = translate(mdb_txn_begin(database->env, NULL, 0, &txn));
    if (r < 0)
        return r;
    empty = is_empty(txn);
    r = empty ? 0 : translate(mdb_dbi_open(txn, LEDGER_TABLE, 0, &database->ledger));
    if (r < 0)
        return r == -ENOENT ? -EPROTONOSUPPORT : r;
    r = open_tables(database, txn);
    if (r < 0)
        return r;
    if (empty) {
        state = (struct ledger_state){.version = STATE_VERSION};
        random_bytes(&state.instance, sizeof(state.instance));
        random_bytes(state.hash_key, sizeof(state.hash_key));
        r = put_state(database, txn, &state);
    } else {
        r = get_state(database, txn, &state);
        if (r == -ENOENT)
            r = -EPROTONOSUPPORT;
    }
    if (r == 0)
        r = commit(&txn);
    if (r == 0)
        *ret_state = state;
    return r;
}

static uint64_t first_map_size(const char *directory, uint64_t limit)
{
    CLEANUP(cleanup_free) char *path = NULL;
    struct stat status;
    uint64_t size = MAP_FIRST;

    if (asprintf(&path, "%s/data.mdb", directory) >= 0 && stat(path, &status) == 0)
        while (size < 2 * (uint64_t)status.st_size)
            size *= 2;
    return size < limit ? size : limit;
}

static int open_environment(struct database *database, const char *directory)
{
    int r = translate(mdb_env_create(&database->env));

    if (r < 0)
        return r;
    database->map_size = first_map_size(directory, database->map_limit);
    r = translate(mdb_env_set_mapsize(database->env, database->map_size));
    if (r == 0)
        r = translate(mdb_env_set_maxdbs(database->env, TABLE_COUNT_ + 1));
    if (r == 0)
        r = translate(mdb_env_set_maxreaders(database->env, READERS_MAX));
    if (r == 0)
        r = translate(mdb_env_open(database->env, directory, MDB_NOTLS, 0600));
    return r;
}

static void database_cleanup(struct database **database)
{
    *database = database_free(*database);
}

int database_open(const char *directory, uint64_t map_limit, struct database **ret_database,
                  struct ledger_state *ret_state, char **ret_error)
{
    CLEANUP(database_cleanup) struct database *database = calloc(1, sizeof(*database));
    int r;

    if (!database)
        return -ENOMEM;
    (void)pthread_rwlock_init(&database->map_lock, NULL);
    database->map_limit = map_limit;
    r = open_environment(database, directory);
    if (r == 0)
        r = load(database, ret_state);
    if (r == -EPROTONOSUPPORT)
        return store_error(ret_error, r,
                           "%s/data.mdb: not a store that this version can read; left alone",
                           directory);
    if (r < 0)
        return store_error(ret_error, r == -EXFULL ? -ENOSPC : r, "%s/data.mdb: %s", directory,
                           strerror(-r));
    *ret_database = TAKE_PTR(database);
    return 0;
}

struct database *database_free(struct database *database)
{
    if (database) {
        if (database->env)
            mdb_env_close(database->env);
        (void)pthread_rwlock_destroy(&database->map_lock);
        free(database);
    }
    return NULL;
}

/* --- reading --- */

static void unlock_map(pthread_rwlock_t **lock)
{
    (void)pthread_rwlock_unlock(*lock);
}

static pthread_rwlock_t *lock_map(struct database *database)
{
    (void)pthread_rwlock_rdlock(&database->map_lock);
    return &database->map_lock;
}

/* A key as LMDB wants it for that table: `aligned` is where a word's copy is kept. */
static int make_key(enum record_table table, const void *key, size_t key_length, uint64_t *aligned,
                    MDB_val *ret_key)
{
    size_t word = integer_key(table);

    if (word > 0 && key_length != word)
        return -EMSGSIZE;
    *ret_key = (MDB_val){key_length, (void *)(uintptr_t)key};
    if (word > 0)
        ret_key->mv_data = memcpy(aligned, key, word);
    return 0;
}

int database_get(struct database *database, enum record_table table, const void *key,
                 size_t key_length, void *buffer, size_t buffer_size, size_t *ret_length)
{
    CLEANUP(unlock_map) pthread_rwlock_t *lock = lock_map(database);
    CLEANUP(abort_transaction) MDB_txn *txn = NULL;
    uint64_t aligned;
    MDB_val name, value;
    int r = make_key(table, key, key_length, &aligned, &name);

    (void)lock;
    if (r == 0)
        r = translate(mdb_txn_begin(database->env, NULL, MDB_RDONLY, &txn));
    if (r == 0)
        r = translate(mdb_get(txn, database->tables[table], &name, &value));
    if (r < 0)
        return r;
    if (value.mv_size > buffer_size)
        return -ENOBUFS;
    if (value.mv_size > 0)
        memcpy(buffer, value.mv_data, value.mv_size);
    *ret_length = value.mv_size;
    return 0;
}

static void close_cursor(MDB_cursor **cursor)
{
    if (*cursor)
        mdb_cursor_close(*cursor);
}

int database_range(struct database *database, enum record_table table, const void *from,
                   size_t from_length, size_t limit, store_row_function function, void *userdata)
{
    CLEANUP(unlock_map) pthread_rwlock_t *lock = lock_map(database);
    CLEANUP(abort_transaction) MDB_txn *txn = NULL;
    CLEANUP(close_cursor) MDB_cursor *cursor = NULL;
    MDB_cursor_op step = from ? MDB_SET_RANGE : MDB_FIRST;
    MDB_val key = {0, NULL}, value;
    uint64_t aligned;
    int r = from ? make_key(table, from, from_length, &aligned, &key) : 0;

    (void)lock;
    if (r == 0)
        r = translate(mdb_txn_begin(database->env, NULL, MDB_RDONLY, &txn));
    if (r == 0)
        r = translate(mdb_cursor_open(txn, database->tables[table], &cursor));
    for (size_t i = 0; r == 0 && i < limit; i++, step = MDB_NEXT) {
        r = translate(mdb_cursor_get(cursor, &key, &value, step));
        if (r == -ENOENT)
            return 0;
        if (r == 0)
            r = function(userdata, key.mv_data, key.mv_size, value.mv_data, value.mv_size);
    }
    return r;
}

int database_last(struct database *database, enum record_table table, store_row_function function,
                  void *userdata)
{
    CLEANUP(unlock_map) pthread_rwlock_t *lock = lock_map(database);
    CLEANUP(abort_transaction) MDB_txn *txn = NULL;
    CLEANUP(close_cursor) MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int r;

    (void)lock;
    r = translate(mdb_txn_begin(database->env, NULL, MDB_RDONLY, &txn));
    if (r == 0)
        r = translate(mdb_cursor_open(txn, database->tables[table], &cursor));
    if (r == 0)
        r = translate(mdb_cursor_get(cursor, &key, &value, MDB_LAST));
    return r < 0 ? r : function(userdata, key.mv_data, key.mv_size, value.mv_data, value.mv_size);
}

/* --- writing --- */

static int put_image(struct database *database, MDB_txn *txn, const struct image_entry *entry)
{
    MDB_val key, value = {entry->value_length, entry->value};
    uint64_t aligned;
    int r =
        make_key((enum record_table)entry->table, entry->key, entry->key_length, &aligned, &key);

    if (r < 0)
        return r;
    if (entry->value_length > 0)
        return translate(mdb_put(txn, database->tables[entry->table], &key, &value, 0));
    r = translate(mdb_del(txn, database->tables[entry->table], &key, NULL));
    return r == -ENOENT ? 0 : r;
}

/* One transaction: images from *index on, and the state if they were the last. */
static int apply_some(struct database *database, const struct images *images, size_t *index,
                      const struct ledger_state *state, bool *ret_done)
{
    CLEANUP(unlock_map) pthread_rwlock_t *lock = lock_map(database);
    CLEANUP(abort_transaction) MDB_txn *txn = NULL;
    size_t bytes = 0, at = *index;
    int r;

    (void)lock;
    r = translate(mdb_txn_begin(database->env, NULL, 0, &txn));
    for (; r == 0 && at < images->count && bytes < TRANSACTION_BYTES; at++) {
        const struct image_entry *entry = &images->entries[at];

        bytes += ROW_BYTES + entry->key_length + entry->value_length;
        r = put_image(database, txn, entry);
    }
    if (r == 0 && at == images->count)
        r = put_state(database, txn, state);
    if (r == 0)
        r = commit(&txn);
    if (r < 0)
        return r;
    *ret_done = at == images->count;
    *index = at;
    return 0;
}

/* No transaction of ours may be open meanwhile: the lock says so. */
static int grow_map(struct database *database)
{
    uint64_t size = database->map_size * 2;
    int r;

    if (size > database->map_limit)
        size = database->map_limit;
    if (size == database->map_size)
        return -EXFULL;
    (void)pthread_rwlock_wrlock(&database->map_lock);
    r = translate(mdb_env_set_mapsize(database->env, size));
    (void)pthread_rwlock_unlock(&database->map_lock);
    if (r == 0)
        database->map_size = size;
    return r;
}

/* LMDB calls a write that was cut short an I/O error, and the end of the disk cuts one short. If
 * there is room now, the transaction is worth another try. */
static int probe_room(struct database *database)
{
    struct stat status;
    int fd, r = translate(mdb_env_get_fd(database->env, &fd));

    if (r == 0 && fstat(fd, &status) < 0)
        r = -errno;
    if (r == 0 && fallocate(fd, 0, status.st_size, PROBE_BYTES) < 0)
        r = errno == ENOSPC || errno == EDQUOT ? -ENOSPC : -EIO;
    return r;
}

int database_apply(struct database *database, const struct images *images,
                   const struct ledger_state *state)
{
    size_t index = 0;
    bool done = false, probed = false;

    while (!done) {
        int r = apply_some(database, images, &index, state, &done);

        if (r == -EXFULL) {
            r = grow_map(database);
        } else if (r == -EIO && !probed) {
            probed = true;
            r = probe_room(database);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int database_make_room(struct database *database, const struct files *files, uint64_t bytes)
{
    CLEANUP(unlock_map) pthread_rwlock_t *lock = lock_map(database);
    uint64_t end, wanted;
    struct stat status;
    MDB_envinfo info;
    MDB_stat pages;
    int fd, r;

    (void)lock;
    r = translate(mdb_env_info(database->env, &info));
    if (r == 0)
        r = translate(mdb_env_stat(database->env, &pages));
    if (r == 0)
        r = translate(mdb_env_get_fd(database->env, &fd));
    if (r == 0 && fstat(fd, &status) < 0)
        r = -errno;
    if (r < 0)
        return r;
    end = ((uint64_t)info.me_last_pgno + 1) * pages.ms_psize;
    wanted = end + bytes < database->map_limit ? end + bytes : database->map_limit;
    if ((uint64_t)status.st_size >= wanted)
        return 0;
    r = -ENOSPC;
    if (wanted + bytes <= database->map_limit)
        r = files_extend(files, fd, (uint64_t)status.st_size, wanted + bytes);
    return r == 0 ? 0 : files_extend(files, fd, (uint64_t)status.st_size, wanted);
}

int database_copy(struct database *database, const char *directory)
{
    CLEANUP(unlock_map) pthread_rwlock_t *lock = lock_map(database);

    (void)lock;
    return translate(mdb_env_copy(database->env, directory));
}
