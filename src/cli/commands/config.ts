import { stringify } from "yaml";
import { loadConfig } from "../../config/load.ts";
import { configJsonSchema } from "../../config/json-schema.ts";
import { checkComponents } from "../../operations/system.ts";
import { type Command, isSet } from "../command.ts";

export const configCommand: Command = {
  name: "config",
  summary: "Checks the configuration and shows it as it is understood, defaults included.",
  options: [["--schema", "print the JSON schema for editors instead"]],
  examples: ["lastgood config", "lastgood config --schema > lastgood.schema.json"],

  async run(args, context) {
    if (isSet(args, "schema")) {
      const value = configJsonSchema();
      return { value, lines: [JSON.stringify(value, undefined, 2)] };
    }
    const loaded = await loadConfig(context.configFile, context.folder);
    await checkComponents(loaded, context);
    const { config, file } = loaded;
    return { value: { file, config }, lines: [`# ${file}`, stringify(config).trimEnd()] };
  },
};
