import type { Gauge as GaugeOf } from "prom-client";
import { type Home, home } from "../operations/home.ts";
import type { Server } from "./api/context.ts";

const VERDICTS = { good: 1, bad: 0, unknown: -1 } as const;

/** What Prometheus reads; docs/alerts.yml says what to do with it. Looks at nothing but what is known. */
export async function metricsText({ system, version, run }: Server): Promise<string> {
  // Whom nobody scrapes needs nothing of it in memory.
  const { Gauge, Registry } = await import("prom-client");
  const registry = new Registry();
  const gauge: MakeGauge = (name, help, labelNames = []) =>
    new Gauge({ name: `lastgood_${name}`, help, labelNames, registers: [registry] });
  const { components, jobs, incidents, space, problems, strips } = await home(system, run);

  gauge("info", "Which lastgood answers.", ["system", "version"]).set(
    { system: system.name, version },
    1,
  );
  gauge("problems", "How much needs somebody.").set(problems.length);
  const open = incidents.filter(({ recovered }) => recovered === undefined);
  gauge("incidents_lasting", "Incidents that are not over.").set(open.length);
  const loss = gauge("data_loss_seconds", "Age of the newest valid point.", ["component"]);
  const recovery = gauge("recovery_seconds", "Median of the last drills.", ["component"]);
  const proof = gauge("proof_age_seconds", "Since the last drill that was good.", ["component"]);
  const objective = gauge("objective_seconds", "What was promised.", ["component", "of"]);
  const health = gauge("check", "1 good, 0 bad, -1 unknown, at the last look.", [
    "component",
    "check",
  ]);
  for (const one of components) {
    const component = one.name;
    const set = (to: GaugeOf, ms: number | undefined): void => {
      if (ms !== undefined) to.set({ component }, ms / 1000);
    };
    set(loss, one.dataLoss.ms);
    set(recovery, one.recovery.ms);
    set(proof, one.proof.ms);
    const promised = { data_loss: one.dataLoss, recovery: one.recovery, proof: one.proof };
    for (const [of, { objectiveMs }] of Object.entries(promised)) {
      if (objectiveMs !== undefined) objective.set({ component, of }, objectiveMs / 1000);
    }
    for (const { check, verdict } of one.checks)
      health.set({ component, check }, VERDICTS[verdict]);
  }
  tellJobs(gauge, jobs);
  tellToday(gauge, strips);
  if (space !== undefined) {
    gauge("repository_free_bytes", "On the disk of the repository.").set(space.bytesFree);
    const full = seconds(space.fullAt);
    if (!Number.isNaN(full)) {
      gauge("repository_full_timestamp_seconds", "If it goes on so.").set(full);
    }
  }
  return await registry.metrics();
}

type MakeGauge = (name: string, help: string, labelNames?: string[]) => GaugeOf;

const seconds = (time: string | undefined): number => Date.parse(time ?? "") / 1000;

function tellJobs(gauge: MakeGauge, jobs: Home["jobs"]): void {
  const done = gauge("job_success_timestamp_seconds", "When a job last succeeded.", ["job"]);
  const next = gauge("job_next_timestamp_seconds", "When it comes next.", ["job"]);
  const overdue = gauge("job_overdue", "1: it should have been done.", ["job"]);
  for (const { job, succeeded, next: coming, overdue: since } of jobs) {
    if (succeeded !== undefined) done.set({ job }, seconds(succeeded));
    if (coming !== undefined) next.set({ job }, seconds(coming));
    overdue.set({ job }, since === undefined ? 0 : 1);
  }
}

function tellToday(gauge: MakeGauge, strips: Home["strips"]): void {
  const today = gauge("operations_today", "Since midnight in UTC.", ["kind", "outcome"]);
  for (const [kind, cells] of Object.entries(strips)) {
    const { good = 0, bad = 0 } = cells.at(-1) ?? {};
    today.set({ kind, outcome: "good" }, good);
    today.set({ kind, outcome: "bad" }, bad);
  }
}
