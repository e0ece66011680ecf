/** The key of a repository: all its files but the key files are sealed with it. */
export type MasterKey = {
  /** AES-256 key of 32 bytes. */
  readonly encrypt: Uint8Array;
  /** Poly1305-AES: AES-128 key k and r, 16 bytes each. */
  readonly macK: Uint8Array;
  readonly macR: Uint8Array;
};
