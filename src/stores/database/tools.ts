import { pipeline } from "node:stream/promises";
import { AppError, systemCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type Command, exec } from "../../base/exec.ts";
import { ENGINE_VARIABLES, environmentOf } from "../../base/host.ts";
import { type RunningProgram, startProgram } from "../../base/exec-stream.ts";
import { readAhead } from "../../base/read-ahead.ts";

/** Where a server's own programs are run: on this machine, or in the container of the server. */
export type ToolPlace = {
  /** Undefined: on this machine. */
  readonly container: string | undefined;
  readonly dockerHost: string | undefined;
};

/** Runs the programs of a database server. Secrets are given by their environment only. */
export type Tools = {
  /** What it prints. SOURCE_FAILED with its last words. */
  ask(command: Command, input: string | undefined, run: Run): Promise<string>;
  /** What it prints, while it prints it; ends with SOURCE_FAILED when the program fails. */
  read(command: Command, run: Run): AsyncGenerator<Buffer>;
  /** Gives it what comes, and waits for its end. SOURCE_FAILED with its last words. */
  write(command: Command, source: AsyncIterable<Uint8Array>, run: Run): Promise<void>;
  /** Whether there is such a program. */
  has(program: string, run: Run): Promise<boolean>;
};

/** To copy or count a large database takes hours. */
const MS_MAX = 24 * 60 * 60_000;
const ASK_MS_MAX = 60_000;
/** Of a dump, for which the database's own program would otherwise wait. */
const READ_AHEAD_BYTES = 2 * 1024 * 1024;
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

export function toolsAt(
  place: ToolPlace,
  secrets: () => Promise<Readonly<Record<string, string>>>,
): Tools {
  return {
    async ask(command, input, run) {
      const env = await secrets();
      const given = input === undefined ? {} : { input };
      const options = {
        timeoutMs: MS_MAX,
        env: { ...engineVariables(), ...env },
        isPlain: true,
        diesWithUs: true,
        outputBytesMax: OUTPUT_BYTES_MAX,
        ...given,
      };
      const { exitCode, stdout, stderr } = await exec(inPlace(place, command, env), options, run);
      if (exitCode === 0) return stdout;
      throw failure(command, exitCode, stderr || stdout);
    },

    async *read(command, run) {
      const env = await secrets();
      const program = await startProgram(
        inPlace(place, command, env),
        { env: { ...engineVariables(), ...env } },
        run,
      );
      program.input.end();
      yield* readAhead(program.output, READ_AHEAD_BYTES);
      await successOf(program, command, run);
    },

    async write(command, source, run) {
      const env = await secrets();
      const program = await startProgram(
        inPlace(place, command, env),
        { env: { ...engineVariables(), ...env } },
        run,
      );
      await give(program, command, source, run);
    },

    async has(program, run) {
      const asked = inPlace(place, [program, "--version"], {});
      const options = { timeoutMs: ASK_MS_MAX, isPlain: true, env: engineVariables() };
      const found = await exec(asked, options, run).catch(() => undefined);
      run.signal.throwIfAborted();
      return found?.exitCode === 0;
    },
  };
}

/** All programs find the same engine, and know nothing else of ours. */
const engineVariables = (): Record<string, string> => environmentOf(ENGINE_VARIABLES);

function inPlace(
  { container, dockerHost }: ToolPlace,
  command: Command,
  env: Readonly<Record<string, string>>,
): Command {
  if (container === undefined) return command;
  const host = dockerHost === undefined ? [] : ["-H", dockerHost];
  // Only the names: docker takes the values from its own environment.
  const names = Object.keys(env).flatMap((name) => ["--env", name]);
  return ["docker", ...host, "exec", "--interactive", ...names, container, ...command];
}

/** Gives a program all that comes, and waits for its end. */
async function give(
  program: RunningProgram,
  command: Command,
  source: AsyncIterable<Uint8Array>,
  run: Run,
): Promise<void> {
  program.output.resume();
  let isAllGiven = false;
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    yield* source;
    isAllGiven = true;
  };
  // A program that ends too early breaks the pipe: how it ended says why.
  const problem = await pipeline(whole, program.input).then(
    () => undefined,
    (error: unknown) => error,
  );
  await successOf(program, command, run);
  // One that had all it needed may be gone before its input was seen to be closed.
  const isLate = isAllGiven && systemCode(problem) === "ERR_STREAM_PREMATURE_CLOSE";
  if (problem !== undefined && !isLate) throw problem;
}

async function successOf(program: RunningProgram, command: Command, run: Run): Promise<void> {
  const { exitCode, lastWords } = await program.ended;
  run.signal.throwIfAborted();
  if (exitCode !== 0) throw failure(command, exitCode, lastWords);
}

function failure(command: Command, exitCode: number, words: string): AppError {
  const lines = words.trim().split("\n");
  // Some point with a caret below what they complain of.
  const telling = lines.findLast((line) => /error|fatal/i.test(line)) ?? lines.at(-1) ?? "";
  const said = telling.trim().replace(/^Error response from daemon: /, "");
  const program = command.find((word) => word !== "stdbuf" && !word.startsWith("-"));
  return new AppError("SOURCE_FAILED", `run ${program}: exit code ${exitCode}: ${said}`, {
    hint: "Look whether the server runs, and who lastgood is there.",
  });
}
