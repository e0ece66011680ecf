const ID_HEX = 64;

/** Ids as threads give them, one behind the other, each in hex. */
export function hexIds(ids: Uint8Array): string[] {
  const hex = Buffer.from(ids.buffer, ids.byteOffset, ids.length).toString("hex");
  return Array.from({ length: hex.length / ID_HEX }, (_, i) =>
    hex.slice(i * ID_HEX, (i + 1) * ID_HEX),
  );
}
