import * as z from "zod";
import type { Scope } from "../../operations/tokens.ts";

// What can be begun by HTTP: each is a command of lastgood, so that what the console does can be typed.

const name = z.string().regex(/^[a-z0-9][a-z0-9_/-]{0,129}$/, "a name of the configuration");
const version = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, "a version, stamp or id");
// What a program cannot be given, and what a terminal would obey.
const PLAIN = /^[\t\n\P{Cc}]*$/u;
const filePath = z.string().min(1).max(4096).regex(PLAIN, "no control characters").startsWith("/");
// Nothing that could be taken for a flag.
const text = z
  .string()
  .max(2000)
  .regex(/^(?!-)/, "no dash at its beginning")
  .regex(PLAIN, "no control characters");

const reason = text.optional();

type Verb = {
  readonly verb: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly options: z.ZodObject;
  /** Words and flags after the verb; each option is one or the other. */
  readonly words: readonly string[];
  /** Added always: nobody sits in front of it. */
  readonly always?: readonly string[];
};

/** Every verb, with what may be said with it. */
export const VERBS: readonly Verb[] = [
  {
    verb: "backup",
    scope: "backup",
    summary: "Take a recovery point and prove it",
    options: z.strictObject({
      component: name.optional(),
      store: name.optional(),
      include: z.array(name).min(1).max(100).optional(),
      reason,
    }),
    words: [],
  },
  {
    verb: "validate",
    scope: "backup",
    summary: "Prove that a point can be restored",
    options: z.strictObject({ point: version }),
    words: ["point"],
  },
  {
    verb: "drill",
    scope: "backup",
    summary: "Restore into a place apart, start it there, and measure",
    options: z.strictObject({ point: version.optional(), reason }),
    words: ["point"],
  },
  {
    verb: "check",
    scope: "backup",
    summary: "Verify the repository",
    options: z.strictObject({
      readData: z.boolean().optional(),
      readNext: z.int().min(1).max(9999).optional(),
      reason,
    }),
    words: [],
  },
  {
    verb: "restore",
    scope: "operate",
    summary: "Bring data back to a point",
    options: z.strictObject({
      point: version,
      component: name.optional(),
      store: name.optional(),
      file: filePath.optional(),
      plan: z.boolean().optional(),
      reason,
    }),
    words: ["point"],
    always: ["--yes"],
  },
  {
    verb: "undo",
    scope: "operate",
    summary: "Put back what an operation replaced",
    options: z.strictObject({
      operation: version.optional(),
      plan: z.boolean().optional(),
      reason,
    }),
    words: ["operation"],
    always: ["--yes"],
  },
  {
    verb: "keep",
    scope: "operate",
    summary: "Confirm a restore, or pin a point",
    options: z.strictObject({
      operation: version.optional(),
      pin: version.optional(),
      unpin: version.optional(),
      reason,
    }),
    words: ["operation"],
  },
  {
    verb: "deploy",
    scope: "operate",
    summary: "Make a release live, and go back by itself when it is not healthy",
    options: z.strictObject({
      component: name,
      version,
      from: z.union([z.url({ protocol: /^https?$/ }).max(4096), filePath]).optional(),
      sha256: z
        .string()
        .regex(/^[a-f0-9]{64}$/)
        .optional(),
      plan: z.boolean().optional(),
      force: z.boolean().optional(),
      reason,
    }),
    words: ["component", "version"],
  },
  {
    verb: "rollback",
    scope: "operate",
    summary: "Go back to an earlier release",
    options: z.strictObject({
      component: name,
      to: version,
      withData: z.boolean().optional(),
      codeOnly: z.boolean().optional(),
      plan: z.boolean().optional(),
      force: z.boolean().optional(),
      reason,
    }),
    words: ["component"],
    always: ["--yes"],
  },
  ...(["start", "stop", "hold", "resume"] as const).map((verb) => ({
    verb,
    scope: "operate" as const,
    summary: `${verb} a component`,
    options: z.strictObject({ component: name.optional(), reason }),
    words: ["component"],
  })),
  {
    verb: "recover",
    scope: "operate",
    summary: "End what a crash interrupted",
    options: z.strictObject({}),
    words: [],
  },
  {
    verb: "prune",
    scope: "admin",
    summary: "Free what no point needs",
    options: z.strictObject({ plan: z.boolean().optional(), reason }),
    words: [],
  },
  {
    verb: "forget",
    scope: "admin",
    summary: "Remove points that the policy does not keep",
    options: z.strictObject({
      points: z.array(version).min(1).max(1000).optional(),
      plan: z.boolean().optional(),
      reason,
    }),
    words: ["points"],
    always: ["--yes"],
  },
];

/** The command, as somebody would type it after "lastgood". */
export function commandOf(
  { verb, words, always = [] }: Verb,
  options: Record<string, unknown>,
): string[] {
  const texts = (value: unknown): string[] =>
    value === undefined ? [] : [value].flat().map((one) => `${one as string | number}`);
  const flags = Object.entries(options)
    .filter(([option, value]) => !words.includes(option) && value !== undefined && value !== false)
    .flatMap(([option, value]) => {
      const flag = `--${option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      return value === true ? [flag] : [flag, ...texts(value)];
    });
  const isPlan = options["plan"] === true;
  return [
    verb,
    ...words.flatMap((word) => texts(options[word])),
    ...(isPlan ? [] : always),
    ...flags,
  ];
}
