import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DumpReader } from "./dump-reader.ts";

// Goal: rows are counted as they are, in whatever pieces the dump comes and whatever stands in them.

const MARIADB = `-- MariaDB dump
CREATE TABLE \`t\` (a int);
INSERT INTO \`t\` VALUES
(1,'a'),
(2,'it''s (not) a ; row'),
(3,'back\\\\'),
(4,'quote\\' and newline\\n(5)');
INSERT INTO \`odd \`\`name\` (\`a\`, \`b\`) VALUES
(1,NULL);
-- Dump completed
`;
const MYSQL = `-- MySQL dump
INSERT INTO \`t\` VALUES (1,'a'),(2,'it''s (not) a ; row'),(3,'back\\\\'),(4,'quote\\' and newline\\n(5)');
UNLOCK TABLES;
INSERT INTO \`odd \`\`name\` (\`a\`, \`b\`) VALUES (1,NULL);
-- Dump completed on 2026-11-21 18:00:00
`;

suite("dumps", () => {
  for (const [name, text] of Object.entries({ MARIADB, MYSQL })) {
    test(`${name}: in pieces of every length`, () => {
      const bytes = Buffer.from(text);
      for (let size = 1; size <= bytes.length; size++) {
        const reader = new DumpReader();
        for (let at = 0; at < bytes.length; at += size) reader.feed(bytes.subarray(at, at + size));
        const expected = { rows: { t: 4, "odd `name": 1 }, isComplete: true };
        assert.deepEqual(reader.content, expected, `in pieces of ${size}`);
      }
    });

    test(`${name}: cut anywhere before its last line, it is not complete`, () => {
      const bytes = Buffer.from(text);
      for (let end = 0; end < bytes.indexOf("-- Dump completed") + 5; end++) {
        const reader = new DumpReader();
        reader.feed(bytes.subarray(0, end));
        assert(!reader.content.isComplete, `cut at ${end}`);
      }
    });
  }
});
