// Compares lastgood, restic and borg on the same data, one after the other in turn, and prints a
// table of ratios: above 1.00x in "speed" lastgood is faster. `npm run bench [-- --quick or --once]`.
import { copyFileSync, mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { changeDatabase, makeDatabase, makeMixed, makeSmall, removeAll, warm } from "./data.ts";
import { measure, type Measured, median } from "./measure.ts";
import { BORG, bytesIn, LASTGOOD, RESTIC, type Tool } from "./tools.ts";

const isQuick = process.argv.includes("--quick");
const ROUNDS = isQuick || process.argv.includes("--once") ? 1 : 3;
// Each size has data of its own, made once.
const folder = path.join(import.meta.dirname, "data", isQuick ? "quick" : "full");
const mixed = path.join(folder, "mixed");
const small = path.join(folder, "small");
const database = path.join(folder, "database", "app.db");

type Row = { readonly ms: number[]; readonly peakBytes: number[]; readonly bytes: number[] };
const rows = new Map<string, Map<string, Row>>();

function note(what: string, tool: Tool, { ms, peakBytes }: Measured, bytes = 0): void {
  const row = rows.get(what) ?? new Map<string, Row>();
  rows.set(what, row);
  const cell = row.get(tool.name) ?? { ms: [], peakBytes: [], bytes: [] };
  row.set(tool.name, cell);
  cell.ms.push(ms);
  cell.peakBytes.push(peakBytes);
  cell.bytes.push(bytes);
}

/** Who goes first: on a virtual machine the first one pays for memory that nobody has touched. */
let first = 0;

async function each(
  what: string,
  act: (tool: Tool, repository: string) => Promise<void>,
): Promise<void> {
  for (const tool of [...tools.slice(first), ...tools.slice(0, first)]) {
    process.stderr.write(`${what}: ${tool.name}\n`);
    await act(tool, path.join(folder, `repository-${tool.name}`));
  }
}

async function compare(name: string, source: string, withCheck: boolean): Promise<void> {
  await each(name, async (tool, repository) => {
    removeAll(repository);
    await measure(tool.init(repository), tool.env);
    warm(source);
    note(
      `${name}: first`,
      tool,
      await measure(tool.backup(repository, source, false), tool.env),
      bytesIn(repository),
    );
    note(
      `${name}: unchanged`,
      tool,
      await measure(tool.backup(repository, source, false), tool.env),
    );
  });
  await each(`${name} restore`, async (tool, repository) => {
    const target = path.join(folder, "restored");
    removeAll(target);
    note(`${name}: restore`, tool, await measure(tool.restore(repository, target), tool.env));
    removeAll(target);
    if (withCheck)
      note(`${name}: check, all data`, tool, await measure(tool.check(repository), tool.env));
  });
}

async function compareDatabase(): Promise<void> {
  const copy = path.join(folder, "database-live");
  const file = path.join(copy, "app.db");
  removeAll(copy);
  mkdirSync(copy, { recursive: true });
  copyFileSync(database, file);
  await each("database", async (tool, repository) => {
    removeAll(repository);
    await measure(tool.init(repository), tool.env);
    await measure(tool.backup(repository, copy, true), tool.env);
  });
  changeDatabase(file);
  await each("database, 1 % changed", async (tool, repository) => {
    const before = bytesIn(repository);
    warm(copy);
    const measured = await measure(tool.backup(repository, copy, true), tool.env);
    note("database: 1 % changed", tool, measured, bytesIn(repository) - before);
  });
}

function print(): void {
  process.stderr.write("\r\u001b[K");
  const peers = tools.filter((tool) => tool !== LASTGOOD);
  console.log(
    `${availableParallelism()} cores; ${tools.map(({ name, version }) => `${name}: ${version}`).join("; ")}; medians of ${ROUNDS}`,
  );
  console.log(
    "| what | lastgood | speed against restic | against borg | memory | against restic | bytes added | against restic |",
  );
  console.log("|---|---|---|---|---|---|---|---|");
  for (const [what, row] of rows) {
    const of = (tool: Tool, key: keyof Row): number => median(row.get(tool.name)?.[key] ?? []);
    const speed = peers.map((peer) => `${(of(peer, "ms") / of(LASTGOOD, "ms")).toFixed(2)}x`);
    const share = (key: keyof Row): string => (of(LASTGOOD, key) / of(RESTIC, key)).toFixed(2);
    const bytes = of(LASTGOOD, "bytes");
    console.log(
      `| ${what} | ${(of(LASTGOOD, "ms") / 1000).toFixed(2)} s | ${speed.join(" | ")} | ${Math.round(of(LASTGOOD, "peakBytes") / 1e6)} MB | ${share("peakBytes")} | ${bytes === 0 ? "" : `${Math.round(bytes / 1e6)} MB`} | ${bytes === 0 ? "" : share("bytes")} |`,
    );
  }
}

const tools = [LASTGOOD, RESTIC, BORG].filter(({ version }) => version !== "");
mkdirSync(folder, { recursive: true });
makeMixed(mixed, isQuick ? 300 : 1536);
await makeSmall(small, isQuick ? 10_000 : 100_000);
makeDatabase(database, isQuick ? 128 : 1024);
for (let round = 0; round < ROUNDS; round++) {
  first = round % tools.length;
  await compare("mixed data", mixed, true);
  await compare("small files", small, false);
  await compareDatabase();
}
print();
