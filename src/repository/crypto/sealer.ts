import { type Cipheriv, createCipheriv, randomFillSync, timingSafeEqual } from "node:crypto";
import { free } from "../../base/litter.ts";
import { FREE_FROM, type Hot, type HotMemory } from "./hot.ts";
import type { MasterKey } from "./master-key.ts";

/** What lies before the bytes of a seal. */
export const IV_BYTES = 16;
const TAG_BYTES = 16;
/** What sealing adds: the random IV before, the tag behind. */
export const SEAL_BYTES = IV_BYTES + TAG_BYTES;

const BLOCK_BYTES = 16;
/** Key stream is made in pieces: larger ones would not stay in the processor's nearest memory. */
const STREAM_BYTES = 32 * 1024;
/** What a cipher of its own is given at once: Node allocates as much, and each call costs. */
const PIECE_BYTES = 128 * 1024;
/** From here on a cipher of its own is worth what it costs to make. */
const CIPHER_BYTES = 64 * 1024;

const R = FREE_FROM;
const S = R + 16;
const TAG = S + 16;
const STREAM = TAG + 16;
/** The first address that a user of a sealer may use. */
export const DESK_FROM = STREAM + STREAM_BYTES;

/** Seals and opens bytes that lie in the memory of the hot loops; addresses are of that memory. */
export type Sealer = {
  /**
   * Writes IV, ciphertext and tag of the bytes at `source` to `target`, which takes
   * `length + SEAL_BYTES`. The two places must not overlap, unless source is
   * target + IV_BYTES.
   */
  seal(source: number, length: number, target: number): void;

  /**
   * Opens a seal of `length` bytes: the plain bytes then lie at `to`; in place, at `at + IV_BYTES`, unless
   * given. False when the tag is wrong, that is: damaged, forged, or sealed with another key. Then
   * nothing is changed.
   */
  open(at: number, length: number, to?: number): boolean;
};

/**
 * AES-256-CTR with Poly1305-AES, as restic has it. For small blobs the counter blocks are encrypted
 * by AES-ECB and applied by hand, since a new CTR cipher costs 10 to 20 µs each time.
 */
export function createSealer(hot: Hot, memory: HotMemory, key: MasterKey): Sealer {
  const stream = blockCipher("aes-256-ecb", key.encrypt);
  const nonce = blockCipher("aes-128-ecb", key.macK);
  const random = randomPool();
  memory.reserve(DESK_FROM);
  memory.view(R, 16).set(key.macR);

  const place = (cipher: Cipheriv, source: number, target: number, length: number): void => {
    const made = cipher.update(memory.view(source, length));
    memory.view(target, length).set(made);
    free(made);
  };
  const writeTag = (iv: number, ciphertext: number, length: number): void => {
    place(nonce, iv, S, IV_BYTES);
    hot.poly1305(TAG, ciphertext, length, R, S);
  };
  const applyCipher = (iv: number, source: number, target: number, length: number): void => {
    const cipher = createCipheriv("aes-256-ctr", key.encrypt, memory.view(iv, IV_BYTES));
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const size = Math.min(PIECE_BYTES, length - done);
      place(cipher, source + done, target + done, size);
    }
  };
  const applyStream = (iv: number, source: number, target: number, length: number): void => {
    if (length >= CIPHER_BYTES) return applyCipher(iv, source, target, length);
    for (let done = 0; done < length; done += STREAM_BYTES) {
      const size = Math.min(STREAM_BYTES, length - done);
      const blocks = Math.ceil(size / BLOCK_BYTES);
      hot.fillCounters(STREAM, iv, done / BLOCK_BYTES, blocks);
      place(stream, STREAM, STREAM, blocks * BLOCK_BYTES);
      hot.xor(target + done, source + done, STREAM, size);
    }
  };

  return {
    seal(source, length, target) {
      memory.view(target, IV_BYTES).set(random.next());
      const ciphertext = target + IV_BYTES;
      applyStream(target, source, ciphertext, length);
      writeTag(target, ciphertext, length);
      memory.view(ciphertext + length, TAG_BYTES).set(memory.view(TAG, TAG_BYTES));
    },

    open(at, length, to = at + IV_BYTES) {
      const size = length - SEAL_BYTES;
      if (size < 0) return false;
      const ciphertext = at + IV_BYTES;
      writeTag(at, ciphertext, size);
      const tag = memory.view(ciphertext + size, TAG_BYTES);
      if (!timingSafeEqual(tag, memory.view(TAG, TAG_BYTES))) return false;
      applyStream(at, ciphertext, to, size);
      return true;
    },
  };
}

function blockCipher(algorithm: string, key: Uint8Array): Cipheriv {
  // ECB only ever sees counters and random IVs here: it is the bare block cipher under CTR and MAC.
  return createCipheriv(algorithm, key, null).setAutoPadding(false);
}

/** IVs out of a pool, since asking the system for each one costs more than sealing a small file. */
function randomPool(): { next(): Uint8Array } {
  const pool = new Uint8Array(256 * IV_BYTES);
  let at = pool.length;
  const next = (): Uint8Array => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    const iv = pool.subarray(at, at + IV_BYTES);
    at += IV_BYTES;
    // restic takes an IV of zeros for damage.
    return iv.every((byte) => byte === 0) ? next() : iv;
  };
  return { next };
}
