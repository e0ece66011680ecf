import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What comes so soon after the first signal is the same one. Above all, as this file waits below. */
const SAME_SIGNAL_MS = 1000;

const argv = process.argv.slice(2);
// What a component of ours has started is marked; the programs that we run are none of its processes.
delete process.env["LASTGOOD_PROCESS"];

// Loads nothing: it is what a script asks first, and it works when all else is broken.
if (argv[0] === "version" || argv[0] === "--version") {
  const version = ownVersion();
  process.stdout.write(
    argv.includes("--json")
      ? `${JSON.stringify({ type: "result", value: { version } })}\n`
      : `lastgood ${version}\n`,
  );
} else {
  process.exitCode = await main();
}

function ownVersion(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

async function main(): Promise<number> {
  const [{ runCli }, { jsonOutput, textOutput }, { systemClock }] = await Promise.all([
    import("./cli/cli.ts"),
    import("./cli/output.ts"),
    import("./base/clock.ts"),
  ]);
  const stdout = (text: string): void => void process.stdout.write(text);
  const stderr = (text: string): void => void process.stderr.write(text);

  // Whoever reads us may have stopped reading, as `head` does, or the terminal may be gone. What was
  // begun goes on to its end, and the exit code tells how it went.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
    });
  }

  // The first signal asks to stop. On the second we leave at once: `recover` ends what is open.
  const stop = new AbortController();
  let askedMs = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      // Whoever ends a whole group asks us, and so does the service that has started us: that is one.
      if (stop.signal.aborted && performance.now() - askedMs > SAME_SIGNAL_MS) {
        // An exit would wait for what waits, such as a disk that does not answer. This does not.
        process.removeAllListeners(signal);
        process.kill(process.pid, signal);
      }
      askedMs = stop.signal.aborted ? askedMs : performance.now();
      stop.abort();
    });
  }
  // restic asks by SIGHUP whether the owner of a lock lives, and a closed terminal sends it too.
  process.on("SIGHUP", () => {});

  const program = [process.execPath, fileURLToPath(new URL("../bin/lastgood.js", import.meta.url))];
  const isJson = argv.includes("--json");
  return await runCli(argv, {
    env: process.env,
    clock: systemClock,
    folder: process.cwd(),
    signal: stop.signal,
    print: stdout,
    output: isJson ? jsonOutput(stdout) : textOutput(stdout, stderr, process.stderr.isTTY),
    confirm: (question) => confirm(question, stop.signal),
    program,
    serve: async (system, run) =>
      (await import("./http/serve.ts")).serve(system, { version: ownVersion(), program }, run),
  });
}

async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const { createInterface } = await import("node:readline/promises");
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await reader.question(`${question} [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    reader.close();
  }
}
