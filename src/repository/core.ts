import type { Backend } from "../backends/backend.ts";
import type { Clock } from "../base/clock.ts";
import type { HostFacts } from "../base/host.ts";
import type { MasterKey } from "./crypto/master-key.ts";
import type { DamageLedger } from "./damage.ts";
import type { Files } from "./files.ts";
import type { RepositoryConfig } from "./format/config.ts";
import type { LockLedger } from "./lock.ts";
import type { Threads } from "./workers/threads.ts";

/** An opened repository, as its own parts see it. */
export type Core = {
  readonly backend: Backend;
  readonly config: RepositoryConfig;
  readonly key: MasterKey;
  /** The id of the key file that the password opened. */
  readonly keyId: string;
  readonly files: Files;
  readonly host: HostFacts;
  readonly clock: Clock;
  readonly ledger: LockLedger;
  readonly damage: DamageLedger;
  readonly threads: Threads;
};
