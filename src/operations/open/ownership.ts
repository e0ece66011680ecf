import type { StoreConfig } from "../../config/schema.ts";
import type { Ownership } from "../../stores/store.ts";

/** Whose restored files are, and what may be done with them. */
export function ownershipOf({ owner, mode }: StoreConfig): Ownership {
  const [uid, gid] = owner?.split(":").map(Number) ?? [];
  return { uid, gid, mode: mode === undefined ? undefined : Number.parseInt(mode, 8) };
}
