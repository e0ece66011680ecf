// Numbers of five limbs of 26 bits, so that every product fits 64 bits, and where Poly1305 keeps its own.

/** The sum so far. */
export const H: usize = 544;
/** r, r^2, … and r^8, each as five limbs of 32 bits in 32 bytes. */
export const POWERS: usize = 576;
export const POWER: usize = 32;
/** The bits of a limb. */
export const M: u64 = 0x3ffffff;
/** Bit 128 of a whole block, in its highest limb. */
export const HIGH: u32 = 1 << 24;

/** to = a * r, where the limbs of `a` are below 2^28; those of the product are below 2^26 but for one bit. */
export function multiply(to: usize, a: usize): void {
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
export function carry(to: usize, d0: u64, d1: u64, d2: u64, d3: u64, d4: u64): void {
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
