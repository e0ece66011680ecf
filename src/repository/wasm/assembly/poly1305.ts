// Poly1305 (RFC 8439), four blocks at a time.
//
// Numbers have five limbs of 26 bits, so that every product fits 64 bits. With n = 4k blocks the sum
// b1 r^n + b2 r^(n-1) + … is that of four: the first, fifth, ninth … block with r^4 from one to the next, the
// second, sixth … likewise, and so on; at the end they are multiplied by r^4, r^3, r^2 and r.

/** The last block, which may be a part of one. */
const LAST: usize = 512;
/** The sum so far. */
const H: usize = 544;
/** r, r^2, r^3 and r^4, each as five limbs of 32 bits in 32 bytes. */
const POWERS: usize = 576;
const POWER: usize = 32;
const M: u64 = 0x3ffffff;
const HIGH: u32 = 1 << 24;

/**
 * The tag of `length` bytes with r at `r`, which is clamped here, and s at `s`, 16 bytes each, is written
 * to `tag`.
 */
export function poly1305(tag: usize, data: usize, length: usize, r: usize, s: usize): void {
  store<u32>(POWERS, load<u32>(r) & 0x3ffffff);
  store<u32>(POWERS, (load<u32>(r + 3) >> 2) & 0x3ffff03, 4);
  store<u32>(POWERS, (load<u32>(r + 6) >> 4) & 0x3ffc0ff, 8);
  store<u32>(POWERS, (load<u32>(r + 9) >> 6) & 0x3f03fff, 12);
  store<u32>(POWERS, (load<u32>(r + 12) >> 8) & 0x00fffff, 16);
  memory.fill(H, 0, POWER);
  let at = data;
  const fours = length >> 6;
  if (fours > 0) {
    for (let i: usize = 1; i < 4; i++) {
      multiply(POWERS + i * POWER, POWERS + (i - 1) * POWER);
    }
    addFours(at, fours);
    at += fours << 6;
  }
  const end = data + length;
  for (; at + 16 <= end; at += 16) addBlock(at, HIGH);
  if (at < end) {
    memory.fill(LAST, 0, 16);
    memory.copy(LAST, at, end - at);
    store<u8>(LAST + (end - at), 1);
    addBlock(LAST, 0);
  }
  finish(tag, s);
}

/** H = (H + block) * r */
function addBlock(at: usize, high: u32): void {
  const lo = load<u64>(at);
  const hi = load<u64>(at + 8);
  store<u32>(H, load<u32>(H) + <u32>(lo & M));
  store<u32>(H, load<u32>(H, 4) + <u32>((lo >> 26) & M), 4);
  store<u32>(H, load<u32>(H, 8) + <u32>(((lo >> 52) | (hi << 12)) & M), 8);
  store<u32>(H, load<u32>(H, 12) + <u32>((hi >> 14) & M), 12);
  store<u32>(H, load<u32>(H, 16) + (<u32>(hi >> 40) | high), 16);
  multiply(H, H);
}

/** to = a * r, where the limbs of `a` are below 2^28; those of the product are below 2^26 but for one bit. */
function multiply(to: usize, a: usize): void {
  const r0 = <u64>load<u32>(POWERS);
  const r1 = <u64>load<u32>(POWERS, 4);
  const r2 = <u64>load<u32>(POWERS, 8);
  const r3 = <u64>load<u32>(POWERS, 12);
  const r4 = <u64>load<u32>(POWERS, 16);
  const s1 = r1 * 5;
  const s2 = r2 * 5;
  const s3 = r3 * 5;
  const s4 = r4 * 5;
  const a0 = <u64>load<u32>(a);
  const a1 = <u64>load<u32>(a, 4);
  const a2 = <u64>load<u32>(a, 8);
  const a3 = <u64>load<u32>(a, 12);
  const a4 = <u64>load<u32>(a, 16);
  carry(
    to,
    a0 * r0 + a1 * s4 + a2 * s3 + a3 * s2 + a4 * s1,
    a0 * r1 + a1 * r0 + a2 * s4 + a3 * s3 + a4 * s2,
    a0 * r2 + a1 * r1 + a2 * r0 + a3 * s4 + a4 * s3,
    a0 * r3 + a1 * r2 + a2 * r1 + a3 * r0 + a4 * s4,
    a0 * r4 + a1 * r3 + a2 * r2 + a3 * r1 + a4 * r0,
  );
}

/** Limbs of up to 61 bits, to `to` as limbs of 26 bits but for one. */
function carry(to: usize, d0: u64, d1: u64, d2: u64, d3: u64, d4: u64): void {
  d1 += d0 >> 26;
  d2 += d1 >> 26;
  d3 += d2 >> 26;
  d4 += d3 >> 26;
  d0 = (d0 & M) + (d4 >> 26) * 5;
  store<u32>(to, <u32>(d0 & M));
  store<u32>(to, <u32>((d1 & M) + (d0 >> 26)), 4);
  store<u32>(to, <u32>(d2 & M), 8);
  store<u32>(to, <u32>(d3 & M), 12);
  store<u32>(to, <u32>(d4 & M), 16);
}

/** Limb i of r^4 in each lane. */
// @ts-ignore: decorator
@inline
function power4(limb: usize): v128 {
  return v128.load32_splat(POWERS + 3 * POWER + 4 * limb);
}

/** Limb i of r^4, r^3, r^2 and r. */
// @ts-ignore: decorator
@inline
function powers(limb: usize): v128 {
  const at = POWERS + 4 * limb;
  let lanes = v128.load32_splat(at);
  lanes = i32x4.replace_lane(lanes, 2, load<u32>(at, POWER));
  lanes = i32x4.replace_lane(lanes, 1, load<u32>(at, 2 * POWER));
  return i32x4.replace_lane(lanes, 0, load<u32>(at, 3 * POWER));
}

// @ts-ignore: decorator
@inline
function times5(a: v128): v128 {
  return i32x4.add(i32x4.shl(a, 2), a);
}

// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return i64x2.extmul_low_i32x4_u(a, b);
}

// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  return i64x2.extmul_high_i32x4_u(a, b);
}

// @ts-ignore: decorator
@inline
function sum(a: v128, b: v128, c: v128, d: v128, e: v128): v128 {
  return i64x2.add(i64x2.add(i64x2.add(a, b), i64x2.add(c, d)), e);
}

/** The low halves of the 64-bit lanes of two. */
// @ts-ignore: decorator
@inline
function narrow(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 2, 4, 6);
}

/** H = the sum of `fours` times four blocks; H is zero before. */
function addFours(data: usize, fours: usize): void {
  const m = i32x4.splat(0x3ffffff);
  const m64 = i64x2.splat(0x3ffffff);
  const top = i32x4.splat(HIGH);
  let r0 = power4(0);
  let r1 = power4(1);
  let r2 = power4(2);
  let r3 = power4(3);
  let r4 = power4(4);
  let s1 = times5(r1);
  let s2 = times5(r2);
  let s3 = times5(r3);
  let s4 = times5(r4);
  let h0 = i32x4.splat(0);
  let h1 = h0;
  let h2 = h0;
  let h3 = h0;
  let h4 = h0;
  for (let left = fours; left > 0; left--) {
    if (left == 1) {
      r0 = powers(0);
      r1 = powers(1);
      r2 = powers(2);
      r3 = powers(3);
      r4 = powers(4);
      s1 = times5(r1);
      s2 = times5(r2);
      s3 = times5(r3);
      s4 = times5(r4);
    }
    // Four blocks as four rows of words, a block a lane.
    const a = v128.load(data);
    const b = v128.load(data, 16);
    const c = v128.load(data, 32);
    const d = v128.load(data, 48);
    data += 64;
    const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
    const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
    const AB = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
    const CD = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
    const w0 = v128.shuffle<u64>(ab, cd, 0, 2);
    const w1 = v128.shuffle<u64>(ab, cd, 1, 3);
    const w2 = v128.shuffle<u64>(AB, CD, 0, 2);
    const w3 = v128.shuffle<u64>(AB, CD, 1, 3);
    h0 = i32x4.add(h0, v128.and(w0, m));
    h1 = i32x4.add(h1, v128.and(v128.or(i32x4.shr_u(w0, 26), i32x4.shl(w1, 6)), m));
    h2 = i32x4.add(h2, v128.and(v128.or(i32x4.shr_u(w1, 20), i32x4.shl(w2, 12)), m));
    h3 = i32x4.add(h3, v128.and(v128.or(i32x4.shr_u(w2, 14), i32x4.shl(w3, 18)), m));
    h4 = i32x4.add(h4, v128.or(i32x4.shr_u(w3, 8), top));

    let d0 = sum(low(h0, r0), low(h1, s4), low(h2, s3), low(h3, s2), low(h4, s1));
    let d1 = sum(low(h0, r1), low(h1, r0), low(h2, s4), low(h3, s3), low(h4, s2));
    let d2 = sum(low(h0, r2), low(h1, r1), low(h2, r0), low(h3, s4), low(h4, s3));
    let d3 = sum(low(h0, r3), low(h1, r2), low(h2, r1), low(h3, r0), low(h4, s4));
    let d4 = sum(low(h0, r4), low(h1, r3), low(h2, r2), low(h3, r1), low(h4, r0));
    let e0 = sum(high(h0, r0), high(h1, s4), high(h2, s3), high(h3, s2), high(h4, s1));
    let e1 = sum(high(h0, r1), high(h1, r0), high(h2, s4), high(h3, s3), high(h4, s2));
    let e2 = sum(high(h0, r2), high(h1, r1), high(h2, r0), high(h3, s4), high(h4, s3));
    let e3 = sum(high(h0, r3), high(h1, r2), high(h2, r1), high(h3, r0), high(h4, s4));
    let e4 = sum(high(h0, r4), high(h1, r3), high(h2, r2), high(h3, r1), high(h4, r0));

    d1 = i64x2.add(d1, i64x2.shr_u(d0, 26));
    e1 = i64x2.add(e1, i64x2.shr_u(e0, 26));
    d2 = i64x2.add(d2, i64x2.shr_u(d1, 26));
    e2 = i64x2.add(e2, i64x2.shr_u(e1, 26));
    d3 = i64x2.add(d3, i64x2.shr_u(d2, 26));
    e3 = i64x2.add(e3, i64x2.shr_u(e2, 26));
    d4 = i64x2.add(d4, i64x2.shr_u(d3, 26));
    e4 = i64x2.add(e4, i64x2.shr_u(e3, 26));
    const over = i64x2.shr_u(d4, 26);
    const overE = i64x2.shr_u(e4, 26);
    d0 = i64x2.add(v128.and(d0, m64), i64x2.add(i64x2.shl(over, 2), over));
    e0 = i64x2.add(v128.and(e0, m64), i64x2.add(i64x2.shl(overE, 2), overE));
    d1 = i64x2.add(v128.and(d1, m64), i64x2.shr_u(d0, 26));
    e1 = i64x2.add(v128.and(e1, m64), i64x2.shr_u(e0, 26));
    h0 = v128.and(narrow(d0, e0), m);
    h1 = narrow(d1, e1);
    h2 = v128.and(narrow(d2, e2), m);
    h3 = v128.and(narrow(d3, e3), m);
    h4 = v128.and(narrow(d4, e4), m);
  }
  carry(H, lanes(h0), lanes(h1), lanes(h2), lanes(h3), lanes(h4));
}

// @ts-ignore: decorator
@inline
function lanes(a: v128): u64 {
  return (
    <u64>(<u32>i32x4.extract_lane(a, 0)) +
    <u64>(<u32>i32x4.extract_lane(a, 1)) +
    <u64>(<u32>i32x4.extract_lane(a, 2)) +
    <u64>(<u32>i32x4.extract_lane(a, 3))
  );
}

/** Carries through, subtracts the prime once if the number is not smaller, and adds s. */
function finish(tag: usize, s: usize): void {
  let h0 = <u64>load<u32>(H);
  let h1 = <u64>load<u32>(H, 4);
  let h2 = <u64>load<u32>(H, 8);
  let h3 = <u64>load<u32>(H, 12);
  let h4 = <u64>load<u32>(H, 16);
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

  const lowHalf = h0 | (h1 << 26) | (h2 << 52);
  const highHalf = (h2 >> 12) | (h3 << 14) | (h4 << 40);
  const sumLow = lowHalf + load<u64>(s);
  const over: u64 = sumLow < lowHalf ? 1 : 0;
  store<u64>(tag, sumLow);
  store<u64>(tag + 8, highHalf + load<u64>(s + 8) + over);
}
