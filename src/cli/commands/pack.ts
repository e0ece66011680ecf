import path from "node:path";
import { AppError } from "../../base/errors.ts";
import { packRelease } from "../../operations/releases/pack.ts";
import { type Command, textOption } from "../command.ts";
import { formatBytes } from "../../base/format-bytes.ts";

export const packCommand: Command = {
  name: "pack",
  summary: "Makes a package of a folder. Each migration in it has to say what it does.",
  arguments: "<folder>",
  options: [
    ["--out <file>", "the package to write, such as device-1.2.0.tar.zst"],
    ["--migrations <store=folder>", "where a store's migrations lie in the folder"],
  ],
  examples: [
    "lastgood pack ./build --out device-1.2.0.tar.zst",
    "lastgood pack ./build --out web-2.0.0.tar.zst --migrations main=prisma/migrations",
  ],

  async run(args, { folder, run }) {
    const out = textOption(args, "out");
    if (out === undefined) throw new AppError("USAGE", "pack: name the package: --out FILE");
    const [store, migrations] = textOption(args, "migrations")?.split("=") ?? [];
    if (store !== undefined && migrations === undefined) {
      throw new AppError("USAGE", "pack: --migrations takes STORE=FOLDER");
    }
    const from = path.resolve(folder, args.positionals[0]!);
    const value = await packRelease(
      from,
      {
        out: path.resolve(folder, out),
        migrations: store === undefined ? {} : { [store]: migrations! },
      },
      run,
    );
    const { file, bytes, sha256 } = value;
    return { value, lines: [`${file}: ${formatBytes(bytes)}`, `  sha256 ${sha256}`] };
  },
};
