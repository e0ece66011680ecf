import { type ComponentChildren, type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, ask, type Run, type Session } from "./api.ts";
import { LiveContext, SessionContext, useEvents, useLive } from "./live.ts";
import { ActivityPage } from "./pages/activity.tsx";
import { ConfigurationPage } from "./pages/configuration.tsx";
import { DrillPage, DrillsPage } from "./pages/drills.tsx";
import { HomePage } from "./pages/home.tsx";
import { IncidentPage, IncidentsPage } from "./pages/incidents.tsx";
import { LogIn } from "./pages/log-in.tsx";
import { PointPage } from "./pages/point.tsx";
import { PointsPage } from "./pages/points.tsx";
import { ReleasesPage } from "./pages/releases.tsx";
import { RestorePage } from "./pages/restore.tsx";
import { RollbackPage } from "./pages/rollback.tsx";
import { RunPage } from "./pages/run.tsx";
import { TimelinePage } from "./pages/timeline.tsx";
import { Failed } from "./parts/basics.tsx";
import { typed } from "./words.ts";

const NAVIGATION = [
  ["", "Home"],
  ["timeline", "Timeline"],
  ["points", "Recovery points"],
  ["releases", "Releases"],
  ["drills", "Drills"],
  ["incidents", "Incidents"],
  ["activity", "Activity"],
  ["configuration", "Configuration"],
] as const;

/** Pages that belong to one of the navigation. */
const PARTS: Readonly<Record<string, string>> = {
  restore: "points",
  rollback: "releases",
  run: "activity",
};

function pageOf([page = "", first, second]: readonly string[]): JSX.Element | undefined {
  switch (page) {
    case "":
      return <HomePage />;
    case "timeline":
      return <TimelinePage />;
    case "points":
      return first === undefined ? <PointsPage /> : <PointPage stamp={first} />;
    case "restore":
      return first === undefined ? <PointsPage /> : <RestorePage stamp={first} />;
    case "releases":
      return <ReleasesPage named={first} />;
    case "rollback":
      return first === undefined || second === undefined ? undefined : (
        <RollbackPage component={first} to={second} />
      );
    case "drills":
      return first === undefined ? <DrillsPage /> : <DrillPage id={first} />;
    case "incidents":
      return first === undefined ? <IncidentsPage /> : <IncidentPage id={first} />;
    case "activity":
      return <ActivityPage />;
    case "configuration":
      return <ConfigurationPage />;
    case "run":
      return first === undefined ? undefined : <RunPage id={first} />;
    default:
      return undefined;
  }
}

function useRoute(): readonly string[] {
  const read = (): string[] =>
    location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const listen = (): void => setRoute(read());
    addEventListener("hashchange", listen);
    return () => removeEventListener("hashchange", listen);
  }, []);
  return route;
}

function Frame({ session, onLeave }: { session: Session; onLeave: () => void }): JSX.Element {
  const route = useRoute();
  const live = useEvents();
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(false), [route]);
  const leave = async (): Promise<void> => {
    await ask("/session", undefined, "DELETE").catch(() => {});
    onLeave();
  };
  return (
    <SessionContext.Provider value={session}>
      <LiveContext.Provider value={live}>
        <a class="skip" href="#main" onClick={skip}>
          To the content
        </a>
        <header class="top">
          <a class="brand" href="#/">
            <img src="/icon.svg" alt="" width="28" height="28" /> lastgood
          </a>
          <button
            type="button"
            class="menu"
            aria-expanded={isOpen}
            aria-controls="nav"
            onClick={() => setOpen(!isOpen)}
          >
            Menu
          </button>
          <span class="who">
            {session.name} <span class="quiet">({session.scope})</span>
          </span>
          <button type="button" class="small" onClick={() => void leave()}>
            Log out
          </button>
        </header>
        <nav id="nav" class={isOpen ? "open" : ""} aria-label="Pages">
          {NAVIGATION.map(([page, title]) => (
            <a
              key={page}
              href={`#/${page}`}
              {...((PARTS[route[0] ?? ""] ?? route[0] ?? "") === page
                ? { "aria-current": "page" as const }
                : {})}
            >
              {title}
            </a>
          ))}
        </nav>
        <main id="main" tabIndex={-1}>
          <Working />
          {pageOf(route) ?? (
            <Failed error={new ApiError(404, "There is no such page.", undefined)} />
          )}
        </main>
      </LiveContext.Provider>
    </SessionContext.Provider>
  );
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.querySelector("main")?.focus();
}

/** What runs now, on every page. */
function Working(): JSX.Element {
  const { runs, isConnected } = useLive();
  const working = [...runs.values()].filter(({ end }) => end === undefined);
  return (
    <div aria-live="polite">
      {!isConnected && (
        <Bar tone="warn">
          lastgood does not answer now. What is shown may be old; it is tried again.
        </Bar>
      )}
      {working.map((run) => (
        <Bar tone="plain" key={run.id}>
          <span class="spinner" aria-hidden="true" />{" "}
          <a href={`#/run/${run.id}`}>{typed(run.command)}</a> {stepOf(run)}
        </Bar>
      ))}
    </div>
  );
}

function Bar({ tone, children }: { tone: string; children: ComponentChildren }): JSX.Element {
  return <p class={`workbar ${tone}`}>{children}</p>;
}

function stepOf({ progress, events }: Run): string {
  const started = events.findLast(({ type }) => type === "step.started");
  return progress?.step ?? (started?.["step"] as string | undefined) ?? "";
}

function App(): JSX.Element | null {
  const [session, setSession] = useState<Session | "none" | undefined>();
  const [error, setError] = useState<Error>();
  useEffect(() => {
    ask<Session>("/session").then(setSession, (thrown: ApiError) => {
      if (thrown.status === 401) setSession("none");
      else setError(thrown);
    });
  }, []);
  if (error !== undefined) return <Failed error={error} retry={() => location.reload()} />;
  if (session === undefined) return null;
  if (session === "none") return <LogIn onEnter={setSession} />;
  return <Frame session={session} onLeave={() => setSession("none")} />;
}

render(<App />, document.getElementById("app")!);
