import assert from "node:assert/strict";
import { test } from "node:test";
import { once } from "./once.ts";

test("what was made is made once, and what failed is tried again", async () => {
  let calls = 0;
  const make = once(async () => {
    calls++;
    if (calls === 1) throw new Error("away");
    return calls;
  });
  await assert.rejects(Promise.all([make(), make()]), /away/);
  assert.deepEqual(await Promise.all([make(), make()]), [2, 2]);
  assert.equal(await make(), 2);
});
