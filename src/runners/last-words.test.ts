import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { lastWords } from "./last-words.ts";

// Goal: what is told of a program that ended is what it said of the reason, as plain text.

const NODE = `node:internal/modules/cjs/loader:1228
  throw err;
  ^

Error: Cannot find module '/app/server.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15) {
  code: 'MODULE_NOT_FOUND',
  requireStack: []
}

Node.js v24.15.0
`;
const EMITTED = `node:events:497
      throw er; // Unhandled 'error' event
      ^

Error: listen EADDRINUSE: address already in use 127.0.0.1:80
    at Server.setupListenHandle [as _listen2] (node:net:1940:16)
Emitted 'error' event on Server instance at:
    at emitErrorNT (node:net:1919:8) {
  code: 'EADDRINUSE',
  port: 80
}

Node.js v24.15.0
`;
const PYTHON = `Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
ValueError: no such table
`;

suite("last words", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["of Node", NODE, ": Error: Cannot find module '/app/server.js'"],
    [
      "of Node, where nobody listened",
      EMITTED,
      ": Error: listen EADDRINUSE: address already in use 127.0.0.1:80",
    ],
    ["of Python", PYTHON, ": ValueError: no such table"],
    [
      "the last, not the first error",
      "Error: no cache\nstarting\nFATAL: quota\n",
      ": FATAL: quota",
    ],
    [
      "without colours and control characters",
      "\u001b[2J\u001b[31mboom\rhidden\n",
      ": boom hidden",
    ],
    ["before a reset of colours", "Error: real\n\u001b[0m\n", ": Error: real"],
    ["above what it is about", 'Error: bad config\n{\n  "a": 1\n}\n', ": Error: bad config"],
    ["not what npm says of it", "Error: no module\nnpm ERR! code 1\n", ": Error: no module"],
    ["not the title of a window", "\u001b]0;title\u0007boom", ": boom"],
    ["nothing", "\n \n", ""],
    ["only lines further right", "  one\n  two\n", ": two"],
  ];
  for (const [name, printed, words] of cases) {
    test(name, () => assert.equal(lastWords(printed), words));
  }
});
