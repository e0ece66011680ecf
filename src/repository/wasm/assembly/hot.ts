// AssemblyScript, not TypeScript: the loops over every byte that Node has no function for.
// `npm run build:wasm` compiles it into ../hot.generated.ts; a test builds it again and compares.
//
// Memory: 512 scratch of Poly1305 · 1024 and 3072 the tables `out` and `mod` of the fingerprint
// (256 × u64 each, written by the caller) · from 8192 on what the caller likes.

const OUT: usize = 1024;
const MOD: usize = 1024 + 2048;
const WINDOW: usize = 64;
const STRIPE: usize = 8192;

// @ts-ignore: decorator
@inline
function append(digest: u64, entering: u64): u64 {
  return ((digest << 8) | entering) ^ load<u64>(<usize>(digest >> 45) << 3, MOD);
}

// @ts-ignore: decorator
@inline
function slide(digest: u64, leaving: u64, entering: u64): u64 {
  // Two look-ups that do not wait for each other.
  return append(digest, entering) ^ load<u64>(<usize>leaving << 3, OUT);
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
 *
 * A fingerprint depends on 64 bytes only, so four parts are searched at once: the processor
 * then waits for four table look-ups at the same time instead of one after the other.
 */
export function findCut(from: usize, to: usize, mask: u64): usize {
  let at = from;
  for (; at + 4 * STRIPE <= to; at += 4 * STRIPE) {
    const hit = findInStripes(at, mask);
    if (hit != 0) return hit;
  }
  if (at >= to) return 0;
  let digest = prime(at);
  while ((digest & mask) != 0) {
    if (at + 1 >= to) return 0;
    digest = slide(digest, load<u8>(at - WINDOW), load<u8>(at));
    at++;
  }
  return at;
}

function findInStripes(from: usize, mask: u64): usize {
  let a = prime(from);
  let b = prime(from + STRIPE);
  let c = prime(from + 2 * STRIPE);
  let d = prime(from + 3 * STRIPE);
  let hitB: usize = 0;
  let hitC: usize = 0;
  let hitD: usize = 0;
  const end = from - WINDOW + STRIPE;
  for (let p = from - WINDOW; p < end; p++) {
    if (i32((a & mask) == 0) | i32((b & mask) == 0) | i32((c & mask) == 0) | i32((d & mask) == 0)) {
      const place = p + WINDOW;
      if ((a & mask) == 0) return place;
      if ((b & mask) == 0 && hitB == 0) hitB = place + STRIPE;
      if ((c & mask) == 0 && hitC == 0) hitC = place + 2 * STRIPE;
      if ((d & mask) == 0 && hitD == 0) hitD = place + 3 * STRIPE;
    }
    a = slide(a, load<u8>(p), load<u8>(p, WINDOW));
    b = slide(b, load<u8>(p, STRIPE), load<u8>(p, STRIPE + WINDOW));
    c = slide(c, load<u8>(p, 2 * STRIPE), load<u8>(p, 2 * STRIPE + WINDOW));
    d = slide(d, load<u8>(p, 3 * STRIPE), load<u8>(p, 3 * STRIPE + WINDOW));
  }
  if (hitB != 0) return hitB;
  if (hitC != 0) return hitC;
  return hitD;
}

/** Writes `blocks` counter blocks of 16 bytes, from the big-endian counter at `iv` plus `skip` on. */
export function fillCounters(at: usize, iv: usize, skip: u32, blocks: u32): void {
  const first = bswap<u64>(load<u64>(iv + 8));
  let high = bswap<u64>(load<u64>(iv));
  let low = first + <u64>skip;
  if (low < first) high++;
  for (let i: u32 = 0; i < blocks; i++) {
    store<u64>(at, bswap<u64>(high));
    store<u64>(at + 8, bswap<u64>(low));
    low++;
    if (low == 0) high++;
    at += 16;
  }
}

/** target = source XOR key stream. The places may be the same; `length` is in bytes. */
export function xor(target: usize, source: usize, stream: usize, length: usize): void {
  const wide = length & ~(<usize>15);
  let i: usize = 0;
  for (; i < wide; i += 16) {
    v128.store(target + i, v128.xor(v128.load(source + i), v128.load(stream + i)));
  }
  for (; i < length; i++) store<u8>(target + i, load<u8>(source + i) ^ load<u8>(stream + i));
}

/** Whether two places hold the same bytes. */
export function equal(a: usize, b: usize, length: usize): bool {
  const wide = length & ~(<usize>15);
  let i: usize = 0;
  for (; i < wide; i += 16) {
    if (v128.any_true(v128.xor(v128.load(a + i), v128.load(b + i)))) return false;
  }
  for (; i < length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}

/**
 * Poly1305 (RFC 8439) of `length` bytes with r at `r` and s at `s`, 16 bytes each, tag written to
 * `tag`. Five limbs of 26 bits, so that every product fits 64 bits. r is clamped here.
 *
 * Two blocks at a time, as (h + first) * r² + second * r: half of the products then do not wait for
 * the block before, and carries are made once for both. The ten products of a sum stay below 2^59.
 */
export function poly1305(tag: usize, data: usize, length: usize, r: usize, s: usize): void {
  const M: u64 = 0x3ffffff;
  const r0 = <u64>load<u32>(r) & 0x3ffffff;
  const r1 = (<u64>load<u32>(r + 3) >> 2) & 0x3ffff03;
  const r2 = (<u64>load<u32>(r + 6) >> 4) & 0x3ffc0ff;
  const r3 = (<u64>load<u32>(r + 9) >> 6) & 0x3f03fff;
  const r4 = (<u64>load<u32>(r + 12) >> 8) & 0x00fffff;
  const s1 = r1 * 5;
  const s2 = r2 * 5;
  const s3 = r3 * 5;
  const s4 = r4 * 5;
  let h0: u64 = 0;
  let h1: u64 = 0;
  let h2: u64 = 0;
  let h3: u64 = 0;
  let h4: u64 = 0;

  // r² and, as s is of r, five times its limbs.
  let q0 = r0 * r0 + 2 * (r1 * s4 + r2 * s3);
  let q1 = 2 * (r0 * r1 + r2 * s4) + r3 * s3;
  let q2 = 2 * (r0 * r2 + r3 * s4) + r1 * r1;
  let q3 = 2 * (r0 * r3 + r1 * r2) + r4 * s4;
  let q4 = 2 * (r0 * r4 + r1 * r3) + r2 * r2;
  q1 += q0 >> 26;
  q2 += q1 >> 26;
  q3 += q2 >> 26;
  q4 += q3 >> 26;
  q0 = (q0 & M) + (q4 >> 26) * 5;
  q1 = (q1 & M) + (q0 >> 26);
  q0 &= M;
  q2 &= M;
  q3 &= M;
  q4 &= M;
  const t1 = q1 * 5;
  const t2 = q2 * 5;
  const t3 = q3 * 5;
  const t4 = q4 * 5;

  let at = data;
  let left = length;
  const LAST: usize = 512;
  // With an odd number of blocks the first one is the second of a pair whose first is nothing.
  let isPair = ((length + 15) & 16) == 0;
  while (left > 0) {
    if (isPair) {
      const lo = load<u64>(at);
      const hi = load<u64>(at + 8);
      h0 += lo & M;
      h1 += (lo >> 26) & M;
      h2 += ((lo >> 52) | (hi << 12)) & M;
      h3 += (hi >> 14) & M;
      h4 += (hi >> 40) | (1 << 24);
      at += 16;
      left -= 16;
    }
    isPair = true;
    let high: u64 = 1 << 24;
    if (left < 16) {
      memory.fill(LAST, 0, 16);
      memory.copy(LAST, at, left);
      store<u8>(LAST + left, 1);
      at = LAST;
      left = 16;
      high = 0;
    }
    const lo = load<u64>(at);
    const hi = load<u64>(at + 8);
    const b0 = lo & M;
    const b1 = (lo >> 26) & M;
    const b2 = ((lo >> 52) | (hi << 12)) & M;
    const b3 = (hi >> 14) & M;
    const b4 = (hi >> 40) | high;
    const e0 = b0 * r0 + b1 * s4 + b2 * s3 + b3 * s2 + b4 * s1;
    const e1 = b0 * r1 + b1 * r0 + b2 * s4 + b3 * s3 + b4 * s2;
    const e2 = b0 * r2 + b1 * r1 + b2 * r0 + b3 * s4 + b4 * s3;
    const e3 = b0 * r3 + b1 * r2 + b2 * r1 + b3 * r0 + b4 * s4;
    const e4 = b0 * r4 + b1 * r3 + b2 * r2 + b3 * r1 + b4 * r0;
    const d0 = e0 + h0 * q0 + h1 * t4 + h2 * t3 + h3 * t2 + h4 * t1;
    let d1 = e1 + h0 * q1 + h1 * q0 + h2 * t4 + h3 * t3 + h4 * t2;
    let d2 = e2 + h0 * q2 + h1 * q1 + h2 * q0 + h3 * t4 + h4 * t3;
    let d3 = e3 + h0 * q3 + h1 * q2 + h2 * q1 + h3 * q0 + h4 * t4;
    let d4 = e4 + h0 * q4 + h1 * q3 + h2 * q2 + h3 * q1 + h4 * q0;
    d1 += d0 >> 26;
    h0 = d0 & M;
    d2 += d1 >> 26;
    h1 = d1 & M;
    d3 += d2 >> 26;
    h2 = d2 & M;
    d4 += d3 >> 26;
    h3 = d3 & M;
    h4 = d4 & M;
    h0 += (d4 >> 26) * 5;
    h1 += h0 >> 26;
    h0 &= M;
    at += 16;
    left -= 16;
  }

  // Carry through, then subtract the prime once if the number is not smaller.
  h2 += h1 >> 26;
  h1 &= M;
  h3 += h2 >> 26;
  h2 &= M;
  h4 += h3 >> 26;
  h3 &= M;
  h0 += (h4 >> 26) * 5;
  h4 &= M;
  h1 += h0 >> 26;
  h0 &= M;
  let g0 = h0 + 5;
  let g1 = h1 + (g0 >> 26);
  g0 &= M;
  let g2 = h2 + (g1 >> 26);
  g1 &= M;
  let g3 = h3 + (g2 >> 26);
  g2 &= M;
  const g4 = h4 + (g3 >> 26) - (1 << 26);
  g3 &= M;
  const smaller = <u64>(-(<i64>(g4 >> 63)));
  h0 = (h0 & smaller) | (g0 & ~smaller);
  h1 = (h1 & smaller) | (g1 & ~smaller);
  h2 = (h2 & smaller) | (g2 & ~smaller);
  h3 = (h3 & smaller) | (g3 & ~smaller);
  h4 = (h4 & smaller) | (g4 & ~smaller & M);

  const low = h0 | (h1 << 26) | (h2 << 52);
  const top = (h2 >> 12) | (h3 << 14) | (h4 << 40);
  const sumLow = low + load<u64>(s);
  const carry: u64 = sumLow < low ? 1 : 0;
  store<u64>(tag, sumLow);
  store<u64>(tag + 8, top + load<u64>(s + 8) + carry);
}
