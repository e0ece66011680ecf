import type { Command } from "./command.ts";

/** Every verb, in the order of the help, with what loads it: a command starts without the others. */
export const COMMANDS: readonly {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}[] = [
  {
    name: "init",
    summary: "Write a lastgood.yaml for what is in a folder",
    load: async () => (await import("./commands/init.ts")).initCommand,
  },
  {
    name: "demo",
    summary: "Show a backup, a loss and a restore, in half a minute",
    load: async () => (await import("./commands/demo.ts")).demoCommand,
  },
  {
    name: "status",
    summary: "Say how things stand",
    load: async () => (await import("./commands/status.ts")).statusCommand,
  },
  {
    name: "backup",
    summary: "Take a recovery point and prove it",
    load: async () => (await import("./commands/backup.ts")).backupCommand,
  },
  {
    name: "points",
    summary: "List the recovery points",
    load: async () => (await import("./commands/points.ts")).pointsCommand,
  },
  {
    name: "show",
    summary: "Show what is in a point",
    load: async () => (await import("./commands/show.ts")).showCommand,
  },
  {
    name: "validate",
    summary: "Prove that a point can be restored",
    load: async () => (await import("./commands/validate.ts")).validateCommand,
  },
  {
    name: "restore",
    summary: "Bring data back to a point",
    load: async () => (await import("./commands/restore.ts")).restoreCommand,
  },
  {
    name: "undo",
    summary: "Put back what a restore replaced",
    load: async () => (await import("./commands/undo.ts")).undoCommand,
  },
  {
    name: "keep",
    summary: "Confirm a restore, or pin a point",
    load: async () => (await import("./commands/keep.ts")).keepCommand,
  },
  {
    name: "deploy",
    summary: "Make a release live, and go back by itself when it is not healthy",
    load: async () => (await import("./commands/deploy.ts")).deployCommand,
  },
  {
    name: "rollback",
    summary: "Go back to an earlier release",
    load: async () => (await import("./commands/rollback.ts")).rollbackCommand,
  },
  {
    name: "releases",
    summary: "List, verify, mark, pin, adopt and remove releases",
    load: async () => (await import("./commands/releases.ts")).releasesCommand,
  },
  {
    name: "pack",
    summary: "Make a package of a folder",
    load: async () => (await import("./commands/pack.ts")).packCommand,
  },
  {
    name: "hold",
    summary: "Refuse deploys for now",
    load: async () => (await import("./commands/hold.ts")).holdCommand,
  },
  {
    name: "resume",
    summary: "Let deploys go on",
    load: async () => (await import("./commands/hold.ts")).resumeCommand,
  },
  {
    name: "stop",
    summary: "Stop components, dependents first",
    load: async () => (await import("./commands/stop-start.ts")).stopCommand,
  },
  {
    name: "start",
    summary: "Start components, dependencies first",
    load: async () => (await import("./commands/stop-start.ts")).startCommand,
  },
  {
    name: "health",
    summary: "Ask all checks once",
    load: async () => (await import("./commands/health.ts")).healthCommand,
  },
  {
    name: "recover",
    summary: "End what a crash interrupted",
    load: async () => (await import("./commands/recover.ts")).recoverCommand,
  },
  {
    name: "export",
    summary: "Write a point as a plain folder",
    load: async () => (await import("./commands/export.ts")).exportCommand,
  },
  {
    name: "forget",
    summary: "Remove points that the policy does not keep",
    load: async () => (await import("./commands/forget.ts")).forgetCommand,
  },
  {
    name: "prune",
    summary: "Free what no point needs",
    load: async () => (await import("./commands/prune.ts")).pruneCommand,
  },
  {
    name: "check",
    summary: "Verify the repository",
    load: async () => (await import("./commands/check.ts")).checkCommand,
  },
  {
    name: "copy",
    summary: "Copy points to a second repository",
    load: async () => (await import("./commands/copy.ts")).copyCommand,
  },
  {
    name: "key",
    summary: "List, add and remove passwords of the repository",
    load: async () => (await import("./commands/key.ts")).keyCommand,
  },
  {
    name: "drill",
    summary: "Restore into a place apart, start it there, and measure",
    load: async () => (await import("./commands/drill.ts")).drillCommand,
  },
  {
    name: "incident",
    summary: "What went wrong: list, report, describe, close",
    load: async () => (await import("./commands/incident.ts")).incidentCommand,
  },
  {
    name: "runbook",
    summary: "Print how to do it by hand, for the day on which lastgood is broken",
    load: async () => (await import("./commands/runbook.ts")).runbookCommand,
  },
  {
    name: "install",
    summary: "Write the systemd units",
    load: async () => (await import("./commands/install.ts")).installCommand,
  },
  {
    name: "serve",
    summary: "Run as a service",
    load: async () => (await import("./commands/serve.ts")).serveCommand,
  },
  {
    name: "token",
    summary: "Who may use the console and the API",
    load: async () => (await import("./commands/token.ts")).tokenCommand,
  },
  {
    name: "history",
    summary: "List what was done",
    load: async () => (await import("./commands/history.ts")).historyCommand,
  },
  {
    name: "config",
    summary: "Show the configuration as it is understood",
    load: async () => (await import("./commands/config.ts")).configCommand,
  },
  {
    name: "doctor",
    summary: "Look for what would go wrong in an emergency",
    load: async () => (await import("./commands/doctor.ts")).doctorCommand,
  },
];
