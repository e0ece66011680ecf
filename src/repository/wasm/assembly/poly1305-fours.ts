import { carry, H, HIGH, POWER, POWERS } from "./poly1305-limbs";

// Four blocks in four lanes, and two such fours before what they come to is carried.

/** Of a number in lanes: five limbs of 16 bytes, and behind them the sums of two of them. */
const L01: usize = 80;
const L02: usize = 96;
const L03: usize = 112;
const L04: usize = 128;
const L12: usize = 144;
const L13: usize = 160;
const L14: usize = 176;
const L23: usize = 192;
const L24: usize = 208;
const L34: usize = 224;
/** The sum so far, in lanes, as five limbs. Here and behind it the search for cuts has its own scratch. */
const SUM: usize = 5632;
/** Four blocks, and the next four. */
const FIRST: usize = SUM + 80;
const SECOND: usize = FIRST + 80;
/** What they are multiplied by. */
const EIGHTH: usize = SECOND + 80;
const FOURTH: usize = EIGHTH + 240;
/** The products of the lanes 0 and 1, and of 2 and 3. */
const LOWER: usize = FOURTH + 240;
const UPPER: usize = LOWER + 80;

/** Lays five limbs at a place, and behind them the ten sums of two of them. */
// @ts-ignore: decorator
@inline
function lay(at: usize, l0: v128, l1: v128, l2: v128, l3: v128, l4: v128): void {
  v128.store(at, l0);
  v128.store(at, l1, 16);
  v128.store(at, l2, 32);
  v128.store(at, l3, 48);
  v128.store(at, l4, 64);
  v128.store(at, i32x4.add(l0, l1), L01);
  v128.store(at, i32x4.add(l0, l2), L02);
  v128.store(at, i32x4.add(l0, l3), L03);
  v128.store(at, i32x4.add(l0, l4), L04);
  v128.store(at, i32x4.add(l1, l2), L12);
  v128.store(at, i32x4.add(l1, l3), L13);
  v128.store(at, i32x4.add(l1, l4), L14);
  v128.store(at, i32x4.add(l2, l3), L23);
  v128.store(at, i32x4.add(l2, l4), L24);
  v128.store(at, i32x4.add(l3, l4), L34);
}

/** A power of r in each lane. */
function layPower(at: usize, power: usize): void {
  const from = POWERS + (power - 1) * POWER;
  lay(
    at,
    v128.load32_splat(from),
    v128.load32_splat(from, 4),
    v128.load32_splat(from, 8),
    v128.load32_splat(from, 12),
    v128.load32_splat(from, 16),
  );
}

/** r^4, r^3, r^2 and r. */
function layPowers(at: usize): void {
  lay(at, powers(0), powers(1), powers(2), powers(3), powers(4));
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

/** Lays four blocks, a block a lane. */
// @ts-ignore: decorator
@inline
function layBlocks(data: usize, to: usize): void {
  const m = i32x4.splat(0x3ffffff);
  const a = v128.load(data);
  const b = v128.load(data, 16);
  const c = v128.load(data, 32);
  const d = v128.load(data, 48);
  const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
  const AB = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
  const CD = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
  const w0 = v128.shuffle<u64>(ab, cd, 0, 2);
  const w1 = v128.shuffle<u64>(ab, cd, 1, 3);
  const w2 = v128.shuffle<u64>(AB, CD, 0, 2);
  const w3 = v128.shuffle<u64>(AB, CD, 1, 3);
  v128.store(to, v128.and(w0, m));
  v128.store(to, v128.and(v128.or(i32x4.shr_u(w0, 26), i32x4.shl(w1, 6)), m), 16);
  v128.store(to, v128.and(v128.or(i32x4.shr_u(w1, 20), i32x4.shl(w2, 12)), m), 32);
  v128.store(to, v128.and(v128.or(i32x4.shr_u(w2, 14), i32x4.shl(w3, 18)), m), 48);
  v128.store(to, v128.or(i32x4.shr_u(w3, 8), i32x4.splat(HIGH)), 64);
}

/** `a` and `b` times what lies at a place of the factor of each, in two lanes. */
// @ts-ignore: decorator
@inline
function product(isHigh: bool, a: v128, b: v128, place: usize): v128 {
  const x = v128.load(EIGHTH + place);
  const y = v128.load(FOURTH + place);
  return isHigh
    ? i64x2.add(i64x2.extmul_high_i32x4_u(a, x), i64x2.extmul_high_i32x4_u(b, y))
    : i64x2.add(i64x2.extmul_low_i32x4_u(a, x), i64x2.extmul_low_i32x4_u(b, y));
}

// @ts-ignore: decorator
@inline
function times5(a: v128): v128 {
  return i64x2.add(i64x2.shl(a, 2), a);
}

/**
 * In two lanes h times EIGHTH plus k times FOURTH, as limbs of 26 bits but for one, to `to`. Of two limbs that meet
 * crosswise, a b' + b a' is (a + b)(a' + b') - a a' - b b': 15 products, not 25.
 */
// @ts-ignore: decorator
@inline
function multiplyTwo(
  isHigh: bool,
  h0: v128,
  h1: v128,
  h2: v128,
  h3: v128,
  h4: v128,
  k0: v128,
  k1: v128,
  k2: v128,
  k3: v128,
  k4: v128,
  to: usize,
): void {
  const m = i64x2.splat(0x3ffffff);
  const p0 = product(isHigh, h0, k0, 0);
  const p1 = product(isHigh, h1, k1, 16);
  const p2 = product(isHigh, h2, k2, 32);
  const p3 = product(isHigh, h3, k3, 48);
  const p4 = product(isHigh, h4, k4, 64);
  const p01 = i64x2.add(p0, p1);
  const p34 = i64x2.add(p3, p4);
  const c5 = i64x2.sub(
    i64x2.add(product(isHigh, i32x4.add(h1, h4), i32x4.add(k1, k4), L14), product(isHigh, i32x4.add(h2, h3), i32x4.add(k2, k3), L23)),
    i64x2.add(i64x2.add(p1, p2), p34),
  );
  let d0 = i64x2.add(p0, times5(c5));
  const c1 = i64x2.sub(product(isHigh, i32x4.add(h0, h1), i32x4.add(k0, k1), L01), p01);
  const c6 = i64x2.sub(product(isHigh, i32x4.add(h2, h4), i32x4.add(k2, k4), L24), i64x2.add(p2, p4));
  let d1 = i64x2.add(c1, times5(i64x2.add(c6, p3)));
  const c2 = i64x2.sub(product(isHigh, i32x4.add(h0, h2), i32x4.add(k0, k2), L02), i64x2.add(p0, p2));
  const c7 = i64x2.sub(product(isHigh, i32x4.add(h3, h4), i32x4.add(k3, k4), L34), p34);
  let d2 = i64x2.add(i64x2.add(c2, p1), times5(c7));
  const c3 = i64x2.sub(
    i64x2.add(product(isHigh, i32x4.add(h0, h3), i32x4.add(k0, k3), L03), product(isHigh, i32x4.add(h1, h2), i32x4.add(k1, k2), L12)),
    i64x2.add(p01, i64x2.add(p2, p3)),
  );
  let d3 = i64x2.add(c3, times5(p4));
  const c4 = i64x2.sub(
    i64x2.add(product(isHigh, i32x4.add(h0, h4), i32x4.add(k0, k4), L04), product(isHigh, i32x4.add(h1, h3), i32x4.add(k1, k3), L13)),
    i64x2.add(p01, p34),
  );
  let d4 = i64x2.add(c4, p2);
  d1 = i64x2.add(d1, i64x2.shr_u(d0, 26));
  d2 = i64x2.add(d2, i64x2.shr_u(d1, 26));
  d3 = i64x2.add(d3, i64x2.shr_u(d2, 26));
  d4 = i64x2.add(d4, i64x2.shr_u(d3, 26));
  d0 = i64x2.add(v128.and(d0, m), times5(i64x2.shr_u(d4, 26)));
  d1 = i64x2.add(v128.and(d1, m), i64x2.shr_u(d0, 26));
  v128.store(to, v128.and(d0, m));
  v128.store(to, d1, 16);
  v128.store(to, v128.and(d2, m), 32);
  v128.store(to, v128.and(d3, m), 48);
  v128.store(to, v128.and(d4, m), 64);
}

/** The low halves of the 64-bit lanes of LOWER and of UPPER become a limb of SUM. */
// @ts-ignore: decorator
@inline
function narrow(place: usize): void {
  const limb = v128.shuffle<u32>(v128.load(LOWER + place), v128.load(UPPER + place), 0, 2, 4, 6);
  v128.store(SUM + place, limb);
}

/** SUM = (SUM + FIRST) * EIGHTH + SECOND * FOURTH */
// @ts-ignore: decorator
@inline
function multiplyFour(): void {
  const h0 = i32x4.add(v128.load(SUM), v128.load(FIRST));
  const h1 = i32x4.add(v128.load(SUM, 16), v128.load(FIRST, 16));
  const h2 = i32x4.add(v128.load(SUM, 32), v128.load(FIRST, 32));
  const h3 = i32x4.add(v128.load(SUM, 48), v128.load(FIRST, 48));
  const h4 = i32x4.add(v128.load(SUM, 64), v128.load(FIRST, 64));
  const k0 = v128.load(SECOND);
  const k1 = v128.load(SECOND, 16);
  const k2 = v128.load(SECOND, 32);
  const k3 = v128.load(SECOND, 48);
  const k4 = v128.load(SECOND, 64);
  multiplyTwo(false, h0, h1, h2, h3, h4, k0, k1, k2, k3, k4, LOWER);
  multiplyTwo(true, h0, h1, h2, h3, h4, k0, k1, k2, k3, k4, UPPER);
  narrow(0);
  narrow(16);
  narrow(32);
  narrow(48);
  narrow(64);
}

/** H = the sum of `fours` times four blocks; H is zero before. */
export function addFours(data: usize, fours: usize): void {
  layPower(FOURTH, 4);
  layPower(EIGHTH, 8);
  memory.fill(SUM, 0, 80);
  let left = fours;
  for (; left > 2; left -= 2) {
    layBlocks(data, FIRST);
    layBlocks(data + 64, SECOND);
    multiplyFour();
    data += 128;
  }
  // One or two fours are left, of which the last is multiplied by r^4, r^3, r^2 and r.
  memory.fill(SECOND, 0, 80);
  layPower(EIGHTH, 4);
  for (; left > 0; left--) {
    if (left == 1) layPowers(EIGHTH);
    layBlocks(data, FIRST);
    multiplyFour();
    data += 64;
  }
  carry(H, lanes(0), lanes(16), lanes(32), lanes(48), lanes(64));
}

/** The sum of the lanes of a limb. */
function lanes(limb: usize): u64 {
  const at = SUM + limb;
  return (
    <u64>load<u32>(at) + <u64>load<u32>(at, 4) + <u64>load<u32>(at, 8) + <u64>load<u32>(at, 12)
  );
}
