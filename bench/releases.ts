// Measures what a change of release costs, on a device with a real systemd: the switch, a rollback
// beside systemd's own stop and start, and what deploying a release of 4,000 files writes of which 10
// are new. `npm run bench:releases`; it needs what `.ci/run` installs.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { type Device, newDevice } from "../examples/tope/machine.ts";
import { realEffects } from "../src/base/effects.ts";
import { systemClock } from "../src/base/clock.ts";
import { version } from "../src/slots/slot.ts";
import { folderTarget } from "../src/targets/folder/folder.ts";
import { readPackage } from "../src/targets/package/package.ts";
import { machineRoot } from "../test/support/machine.ts";
import { median } from "./measure.ts";

const SWITCHES = 200;
const ROUNDS = 5;
const FILES = 4000;
const CHANGED = 10;

const folder = fs.mkdtempSync("/var/tmp/lastgood-bench-");
const run = { signal: new AbortController().signal, report: () => {} };
const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

async function timed(act: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await act();
  return performance.now() - started;
}

async function measureSwitch(): Promise<void> {
  const link = path.join(folder, "current");
  const [durable, bare]: [number[], number[]] = [[], []];
  for (let i = 0; i < SWITCHES; i++) {
    durable.push(await timed(() => realEffects.pointLink(link, `v${i}`)));
    fs.symlinkSync(`w${i}`, `${link}.new`);
    bare.push(await timed(async () => fs.renameSync(`${link}.new`, link)));
  }
  console.log(
    `switch: ${ms(median(bare))} (the rename), ${ms(median(durable))} with its sync to disk`,
  );
}

async function measureStaging(): Promise<void> {
  const from = path.join(folder, "package");
  fs.mkdirSync(from);
  for (let i = 0; i < FILES; i++) {
    fs.mkdirSync(path.join(from, `d${i % 40}`), { recursive: true });
    fs.writeFileSync(path.join(from, `d${i % 40}`, `f${i}`), `${i} `.repeat(2000));
  }
  const root = path.join(folder, "versions");
  const limits = { bytesMax: 1e9, entriesMax: 100_000 };
  const target = folderTarget({
    name: "bench",
    root,
    keep: 3,
    clock: systemClock,
    source: async () => ({
      entries: readPackage(from, from, root, limits),
      commands: [],
      mayLink: true,
    }),
  });
  const [one, two] = [version("1.0.0"), version("1.1.0")];
  const first = await timed(() => target.stage(one, run));
  await target.activate(one, one, run);
  for (let i = 0; i < CHANGED; i++) fs.appendFileSync(path.join(from, `d${i}`, `f${i}`), "new");
  const second = await timed(() => target.stage(two, run));
  let written = 0;
  for (let i = 0; i < FILES; i++) {
    const name = path.join(`d${i % 40}`, `f${i}`);
    const [a, b] = ["v1.0.0", "v1.1.0"].map((v) => fs.statSync(path.join(root, v, name)).ino);
    if (a !== b) written++;
  }
  const check = await timed(() => target.problemsOf(two, "every-byte", run));
  const again = await timed(() => target.problemsOf(two, "what-changed", run));
  console.log(
    `staging ${FILES} files: ${ms(first)}; with ${CHANGED} changed: ${ms(second)}, ${written} written`,
  );
  console.log(`verifying them: every byte ${ms(check)}, what changed ${ms(again)}`);
}

/** What the steps of a rollback took, from the moment at which the services stop. */
async function rollbackMs(device: Device, to: string): Promise<number> {
  const { out } = await device.lastgood(
    "rollback",
    "device",
    "--to",
    to,
    "--yes",
    "--force",
    "--json",
  );
  if (!out.includes('"outcome":"committed"')) throw new Error(out);
  const steps = out
    .split("\n")
    .filter((line) => line.includes('"step.finished"'))
    .map((line) => JSON.parse(line) as { act: string; elapsedMs: number });
  const counted = new Set(["stopped", "saved", "active", "running"]);
  return steps
    .filter(({ act }) => counted.has(act))
    .reduce((sum, { elapsedMs }) => sum + elapsedMs, 0);
}

async function measureRollback(): Promise<void> {
  const device = await newDevice(machineRoot()!, path.join(folder, "device"));
  try {
    await device.shell("systemctl enable --now device-api.service web-server.service");
    await device.lastgood("init", "/etc/lastgood");
    await device.lastgood("releases", "adopt", "device");
    await device.lastgood("deploy", "device", "1.1.0", "--from", device.package("1.1.0"));
    const [own, ours]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      const units = "device-api.service web-server.service";
      own.push(
        await timed(() => device.shell(`systemctl stop ${units}; systemctl start ${units}`)),
      );
      ours.push(await rollbackMs(device, round % 2 === 0 ? "1.0.0" : "1.1.0"));
    }
    const [a, b] = [median(own), median(ours)];
    console.log(
      `systemctl stop and start: ${ms(a)}; a rollback from PAUSED: ${ms(b)}; beside it ${ms(b - a)}`,
    );
  } finally {
    await device.cutPower();
  }
}

try {
  await measureSwitch();
  await measureStaging();
  await measureRollback();
} finally {
  spawnSync("chattr", ["-R", "-f", "-i", folder]);
  fs.rmSync(folder, { recursive: true, force: true });
}
