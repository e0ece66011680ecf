/**
 * The memory of the bytes that go to another thread with a job, or come back with what it found: they are
 * handed over, not copied, and nobody looks at them here afterwards.
 */
export function buffersOf(job: unknown): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const value of Object.values(job as object).flat() as unknown[]) {
    // What threads see anyway is not handed over.
    if (!(value instanceof Uint8Array) || !(value.buffer instanceof ArrayBuffer)) continue;
    // Of a larger piece of memory others have the rest.
    if (value.byteLength === value.buffer.byteLength) buffers.add(value.buffer);
  }
  return [...buffers];
}
