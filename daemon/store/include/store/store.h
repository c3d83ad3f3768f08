/*
 * The ledger's home: the journal, to which records are first appended, and the store (LMDB), into
 * which their images are put at checkpoints. This is the only user of LMDB and of the state
 * directory; design.md section 4 says why there are two.
 *
 *   STATE/lock            flock: one serve at a time (J7)
 *   STATE/journal/        segments, named by number: 0000000000000001.journal …
 *   STATE/store/          LMDB: data.mdb, lock.mdb
 *   STATE/reserve         room kept for confirmations when the disk is full (J6)
 *
 * Threads: the owner's thread appends and flushes; a journal thread writes and syncs batches; a
 * checkpoint thread reads durable records back from the journal (never the owner's memory) and puts
 * their images into LMDB; a space thread prepares, recycles and drops segments. store_get,
 * store_each and store_read_record may be called from any thread. No call here blocks on the disk,
 * but those that say so.
 */
#pragma once

#include <core/record.h>
#include <core/sink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <util/hash.h>

struct store;

enum store_durability {
    STORE_DURABILITY_ALWAYS,  /* acknowledged when fdatasync has returned */
    STORE_DURABILITY_INTERVAL /* acknowledged when written; synced every interval. Pushes and events
                                 still wait for the sync. */
};

enum store_space {
    STORE_SPACE_OK,
    STORE_SPACE_RESERVE /* deductions are refused */,
    STORE_SPACE_FULL /* and the reserve is used up, or a checkpoint waits for room */
};

/* The system calls that can fail in ways that matter; tests pass their own. NULL members: the real
 * ones. */
struct store_io {
    void *userdata;
    int (*write)(void *userdata, int fd, const void *data, size_t length,
                 uint64_t offset);                          /* all of it, or -errno */
    int (*sync)(void *userdata, int fd);                    /* fdatasync: 0 or -errno */
    int (*allocate)(void *userdata, int fd, uint64_t size); /* writes zeros: 0 or -errno */
    /* Makes a file of `from` bytes, whose content stays, `size` bytes long, all of them its own. */
    int (*extend)(void *userdata, int fd, uint64_t from, uint64_t size);
};

struct store_options {
    const char *directory;
    enum store_durability durability;
    int64_t interval_ms;      /* for STORE_DURABILITY_INTERVAL */
    uint64_t segment_size;    /* a multiple of 4096, at least 64 KiB */
    uint64_t map_size;        /* LMDB's */
    int64_t retention_ms;     /* sealed segments go when older than this … */
    uint64_t retention_bytes; /* … or when there are more than this */
    int64_t checkpoint_interval_ms;
    uint64_t checkpoint_bytes; /* journal bytes not yet in the store that start a checkpoint early;
                                  at most 256 MiB (S3) */
    const struct store_io *io; /* NULL: the real one */
    /* Called on one of the store's threads whenever one of the watermarks, the space or the failure
     * below has changed, or an append that was told -EAGAIN may be tried again. Must only wake the
     * owner (uv_async_send). */
    void (*on_progress)(void *userdata);
    void *userdata;
};

/* What all who wait look at; read with store_watermarks. */
struct store_watermarks {
    uint64_t appended;     /* sequence of the last record appended */
    uint64_t written;      /* … handed to the kernel */
    uint64_t durable;      /* … synced. An answer, an event or a push waits for this one (J3) */
    uint64_t stored;       /* … whose images are in LMDB */
    uint64_t stored_place; /* place of that record */
    int64_t stored_time;
    uint64_t oldest_place; /* records before this are gone, or about to */
    enum store_space space;
    int failure; /* 0, or the -errno of a write or sync that failed: nothing more becomes durable;
                    the owner must end (J4, S2) */
};

/* Replay: records beyond the store's sequence, in order. A non-zero answer ends store_open with it.
 */
typedef int (*store_replay_function)(void *userdata, const struct record *record, uint64_t place);
/* Called for each row: 0 to go on, otherwise the walk ends with that value. */
typedef int (*store_row_function)(void *userdata, const void *key, size_t key_length,
                                  const void *value, size_t value_length);

/* Blocks. Takes the lock, opens LMDB, checks the journal and makes its tail durable (J4, J5),
 * before anything else can happen. Creates what is not there yet (0700) on first use. In order:
 * `start` is called once LMDB is open (load rows with store_each there: it may be NULL), then
 * `replay` for each record. On failure *ret_error (freed by the caller) says what is wrong in one
 * line, naming the file, offset and sequences; nothing was changed. -EBUSY: another process has the
 * lock. -EUCLEAN: damage. -EPROTONOSUPPORT: a format that is not ours. */
int store_open(const struct store_options *options,
               int (*start)(struct store *store, void *userdata), store_replay_function replay,
               void *userdata, struct store **ret_store, char **ret_error);
/* Blocks: writes and syncs what was appended, checkpoints if `checkpoint`, marks the stop as clean,
 * ends the threads. NULL is taken. 0, or -errno if not everything became durable. */
int store_close(struct store *store, bool checkpoint);
/* As a crash would: drops what was not written, ends the threads, leaves the files as they are. For
 * tests. */
void store_abandon(struct store *store);

/* Random, made when the ledger was: the key for hashing the names of balances, and an id of this
 * ledger for push ids. */
const struct hash_key *store_hash_key(const struct store *store);
uint32_t store_instance(const struct store *store);
/* Grows by one with each start; durable before store_open returns. */
uint32_t store_epoch(const struct store *store);
/* Time of the last record that is known, for ledger_clock_init; 0 for an empty ledger. */
int64_t store_last_time(const struct store *store);

/* For struct core_sink: userdata is the store. Owner's thread only. -ENOSPC as core/sink.h says;
 * -EAGAIN if too much is already waiting to be written (64 MiB) or stored (256 MiB, S3), or the
 * next segment is not ready yet: on_progress is called when it is worth another try. -EIO after a
 * failure. -E2BIG: no segment is that large. */
int store_append(void *store, size_t size, int use_reserve, uint8_t **ret_buffer,
                 uint64_t *ret_sequence, uint64_t *ret_place);
/* Offers everything appended so far to the journal thread: call once at the end of each turn of the
 * loop. */
void store_flush(struct store *store);
void store_get_watermarks(const struct store *store, struct store_watermarks *ret_watermarks);
/* Asks for a checkpoint now. */
void store_checkpoint(struct store *store);

/* Any thread; may block on the disk. Copies the row into `buffer`: 0, -ENOENT, -ENOBUFS, or another
 * errno. Sees what is stored (watermark), not what was only appended. */
int store_get(struct store *store, enum record_table table, const void *key, size_t key_length,
              void *buffer, size_t buffer_size, size_t *ret_length);
/* In key order, in one read transaction: be quick, or keep to small tables. */
int store_each(struct store *store, enum record_table table, store_row_function function,
               void *userdata);
/* Rows from `key` on (NULL: from the first), in key order, in one read transaction; at most
 * `limit`. 0, or what the function ended it with, or -errno. */
int store_range(struct store *store, enum record_table table, const void *key, size_t key_length,
                size_t limit, store_row_function function, void *userdata);
/* The last row in key order: 0 or -ENOENT, or what the function answered. */
int store_last(struct store *store, enum record_table table, store_row_function function,
               void *userdata);
/* Any thread. Segments from the one of that place on are kept, however old they are, but not more
 * than retention_bytes of them; UINT64_MAX: none. It starts with 0: nothing goes before the owner
 * has said so once. */
void store_keep(struct store *store, uint64_t place);
/* Reads a durable record back. The bytes go into `buffer` (RECORD_SIZE_MAX bytes, 8-aligned); 0,
 * -ENOENT where the segment is gone, -EUCLEAN where the bytes there are no record. */
int store_read_record(struct store *store, uint64_t place, uint8_t *buffer,
                      struct record *ret_record);

/* Blocks; any thread. A copy of store and journal in `directory` (made if it is not there,
 * otherwise empty) while this one is in use: it has all that was durable when this was called, and
 * is opened like any other. On failure *ret_error says why; what was copied is left there, and can
 * not be opened. -EEXIST: a ledger is there already. -ECANCELED. */
int store_backup(struct store *store, const char *directory, char **ret_error);
/* Any thread: a backup that is under way ends soon, any later one at once. */
void store_backup_cancel(struct store *store);

struct store_verify_result {
    uint64_t segments, batches, records;
    uint64_t first_sequence, last_sequence; /* of the journal; 0: it has no record */
    uint64_t stored;                        /* the store's sequence */
    uint64_t rows;                          /* compared with their last image in the journal */
};
/* Blocks. Reads the whole journal, its history included, and compares the store's rows with their
 * last images there. Nothing may have the store open (-EBUSY); changes nothing but LMDB's lock
 * file. -EUCLEAN with *ret_error: damage, or a row that is not what the journal says. */
int store_verify(const char *directory, struct store_verify_result *ret_result, char **ret_error);
