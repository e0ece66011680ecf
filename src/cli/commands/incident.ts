import {
  closeIncident,
  editIncident,
  listIncidents,
  openIncident,
  showIncident,
} from "../../operations/incidents/manage.ts";
import { AppError } from "../../base/errors.ts";
import { type Arguments, type Command, textOption } from "../command.ts";
import { formatMs, table } from "../format.ts";

export const incidentCommand: Command = {
  name: "incident",
  summary:
    "Incidents: opened by themselves when something rolled back, a required check went bad or a backup " +
    "failed. Lists them, shows the report, and takes down what only people know.",
  arguments: "[list|show|edit|close|open] [incident]",
  options: [
    ["--summary <text>", "in one sentence"],
    ["--root-cause <text>", "what caused it"],
    ["--resolution <text>", "what was done besides what lastgood did"],
    ["--impact <text>", "who noticed what"],
    ["--prevention <text>", "how it is kept from happening again"],
    ["--action-item <texts...>", "what is left to do"],
    ["--component <name>", "of one that is opened: what it is about"],
  ],
  examples: [
    "lastgood incident",
    "lastgood incident show latest   # the report, as Markdown",
    'lastgood incident edit latest --root-cause "the disk was full" --action-item "watch it"',
    "lastgood incident close latest",
    'lastgood incident open --summary "customers see old prices"',
  ],

  async run(args, { withSystem, run }) {
    const [word = "list", named = "latest"] = args.positionals;
    switch (word) {
      case "list": {
        const incidents = await withSystem(async (system) => listIncidents(system, run));
        return { value: { incidents }, lines: listed(incidents) };
      }
      case "show": {
        const report = await withSystem(async (system) => showIncident(system, named, run));
        return { value: report, lines: report.markdown.split("\n") };
      }
      case "edit":
      case "close": {
        const change = word === "edit" ? editIncident : closeIncident;
        const said = saidIn(args);
        if (word === "edit" && Object.keys(said).length === 0) {
          throw new AppError("USAGE", "incident edit: say what, such as with --root-cause TEXT");
        }
        const report = await withSystem(async (system) => change(system, named, said, run));
        return { value: report, lines: [`${report.id}: ${report.title}`] };
      }
      case "open": {
        const component = textOption(args, "component");
        const report = await withSystem(async (system) =>
          openIncident(system, component, saidIn(args), run),
        );
        return { value: report, lines: [`${report.id}: ${report.title}`] };
      }
      default:
        throw new AppError("USAGE", `incident: ${word} is none of list, show, edit, close, open`);
    }
  },
};

function saidIn(args: Arguments): Parameters<typeof editIncident>[2] {
  const texts = ["summary", "rootCause", "resolution", "impact", "prevention"] as const;
  const said = texts.flatMap((name) => {
    const text = textOption(args, name);
    return text === undefined ? [] : [[name, text] as const];
  });
  const items = args.options["actionItem"] as readonly string[] | undefined;
  return { ...Object.fromEntries(said), ...(items === undefined ? {} : { actionItems: items }) };
}

function listed(incidents: ReturnType<typeof listIncidents>): string[] {
  if (incidents.length === 0) return ["No incident."];
  return table(
    ["INCIDENT", "", "LASTED", "WHAT"],
    incidents.map(({ id, detected, recovered, closed, title }) => [
      id,
      closed !== undefined ? "closed" : recovered === undefined ? "LASTS" : "over, to be described",
      recovered === undefined ? "" : formatMs(Date.parse(recovered) - Date.parse(detected)),
      title,
    ]),
  );
}
