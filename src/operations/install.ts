import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { hasAnyKey } from "../config/load.ts";
import { execOk } from "../base/exec.ts";
import { writeFileDurable } from "../base/fs.ts";
import { gateOf, gatesFolder } from "./gate.ts";
import type { System } from "./system.ts";

/** A file that `install` writes. */
export type UnitFile = { readonly file: string; readonly text: string };

const UNITS = "/etc/systemd/system";
/** Several systems may be on one machine. */
const recoverName = ({ name }: System): string => `lastgood-${name}-recover.service`;
const serveName = ({ name }: System): string => `lastgood-${name}.service`;
const RELOAD_MS_MAX = 60_000;

/**
 * The units with which lastgood is part of a machine: one ends at boot what a power cut interrupted,
 * and until then a condition keeps the components from starting; the other is `lastgood serve`.
 *
 * The first is not ordered before the components: it starts them itself, and would wait for itself.
 */
export function unitFiles(system: System, program: readonly string[]): UnitFile[] {
  const { loaded, components, paths } = system;
  const command = [...program, "-c", loaded.file].map(quoted).join(" ");
  const guarded = components.flatMap(({ name, runner }) =>
    (runner?.units ?? []).map((one) => ({ unitName: one, gate: gateOf(paths, name) })),
  );
  // What lastgood has started itself must not end with it.
  const hasOwn = components.some(
    ({ config: { run } }) => run !== undefined && run.systemd === undefined,
  );
  const unit = (name: string, lines: readonly string[]): UnitFile => ({
    file: path.join(UNITS, name),
    text: `${lines.join("\n")}\n`,
  });
  return [
    unit(recoverName(system), [
      "[Unit]",
      `Description=lastgood: end what a crash interrupted (${system.name})`,
      `RequiresMountsFor=${quoted(paths.state)}`,
      `ConditionDirectoryNotEmpty=${escaped(gatesFolder(paths))}`,
      "",
      "[Service]",
      "Type=oneshot",
      `ExecStart=${command} recover --boot`,
      "TimeoutStartSec=infinity",
      ...(hasOwn ? ["KillMode=process"] : []),
      "",
      "[Install]",
      "WantedBy=multi-user.target",
    ]),
    ...(isServed(system) ? [unit(serveName(system), serveUnit(system, command, hasOwn))] : []),
    ...guarded.map(({ unitName, gate }) =>
      unit(`${unitName}.d/50-lastgood-${system.name}.conf`, [
        "# Not while an operation of lastgood was interrupted; lastgood itself may.",
        "[Unit]",
        `ConditionPathExists=|!${escaped(gate.open)}`,
        `ConditionPathExists=|${gate.mayStart}`,
      ]),
    ),
  ];
}

function serveUnit(system: System, command: string, hasOwn: boolean): string[] {
  return [
    "[Unit]",
    `Description=lastgood serve (${system.name})`,
    `After=network.target ${recoverName(system)}`,
    "",
    "[Service]",
    `ExecStart=${command} serve`,
    "Restart=always",
    "RestartSec=10",
    // What is under way goes back first.
    "TimeoutStopSec=180",
    // A command that it runs is told by it: told twice it would not go back.
    `KillMode=${hasOwn ? "process" : "mixed"}`,
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
}

/** Whether there is anything to be done or answered without somebody typing it. */
function isServed({ loaded }: System): boolean {
  // What has a default is there in any case; whoever writes it down wants it.
  const keys = ["schedule", "updater", "admin-backup", "dead-man", "serve", "health"];
  return hasAnyKey(loaded, [...keys, "objectives", "notify"]);
}

/** A path that is a value by itself: only percent signs mean something. */
function escaped(text: string): string {
  return text.replaceAll("%", "%%");
}

/** systemd.syntax(7): in double quotes, with backslashes and percent signs doubled. */
function quoted(word: string): string {
  if (/^[\w./:@+,=-]+$/.test(word)) return word;
  return `"${word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`;
}

/** Writes the units, and has systemd know and start them. REFUSED for who may not. */
export async function installUnits(
  system: System,
  program: readonly string[],
  run: Run,
): Promise<UnitFile[]> {
  const files = unitFiles(system, program);
  for (const { file, text } of files) {
    await writeFileDurable(file, Buffer.from(text), "replace", 0o644).catch((error: unknown) => {
      throw new AppError("REFUSED", `write ${file}: ${(error as Error).message}`, {
        hint: "Run it as root; with --plan it only shows what it would write.",
        cause: error,
      });
    });
  }
  const options = { timeoutMs: RELOAD_MS_MAX };
  await execOk(["systemctl", "daemon-reload"], options, run);
  await execOk(["systemctl", "enable", recoverName(system)], options, run);
  if (isServed(system)) {
    await execOk(["systemctl", "enable", "--now", serveName(system)], options, run);
  }
  return files;
}
