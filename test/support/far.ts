import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";

/** What lies between us and a server that is far away: of each connection, in each direction. */
export type Distance = { readonly delayMs: number; readonly bytesPerMs: number };

export type FarServer = AsyncDisposable & { readonly host: string };

/** Sockets are not read beyond this while what they gave is under way. */
const UNDER_WAY_BYTES_MAX = 1024 * 1024;

/** The same server at another port of this machine, and far away; by a process of its own. */
export async function farAway(port: number, { delayMs, bytesPerMs }: Distance): Promise<FarServer> {
  const args = [import.meta.filename, port, delayMs, bytesPerMs].map(String);
  const line = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  const [host] = (await once(line.stdout, "data")) as [Buffer];
  return {
    host: host.toString().trim(),
    async [Symbol.asyncDispose]() {
      line.stdin.end();
      await once(line, "exit");
    },
  };
}

function listen(port: number, distance: Distance): void {
  const server = net.createServer({ noDelay: true }, (near) => {
    const far = net.connect({ port, host: "127.0.0.1", noDelay: true });
    // Either side may hang up whenever it likes; the other one is told when it is over.
    for (const socket of [near, far]) socket.on("error", () => {});
    carry(near, far, distance);
    carry(far, near, distance);
  });
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`127.0.0.1:${(server.address() as net.AddressInfo).port}\n`);
  });
  // Who started it is gone, or has no more use for it.
  process.stdin.on("end", () => process.exit()).resume();
}

/** Gives on what comes, in its order, later and not faster than the line is. */
function carry(from: net.Socket, to: net.Socket, { delayMs, bytesPerMs }: Distance): void {
  const underWay: { readonly bytes: Buffer; readonly atMs: number }[] = [];
  let bytesUnderWay = 0;
  let lineFreeMs = 0;
  let isOver = false;

  const deliver = (): void => {
    const now = performance.now();
    while (underWay.length > 0 && underWay[0]!.atMs <= now) {
      const { bytes } = underWay.shift()!;
      to.write(bytes);
      bytesUnderWay -= bytes.length;
    }
    if (bytesUnderWay < UNDER_WAY_BYTES_MAX) from.resume();
    if (underWay.length > 0) setTimeout(deliver, underWay[0]!.atMs - now);
    else if (isOver) to.end();
  };

  from.on("data", (bytes) => {
    const now = performance.now();
    lineFreeMs = Math.max(lineFreeMs, now) + bytes.length / bytesPerMs;
    bytesUnderWay += bytes.length;
    if (bytesUnderWay >= UNDER_WAY_BYTES_MAX) from.pause();
    underWay.push({ bytes, atMs: lineFreeMs + delayMs });
    if (underWay.length === 1) setTimeout(deliver, lineFreeMs + delayMs - now);
  });
  from.on("close", () => {
    isOver = true;
    if (underWay.length === 0) to.end();
  });
}

if (import.meta.main) {
  const [port, delayMs, bytesPerMs] = process.argv.slice(2).map(Number);
  listen(port!, { delayMs: delayMs!, bytesPerMs: bytesPerMs! });
}
