type Dependent = { readonly "depends-on": readonly string[] };
type Dependents = Readonly<Record<string, Dependent>>;

/** What is wrong with what components depend on: an unknown name, or a circle. */
export function dependencyProblem(
  components: Dependents,
): { component: string; message: string } | undefined {
  const names = Object.keys(components);
  for (const component of names) {
    const unknown = components[component]!["depends-on"].find((name) => !names.includes(name));
    if (unknown !== undefined) return { component, message: `there is no component ${unknown}` };
  }
  for (const component of names) {
    const circle = circleFrom(component, components, [component]);
    if (circle !== undefined) {
      return { component, message: `components depend on each other: ${circle.join(" → ")}` };
    }
  }
  return undefined;
}

function circleFrom(
  component: string,
  components: Dependents,
  trail: readonly string[],
): readonly string[] | undefined {
  for (const next of components[component]!["depends-on"]) {
    if (next === trail[0]) return [...trail, next];
    if (trail.includes(next)) continue;
    const circle = circleFrom(next, components, [...trail, next]);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

/**
 * The named components with all that depend on them, in the order in which they stop: dependents
 * first. They start in the opposite order.
 */
export function stopOrder(named: readonly string[], components: Dependents): string[] {
  const order: string[] = [];
  const visit = (component: string): void => {
    if (order.includes(component)) return;
    const dependents = Object.keys(components).filter((name) =>
      components[name]!["depends-on"].includes(component),
    );
    for (const dependent of dependents) visit(dependent);
    order.push(component);
  };
  for (const component of named) visit(component);
  return order;
}

type TargetPlace = {
  readonly folder?: string | undefined;
  readonly "env-file"?: string | undefined;
  readonly key?: string | undefined;
};

/** Two components that would move the same links, or write the same key of the same env file. */
export function sharedTarget(
  components: Readonly<Record<string, { readonly target?: TargetPlace | undefined }>>,
): { component: string; message: string } | undefined {
  const seen = new Map<string, string>();
  for (const [component, { target }] of Object.entries(components)) {
    const { folder, "env-file": file, key } = target ?? {};
    const place = folder?.replace(/\/+$/, "") ?? (file && `${key} in ${file}`);
    if (place === undefined) continue;
    const other = seen.get(place);
    const message = `its target, ${place}, is that of ${other} too`;
    if (other !== undefined) return { component, message };
    seen.set(place, component);
  }
  return undefined;
}
