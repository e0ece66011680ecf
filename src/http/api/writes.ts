import * as z from "zod";
import {
  closeIncident,
  editIncident,
  listIncidents,
  openIncident,
  showIncident,
} from "../../operations/incidents/manage.ts";
import type { Said } from "../../operations/incidents/incidents.ts";
import type { System } from "../../operations/system.ts";
import { type Route, route } from "./route.ts";
import { commandOf, VERBS } from "./verbs.ts";

const id = z.strictObject({ id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/) });
const text = z.string().max(20_000);

const said = z.strictObject({
  summary: text.optional(),
  rootCause: text.optional(),
  resolution: text.optional(),
  impact: text.optional(),
  prevention: text.optional(),
  actionItems: z.array(text).max(100).optional(),
});

/** The system as a token of that name uses it: the history says who it was. */
const as = (system: System, who: string): System => ({
  ...system,
  host: { ...system.host, env: { ...system.host.env, LASTGOOD_WHO: who } },
});

/** zod leaves `undefined` in; what is not given is not said. */
const given = (value: z.output<typeof said>): Partial<Said> =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

const COMMANDS: readonly Route[] = VERBS.map((verb) =>
  route("post", `/run/${verb.verb}`, {
    scope: verb.scope,
    summary: `${verb.summary}. Answers at once with the run; see /runs/{id} and /events.`,
    body: verb.options,
    status: 202,
    handle: ({ body, who }, { runs }) => runs.begin(commandOf(verb, body), who),
  }),
);

const PLANS: readonly Route[] = VERBS.filter(({ options }) => "plan" in options.shape).map((verb) =>
  route("post", `/plan/${verb.verb}`, {
    scope: "backup",
    summary: `What would be done and lost: ${verb.summary}. Changes nothing.`,
    body: verb.options.omit({ plan: true }),
    handle: async ({ body }, { ask }) => await ask(commandOf(verb, { ...body, plan: true })),
  }),
);

/** What can be begun, and what is kept of it. */
export const WRITES: readonly Route[] = [
  ...COMMANDS,
  ...PLANS,
  route("get", "/runs", {
    scope: "read",
    summary: "What the service runs and ran, newest first",
    handle: (_, { runs }) => ({ runs: runs.list() }),
  }),
  route("get", "/runs/{id}", {
    scope: "read",
    summary: "One run, with what it said",
    params: id,
    handle: ({ params }, { runs }) => runs.get(params.id),
  }),
  route("delete", "/runs/{id}", {
    scope: "operate",
    summary: "Asks a run to stop: it goes back first",
    params: id,
    handle({ params }, { runs }) {
      runs.cancel(params.id);
      return runs.get(params.id);
    },
  }),
  route("get", "/incidents", {
    scope: "read",
    summary: "Incidents, newest first",
    handle: (_, { system, run }) => ({ incidents: listIncidents(system, run) }),
  }),
  route("post", "/incidents", {
    scope: "operate",
    summary: "Opens an incident that nobody but a person has noticed",
    body: said.extend({ summary: text.min(1), component: z.string().max(64).optional() }),
    handle({ body: { component, ...rest }, who }, { system, run }) {
      return openIncident(as(system, who), component, given(rest), run);
    },
  }),
  route("get", "/incidents/{id}", {
    scope: "read",
    summary: "The report of an incident",
    params: id,
    handle: ({ params }, { system, run }) => showIncident(system, params.id, run),
  }),
  route("patch", "/incidents/{id}", {
    scope: "operate",
    summary: "Takes down what only people know",
    params: id,
    body: said,
    handle: ({ params, body, who }, { system, run }) =>
      editIncident(as(system, who), params.id, given(body), run),
  }),
  route("post", "/incidents/{id}/close", {
    scope: "operate",
    summary: "Says that all is said",
    params: id,
    body: said,
    handle: ({ params, body, who }, { system, run }) =>
      closeIncident(as(system, who), params.id, given(body), run),
  }),
];
