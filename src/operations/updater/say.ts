import type { Event } from "../../base/events.ts";
import type { Outcome } from "../../journal/journal.ts";

// What the TOP.E updater's users read and what its device-api receives, word for word, as its
// procedure of 2026-01-28 and the contract device-api-callbacks.yaml have them.

export type Stage =
  | "idle"
  | "downloading"
  | "verifying"
  | "toInstall"
  | "installing"
  | "rebooting"
  | "success"
  | "failed";

export type Report = {
  readonly stage: Stage;
  readonly progress: number;
  readonly message: string;
  readonly error: string | null;
};

export type LogLevel = "INFO" | "WARNING" | "ERROR" | "CRITICAL";
export type Said = { readonly log: readonly [LogLevel, string] } | { readonly report: Report };

/** What is known of a deploy before it begins. */
export type About = {
  readonly component: string;
  readonly version: string;
  readonly root: string;
  /** The services, as they are started. */
  readonly services: readonly string[];
};

const HEALTH_FAILED = "Service health check failed";

/** What was said so far. */
type Told = {
  failure: string;
  level1: string;
  level: 0 | 1 | 2;
  lastAct: string;
  landed: string;
};

export type Words = {
  readonly hear: (event: Event) => Said[];
  readonly end: (outcome: Outcome, error: string | undefined) => Said[];
};

/** Puts what happens in a deploy into those words. It remembers what was said. */
export function sayer(about: About): Words {
  const told: Told = { failure: "", level1: "", level: 0, lastAct: "", landed: "" };
  return {
    hear(event) {
      switch (event.type) {
        case "back.began":
          return sayBegin(told, event);
        case "back.ended":
          return sayEnd(told, event);
        case "step.started":
          return sayStep(told, about, event);
        default:
          return [];
      }
    },
    end: (outcome, problem) => sayOutcome(told, about, outcome, problem),
  };
}

function sayBegin(
  told: Told,
  { depth, outcome, reason }: Extract<Event, { type: "back.began" }>,
): Said[] {
  const said: Said[] = [];
  if (told.failure === "") {
    told.failure = reason;
    said.push(error(`Deployment failed: ${reason}`), failed(`DEPLOYMENT_FAILED: ${reason}`));
    if (outcome !== "aborted") {
      said.push(info("Deployment failed, initiating two-level rollback"));
    }
  }
  if (outcome === "aborted") return said;
  if (depth === "previous") {
    told.level = 1;
    said.push(info("Starting Level 1 rollback: rolling back to previous version"));
    return [...said, failed("ROLLBACK_LEVEL_1")];
  }
  if (told.level === 0) {
    told.level1 = "the previous version is damaged or missing";
    said.push(error(`Level 1 rollback failed: ${told.level1}`));
    said.push(failed(`ROLLBACK_LEVEL_1_FAILED: ${told.level1}`));
  }
  told.level = 2;
  said.push(info("Starting Level 2 rollback: rolling back to factory version"));
  return [...said, failed("ROLLBACK_LEVEL_2")];
}

function sayEnd(
  told: Told,
  { depth, outcome, problem }: Extract<Event, { type: "back.ended" }>,
): Said[] {
  if (outcome === "aborted") return [];
  const [level, word] = depth === "previous" ? [1, "previous"] : [2, "factory"];
  if (problem === undefined) {
    return [
      info(`✓ Rolled back to ${word} version ${told.landed}`),
      ...(level === 2 ? [warning("The system runs the factory version")] : []),
      failed(`ROLLBACK_LEVEL_${level}_SUCCESS: ${told.landed}`),
    ];
  }
  const why = told.lastAct === "healthy" ? HEALTH_FAILED : problem;
  const said = [
    error(`Level ${level} rollback failed: ${why}`),
    failed(`ROLLBACK_LEVEL_${level}_FAILED: ${problem}`),
  ];
  if (level === 1) {
    told.level1 = problem;
    return said;
  }
  const all = [
    `DEPLOYMENT_FAILED: ${told.failure}`,
    `ROLLBACK_LEVEL_1_FAILED: ${told.level1}`,
    `ROLLBACK_LEVEL_2_FAILED: ${problem}`,
  ].join("\n");
  return [...said, failed(all, "Both rollbacks failed - manual intervention required")];
}

function sayStep(
  told: Told,
  { component, version, root, services }: About,
  event: Extract<Event, { type: "step.started" }>,
): Said[] {
  told.lastAct = event.act ?? "";
  const names = `[${services.map((name) => `'${name}'`).join(", ")}]`;
  const goesBack = told.level > 0;
  const onTheWay = (name: Stage, progress: number): Said[] =>
    told.failure === "" ? [stage(name, progress)] : [];
  switch (event.act) {
    case "staged":
      if (event.of !== component) return [];
      return [info(`Deploying version ${version}`), ...onTheWay("installing", 10)];
    case "stopped":
      return [info(`Stopping services: ${names}`), ...onTheWay("installing", 40)];
    case "active": {
      if (event.of !== component) return [];
      told.landed = event.version ?? "";
      const word = told.level === 1 ? "previous" : "factory";
      const link = info(`Updating current symlink to v${told.landed}`);
      return goesBack ? [info(`Rolling back to ${word} version: ${told.landed}`), link] : [link];
    }
    case "running":
      return [info(`Starting services: ${names}`), ...onTheWay("rebooting", 70)];
    case "healthy":
      return [info("Verifying service health...")];
    case "rejected":
    case "discarded":
      return event.of === component
        ? [info(`Cleaning up failed version directory: ${root}/v${version}`)]
        : [];
    default:
      return [];
  }
}

/** What is said at the very end. */
function sayOutcome(
  told: Told,
  { version }: About,
  outcome: Outcome,
  problem: string | undefined,
): Said[] {
  if (outcome === "committed") {
    const message = `Updated to ${version}`;
    return [
      info(`✓ Version ${version} is running`),
      { report: { stage: "success", progress: 100, message, error: null } },
    ];
  }
  if (outcome !== "needs-human") return [];
  const said: Said[] = [];
  if (told.failure === "") {
    told.failure = problem ?? "unknown";
    said.push(error(`Deployment failed: ${told.failure}`));
  }
  if (told.level < 2) {
    // There was no second level, or not even a first.
    const level1 = told.level === 1 ? `\nROLLBACK_LEVEL_1_FAILED: ${told.level1}` : "";
    const text = `DEPLOYMENT_FAILED: ${told.failure}${level1}`;
    said.push(failed(text, "No way back - manual intervention required"));
  }
  const levels = Array.from({ length: told.level }, (_, i) => ` + ROLLBACK_LEVEL_${i + 1}_FAILED`);
  return [
    ...said,
    { log: ["CRITICAL", `DEPLOYMENT_FAILED${levels.join("")}`] },
    { log: ["CRITICAL", "Manual intervention required"] },
    error("All rollback attempts failed. System may be in inconsistent state."),
  ];
}

function info(line: string): Said {
  return { log: ["INFO", line] };
}

function warning(line: string): Said {
  return { log: ["WARNING", line] };
}

function error(line: string): Said {
  return { log: ["ERROR", line] };
}

function failed(text: string, message = "Update failed"): Said {
  return { report: { stage: "failed", progress: 0, message, error: text } };
}

function stage(name: Stage, progress: number): Said {
  return { report: { stage: name, progress, message: name, error: null } };
}
