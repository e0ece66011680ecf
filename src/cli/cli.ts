import { Command as Parser, CommanderError } from "commander";
import { translateDiskError, translateFileError } from "../base/disk-errors.ts";
import { AppError, ERRORS } from "../base/errors.ts";
import type { Event } from "../base/events.ts";
import { loadConfig } from "../config/load.ts";
import { tellWhatEnded } from "../operations/notices/tell.ts";
import { openSystem } from "../operations/system.ts";
import type { Arguments, Command, Context, Output } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { nearestOf } from "../config/explain.ts";
import { overview } from "./help.ts";

const EXIT_OK = 0;
const EXIT_BUG = 70;
const EXIT_INTERRUPTED = 130;

/** What the process gives to a command line. */
export type CliHost = Pick<
  Context,
  "env" | "clock" | "folder" | "confirm" | "serve" | "program"
> & {
  readonly signal: AbortSignal;
  readonly output: Output;
  /** For help and nothing else. */
  readonly print: (text: string) => void;
};

/** Runs one command line and says with which code the process is to exit. */
export async function runCli(argv: readonly string[], host: CliHost): Promise<number> {
  try {
    const { configFile, rest } = takeConfigFile(argv.filter((_, at) => !isEarlyJson(argv, at)));
    const [verb, ...args] = rest;
    if (verb === undefined || verb === "help" || verb === "--help" || verb === "-h") {
      host.print(overview(COMMANDS));
      return EXIT_OK;
    }
    const command = await loadCommand(verb);
    const parsed = parse(command, args, host.print);
    if (parsed === "help") return EXIT_OK;
    const result = await command.run(parsed, contextOf(configFile ?? parsed.configFile, host));
    host.output.result(result);
    return result.exit ?? EXIT_OK;
  } catch (thrown) {
    // What a disk says no with is nobody's bug, wherever it came up.
    const doing = `run ${argv.join(" ")}`;
    const error = translateDiskError(translateFileError(thrown, doing), doing);
    host.output.error(error);
    return exitCodeOf(error, host.signal);
  }
}

/** `--json` may stand before the verb, too; it was looked for in the whole line. */
function isEarlyJson(argv: readonly string[], at: number): boolean {
  return argv[at] === "--json" && argv.slice(0, at).every((word) => word.startsWith("-"));
}

async function loadCommand(verb: string): Promise<Command> {
  const entry = COMMANDS.find(({ name }) => name === verb);
  if (entry !== undefined) return await entry.load();
  const nearest = nearestOf(
    verb,
    COMMANDS.map(({ name }) => name),
  );
  throw new AppError("USAGE", `unknown command ${verb}`, {
    hint:
      nearest === undefined ? "See them with: lastgood help" : `Did you mean: lastgood ${nearest}`,
  });
}

/** `-c FILE` may stand before the verb. */
function takeConfigFile(argv: readonly string[]): {
  configFile: string | undefined;
  rest: readonly string[];
} {
  const [first, file, ...rest] = argv;
  if (first === "-c" || first === "--config") {
    if (file === undefined) throw new AppError("USAGE", `${first}: name a file`);
    return { configFile: file, rest };
  }
  return { configFile: undefined, rest: argv };
}

function parse(
  command: Command,
  args: readonly string[],
  print: (text: string) => void,
): (Arguments & { configFile: string | undefined }) | "help" {
  const parser = new Parser(`lastgood ${command.name}`)
    .description(command.summary)
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: () => {} })
    .option("-c, --config <file>", "the configuration (default: lastgood.yaml here or above)")
    .option("--json", "JSON lines for programs, the result last")
    .addHelpText("after", `\nExamples:\n${command.examples.map((line) => `  ${line}`).join("\n")}`);
  for (const [flags, meaning] of command.options ?? []) parser.option(flags, meaning);
  if (command.arguments !== undefined) parser.arguments(command.arguments);
  try {
    parser.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return "help";
    throw new AppError("USAGE", error.message.replace(/^error: /, ""), {
      hint: `See: lastgood ${command.name} --help`,
    });
  }
  const options = parser.opts<Record<string, unknown>>();
  const configFile = typeof options["config"] === "string" ? options["config"] : undefined;
  return { positionals: parser.args, options, configFile };
}

function contextOf(configFile: string | undefined, host: CliHost): Context {
  const { env, clock, folder, confirm, serve, program, signal, output } = host;
  const report = (event: Event): void => output.event(event);
  return {
    env,
    clock,
    folder,
    confirm,
    serve,
    program,
    configFile,
    run: { signal, report },
    async withSystem(work) {
      using system = await openSystem(await loadConfig(configFile, folder), { env, clock });
      try {
        return await work(system);
      } finally {
        await tellWhatEnded(system, { signal, report });
      }
    },
  };
}

function exitCodeOf(error: unknown, signal: AbortSignal): number {
  if (error instanceof AppError) return ERRORS[error.code].exit;
  const isInterrupted = signal.aborted || (error instanceof Error && error.name === "AbortError");
  return isInterrupted ? EXIT_INTERRUPTED : EXIT_BUG;
}
