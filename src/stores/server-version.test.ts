import assert from "node:assert/strict";
import { test } from "node:test";
import { whyUnfit } from "./server-version.ts";

test("a newer server's data do not go into an older one, nor into another kind", () => {
  const cases: readonly (readonly [string, string, string, boolean])[] = [
    ["mysql", "10.11.6-MariaDB-0+deb12u1", "10.11.14-MariaDB", true],
    ["mysql", "10.6.1-MariaDB", "10.11.14-MariaDB", true],
    ["mysql", "10.11.14-MariaDB", "10.6.1-MariaDB", false],
    ["mysql", "11.4.2-MariaDB", "10.11.14-MariaDB", false],
    ["mysql", "8.0.39", "10.11.14-MariaDB", false],
    ["mysql", "8.4.0", "8.0.39", false],
    ["mysql", "8.0.41", "8.0.39", true],
    ["postgres", "15.6 (Debian 15.6-0+deb12u1)", "15.2", true],
    ["postgres", "16.1", "15.6 (Debian 15.6-0+deb12u1)", false],
    ["elasticsearch", "elasticsearch 8.11.3", "elasticsearch 8.2.0", true],
    ["elasticsearch", "elasticsearch 8.11.3", "opensearch 2.11.0", false],
  ];
  for (const [kind, from, to, fits] of cases) {
    assert.equal(whyUnfit(kind, from, to) === undefined, fits, `${from} → ${to}`);
  }
});
