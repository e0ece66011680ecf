// Where chunks end: the fingerprint of restic's chunker, for sixteen parts of the data at once.
//
// A fingerprint depends on 64 bytes only and not on where the chunk began, so parts can be searched side by
// side. All of its steps are linear over GF(2): what a byte adds is what its two halves add, and a table for
// half a byte has sixteen entries, which is one `swizzle` for sixteen parts.

/** Tables of 256 × u64 each, written by the caller: what a byte that leaves adds, and the reduction. */
const OUT: usize = 1024;
const MOD: usize = 1024 + 2048;
/** For each of seven bytes of a fingerprint four tables of 16 bytes; see `layNibbles`. */
const NIBBLES: usize = 5120;
/** The last eight blocks of rows: those that leave are four blocks behind those that enter. */
const ROWS: usize = 5632;
const ROWS_MASK: usize = 2047;
const SCRATCH: usize = 7680;

const WINDOW: usize = 64;
const LANES: usize = 16;
/** The longest part. Sixteen of 4096 bytes would begin in the same set of the processor's nearest memory. */
const STRIPE_MAX: usize = 4032;
/** Shorter parts are not worth the 64 bytes before each. */
const STRIPE_MIN: usize = 256;
/** Sixteen rows of one byte a lane. */
const BLOCK: usize = 256;
const BYTES: i32 = 7;

// @ts-ignore: decorator
@inline
function append(digest: u64, entering: u64): u64 {
  return ((digest << 8) | entering) ^ load<u64>(<usize>(digest >> 45) << 3, MOD);
}

/** The fingerprint of the 64 bytes before `end`. */
function prime(end: usize): u64 {
  let digest: u64 = 0;
  for (let p = end - WINDOW; p < end; p++) digest = append(digest, load<u8>(p));
  return digest;
}

/**
 * The first place in [from, to) after which a chunk may end: 64 bytes before it have a
 * fingerprint whose bits under `mask` are zero. The 64 bytes before `from` must be readable;
 * a place is the address behind its last byte, so `from` itself can be one. 0: there is none.
 * `mask` has at most 21 bits.
 */
export function findCut(from: usize, to: usize, mask: u64): usize {
  if (from >= to) return 0;
  let at = from;
  for (let left = to - at; left >= LANES * STRIPE_MIN; left = to - at) {
    const stripe = min(STRIPE_MAX, (left / LANES) & ~(<usize>15));
    const hit = findInStripes(at, stripe, mask);
    if (hit != 0) return hit;
    at += LANES * stripe;
  }
  if (at == to) return 0;
  let digest = prime(at);
  while ((digest & mask) != 0) {
    if (at + 1 >= to) return 0;
    digest = append(digest, load<u8>(at)) ^ load<u64>(<usize>load<u8>(at - WINDOW) << 3, OUT);
    at++;
  }
  return at;
}

/**
 * Makes the tables for halves of bytes out of those for bytes; to be called when these have been written.
 * Fingerprints are kept three bits further left here, so that their 53 bits end with the seventh byte.
 */
export function layNibbles(): void {
  for (let nibble: usize = 0; nibble < 16; nibble++) {
    layNibble(0, nibble, load<u64>(nibble << 3, MOD));
    layNibble(1, nibble, load<u64>(nibble << 7, MOD));
    layNibble(2, nibble, load<u64>(nibble << 3, OUT));
    layNibble(3, nibble, load<u64>(nibble << 7, OUT));
  }
}

function layNibble(table: usize, nibble: usize, value: u64): void {
  for (let byte = 0; byte < BYTES; byte++) {
    const at = NIBBLES + (<usize>byte << 6) + (table << 4) + nibble;
    store<u8>(at, <u8>((value << 3) >> (8 * byte)));
  }
}

/** What the byte on top of the fingerprint and the byte that leaves add to one byte of the next one. */
// @ts-ignore: decorator
@inline
function added(byte: usize, top: v128, topHigh: v128, out: v128, outHigh: v128): v128 {
  const at = NIBBLES + (byte << 6);
  return v128.xor(
    v128.xor(
      i8x16.relaxed_swizzle(v128.load(at, 32), out),
      i8x16.relaxed_swizzle(v128.load(at, 48), outHigh),
    ),
    v128.xor(
      i8x16.relaxed_swizzle(v128.load(at), top),
      i8x16.relaxed_swizzle(v128.load(at, 16), topHigh),
    ),
  );
}

/** A constant that V8 keeps in a register: one that it knows it makes anew at each use. */
// @ts-ignore: decorator
@inline
function kept(byte: i8): v128 {
  v128.store(SCRATCH, i8x16.splat(byte));
  return v128.load(SCRATCH);
}

function findInStripes(from: usize, stripe: usize, mask: u64): usize {
  const half = kept(15);
  const highBits = kept(7);
  const lowBits = kept(-8);
  const mask0 = i8x16.splat(<i8>(mask << 3));
  const mask1 = i8x16.splat(<i8>(mask >> 5));
  const mask2 = i8x16.splat(<i8>(mask >> 13));
  const zero = kept(0);
  let d0 = zero;
  let d1 = zero;
  let d2 = zero;
  let d3 = zero;
  let d4 = zero;
  let d5 = zero;
  let d6 = zero;
  let lane = <i32>LANES;
  let found: usize = 0;
  memory.fill(ROWS, 0, ROWS_MASK + 1);
  // The first 64 bytes only fill the window.
  const start = from - WINDOW;
  const end = from + stripe;
  for (let at = start; at < end; at += 16) {
    const block = ((at - start) << 4) & ROWS_MASK;
    transpose(at, stripe, ROWS + block);
    const old = (block - 4 * BLOCK) & ROWS_MASK;
    for (let row: usize = 0; row < BLOCK; row += 16) {
      if (at >= from) {
        const rest = v128.or(
          v128.or(v128.and(d0, mask0), v128.and(d1, mask1)),
          v128.and(d2, mask2),
        );
        const hits = i8x16.bitmask(i8x16.eq(rest, zero));
        if (hits != 0 && ctz(hits) < lane) {
          lane = ctz(hits);
          found = at + <usize>lane * stripe + (row >> 4);
          if (lane == 0) return found;
        }
      }
      const entering = v128.load(ROWS + block + row);
      const leaving = v128.load(ROWS + old + row);
      const top = v128.and(d6, half);
      const topHigh = v128.and(i16x8.shr_u(d6, 4), half);
      const out = v128.and(leaving, half);
      const outHigh = v128.and(i16x8.shr_u(leaving, 4), half);
      d6 = v128.xor(d5, added(6, top, topHigh, out, outHigh));
      d5 = v128.xor(d4, added(5, top, topHigh, out, outHigh));
      d4 = v128.xor(d3, added(4, top, topHigh, out, outHigh));
      d3 = v128.xor(d2, added(3, top, topHigh, out, outHigh));
      d2 = v128.xor(d1, added(2, top, topHigh, out, outHigh));
      const high = v128.and(i16x8.shr_u(entering, 5), highBits);
      d1 = v128.xor(v128.xor(d0, high), added(1, top, topHigh, out, outHigh));
      const low = v128.and(i16x8.shl(entering, 3), lowBits);
      d0 = v128.xor(low, added(0, top, topHigh, out, outHigh));
    }
  }
  return found;
}

/** Sixteen bytes of each stripe, from `at` on, as sixteen rows of a byte of each. */
function transpose(at: usize, stripe: usize, to: usize): void {
  // A place of 8 bits, row and column, is rotated by one bit each time: after four times they have changed.
  interleave(at, stripe, SCRATCH);
  interleave(SCRATCH, 16, SCRATCH + BLOCK);
  interleave(SCRATCH + BLOCK, 16, SCRATCH);
  interleave(SCRATCH, 16, to);
}

// @ts-ignore: decorator
@inline
function interleave(from: usize, stride: usize, to: usize): void {
  interleaveTwo(from, stride, to, 0);
  interleaveTwo(from, stride, to, 1);
  interleaveTwo(from, stride, to, 2);
  interleaveTwo(from, stride, to, 3);
  interleaveTwo(from, stride, to, 4);
  interleaveTwo(from, stride, to, 5);
  interleaveTwo(from, stride, to, 6);
  interleaveTwo(from, stride, to, 7);
}

// @ts-ignore: decorator
@inline
function interleaveTwo(from: usize, stride: usize, to: usize, row: usize): void {
  const a = v128.load(from + row * stride);
  const b = v128.load(from + (row + 8) * stride);
  v128.store(
    to + 32 * row,
    i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
  );
  v128.store(
    to + 32 * row,
    i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
    16,
  );
}
