import type { ByteString } from "../format/go-string.ts";

/** What node:fs takes: a string where that loses nothing, since it is faster, else the bytes. */
export function rawPath(path: ByteString): string | Buffer {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(path) ? path : Buffer.from(path, "latin1");
}
