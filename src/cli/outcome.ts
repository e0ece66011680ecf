import { ERRORS } from "../base/errors.ts";
import type { Outcome } from "../journal/journal.ts";

/** The exit code of each outcome: 0 only for what was asked for. docs/errors.md lists them. */
export const OUTCOMES = {
  committed: { exit: 0, says: "Done." },
  aborted: { exit: 21, says: "Not done; nothing was changed." },
  "rolled-back": { exit: 22, says: "It failed, and what there was before is back." },
  "rolled-back-to-factory": { exit: 23, says: "It failed, and the factory version is live." },
  "needs-human": {
    exit: ERRORS.NEEDS_HUMAN.exit,
    says: "It failed and could not be taken back. Nothing was deleted.",
  },
} as const satisfies Record<Outcome, { exit: number; says: string }>;
