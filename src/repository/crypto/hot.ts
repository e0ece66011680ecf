import { fingerprintTables, type Polynomial } from "../format/polynomial.ts";
import { HOT_WASM_BASE64 } from "../wasm/hot.generated.ts";

/** The loops over every byte that Node has no function for; see wasm/assembly/hot.ts. */
export type Hot = {
  findCut(from: number, to: number, mask: bigint): number;
  layNibbles(): void;
  fillCounters(at: number, iv: number, skip: number, blocks: number): void;
  xor(target: number, source: number, stream: number, length: number): void;
  equal(a: number, b: number, length: number): number;
  poly1305(tag: number, data: number, length: number, r: number, s: number): void;
};

const PAGE_BYTES = 65536;

/** Where the caller's own bytes begin; below are the tables and scratch of the loops. */
export const FREE_FROM = 8192;
const OUT_TABLE = 1024;
const MOD_TABLE = 3072;

/** The memory on which the loops work. It only grows, to the largest thing that lay in it. */
export type HotMemory = {
  /** Bytes [at, at + length). Invalid after the next `reserve`, which may move the memory. */
  view(at: number, length: number): Uint8Array;
  /** Makes all addresses below `end` usable. */
  reserve(end: number): void;
};

export function openHot(): { hot: Hot; memory: HotMemory } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new WebAssembly.Module(Buffer.from(HOT_WASM_BASE64, "base64"));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return {
    hot: exports as unknown as Hot,
    memory: {
      view: (at, length) => new Uint8Array(memory.buffer, at, length),
      reserve(end) {
        const missing = Math.ceil((end - memory.buffer.byteLength) / PAGE_BYTES);
        if (missing > 0) memory.grow(missing);
      },
    },
  };
}

/** Lays the tables of a repository's fingerprint, which `findCut` looks into. */
export function layTables(hot: Hot, memory: HotMemory, polynomial: Polynomial): void {
  const { out, mod } = fingerprintTables(polynomial);
  memory.view(OUT_TABLE, out.byteLength).set(new Uint8Array(out.buffer));
  memory.view(MOD_TABLE, mod.byteLength).set(new Uint8Array(mod.buffer));
  hot.layNibbles();
}
