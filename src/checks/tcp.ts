import { once } from "node:events";
import { connect } from "node:net";
import { bad, type Check, GOOD } from "./check.ts";

/** Good when somebody accepts a connection at "host:port". */
export function tcpCheck(address: string, timeoutMs: number): Check {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replaceAll(/[[\]]/g, "");
  const port = Number(address.slice(at + 1));
  return {
    async ask({ signal }) {
      const socket = connect({ host, port });
      try {
        const tooLong = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
        await once(socket, "connect", { signal: tooLong });
        return GOOD;
      } catch (error) {
        signal.throwIfAborted();
        const { name, message } = error as Error;
        return bad(name === "AbortError" ? `no answer within ${timeoutMs} ms` : message);
      } finally {
        socket.destroy();
      }
    },
  };
}
