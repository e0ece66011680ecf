import type { JSX } from "preact";
import { type Home, may } from "../api.ts";
import { useLoad, useSession } from "../live.ts";
import { useState } from "preact/hooks";
import { Act, Command, Empty, Outcome, Page, Pill, Table, Time, When } from "../parts/basics.tsx";
import { begin } from "../parts/begin.ts";

type Release = {
  version: string;
  pointers: string[];
  good?: boolean;
  reason?: string;
  committed?: string;
  pinned: boolean;
  verified: boolean;
  problems: string[];
  verdict: string;
};

type Releases = {
  component: string;
  current?: string;
  releases: Release[];
  available?: { version: string }[];
  failed: { version: string; operation: string }[];
  held?: { why: string };
};

export function ReleasesPage({ named }: { named: string | undefined }): JSX.Element {
  const home = useLoad<Home>("/home");
  return (
    <Page title="Releases">
      <When loaded={home}>
        {({ components }) => {
          const names = components.filter(({ hasReleases }) => hasReleases).map(({ name }) => name);
          const chosen = named ?? names[0];
          if (chosen === undefined) {
            return (
              <Empty title="No component has releases that lastgood deploys: see target: in lastgood.yaml." />
            );
          }
          return (
            <>
              {names.length > 1 && (
                <nav class="tabs" aria-label="Components">
                  {names.map((name) => (
                    <a
                      key={name}
                      href={`#/releases/${name}`}
                      {...(name === chosen ? { "aria-current": "page" as const } : {})}
                    >
                      {name}
                    </a>
                  ))}
                </nav>
              )}
              <OfComponent component={chosen} />
            </>
          );
        }}
      </When>
    </Page>
  );
}

function OfComponent({ component }: { component: string }): JSX.Element {
  const session = useSession();
  return (
    <When loaded={useLoad<Releases>(`/releases/${component}`)}>
      {({ releases, held, failed, available, current }) => (
        <>
          {held !== undefined && (
            <div class="notice warn">
              <p>Deploys are held: {held.why}</p>
              {may(session, "operate") && (
                <Act label="Resume" work={async () => await begin("resume", { component })} />
              )}
            </div>
          )}
          <Table
            caption={`Releases of ${component}`}
            head={["Release", "Is", "State", "Fits the data", "Found good", ""]}
            rows={releases.map((release) => ({
              key: release.version,
              cells: [
                release.version,
                release.pointers.map((pointer) => (
                  <span key={pointer}>
                    <Pill tone="plain">{pointer}</Pill>{" "}
                  </span>
                )),
                <State of={release} />,
                <Outcome of={release.verdict} />,
                <Time at={release.committed} />,
                release.pointers.includes("current") ? (
                  "live"
                ) : (
                  <a href={`#/rollback/${component}/${release.version}`}>Go back to it …</a>
                ),
              ],
            }))}
          />
          {failed.length > 0 && (
            <p class="quiet">
              Failed and put aside as evidence: {failed.map(({ version }) => version).join(", ")}
            </p>
          )}
          {may(session, "operate") && (
            <Deploy component={component} current={current} available={available ?? []} />
          )}
          <Command words={["releases", component]} />
          {held !== undefined && <Command words={["resume", component]} />}
        </>
      )}
    </When>
  );
}

function State({ of: { good, verified, problems, reason, pinned } }: { of: Release }): JSX.Element {
  return (
    <>
      {good === undefined ? (
        <Pill tone="plain">not tried</Pill>
      ) : good ? (
        <Pill tone="good">good</Pill>
      ) : (
        <Pill tone="bad">bad {reason}</Pill>
      )}{" "}
      {verified ? (
        <Pill tone="good">verified</Pill>
      ) : (
        <Pill tone="bad">damaged: {problems[0]}</Pill>
      )}{" "}
      {pinned && <Pill tone="plain">pinned</Pill>}
    </>
  );
}

function Deploy({
  component,
  current,
  available,
}: {
  component: string;
  current: string | undefined;
  available: readonly { version: string }[];
}): JSX.Element {
  const [version, setVersion] = useState("");
  const [from, setFrom] = useState("");
  const command = [
    "deploy",
    component,
    version || "VERSION",
    ...(from === "" ? [] : ["--from", from]),
  ];
  const options = { component, version, ...(from === "" ? {} : { from }) };
  return (
    <section class="card confirm">
      <h2>Deploy</h2>
      <label for="version">Version</label>
      <input
        id="version"
        list="available"
        value={version}
        onInput={(event) => setVersion(event.currentTarget.value)}
      />
      <datalist id="available">
        {available
          .filter((one) => one.version !== current)
          .map((one) => (
            <option key={one.version} value={one.version} />
          ))}
      </datalist>
      <label for="from">Package: a URL, or a path on the machine; empty for images</label>
      <input id="from" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
      <Act
        label="Deploy"
        kind="main"
        disabled={version === ""}
        work={async () => await begin("deploy", options)}
      />
      <Command words={command} />
    </section>
  );
}
