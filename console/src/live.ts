import { createContext } from "preact";
import { useCallback, useContext, useEffect, useState } from "preact/hooks";
import { ApiError, ask, type Event, type Run, type Session } from "./api.ts";

/** What is known of now: one stream of events for the whole page. */
export type Live = {
  readonly isConnected: boolean;
  /** Grows with everything that may have changed what is shown. */
  readonly changes: number;
  readonly runs: ReadonlyMap<string, Run>;
};

export const LiveContext = createContext<Live>({ isConnected: true, changes: 0, runs: new Map() });
export const SessionContext = createContext<Session>({ name: "", scope: "read" });

export const useSession = (): Session => useContext(SessionContext);
export const useLive = (): Live => useContext(LiveContext);

type Sent =
  | { type: "run"; run: Run }
  | { type: "event"; run: string; at: string; event: Event }
  | { type: "changed" }
  | { type: "health" };

const EVENTS_MAX = 300;

/** Listens as long as the page is open; the browser comes back by itself and says what it heard last. */
export function useEvents(): Live {
  const [live, setLive] = useState<Live>({ isConnected: true, changes: 0, runs: new Map() });
  useEffect(() => {
    const source = new EventSource("/api/v1/events");
    const look = async (): Promise<void> => {
      const { runs } = await ask<{ runs: Run[] }>("/runs").catch(() => ({ runs: [] }));
      const whole = await Promise.all(
        runs
          .filter(({ end }) => end === undefined)
          .map(async (run) => await ask<Run>(`/runs/${run.id}`).catch(() => run)),
      );
      setLive((now) => {
        const known = new Map([
          ...now.runs,
          ...[...runs, ...whole].map((run) => [run.id, run] as const),
        ]);
        return { isConnected: true, changes: now.changes + 1, runs: known };
      });
    };
    // Whoever was away too long looks at everything again.
    source.addEventListener("hello", () => void look());
    source.addEventListener("reset", () => void look());
    source.addEventListener("open", () => setLive((now) => ({ ...now, isConnected: true })));
    source.addEventListener("error", () => setLive((now) => ({ ...now, isConnected: false })));
    source.addEventListener("message", ({ data }: MessageEvent<string>) => {
      const sent = JSON.parse(data) as Sent;
      setLive((now) => heard(now, sent));
    });
    return () => source.close();
  }, []);
  return live;
}

function heard(now: Live, sent: Sent): Live {
  if (sent.type === "run") {
    const known = now.runs.get(sent.run.id);
    const run = { ...sent.run, events: known?.events ?? [] };
    const runs = new Map(now.runs).set(run.id, run);
    return { ...now, changes: now.changes + 1, runs };
  }
  if (sent.type !== "event") return { ...now, changes: now.changes + 1 };
  const known = now.runs.get(sent.run);
  if (known === undefined) return now;
  const { event, at } = sent;
  const run: Run =
    event.type === "progress"
      ? { ...known, progress: event as unknown as NonNullable<Run["progress"]> }
      : { ...known, events: [...known.events, { ...event, at }].slice(-EVENTS_MAX) };
  return { ...now, runs: new Map(now.runs).set(run.id, run) };
}

export type Loaded<T> =
  | { readonly state: "loading" }
  | { readonly state: "failed"; readonly error: ApiError; readonly retry: () => void }
  | { readonly state: "there"; readonly value: T; readonly retry: () => void };

/** Looks, and looks again when something may have changed; what was there stays until then. */
export function useLoad<T>(path: string | undefined, isLive = true): Loaded<T> {
  const { changes } = useLive();
  const [loaded, setLoaded] = useState<Loaded<T> & { readonly of?: string }>({ state: "loading" });
  const [tries, setTries] = useState(0);
  const retry = useCallback(() => setTries((count) => count + 1), []);
  const trigger = isLive ? changes : 0;
  useEffect(() => {
    if (path === undefined) return;
    let isWanted = true;
    ask<T>(path).then(
      (value) => isWanted && setLoaded({ state: "there", value, retry, of: path }),
      (error: ApiError) => isWanted && setLoaded({ state: "failed", error, retry, of: path }),
    );
    return () => {
      isWanted = false;
    };
  }, [path, trigger, tries]);
  return loaded.state !== "loading" && loaded.of !== path ? { state: "loading" } : loaded;
}
