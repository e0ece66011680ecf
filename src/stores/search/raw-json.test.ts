import assert from "node:assert/strict";
import { test } from "node:test";
import { elementsOf, membersOf, onOneLine } from "./raw-json.ts";

test("objects and lists are cut into the texts of their values", () => {
  const text = ` { "a" : 1.0 ,"b\\"}":[ 9007199254740993, {"x":"]}\\\\"} ,""],\n"c":{}, "d":null , "e": -1e5}`;
  assert.deepEqual(
    [...membersOf(text)],
    [
      ["a", "1.0"],
      ['b"}', '[ 9007199254740993, {"x":"]}\\\\"} ,""]'],
      ["c", "{}"],
      ["d", "null"],
      ["e", "-1e5"],
    ],
  );
  const list = membersOf(text).get('b"}')!;
  assert.deepEqual(elementsOf(list), ["9007199254740993", '{"x":"]}\\\\"}', '""']);
  assert.deepEqual([elementsOf(" [ ] "), [...membersOf("{}")]], [[], []]);
  assert.equal(onOneLine('{"a":\r\n"b\\n"}'), '{"a": "b\\n"}');
});

test("what is cut is no answer", () => {
  for (const text of ['{"a": "b', '{"a": [1, 2', '{"a"', "", "[1]"]) {
    assert.throws(() => membersOf(text), /the answer|Unexpected/, text);
  }
  assert.throws(() => elementsOf("[1, 2"), /the answer is cut/);
});

test("every value comes back as JSON has it", () => {
  const value = { s: 'a"\\\n\u2028', n: [1, -2.5e-3, true, false, null], o: { "": {} } };
  const members = membersOf(JSON.stringify(value, undefined, 3));
  const back = Object.fromEntries([...members].map(([key, text]) => [key, JSON.parse(text)]));
  assert.deepEqual(back, value);
});
