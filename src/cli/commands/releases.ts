import { AppError } from "../../base/errors.ts";
import type { Candidate, Releases } from "../../operations/releases/candidates.ts";
import { listReleases } from "../../operations/releases/candidates.ts";
import {
  adopt,
  makeFactory,
  markRelease,
  pinRelease,
  removeOne,
  verifyReleases,
} from "../../operations/releases/manage.ts";
import type { System } from "../../operations/system.ts";
import {
  type Arguments,
  type Command,
  type Context,
  isSet,
  reasonOf,
  type Result,
} from "../command.ts";
import { table } from "../format.ts";

const EXIT_NOT_OK = 1;

export const releasesCommand: Command = {
  name: "releases",
  summary: "Lists releases; verifies, marks, pins, adopts and removes them, makes the factory one.",
  arguments: "[words...]",
  options: [
    ["--reason <text>", "why, for the history"],
    ["--yes", "do not ask"],
  ],
  examples: [
    "lastgood releases device",
    "lastgood releases verify device 1.1.0",
    "lastgood releases mark device 1.1.0 bad --reason 'loses orders'",
    "lastgood releases pin device 1.0.0",
    "lastgood releases pin device 1.0.0 off",
    "lastgood releases adopt device",
    "lastgood releases factory device 1.0.0",
    "lastgood releases remove device 0.9.0",
  ],

  async run(args, context) {
    const [verb = "", ...rest] = args.positionals;
    const act = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
    return await context.withSystem(async (system) => {
      if (act !== undefined) return await act(system, rest, args, context);
      if (args.positionals.length > 1) {
        throw new AppError("USAGE", `releases: there is no ${verb}`, {
          hint: `There are: ${Object.keys(VERBS).join(", ")}`,
        });
      }
      const value = await listReleases(system, args.positionals[0], context.run);
      return { value, lines: describeReleases(value) };
    });
  },
};

type Act = (
  system: System,
  words: readonly string[],
  args: Arguments,
  context: Context,
) => Promise<Result>;

const VERBS: Readonly<Record<string, Act>> = {
  async verify(system, [component, version], _args, { run }) {
    const value = await verifyReleases(system, component, version, run);
    const bad = value.releases.filter(({ problems }) => problems.length > 0);
    const lines = value.releases.flatMap(({ version: one, problems }) =>
      problems.length === 0
        ? [`${one}: as its manifest says, every byte`]
        : [`${one}: damaged`, ...problems.map((problem) => `  ${problem}`)],
    );
    return { value, lines, exit: bad.length === 0 ? 0 : EXIT_NOT_OK };
  },

  async mark(system, [component, version = "", verdict], args) {
    if (verdict !== "good" && verdict !== "bad") {
      throw new AppError("USAGE", "releases mark: say good or bad", {
        hint: "lastgood releases mark device 1.1.0 bad --reason '…'",
      });
    }
    await markRelease(system, component, version, verdict, reasonOf(args));
    return { value: { version, verdict }, lines: [`${version} is marked as ${verdict}`] };
  },

  async pin(system, [component, version = "", word = "on"]) {
    if (word !== "on" && word !== "off") {
      throw new AppError("USAGE", `releases pin: ${word} is neither on nor off`, {
        hint: `To pin it no more: lastgood releases pin ${component} ${version} off`,
      });
    }
    await pinRelease(system, component, version, word !== "off");
    const lines = [word === "off" ? `${version} may be removed` : `${version} is never removed`];
    return { value: { version, pinned: word !== "off" }, lines };
  },

  async adopt(system, [component], _args, { run }) {
    const value = await adopt(system, component, run);
    const lines = [
      ...value.adopted.map((version) => `${version}: adopted as it is`),
      ...value.problems.map(({ problem, hint }) => `${problem}\n  ${hint}`),
    ];
    return { value, lines: lines.length === 0 ? ["There is nothing to adopt."] : lines };
  },

  async factory(system, [component, version = ""], args, { run, confirm }) {
    const question = `Make ${version} the factory release, to which everything can fall back?`;
    if (!isSet(args, "yes") && !(await confirm(question))) {
      throw new AppError("REFUSED", "releases factory: not confirmed", {
        hint: "Without a terminal, confirm with --yes.",
      });
    }
    const value = await makeFactory(system, component, version, run);
    return {
      value,
      lines: [`${value.version} is the factory release; a copy lies in ${value.archive}`],
    };
  },

  async remove(system, [component, version = ""], args, { run, confirm }) {
    if (!isSet(args, "yes") && !(await confirm(`Remove release ${version} for good?`))) {
      throw new AppError("REFUSED", "releases remove: not confirmed", {
        hint: "Without a terminal, confirm with --yes.",
      });
    }
    await removeOne(system, component, version, run);
    return { value: { removed: version }, lines: [`${version} is removed`] };
  },
};

/** A release a line, with what people need to choose one. */
export function describeReleases(all: Releases): string[] {
  const { component, releases, failed, held, available } = all;
  const rows = releases.map((release) => [
    release.version,
    release.pointers.join(", "),
    goodness(release),
    release.verified ? "verified" : `DAMAGED: ${release.problems[0]}`,
    release.verdict,
    release.committed ?? "never",
  ]);
  return [
    ...(rows.length === 0
      ? [`${component} has no releases yet: lastgood deploy ${component} VERSION --from PACKAGE`]
      : table(["version", "links", "marked", "files", "with the data", "found good"], rows)),
    ...(available === undefined ? [] : describeAvailable(available)),
    ...failed.map(({ version, operation }) => `failed: ${version} (${operation})`),
    ...(held === undefined
      ? []
      : [`Deploys are held since ${held.since}: ${held.why}. lastgood resume ${component}`]),
  ];
}

function describeAvailable(available: NonNullable<Releases["available"]>): string[] {
  if (available.length === 0) return [];
  const rows = available
    .toSorted((a, b) => ((a.created ?? "") < (b.created ?? "") ? 1 : -1))
    .map(({ version, where, digest = "-", created = "-" }) => [
      version,
      where.join(", "),
      digest.slice(0, DIGEST_CHARACTERS),
      created.slice(0, "2026-01-01T00:00:00".length),
    ]);
  return ["", "Images:", ...table(["tag", "where", "digest", "made"], rows)];
}

const DIGEST_CHARACTERS = "sha256:".length + 12;

function goodness({ good, pinned }: Candidate): string {
  const word = good === undefined ? "-" : good ? "good" : "BAD";
  return pinned ? `${word}, pinned` : word;
}
