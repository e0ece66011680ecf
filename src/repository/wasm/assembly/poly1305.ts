import { addFours } from "./poly1305-fours";
import { H, HIGH, M, multiply, POWER, POWERS } from "./poly1305-limbs";

// Poly1305 (RFC 8439), four blocks side by side, and carried once for two such fours.
//
// Numbers have five limbs of 26 bits, so that every product fits 64 bits. With n = 4k blocks the sum
// b1 r^n + b2 r^(n-1) + … is that of four: the first, fifth, ninth … block with r^4 from one to the next, the
// second, sixth … likewise, and so on; at the end they are multiplied by r^4, r^3, r^2 and r.

/** The last block, which may be a part of one. */
const LAST: usize = 512;

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
    for (let i: usize = 1; i < 8; i++) {
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
