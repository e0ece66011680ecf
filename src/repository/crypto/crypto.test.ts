import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { test } from "node:test";
import { openHot } from "./hot.ts";
import type { MasterKey } from "./master-key.ts";
import { DESK_FROM, SEAL_BYTES, createSealer } from "./sealer.ts";
import { createStrongbox } from "./strongbox.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const counting = (from: number, length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => from + i));

const KEY: MasterKey = {
  encrypt: counting(0, 32),
  macK: counting(0x40, 16),
  macR: counting(0x80, 16),
};

test("opens restic's golden vector", () => {
  const sealed = Buffer.concat([
    counting(0xf0, 16),
    hex("e922bbe851e5e9a4344bdc663d 9a2c5c39c28a21d8ab142d2ebb67b6ac"),
  ]);
  assert.equal(createStrongbox(KEY).open(sealed)?.toString(), '{"version":2}');
});

test("opens what it sealed, of every length around the limits", () => {
  const box = createStrongbox(KEY);
  for (const length of [0, 1, 15, 16, 17, 31, 32, 33, 32_767, 32_768, 32_769, 100_000]) {
    const plain = randomBytes(length);
    const sealed = box.seal(plain);
    assert.equal(sealed.length, length + SEAL_BYTES);
    assert.deepEqual(box.open(sealed), plain, `${length} bytes`);
  }
});

test("gives the ciphertext of AES-256-CTR, also when the counter overflows", () => {
  const { hot, memory } = openHot();
  const sealer = createSealer(hot, memory, KEY);
  for (const start of ["00".repeat(15) + "01", "ff".repeat(16), `01${"ff".repeat(15)}`]) {
    const iv = hex(start);
    const plain = randomBytes(200_000);
    const cipher = createCipheriv("aes-256-ctr", KEY.encrypt, iv);
    const ciphertext = cipher.update(plain);
    // Opened without a right tag it refuses; so the tag is made by sealing what CTR gave.
    memory.reserve(DESK_FROM + 300_000);
    memory.view(DESK_FROM, 16).set(iv);
    memory.view(DESK_FROM + 16, ciphertext.length).set(ciphertext);
    memory.view(8192 + 16, 16).set(createCipheriv("aes-128-ecb", KEY.macK, null).update(iv));
    hot.poly1305(DESK_FROM + 16 + plain.length, DESK_FROM + 16, plain.length, 8192, 8192 + 16);
    assert(sealer.open(DESK_FROM, plain.length + SEAL_BYTES));
    assert.deepEqual(Buffer.from(memory.view(DESK_FROM + 16, plain.length)), plain, start);
  }
});

test("refuses every changed byte and every shorter seal", () => {
  const box = createStrongbox(KEY);
  const sealed = box.seal(Buffer.from("hello, world"));
  for (let at = 0; at < sealed.length; at++) {
    const damaged = Buffer.from(sealed);
    damaged[at]! ^= 0x40;
    assert.equal(box.open(damaged), undefined, `byte ${at}`);
    assert.equal(box.open(sealed.subarray(0, at)), undefined, `${at} bytes`);
  }
});

// RFC 8439, 2.5.2, and the vectors of appendix A.3 that reach the carries.
const POLY1305: readonly { name: string; key: string; data: Buffer; tag: string }[] = [
  {
    name: "2.5.2",
    key: "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
    data: Buffer.from("Cryptographic Forum Research Group"),
    tag: "a8061dc1305136c6c22b8baf0c0127a9",
  },
  {
    name: "A.3 #7",
    key: `02${"00".repeat(31)}`,
    data: hex("ff".repeat(16)),
    tag: `03${"00".repeat(15)}`,
  },
  {
    name: "A.3 #8",
    key: `02${"00".repeat(15)}${"ff".repeat(16)}`,
    data: hex(`02${"00".repeat(15)}`),
    tag: `03${"00".repeat(15)}`,
  },
  {
    name: "A.3 #9",
    key: `01${"00".repeat(31)}`,
    data: hex(`${"ff".repeat(16)}f0${"ff".repeat(15)}11${"00".repeat(15)}`),
    tag: `05${"00".repeat(15)}`,
  },
  {
    name: "A.3 #10",
    key: `01${"00".repeat(31)}`,
    data: hex(`${"ff".repeat(16)}fb${"fe".repeat(15)}${"01".repeat(16)}`),
    tag: "00".repeat(16),
  },
  {
    name: "A.3 #11",
    key: `02${"00".repeat(31)}`,
    data: hex(`fd${"ff".repeat(15)}`),
    tag: `fa${"ff".repeat(15)}`,
  },
];

for (const { name, key, data, tag } of POLY1305) {
  test(`Poly1305: RFC 8439 ${name}`, () => {
    const { hot, memory } = openHot();
    memory.view(9000, 32).set(hex(key));
    memory.view(10_000, data.length).set(data);
    hot.poly1305(9500, 10_000, data.length, 9000, 9016);
    assert.equal(Buffer.from(memory.view(9500, 16)).toString("hex"), tag);
  });
}

/** As the RFC writes it down, with numbers of any size. */
function plainPoly1305(key: Buffer, data: Buffer): string {
  const number = (bytes: Buffer): bigint =>
    BigInt(`0x00${Buffer.from(bytes.toReversed()).toString("hex")}`);
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < data.length; at += 16) {
    const block = Buffer.concat([data.subarray(at, at + 16), Buffer.from([1])]);
    sum = ((sum + number(block)) * r) % (2n ** 130n - 5n);
  }
  const tag = BigInt.asUintN(128, sum + number(key.subarray(16)));
  const bytes = Buffer.from(tag.toString(16).padStart(32, "0"), "hex");
  return Buffer.from(bytes.toReversed()).toString("hex");
}

test("Poly1305 of every length, of random bytes and of the largest numbers, is what the RFC says", () => {
  const { hot, memory } = openHot();
  memory.reserve(40_000);
  const lengths = [...Array.from({ length: 600 }, (_, length) => length), 20_001, 30_000];
  for (const length of lengths) {
    const ones = Buffer.alloc(length + 32, 0xff);
    for (const bytes of [ones, randomBytes(length + 32), randomBytes(length + 32)]) {
      const [key, data] = [bytes.subarray(0, 32), bytes.subarray(32)];
      memory.view(9000, 32).set(key);
      memory.view(10_000, length).set(data);
      hot.poly1305(9500, 10_000, length, 9000, 9016);
      const tag = Buffer.from(memory.view(9500, 16)).toString("hex");
      assert.equal(tag, plainPoly1305(key, data), bytes.toString("hex"));
    }
  }
});
