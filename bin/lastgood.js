#!/usr/bin/env node
// Plain old JavaScript, so that an old Node can still start the right one, or say what is wrong.
"use strict";
var path = require("node:path");
var fs = require("node:fs");
var url = require("node:url");
var root = path.join(__dirname, "..");

function isNew(version) {
  var parts = version.split(".").map(Number);
  return parts[0] > 24 || (parts[0] === 24 && parts[1] >= 15);
}

/**
 * A clone has brought its own Node by npm. What this process is told it passes on: a terminal tells both,
 * which counts as once.
 */
function startBy(node) {
  var args = [__filename].concat(process.argv.slice(2));
  var child = require("node:child_process").spawn(node, args, { stdio: "inherit" });
  ["SIGINT", "SIGTERM"].forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  process.on("SIGHUP", function () {});
  child.on("exit", function (code, signal) {
    process.exit(code === null ? 128 + require("node:os").constants.signals[signal] : code);
  });
}

function start() {
  // A service that mostly waits is to be small; what takes long it has others do.
  if (process.argv.includes("serve")) {
    require("node:v8").setFlagsFromString("--optimize-for-size");
    require("node:v8").setFlagsFromString("--max-semi-space-size=1");
  }
  // What Node made of the sources is remembered, where they lie: whoever can write there can change them too.
  require("node:module").enableCompileCache(path.join(root, "node_modules/.cache"));
  // The published package is compiled; a clone runs the sources.
  var source = path.join(root, "src/main.ts");
  var file = fs.existsSync(source) ? source : path.join(root, "dist/main.js");
  void import(url.pathToFileURL(file).href);
}

var own = path.join(root, "node_modules/node/bin/node");
if (isNew(process.versions.node)) {
  start();
} else if (fs.existsSync(own)) {
  startBy(own);
} else {
  process.stderr.write(
    "lastgood needs Node 24.15 or newer; this is " +
      process.versions.node +
      ".\n  Install one; or in a clone: npm ci, which brings its own.\n",
  );
  process.exit(20);
}
