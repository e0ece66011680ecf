import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { execOk } from "../base/exec.ts";
import { writeFileDurable } from "../base/fs.ts";
import { gateOf } from "./gate.ts";
import type { System } from "./system.ts";

/** A file that `install` writes. */
export type UnitFile = { readonly file: string; readonly text: string };

const UNITS = "/etc/systemd/system";
const RECOVER = "lastgood-recover.service";
const SERVE = "lastgood.service";
const RELOAD_MS_MAX = 60_000;

/**
 * The units with which lastgood is part of a machine: one ends at boot what a power cut interrupted,
 * and until then a condition keeps the components from starting; the other is `lastgood serve`.
 *
 * The first is not ordered before the components: it starts them itself, and would wait for itself.
 */
export function unitFiles(system: System, program: readonly string[]): UnitFile[] {
  const { config, loaded, components, paths } = system;
  const gate = gateOf(paths);
  const command = [...program, "-c", loaded.file].map(quoted).join(" ");
  const units = components.flatMap(({ runner }) => runner?.units ?? []);
  const hasProcesses = components.some((one) => one.config.run?.process !== undefined);
  const unit = (name: string, lines: readonly string[]): UnitFile => ({
    file: path.join(UNITS, name),
    text: `${lines.join("\n")}\n`,
  });
  return [
    unit(RECOVER, [
      "[Unit]",
      `Description=lastgood: end what a crash interrupted (${system.name})`,
      `RequiresMountsFor=${quoted(paths.state)}`,
      `ConditionPathExists=${quoted(gate.open)}`,
      "",
      "[Service]",
      "Type=oneshot",
      `ExecStart=${command} recover`,
      "TimeoutStartSec=infinity",
      "",
      "[Install]",
      "WantedBy=multi-user.target",
    ]),
    ...(config.updater === undefined
      ? []
      : [unit(SERVE, serveUnit(system, command, hasProcesses))]),
    ...units.map((name) =>
      unit(`${name}.d/50-lastgood.conf`, [
        "# Not while an operation of lastgood was interrupted; lastgood itself may.",
        "[Unit]",
        `ConditionPathExists=|!${gate.open}`,
        `ConditionPathExists=|${gate.mayStart}`,
      ]),
    ),
  ];
}

function serveUnit({ name }: System, command: string, hasProcesses: boolean): string[] {
  return [
    "[Unit]",
    `Description=lastgood serve (${name})`,
    `After=network.target ${RECOVER}`,
    "",
    "[Service]",
    `ExecStart=${command} serve`,
    "Restart=always",
    "RestartSec=10",
    // What is under way goes back first.
    "TimeoutStopSec=180",
    ...(hasProcesses ? ["KillMode=process"] : []),
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
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
  await execOk(["systemctl", "enable", RECOVER], options, run);
  if (system.config.updater !== undefined) {
    await execOk(["systemctl", "enable", "--now", SERVE], options, run);
  }
  return files;
}
