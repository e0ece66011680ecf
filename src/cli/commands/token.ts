import { AppError } from "../../base/errors.ts";
import { parseDuration } from "../../config/units.ts";
import { recordDone } from "../../operations/record.ts";
import { addToken, listTokens, removeToken, type Scope, SCOPES } from "../../operations/tokens.ts";
import { type Command, textOption } from "../command.ts";
import { table } from "../format.ts";

export const tokenCommand: Command = {
  name: "token",
  summary: "Lists, adds and removes the tokens with which the console and the API are used.",
  arguments: "[list|add|remove] [name]",
  options: [
    ["--scope <scope>", `${SCOPES.join(", ")}: each also what stands before it (default: read)`],
    ["--expires <duration>", "such as 90d; by default never"],
  ],
  examples: [
    "lastgood token add anna --scope admin   # to log in to the console",
    "lastgood token add prometheus --scope read",
    "lastgood token remove anna",
  ],

  async run(args, { withSystem }) {
    const [word = "list", name = ""] = args.positionals;
    if (word === "list") {
      const tokens = await withSystem((system) => listTokens(system));
      const rows = tokens.map((one) => [one.name, one.scope, one.created, one.expires ?? "never"]);
      return {
        value: { tokens: tokens.map(({ sha256: _, ...shown }) => shown) },
        lines: rows.length === 0 ? ["None."] : table(["NAME", "SCOPE", "CREATED", "EXPIRES"], rows),
      };
    }
    if (word === "remove") {
      await withSystem(async (system) => {
        await removeToken(system, name);
        recordDone(system, `token remove ${name}`, "", undefined);
      });
      return { value: { removed: name }, lines: [`${name} is let in no more.`] };
    }
    if (word !== "add") throw new AppError("USAGE", `token: ${word} is none of list, add, remove`);
    const scope = scopeOf(textOption(args, "scope") ?? "read");
    const forMs = durationOf(textOption(args, "expires"));
    const { token, kept } = await withSystem(async (system) => {
      const added = await addToken(system, name, scope, forMs);
      recordDone(system, `token add ${name}`, scope, undefined);
      return added;
    });
    const { sha256: _, ...shown } = kept;
    return {
      value: { ...shown, token },
      lines: [token, "It is shown this once only; only its hash is kept."],
    };
  },
};

function scopeOf(text: string): Scope {
  const found = SCOPES.find((scope) => scope === text);
  if (found !== undefined) return found;
  throw new AppError("USAGE", `token: ${text} is none of ${SCOPES.join(", ")}`);
}

function durationOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms === 0)
    throw new AppError("USAGE", `token: ${text} is no duration, such as 90d`);
  return ms;
}
