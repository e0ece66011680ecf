// AssemblyScript, not TypeScript: the loops over every byte that Node has no function for.
// `npm run build:wasm` compiles it into ../hot.generated.ts; a test builds it again and compares.
//
// Memory: 512 scratch of Poly1305 · 1024 and 3072 the tables `out` and `mod` of the fingerprint
// (256 × u64 each, written by the caller) · 5120 what is made of them · 5632 scratch of whoever runs · from
// 8192 on what the caller likes.

export { findCut, layNibbles } from "./cuts";
export { poly1305 } from "./poly1305";

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
