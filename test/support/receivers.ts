import { once } from "node:events";
import { createServer as createHttp, type IncomingHttpHeaders } from "node:http";
import { createServer as createTcp } from "node:net";

/** What somebody was sent by HTTP. */
export type Received = {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** Somebody who is sent things by HTTP, and answers with `status`. */
export async function httpReceiver(): Promise<
  AsyncDisposable & { readonly url: string; readonly received: Received[]; status: number }
> {
  const received: Received[] = [];
  const server = createHttp((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => void (body += part));
    request.on("end", () => {
      received.push({ path: request.url ?? "", headers: request.headers, body });
      response.writeHead(receiver.status).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const receiver = {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    received,
    status: 200,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return receiver;
}

/** A mail server as RFC 5321 has it, as far as a client that only delivers needs one. */
export async function mailServer(): Promise<
  AsyncDisposable & { readonly port: number; readonly mails: { to: string[]; text: string }[] }
> {
  const mails: { to: string[]; text: string }[] = [];
  const server = createTcp((socket) => {
    let [to, data, buffer]: [string[], string[] | undefined, string] = [[], undefined, ""];
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const hear = (line: string): void => {
      if (data !== undefined) {
        if (line !== ".") return void data.push(line.replace(/^\.\./, "."));
        mails.push({ to, text: data.join("\n") });
        [to, data] = [[], undefined];
        return say("250 received");
      }
      const [, address] = /^RCPT TO:<(.*)>/i.exec(line) ?? [];
      if (address !== undefined) to.push(address);
      if (/^DATA/i.test(line)) {
        data = [];
        return say("354 go on");
      }
      if (/^QUIT/i.test(line)) return void socket.end("221 bye\r\n");
      say("250 mail.test");
    };
    socket.on("error", () => {});
    socket.setEncoding("utf8").on("data", (part: string) => {
      const lines = (buffer + part).split("\r\n");
      buffer = lines.pop() ?? "";
      for (const line of lines) hear(line);
    });
    say("220 mail.test");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    mails,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
