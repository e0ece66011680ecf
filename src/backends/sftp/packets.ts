import { AppError } from "../../base/errors.ts";

// https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02, and OpenSSH's extensions:
// https://github.com/openssh/openssh-portable/blob/master/PROTOCOL

export const TYPE = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  openFolder: 11,
  readFolder: 12,
  remove: 13,
  makeFolder: 14,
  rename: 18,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attributes: 105,
  extended: 200,
} as const;

export const STATUS = { ok: 0, eof: 1, noSuchFile: 2, denied: 3, failure: 4 } as const;

export const OPEN = { read: 0x01, write: 0x02, create: 0x08, exclusive: 0x20 } as const;

const HAS_SIZE = 0x01;
const HAS_OWNER = 0x02;
const HAS_MODE = 0x04;
const HAS_TIMES = 0x08;
const HAS_MORE = 0x8000_0000;
const KIND = 0o170000;
const FOLDER = 0o040000;

/** No packet of ours or of an honest server is larger. */
export const PACKET_BYTES_MAX = 300 * 1024;

/** One after the other; texts and bytes with their length before them. */
export type Field = number | bigint | string | Uint8Array;

/** A packet with its length; numbers have 4 bytes, bigints 8. */
export function packet(type: number, fields: readonly Field[]): Buffer {
  const parts: Uint8Array[] = [Buffer.alloc(4), Buffer.from([type])];
  for (const field of fields) {
    if (typeof field === "bigint") {
      const eight = Buffer.alloc(8);
      eight.writeBigUInt64BE(field);
      parts.push(eight);
      continue;
    }
    const four = Buffer.alloc(4);
    parts.push(four);
    if (typeof field === "number") four.writeUInt32BE(field);
    else {
      const bytes = typeof field === "string" ? Buffer.from(field) : field;
      four.writeUInt32BE(bytes.length);
      parts.push(bytes);
    }
  }
  const whole = Buffer.concat(parts);
  whole.writeUInt32BE(whole.length - 4);
  return whole;
}

export type Attributes = { readonly sizeBytes: number; readonly isFolder: boolean };

/** Reads what a server sends. CORRUPT when it is no such thing. */
export class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(): number {
    return this.#take(4).readUInt32BE();
  }

  bytes(): Buffer {
    return this.#take(this.number());
  }

  text(): string {
    return this.bytes().toString();
  }

  attributes(): Attributes {
    const has = this.number();
    const sizeBytes = has & HAS_SIZE ? Number(this.#take(8).readBigUInt64BE()) : 0;
    if (has & HAS_OWNER) this.#take(8);
    const mode = has & HAS_MODE ? this.number() : 0;
    if (has & HAS_TIMES) this.#take(8);
    if (has & HAS_MORE) {
      for (let left = this.number(); left > 0; left--) {
        this.bytes();
        this.bytes();
      }
    }
    return { sizeBytes, isFolder: (mode & KIND) === FOLDER };
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  #take(bytes: number): Buffer {
    const end = this.#at + bytes;
    if (end > this.#bytes.length) {
      throw new AppError("UNAVAILABLE", "speak SFTP: the server's answer is cut");
    }
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

/** With which mode a file or folder is made. */
export const withMode = (mode: number): readonly Field[] => [HAS_MODE, mode];
