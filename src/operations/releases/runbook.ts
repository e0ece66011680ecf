import path from "node:path";
import { isS3, parseS3, resticS3 } from "../../backends/s3-place.ts";
import { isSftp, parseSftp, resticSftp } from "../../backends/sftp-place.ts";
import type { Run } from "../../base/events.ts";
import { MARK } from "../../base/processes.ts";
import { processNames } from "../../runners/process.ts";
import { readyFolder } from "../../slots/place.ts";
import type { Version } from "../../slots/slot.ts";
import { type FileStore, isFileStore } from "../../stores/store.ts";
import { POINTERS, versionOf } from "../../targets/target.ts";
import { gateOf } from "../gate.ts";
import { readCatalogue } from "../points/catalogue.ts";
import { listSetAside } from "../set-aside.ts";
import type { System } from "../system.ts";
import { compatibilityOf } from "./compatibility.ts";
import { type Deployable, withDependents } from "./target-of.ts";

/**
 * The commands that do by hand what lastgood does, for this system as it is now: for the day on
 * which lastgood itself is broken. They switch by rename(2): plain `mv` would move the new link into
 * the folder that the old one leads to.
 */
export async function runbook(system: System, run: Run): Promise<string[]> {
  const lines = [
    `# ${system.name}: by hand, as of ${system.host.clock.now().toISOString()}`,
    "",
    "## Data out of the repository (any restic can read it)",
    "",
    ...(await repositoryLines(system)),
  ];
  for (const component of system.components) {
    if (component.target === undefined) continue;
    lines.push("", ...(await releaseLines(system, component as Deployable, run)));
  }
  return [...lines, ...(await asideLines(system, run))];
}

/** As restic's -r takes it. */
function asRestic(place: string, tls: boolean | undefined): string {
  if (isSftp(place)) return resticSftp(parseSftp(place));
  return isS3(place) ? resticS3(parseS3(place, tls)) : place;
}

async function repositoryLines(system: System): Promise<string[]> {
  const { config } = system;
  const valid = (await readCatalogue(system))?.points.filter((point) => point.valid) ?? [];
  const { at: place, password, s3 } = config.repository;
  const at = asRestic(place, s3?.tls);
  const key =
    "file" in password ? `--password-file ${word(password.file)}` : "# the password by hand";
  return [
    ...(s3 === undefined ? [] : ["export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…"]),
    `restic -r ${word(at)} ${key} snapshots --tag lastgood,valid    # but none with the tag safety`,
    // "latest" may be a mark, what is invalid, or what was given up.
    `restic -r ${word(at)} ${key} restore ${valid.at(-1)?.snapshot.slice(0, 8) ?? "SNAPSHOT"} --target /tmp/lastgood-restored`,
    "# then stop the application, move the live data aside with -wal and -shm, and move these in",
  ];
}

/** Data that lie beside what is live: for whoever goes back to code that cannot read what it finds. */
async function asideLines(system: System, run: Run): Promise<string[]> {
  const lines: string[] = [];
  for (const { operation, version, stores } of await listSetAside(system, run)) {
    const { id, kind, started, outcome = "not ended" } = operation;
    for (const { store } of stores.filter((one) => isFileStore(one.store))) {
      const folder = readyFolder(await (store as FileStore).place(), version);
      lines.push(`# ${started}, ${kind} ${id} (${outcome}): ${store.name}`, word(folder));
    }
  }
  if (lines.length === 0) return [];
  const head = ["", "## Data from before and after operations, each beside what is live", ""];
  const how =
    "# stop the application, move the live data away with -wal and -shm, copy these there";
  return [...head, how, ...lines];
}

/** Whether the data fit a release, where that is not certain. */
async function fitLines(component: Deployable, version: Version, run: Run): Promise<string[]> {
  const { verdict, stores } = await compatibilityOf(component, version, run);
  if (verdict === "ok") return [];
  return stores
    .filter((store) => store.verdict !== "ok")
    .map(
      ({ store, why, ...own }) =>
        `# ${store}: ${own.verdict}: ${why}. Bring back the data that it ran with, too: see below, or out of the repository.`,
    );
}

async function releaseLines(system: System, component: Deployable, run: Run): Promise<string[]> {
  const { name, target } = component;
  const pointers = await target.pointers();
  const whole = withDependents(system, [component]);
  const current = versionOf(pointers.current);
  const switchTo = (version: string): string[] => [
    `systemctl stop lastgood-${system.name}.service 2>/dev/null || true`,
    ...whole.flatMap((one) => stopLines(one, system.paths.state)),
    `cd ${word(target.root)}`,
    "rm -f .current.new",
    `ln -s ${word(`v${version}`)} .current.new`,
    "mv -T .current.new current    # -T: rename(2), never into the folder",
    ...imageLines(component, version),
    `rm -f ${whole.map(({ name: one }) => word(gateOf(system.paths, one).open)).join(" ")}    # else units that are guarded do not start`,
    ...whole.toReversed().flatMap((one) => startLines(one, system)),
    `readlink ${word(path.join(target.root, "current"))}`,
    ...whole
      .flatMap(({ runner }) => runner?.units ?? [])
      .map((unit) => `systemctl is-active ${word(unit)}`),
  ];
  const verify = (version: string): string =>
    `cd ${word(path.join(target.root, `v${version}`))} && sha256sum -c ${word(path.join(target.root, ".lastgood", `${version}.sha256`))}`;
  const lines = [
    `## ${name}`,
    "",
    ...POINTERS.map((link) => `# ${link}: ${versionOf(pointers[link]) ?? "none"}`),
  ];
  for (const link of ["previous", "factory"] as const) {
    const version = versionOf(pointers[link]);
    if (version === undefined || version === current) continue;
    lines.push("", `### Back to ${link}: ${version}`, "");
    lines.push(...(await fitLines(component, version, run)), verify(version), ...switchTo(version));
    if (link === "previous")
      lines.push(`rm -f ${word(path.join(target.root, link))}    # it is live now`);
  }
  const others = (await target.releases()).map(({ version }) => version);
  return [...lines, "", `### To another version: ${others.join(", ")}`, "", ...switchTo("VERSION")];
}

type One = System["components"][number];

/** Of an image: where compose reads which one it starts, and the container that is to be made of it. */
function imageLines({ config, name }: Pick<One, "config" | "name">, version: string): string[] {
  const { target, run } = config;
  if (target?.image === undefined) return [];
  const image = `${target.image}:${version}`;
  const { "env-file": file, key } = target;
  if (file !== undefined && key !== undefined) {
    return [`sed -i ${word(`s|^${key}=.*|${key}=${version}|`)} ${word(file)}`];
  }
  if (run?.container === undefined) return [`# have ${name} started from ${image}`];
  const { name: container, options, command } = run.container;
  return [
    `docker rename ${container} ${container}-before`,
    ["docker create --name", container, ...[...options, image, ...command].map(word)].join(" "),
  ];
}

/** What belongs to compose, as it takes it. */
function composeOf({ file, files, project }: NonNullable<Runner["compose"]>): string {
  const named = (files ?? [file!]).map((one) => `-f ${word(one)}`).join(" ");
  return `docker compose ${named}${project === undefined ? "" : ` -p ${project}`}`;
}

type Runner = NonNullable<One["config"]["run"]>;

function stopLines({ runner, config, name }: One, state: string): string[] {
  if (runner?.units !== undefined) {
    return [`systemctl stop ${runner.units.toReversed().map(word).join(" ")}`];
  }
  const { run } = config;
  if (run?.command !== undefined) return [run.command.stop.map(word).join(" ")];
  if (run?.compose !== undefined) return [`${composeOf(run.compose)} stop ${run.compose.service}`];
  if (run?.container !== undefined) return [`docker stop ${run.container.name}`];
  if (run?.process === undefined) return [`# stop ${name}, as you do`];
  const mark = word(`${MARK}=${processNames(name, state).mark}`);
  const all = `grep -lzxF ${mark} /proc/[0-9]*/environ 2>/dev/null`;
  const seconds = Math.ceil(run["stop-timeout"] / 1000);
  return [
    `${all} | cut -d/ -f3 | xargs -r kill    # all processes of ${name}`,
    `for i in $(seq ${seconds}); do ${all} >/dev/null || break; sleep 1; done    # until they have ended`,
    `${all} | cut -d/ -f3 | xargs -r kill -9    # those that have not`,
  ];
}

function startLines({ runner, config, name }: One, { paths, loaded }: System): string[] {
  if (runner?.units !== undefined)
    return runner.units.map((unit) => `systemctl start ${word(unit)}`);
  const { run } = config;
  if (run?.command !== undefined) return [run.command.start.map(word).join(" ")];
  if (run?.compose !== undefined) {
    return [`${composeOf(run.compose)} up -d --no-deps ${run.compose.service}`];
  }
  if (run?.container !== undefined) return [`docker start ${run.container.name}`];
  if (run?.process !== undefined) {
    // Marked as ours, so that lastgood knows it when it is well again.
    const { mark, logFile } = processNames(name, paths.state);
    const env = Object.entries({ ...run.env, [MARK]: mark }).map(([key, value]) =>
      word(`${key}=${value}`),
    );
    const printing = `>> ${word(logFile)} 2>&1 &`;
    return [
      `cd ${word(run.folder ?? path.dirname(loaded.file))}`,
      ["env", ...env, "setsid", ...run.process.map(word), printing].join(" "),
    ];
  }
  return [`# start ${name}`];
}

/** As a shell takes it for one word. */
function word(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
