/** restic's limits for cutting by content: every client of a repository must use the same. */
export const CHUNK_BYTES_MIN = 512 * 1024;
export const CHUNK_BYTES_MAX = 8 * 1024 * 1024;
/** A cut is where the fingerprint's low 20 bits are zero: on average 1 MiB behind the minimum. */
export const CUT_MASK = 0xfffffn;

/** A pack is closed when it has reached this; it may end up larger by one blob. */
export const PACK_BYTES = 16 * 1024 * 1024;
