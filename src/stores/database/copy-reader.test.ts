import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CopyReader } from "./copy-reader.ts";

// Goal: rows are counted as they are, in whatever pieces the dump comes and whatever stands in them.

const DUMP = `--
-- PostgreSQL database dump
--
COPY public.t (a, b) FROM stdin;
1\ta
2\t\\\\.
3\t
\\.

COPY other."odd ""name" (a) FROM stdin;


\\\\
\\.
COPY public.none (a) FROM stdin;
\\.
COPY "x.y".t (a) FROM stdin;
1
\\.
--
-- PostgreSQL database dump complete
--

\\unrestrict e7g3f
`;

suite("dumps of PostgreSQL", () => {
  test("in pieces of every length", () => {
    const bytes = Buffer.from(DUMP);
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new CopyReader();
      for (let at = 0; at < bytes.length; at += size) reader.feed(bytes.subarray(at, at + size));
      const rows = { "public.t": 3, 'other."odd ""name"': 3, "public.none": 0, '"x.y".t': 1 };
      assert.deepEqual(reader.content, { rows, isComplete: true }, `in pieces of ${size}`);
    }
  });

  test("cut anywhere before its last line, it is not complete", () => {
    const bytes = Buffer.from(DUMP);
    for (let end = 0; end < bytes.indexOf("complete") + 5; end++) {
      const reader = new CopyReader();
      reader.feed(bytes.subarray(0, end));
      assert(!reader.content.isComplete, `cut at ${end}`);
    }
  });
});
