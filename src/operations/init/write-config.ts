import path from "node:path";
import type { FoundData } from "./find-data.ts";

/** The text of a lastgood.yaml for what was found, with a word on each part. */
export function configFor(
  found: FoundData,
  options: { readonly root: string; readonly repository: string; readonly keyFile: string },
): string {
  const { root, repository, keyFile } = options;
  const relative = (file: string): string => `./${path.relative(root, file)}`;
  const system = slug(path.basename(root)) || "system";
  const stores = storesOf(found, relative);
  const files = [found.composeFile, ...found.envFiles].filter((file) => file !== undefined);
  return [
    "# lastgood.yaml: what belongs to this system, and how it is brought back.",
    "# Check it with `lastgood config`; every key is explained in docs/configuration.md.",
    `system: ${system}`,
    "",
    "# Where recovery points are kept: best on another disk. Whoever has the key can read them;",
    "# without it nobody can, so keep a copy of it somewhere else.",
    "repository:",
    `  at: ${repository}`,
    `  password: { file: ${keyFile} }`,
    "",
    "# How many points stay: the newest of each day, week and month.",
    "keep: { daily: 7, weekly: 4, monthly: 6 }",
    "",
    "# What `lastgood serve` does by itself, at which minute (cron), in local time.",
    "# schedule:",
    '#   backup: [{ cron: "0 3 * * *" }]',
    '#   prune: "0 4 * * *"',
    '#   verify: { cron: "0 5 * * *", parts: 30 } # one part each time',
    "#   drill: { every: 30d }",
    "",
    "components:",
    `  ${system}:`,
    ...runPart(found),
    stores.length === 0 ? "    stores: {}" : "    stores:",
    ...stores,
    ...(found.leftOut.length === 0
      ? []
      : [
          "    # In no store; name what you need:",
          ...found.leftOut.map((file) => `    #   ${relative(file)}`),
        ]),
    "    # What has to be good after a restore; without checks health stays unknown.",
    "    # checks:",
    '    #   health: { http: "http://127.0.0.1:8080/health" }',
    ...(files.length === 0
      ? []
      : [
          "    # What a new machine needs besides the data.",
          `    files: [${files.map((file) => JSON.stringify(relative(file))).join(", ")}]`,
        ]),
    "",
  ].join("\n");
}

function runPart({ composeFile }: FoundData): string[] {
  const start =
    composeFile === undefined
      ? '["systemctl", "start", "NAME"]'
      : '["docker", "compose", "up", "-d"]';
  const stop =
    composeFile === undefined ? '["systemctl", "stop", "NAME"]' : '["docker", "compose", "stop"]';
  const alive =
    composeFile === undefined
      ? '["systemctl", "is-active", "NAME"]'
      : '["sh", "-c", "docker compose ps -q --status running | grep -q ."]';
  return [
    "    # How it is stopped and started. Without this a restore is refused while it runs.",
    "    # run:",
    "    #   command:",
    `    #     start: ${start}`,
    `    #     stop: ${stop}`,
    `    #     alive: ${alive}`,
  ];
}

function storesOf(found: FoundData, relative: (file: string) => string): string[] {
  const used = new Set<string>();
  const line = (kind: string, file: string, rest = ""): string => {
    const name = uniqueName(slug(path.basename(file).replace(/\.[^.]*$/, "")) || kind, used);
    return `      ${name}: { ${kind}: ${JSON.stringify(relative(file))}${rest} }`;
  };
  return [
    ...found.databases.map((file) => line("sqlite", file)),
    ...found.chromaFolders.map((file) => line("chroma", file, ", hold: { stop: true }")),
    ...found.folders.map((file) => line("folder", file)),
  ];
}

function uniqueName(wanted: string, used: Set<string>): string {
  let name = wanted;
  for (let number = 2; used.has(name); number++) name = `${wanted}-${number}`;
  used.add(name);
  return name;
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 40);
}
