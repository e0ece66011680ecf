import { AppError } from "../../base/errors.ts";
import { readSecret } from "../../config/secrets.ts";
import path from "node:path";
import { type Command, textOption } from "../command.ts";
import { table } from "../format.ts";

export const keyCommand: Command = {
  name: "key",
  summary: "Lists, adds and removes passwords of the repository.",
  arguments: "<list|add|remove> [id]",
  options: [["--new-password-file <file>", "add: where the new password stands"]],
  examples: [
    "lastgood key list",
    "lastgood key add --new-password-file /root/second.key",
    "lastgood key remove 4f2a91c0",
  ],

  async run(args, { withSystem, run, env, folder }) {
    const [act, id] = args.positionals;
    return await withSystem(async (system) => {
      const repository = await system.repository(run);
      switch (act) {
        case "list": {
          const keys = await repository.keys(run);
          const rows = keys.map((key) => [
            key.id.slice(0, 8),
            key.created,
            `${key.username}@${key.hostname}`,
            key.current ? "in use" : "",
          ]);
          return { value: { keys }, lines: table(["ID", "CREATED", "BY", ""], rows) };
        }
        case "add": {
          const file = textOption(args, "newPasswordFile");
          if (file === undefined) throw new AppError("USAGE", "key add: --new-password-file FILE");
          const password = await readSecret({ file: path.resolve(folder, file) }, env, run);
          const added = await repository.addKey(password, run);
          return { value: { added }, lines: [`Key ${added.slice(0, 8)} added.`] };
        }
        case "remove": {
          if (id === undefined) throw new AppError("USAGE", "key remove: name its id");
          const removed = await repository.removeKey(id, run);
          return { value: { removed }, lines: [`Key ${removed.slice(0, 8)} removed.`] };
        }
        default:
          throw new AppError("USAGE", `key ${act}: it is list, add or remove`);
      }
    });
  },
};
