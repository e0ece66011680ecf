import { randomBytes } from "node:crypto";

/** A polynomial over GF(2), bit i being the coefficient of x^i. The chunker's has degree 53. */
export type Polynomial = bigint;

const DEGREE = 53;
export const WINDOW_BYTES = 64;

/** A random irreducible polynomial, made once for each repository as restic makes it. */
export function randomPolynomial(): Polynomial {
  for (;;) {
    const random = randomBytes(8).readBigUInt64LE();
    const candidate = (random & ((1n << 54n) - 1n)) | (1n << 53n) | 1n;
    if (isIrreducible(candidate)) return candidate;
  }
}

/** Ben-Or's test: p shares no factor with x^(2^i) − x for every i up to half its degree. */
export function isIrreducible(p: Polynomial): boolean {
  if (degree(p) !== DEGREE) return false;
  let power = 2n;
  for (let i = 1; i <= Math.floor(DEGREE / 2); i++) {
    power = mod(square(power), p);
    if (gcd(p, power ^ 2n) !== 1n) return false;
  }
  return true;
}

/** The two tables of the rolling fingerprint: what a byte that has left the window adds, and the reduction. */
export function fingerprintTables(p: Polynomial): { out: BigUint64Array; mod: BigUint64Array } {
  const out = new BigUint64Array(256);
  const reduce = new BigUint64Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let hash = mod(BigInt(byte), p);
    for (let zero = 0; zero < WINDOW_BYTES; zero++) hash = mod(hash << 8n, p);
    out[byte] = hash;
    const high = BigInt(byte) << BigInt(DEGREE);
    reduce[byte] = mod(high, p) | high;
  }
  return { out, mod: reduce };
}

function degree(p: Polynomial): number {
  return p.toString(2).length - 1;
}

function mod(a: Polynomial, p: Polynomial): Polynomial {
  const width = degree(p);
  let rest = a;
  for (let shift = degree(rest) - width; rest !== 0n && shift >= 0; shift = degree(rest) - width) {
    rest ^= p << BigInt(shift);
  }
  return rest;
}

/** Squaring over GF(2) only spreads the bits. */
function square(p: Polynomial): Polynomial {
  return BigInt(`0b${p.toString(2).split("").join("0")}`);
}

function gcd(a: Polynomial, b: Polynomial): Polynomial {
  return b === 0n ? a : gcd(b, mod(a, b));
}
