import { DESK_FROM, SEAL_BYTES, createSealer } from "./sealer.ts";
import { openHot } from "./hot.ts";
import type { MasterKey } from "./master-key.ts";

/** Seals and opens the small files of a repository: key, config, index, snapshot, lock. */
export type Strongbox = {
  seal(plain: Uint8Array): Buffer;
  /** Undefined when the seal is broken or of another key. */
  open(sealed: Uint8Array): Buffer | undefined;
};

export function createStrongbox(key: MasterKey): Strongbox {
  const { hot, memory } = openHot();
  const sealer = createSealer(hot, memory, key);
  return {
    seal(plain) {
      const target = DESK_FROM + plain.length;
      memory.reserve(target + plain.length + SEAL_BYTES);
      memory.view(DESK_FROM, plain.length).set(plain);
      sealer.seal(DESK_FROM, plain.length, target);
      return Buffer.from(memory.view(target, plain.length + SEAL_BYTES));
    },
    open(sealed) {
      memory.reserve(DESK_FROM + sealed.length);
      memory.view(DESK_FROM, sealed.length).set(sealed);
      if (!sealer.open(DESK_FROM, sealed.length)) return undefined;
      return Buffer.from(memory.view(DESK_FROM + 16, sealed.length - SEAL_BYTES));
    },
  };
}
