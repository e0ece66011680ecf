import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { newOperationId, whoIs } from "../record.ts";
import { chosen } from "../stop-start.ts";
import type { System } from "../system.ts";
import { digest } from "./digest.ts";
import { type Incident, Incidents, type Said } from "./incidents.ts";
import { type IncidentReport, reportOf } from "./report.ts";

const LISTED_MAX = 500;

/** Newest first, with what has gone wrong until now. */
export function listIncidents(system: System, run: Run): Incident[] {
  digest(system, run);
  using incidents = new Incidents(system.paths.state);
  return incidents.list(LISTED_MAX);
}

/** NOT_FOUND. */
export function showIncident(system: System, named: string, run: Run): IncidentReport {
  digest(system, run);
  using incidents = new Incidents(system.paths.state);
  return reportOf(system, incidents.find(named));
}

/** Takes down what only people know; what is not given stays. NOT_FOUND. */
export function editIncident(
  system: System,
  named: string,
  said: Partial<Said>,
  run: Run,
): IncidentReport {
  return changed(system, named, said, {}, run);
}

/** Says that all is said. What lasts still is over with it. NOT_FOUND. */
export function closeIncident(
  system: System,
  named: string,
  said: Partial<Said>,
  run: Run,
): IncidentReport {
  return changed(system, named, said, { closed: nowOf(system) }, run);
}

function changed(
  system: System,
  named: string,
  said: Partial<Said>,
  more: Partial<Pick<Incident, "closed">>,
  run: Run,
): IncidentReport {
  digest(system, run);
  using incidents = new Incidents(system.paths.state);
  const next = incidents.together(() => {
    const incident = incidents.find(named);
    return incidents.change(incident, { ...more, said: { ...incident.said, ...said } });
  });
  const facts = { incident: next.id, fields: Object.keys(said), ...more };
  const what = `incident ${more.closed === undefined ? "edit" : "close"}`;
  system.journal.audit.addRequest(nowOf(system), whoIs(system), what, facts);
  return reportOf(system, next);
}

/** For what nobody but a person has noticed. USAGE without a summary. */
export function openIncident(
  system: System,
  component: string | undefined,
  said: Partial<Said>,
  run: Run,
): IncidentReport {
  digest(system, run);
  if (said.summary === undefined || said.summary === "") {
    throw new AppError("USAGE", "incident open: say what it is", { hint: "With --summary TEXT." });
  }
  using incidents = new Incidents(system.paths.state);
  const id = newOperationId(system);
  const components = chosen(system, component).map(({ name }) => name);
  const detected = nowOf(system);
  const opened = incidents.open({
    id,
    key: `person:${id}`,
    title: said.summary,
    components,
    detected,
    said,
  });
  return reportOf(system, opened);
}

const nowOf = ({ host }: System): string => host.clock.now().toISOString();
