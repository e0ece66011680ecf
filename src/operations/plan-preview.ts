import { describeStep, type Plan } from "../journal/plan.ts";

/** A plan for people and programs to read. */
export type PlanPreview = {
  readonly steps: readonly string[];
  readonly ways: readonly {
    readonly depth: "previous" | "factory";
    readonly steps: readonly string[];
  }[];
};

/** A plan in words. */
export function previewPlan({ steps, ways, cleanup = [] }: Plan): PlanPreview {
  return {
    // What is freed once it is committed can be undone no more: that has to be known before.
    steps: [...steps, ...cleanup].map(describeStep),
    ways: ways.map((way) => ({ depth: way.depth, steps: way.steps.map(describeStep) })),
  };
}
