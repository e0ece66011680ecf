import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { systemClock } from "../src/base/clock.ts";
import { backup } from "../src/operations/backup.ts";
import { digest } from "../src/operations/incidents/digest.ts";
import {
  closeIncident,
  editIncident,
  listIncidents,
  showIncident,
} from "../src/operations/incidents/manage.ts";
import { recordDone } from "../src/operations/record.ts";
import { flushOutbox } from "../src/operations/notices/flush.ts";
import { jobsOf } from "../src/operations/schedule/jobs.ts";
import { doWhatIsDue } from "../src/operations/schedule/schedule.ts";
import { verifyHistory } from "../src/operations/verify-history.ts";
import type { System } from "../src/operations/system.ts";
import { HealthHistory } from "../src/operations/watch/health-history.ts";
import { lookOnce } from "../src/operations/watch/watch-health.ts";
import { noteOverdue } from "../src/operations/watch/watch-overdue.ts";
import { commandsIn } from "./support/commands.ts";
import { install, onDevice } from "./support/device.ts";
import { put, testIn } from "./support/files.ts";
import { httpReceiver, mailServer } from "./support/receivers.ts";
import { newSystem, reopenSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: what goes wrong is an incident without anybody having to say so, with a report that is true; and
// whoever wants to know is told, once it can be, whatever becomes of the others.

const run = quietRun();
const SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0";
const STORE = { stores: { files: { folder: "files" } } };

const take = async (system: System): Promise<unknown> =>
  await backup(system, { include: [], reason: "" }, run);

suite("incidents", () => {
  onDevice(
    "a deploy that goes back is one, and is over when it has gone back",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      assert.deepEqual(listIncidents(system, run), []);
      await install(system, folder, "1.1.0", "500");
      const [incident, ...others] = listIncidents(system, run);
      assert.equal(others.length, 0);
      assert.match(incident?.title ?? "", /^deploy of app 1\.1\.0: rolled-back: /);
      assert.notEqual(incident?.recovered, undefined);
      editIncident(
        system,
        "latest",
        { rootCause: "a wrong setting", actionItems: ["test it"] },
        run,
      );
      const { markdown, rolledBack, downMs, closed } = closeIncident(system, "latest", {}, run);
      assert.deepEqual(rolledBack, ["app from 1.1.0 to 1.0.0"]);
      assert((downMs ?? -1) >= 0 && (downMs ?? 1e9) < 60_000);
      assert.notEqual(closed, undefined);
      for (const part of [
        /^## Incident Report - \d{4}-\d\d-\d\d$/m,
        /^- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC Rollback initiated$/m,
        /^\*\*Root Cause\*\*: a wrong setting$/m,
        /^\*\*Resolution\*\*: Rolled back by lastgood: app from 1\.1\.0 to 1\.0\.0\./m,
        /^\*\*Prevention\*\*: \[How to prevent in future\]$/m,
        /^- \[ \] test it$/m,
        /deploy of app 1\.1\.0 begun/,
        /it goes back/,
      ]) {
        assert.match(markdown, part);
      }
      assert.equal(listIncidents(system, run).length, 1, "looking again makes no second one");
    },
  );

  testIn("a backup that fails again and again is one, until it succeeds", async (folder) => {
    put(folder, { "files/a": "a" });
    using system = await newSystem(folder, STORE);
    fs.renameSync(path.join(folder, "files"), path.join(folder, "away"));
    await take(system);
    await take(system);
    const [lasting] = listIncidents(system, run);
    assert.equal(lasting?.recovered, undefined);
    assert.equal(lasting?.operations.length, 2);
    assert.match(lasting?.title ?? "", /^backup failed: files_missing/);
    fs.renameSync(path.join(folder, "away"), path.join(folder, "files"));
    await take(system);
    const { recovered, timeline } = showIncident(system, "latest", run);
    assert.notEqual(recovered, undefined);
    assert.match(timeline.at(-1)?.text ?? "", /backup succeeded again/);
  });

  testIn("what succeeded for less than what failed ends nothing", async (folder) => {
    put(folder, { "files/a": "a" });
    const stores = { files: { folder: "files" }, other: { folder: "other" } };
    using system = await newSystem(folder, { stores });
    await take(system);
    await backup(system, { store: "files", include: [], reason: "" }, run);
    assert.equal(listIncidents(system, run)[0]?.recovered, undefined, "files alone were backed up");
    put(folder, { "other/b": "b" });
    await take(system);
    assert.notEqual(listIncidents(system, run)[0]?.recovered, undefined);
  });

  testIn("one that needed a human is one, and over when it has had one", async (folder) => {
    put(folder, { "files/a": "a" });
    using system = await newSystem(folder, STORE);
    const now = (): string => system.host.clock.now().toISOString();
    const begin = (id: string): void =>
      system.journal.create({
        id,
        kind: "deploy",
        plan: { steps: [], ways: [] },
        setup: {
          components: { app: {} },
          release: { component: "app", from: "1.0.0", to: "2.0.0" },
        },
        started: now(),
        who: "",
        reason: "",
      });
    begin("first");
    system.journal.recordBack("first", 1, "check api is bad", now());
    system.journal.finish("first", "needs-human", now());
    assert.match(listIncidents(system, run)[0]?.title ?? "", /^deploy of app 2\.0\.0 needs you/);
    assert.deepEqual(showIncident(system, "latest", run).rolledBack, [], "it was not rolled back");
    for (const outcome of ["needs-human", "rolled-back"] as const) {
      system.journal.reopen("first");
      system.journal.finish("first", outcome, now());
      assert.equal(listIncidents(system, run).length, 1);
    }
    assert.notEqual(listIncidents(system, run)[0]?.recovered, undefined);
    begin("second");
    system.journal.finish("second", "needs-human", now());
    assert.equal(listIncidents(system, run)[0]?.recovered, undefined);
    recordDone(system, "keep second", "", undefined);
    assert.notEqual(
      listIncidents(system, run)[0]?.recovered,
      undefined,
      "somebody said it is right",
    );
    begin("third");
    system.journal.recordBack("third", 1, "cancelled", now());
    system.journal.finish("third", "rolled-back", now());
    assert.equal(listIncidents(system, run).length, 2, "what somebody cancelled is none");
  });

  testIn(
    "no password is told, none is chosen by a guess, and a new journal is read",
    async (folder) => {
      put(folder, { "files/a": "a" });
      {
        using system = await newSystem(folder, STORE);
        recordDone(system, "backup", "", "ask http://admin:hunter2@127.0.0.1/health: 500");
        recordDone(system, "drill", "", "it failed");
        assert.doesNotMatch(JSON.stringify(listIncidents(system, run)), /hunter2/);
        assert.throws(() => showIncident(system, "20", run), /several begin so/);
      }
      for (const suffix of ["", "-wal", "-shm"]) {
        fs.rmSync(path.join(folder, `.lastgood/journal.db${suffix}`), { force: true });
      }
      using again = await reopenSystem(folder);
      recordDone(again, "prune", "", "it failed");
      assert.match(listIncidents(again, run)[0]?.title ?? "", /^prune failed/);
    },
  );

  onDevice(
    "a required check that is bad twice is one, until all are good",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      const look = async (): Promise<void> => await lookOnce(system, 10, () => {}, run);
      await look();
      assert.deepEqual(listIncidents(system, run), []);
      const { runner } = system.components[0]!;
      await runner!.stop(run);
      await look();
      await look();
      const [incident] = listIncidents(system, run);
      assert.match(incident?.title ?? "", /^app: bad: runs \(it does not run\)/);
      await runner!.start(run);
      await new Promise((resolve) => setTimeout(resolve, 500));
      await look();
      assert.notEqual(showIncident(system, "latest", run).recovered, undefined);
      using history = new HealthHistory(system.paths.state);
      const spans = history.since("2000", 100).filter(({ check }) => check === "runs");
      assert.deepEqual(
        spans.map(({ verdict, looks }) => [verdict, looks]),
        [
          ["good", 1],
          ["bad", 2],
          ["good", 1],
        ],
      );
    },
  );

  testIn("a job that is long overdue is one, until it is done", async (folder) => {
    put(folder, { "files/a": "a" });
    let now = new Date("2026-11-20T12:00:00");
    const clock = { ...systemClock, now: () => now };
    const schedule = { backup: [{ cron: "0 3 * * *" }] };
    using system = await newSystem(folder, STORE, { schedule }, clock);
    const jobs = jobsOf(system.config).filter(({ kind }) => kind === "backup");
    const work = async (): Promise<void> =>
      await doWhatIsDue(system, commandsIn(folder, clock), run, jobs);
    await work();
    await noteOverdue(system);
    assert.deepEqual(listIncidents(system, run), []);
    now = new Date("2026-11-23T12:00:00");
    await noteOverdue(system);
    await noteOverdue(system);
    assert.equal(listIncidents(system, run).filter(({ key }) => key.includes("backup")).length, 1);
    await work();
    await noteOverdue(system);
    const over = listIncidents(system, run).find(({ key }) => key.includes("backup"));
    assert.notEqual(over?.recovered, undefined);
  });
});

suite("notices", () => {
  testIn("reach a webhook, a mail server, ntfy and a command, each once", async (folder) => {
    put(folder, { "files/a": "a", secret: SECRET });
    await using http = await httpReceiver();
    await using mail = await mailServer();
    const from = "lastgood@shop.example";
    const email = {
      to: ["ops@shop.example"],
      from,
      host: "127.0.0.1",
      port: mail.port,
      tls: "never",
    };
    const notify = {
      hook: { webhook: `${http.url}/hook`, secret: { file: path.join(folder, "secret") } },
      mail: { email },
      phone: { ntfy: `${http.url}/ops` },
      script: { command: ["/bin/sh", "-c", `cat >> ${folder}/told`] },
      quiet: { webhook: `${http.url}/quiet`, on: ["recovery"] },
    };
    using system = await newSystem(folder, STORE, { notify });
    fs.rmSync(path.join(folder, "files"), { recursive: true });
    await take(system);
    digest(system, run);
    assert.equal(await flushOutbox(system, run), 0);
    assert.equal(await flushOutbox(system, run), 0);
    const [hook, ...more] = http.received.filter(({ path: at }) => at === "/hook");
    assert.equal(more.length, 0);
    const { headers, body } = hook!;
    const key = Buffer.from(SECRET.slice("whsec_".length), "base64");
    const signed = [headers["webhook-id"], headers["webhook-timestamp"], body].join(".");
    const expected = `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
    assert.equal(headers["webhook-signature"], expected);
    assert.match(body, /"kind":"failure".*backup failed: files_missing/);
    const ntfy = http.received.find(({ path: at }) => at === "/");
    assert.equal((JSON.parse(ntfy!.body) as { topic: string }).topic, "ops");
    assert.deepEqual(
      mail.mails.map(({ to }) => to),
      [["ops@shop.example"]],
    );
    assert.match(mail.mails[0]!.text, /^Subject: \[test\] failure: backup failed/m);
    assert.match(fs.readFileSync(path.join(folder, "told"), "utf8"), /^\{"id":.*\}\n$/);
    assert.equal(
      http.received.some(({ path: at }) => at === "/quiet"),
      false,
    );
    put(folder, { "files/a": "a" });
    await take(system);
    digest(system, run);
    await flushOutbox(system, run);
    assert.match(http.received.find(({ path: at }) => at === "/quiet")!.body, /recovery/);
  });

  testIn(
    "wait for whoever does not answer, in order, and keep no other waiting",
    async (folder) => {
      put(folder, { "files/a": "a" });
      await using dead = await httpReceiver();
      await using alive = await httpReceiver();
      dead.status = 500;
      const notify = { dead: { webhook: dead.url }, alive: { webhook: alive.url } };
      using system = await newSystem(folder, STORE, { notify });
      const away = path.join(folder, "away");
      fs.renameSync(path.join(folder, "files"), away);
      await take(system);
      digest(system, run);
      assert.equal(await flushOutbox(system, run), 1);
      fs.renameSync(away, path.join(folder, "files"));
      await take(system);
      digest(system, run);
      assert.equal(await flushOutbox(system, run), 2);
      assert.equal(alive.received.length, 2);
      dead.status = 200;
      dead.received.length = 0;
      assert.equal(await flushOutbox(system, run), 0);
      assert.deepEqual(
        dead.received.map(({ body }) => (JSON.parse(body) as { type: string }).type),
        ["lastgood.failure", "lastgood.recovery"],
      );
    },
  );
});

suite("the audit log", () => {
  testIn("nobody changes, removes or cuts off an entry unseen", async (folder) => {
    put(folder, { "files/a": "a" });
    using system = await newSystem(folder, STORE);
    for (let taken = 0; taken < 3; taken++) await take(system);
    const problems = async (): Promise<string> =>
      (await verifyHistory(system, run)).problems.map(({ problem }) => problem).join();
    assert.equal(await problems(), "");
    using database = new DatabaseSync(path.join(folder, ".lastgood/journal.db"));
    const whole = path.join(folder, "whole.db");
    database.exec(`VACUUM INTO '${whole}'; ATTACH '${whole}' AS whole`);
    for (const [attempt, found] of [
      ["UPDATE audit_v1 SET who = 'nobody' WHERE seq = 2", /it was changed/],
      ["DELETE FROM audit_v1 WHERE seq = 2", /entries 2 to 2 are missing/],
      ["DELETE FROM audit_v1 WHERE seq > 1", /a recovery point says otherwise/],
      ["UPDATE operations_v1 SET outcome = 'aborted' WHERE rowid = 2", /its row says aborted/],
      ["DELETE FROM operations_v1 WHERE rowid = 2", /its row is gone/],
    ] as const) {
      database.exec(attempt);
      assert.match(await problems(), found, attempt);
      for (const table of ["audit_v1", "operations_v1"]) {
        database.exec(`DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM whole.${table}`);
      }
      assert.equal(await problems(), "", attempt);
    }
  });
});
