import assert from "node:assert/strict";
import { test } from "node:test";
import { isDue, nextOf, overdueSince } from "./due.ts";

process.env["TZ"] = "Europe/Paris";

const at = (text: string): Date => new Date(text);
const DAILY = { cron: "0 3 * * *" };
const QUARTERLY = { every: 90 * 86_400_000, first: 86_400_000 };
const UNSEEN = { since: "2026-01-01T00:00:00Z" };

test("a job is due once its moment has come, once, however many were missed", () => {
  const since = "2026-11-20T12:00:00Z";
  assert.equal(isDue(DAILY, { since }, at("2026-11-20T23:00:00Z")), false);
  assert.equal(isDue(DAILY, { since }, at("2026-11-21T02:00:00Z")), true);
  const started = "2026-11-21T02:00:01Z";
  assert.equal(isDue(DAILY, { since, started }, at("2026-11-21T05:00:00Z")), false);
  assert.equal(isDue(DAILY, { since, started }, at("2026-12-01T05:00:00Z")), true);
  const caughtUp = { since, started: "2026-12-01T05:00:00Z" };
  assert.equal(isDue(DAILY, caughtUp, at("2026-12-01T05:00:20Z")), false);
});

test("what failed is tried again after a while, and not for ever", () => {
  const entry = {
    since: "2026-11-20T12:00:00Z",
    started: "2026-11-21T02:00:00Z",
    error: "no room",
  };
  assert.equal(isDue(DAILY, { ...entry, failures: 1 }, at("2026-11-21T02:10:00Z")), false);
  assert.equal(isDue(DAILY, { ...entry, failures: 1 }, at("2026-11-21T02:15:00Z")), true);
  assert.equal(isDue(DAILY, { ...entry, failures: 4 }, at("2026-11-21T02:15:00Z")), false);
  assert.equal(isDue(DAILY, { ...entry, failures: 4 }, at("2026-11-22T02:00:00Z")), true);
});

test("a clock that is put back, or was ahead, stops nothing", () => {
  const ahead = { since: "2026-11-20T12:00:00Z", started: "2099-01-01T00:00:00Z" };
  assert.equal(isDue(DAILY, ahead, at("2026-11-21T12:00:00Z")), false);
  // From then on it counts from now, so the next moment is the next one.
  assert.equal(
    nextOf(DAILY, UNSEEN, at("2026-11-21T12:00:00Z"))?.toISOString(),
    "2026-11-22T02:00:00.000Z",
  );
  assert.equal(
    overdueSince(DAILY, { since: "2099-01-01T00:00:00Z" }, at("2026-11-21T12:00:00Z")),
    undefined,
  );
});

test("daylight saving: once a night, also in the night that has no such hour or has it twice", () => {
  const nights = (cron: string, from: string, days: number): string[] => {
    const found: string[] = [];
    let last = at(from);
    const end = last.getTime() + days * 86_400_000;
    for (;;) {
      last = nextOf({ cron }, UNSEEN, last)!;
      if (last.getTime() > end) return found;
      found.push(last.toISOString());
    }
  };
  // Clocks go from 2:00 to 3:00 on 29 March 2026 and from 3:00 to 2:00 on 25 October 2026.
  assert.equal(nights("30 2 * * *", "2026-03-27T12:00:00Z", 4).length, 4);
  assert.equal(nights("30 2 * * *", "2026-10-23T12:00:00Z", 4).length, 4);
});

test("overdue is what two moments have gone by for", () => {
  const entry = { since: "2026-11-01T00:00:00Z", succeeded: "2026-11-20T02:00:05Z" };
  assert.equal(overdueSince(DAILY, entry, at("2026-11-21T12:00:00Z")), undefined);
  const since = overdueSince(DAILY, entry, at("2026-11-22T02:00:00Z"));
  assert.equal(since?.toISOString(), "2026-11-21T02:00:00.000Z");
});

test("what is done every so often comes first after a while, then in its time, and is overdue soon", () => {
  const since = "2026-01-01T00:00:00Z";
  assert.equal(isDue(QUARTERLY, { since }, at("2026-01-01T12:00:00Z")), false);
  assert.equal(isDue(QUARTERLY, { since }, at("2026-01-02T00:00:00Z")), true);
  const started = "2026-01-02T00:00:00Z";
  assert.equal(isDue(QUARTERLY, { since, started }, at("2026-04-01T00:00:00Z")), false);
  assert.equal(isDue(QUARTERLY, { since, started }, at("2026-04-02T00:00:00Z")), true);
  const done = { since, started, succeeded: started };
  assert.equal(overdueSince(QUARTERLY, done, at("2026-04-09T00:00:00Z")), undefined);
  assert.equal(
    overdueSince(QUARTERLY, done, at("2026-04-12T00:00:00Z"))?.toISOString(),
    "2026-04-02T00:00:00.000Z",
  );
});
