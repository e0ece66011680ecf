import { noticeOf } from "../incidents/digest.ts";
import { Incidents } from "../incidents/incidents.ts";
import { queueNotice } from "../notices/notice.ts";
import { newOperationId } from "../record.ts";
import { type Planned, plannedJobs } from "../schedule/schedule.ts";
import type { System } from "../system.ts";

/** Opens an incident for each job that should have been done long ago, and ends it once it is done. */
export async function noteOverdue(system: System): Promise<void> {
  const jobs = await plannedJobs(system);
  using incidents = new Incidents(system.paths.state);
  for (const job of jobs) incidents.together(() => noteJob(system, incidents, job));
  const known = new Set(jobs.map(({ job }) => `overdue:${job}`));
  const at = system.host.clock.now().toISOString();
  for (const one of incidents.allLasting()) {
    if (!one.key.startsWith("overdue:") || known.has(one.key)) continue;
    incidents.change(one, { recovered: at }, { at, text: "it is scheduled no more" });
  }
}

function noteJob(
  system: System,
  incidents: Incidents,
  { job, overdue, error, succeeded }: Planned,
): void {
  const key = `overdue:${job}`;
  const lasting = incidents.lasting(key);
  const at = system.host.clock.now().toISOString();
  if (overdue === undefined) {
    if (lasting === undefined) return;
    const text = `${job} is done, and no longer overdue`;
    incidents.change(lasting, { recovered: succeeded ?? at }, { at, text });
    queueNotice(system, noticeOf(system, "recovery", lasting, text));
    return;
  }
  if (lasting !== undefined) return;
  const text = `${job} is overdue since ${overdue}${error === undefined ? "" : `: ${error}`}`;
  const components = system.components.map(({ name }) => name);
  const id = newOperationId(system);
  const opened = incidents.open({ id, key, title: text, components, detected: at });
  queueNotice(system, noticeOf(system, "overdue", opened, text));
}
