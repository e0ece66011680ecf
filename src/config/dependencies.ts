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

/** Two components whose releases would lie in one folder, and whose links would be the same. */
export function sharedTarget(
  components: Readonly<Record<string, { readonly target?: { folder: string } | undefined }>>,
): { component: string; message: string } | undefined {
  const seen = new Map<string, string>();
  for (const [component, { target }] of Object.entries(components)) {
    const folder = target?.folder.replace(/\/+$/, "");
    if (folder === undefined) continue;
    const other = seen.get(folder);
    if (other !== undefined) return { component, message: `its target is that of ${other} too` };
    seen.set(folder, component);
  }
  return undefined;
}
