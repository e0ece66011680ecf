import { ask, type Run } from "../api.ts";

/** Begins a command and shows it. */
export async function begin(verb: string, options: Record<string, unknown>): Promise<void> {
  const { id } = await ask<Run>(`/run/${verb}`, options);
  location.hash = `#/run/${id}`;
}
