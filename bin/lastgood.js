#!/usr/bin/env node
// Plain old JavaScript, so that an old Node can still say what is wrong.
"use strict";
var version = process.versions.node.split(".").map(Number);
if (version[0] < 24 || (version[0] === 24 && version[1] < 15)) {
  process.stderr.write(
    "lastgood needs Node 24.15 or newer; this is " +
      process.versions.node +
      ".\n  Install one, or start it by npx, which brings its own: npx lastgood\n",
  );
  process.exit(20);
}
var path = require("node:path");
var fs = require("node:fs");
var url = require("node:url");
// The published package is compiled; a clone runs the sources, and remembers what Node made of them.
var source = path.join(__dirname, "../src/main.ts");
var isClone = fs.existsSync(source);
var main = isClone ? source : path.join(__dirname, "../dist/main.js");
if (isClone)
  require("node:module").enableCompileCache(path.join(__dirname, "../node_modules/.cache"));
void import(url.pathToFileURL(main).href);
