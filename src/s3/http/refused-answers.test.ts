import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ASK, bodyOf, never, plain, serve } from "../../../test/support/answering.ts";
import { parseHead } from "./answer-head.ts";
import { openConnections } from "./connections.ts";

// Goal: what is not a plain answer is no answer: nothing of it is taken for the bytes of an object, neither now
// nor when the next one is asked for.

suite("answers that are none", { timeout: 60_000 }, () => {
  const NOT_PLAIN: Readonly<Record<string, string>> = {
    "another status": "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
    "a status that goes before another": "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n",
    "no length": "HTTP/1.1 200 OK\r\n\r\nx",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a length that is none": "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nx",
    "a length below zero": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
    chunks:
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "an older version": "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    "a folded line": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: b\r\n c\r\n\r\nx",
    "a space before a colon": "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
    "no HTTP at all": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a head without end": `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(20_000)}`,
  };
  for (const [what, answer] of Object.entries(NOT_PLAIN)) {
    test(`${what}: no answer, and the next one comes by another connection`, async () => {
      await using served = await serve((socket, n) => {
        socket.write(n === 1 ? Buffer.from(answer, "latin1") : plain("sound"));
      });
      assert.equal(await bodyOf(served.connections), undefined);
      assert.equal(await bodyOf(served.connections), "sound");
      assert.equal(served.count(), 2);
    });
  }

  test("more than was said is not taken for the next answer", async () => {
    await using served = await serve((socket, n) => {
      socket.write(n === 1 ? `${plain("one")}${plain("forged")}` : plain("two"));
    });
    assert.equal(await bodyOf(served.connections), "one");
    assert.equal(await bodyOf(served.connections), "two");
  });

  test("nor is it where the body is long and the next one waits already", async () => {
    const long = plain("a".repeat(1_000_000));
    await using served = await serve(
      (socket, n) => void socket.write(n === 1 ? `${long}${plain("forged")}` : plain("two")),
      { connectionsMax: 1 },
    );
    const direct = async (): Promise<number> => {
      using answer = (await served.connections.ask(ASK, 200, never))!;
      return await answer.read(new Uint8Array(answer.sizeBytes));
    };
    const [first, second] = await Promise.all([direct(), bodyOf(served.connections)]);
    assert.deepEqual([first, second], [1_000_000, "two"]);
  });

  test("a line that is hard to read takes no longer than others", () => {
    const spaces = " ".repeat(30_000);
    const started = performance.now();
    assert.equal(parseHead(`HTTP/1.1 200 OK\r\nA:${spaces}\rx`), undefined);
    assert.deepEqual(parseHead(`HTTP/1.1 200 OK\r\nA:x${spaces}x${spaces}`)?.headers, {
      a: `x${spaces}x`,
    });
    assert(performance.now() - started < 200);
  });

  test("bytes of text that look like blanks are kept", () => {
    const name = Buffer.from("voilà").toString("latin1");
    assert.equal(parseHead(`HTTP/1.1 200 OK\r\nA: ${name} `)?.headers["a"], name);
  });

  test("what comes unasked ends the connection", async () => {
    await using served = await serve((socket, n) => {
      socket.write(plain(`${n}`));
      if (n === 1) setTimeout(() => socket.write(plain("forged")), 20);
    });
    assert.equal(await bodyOf(served.connections), "1");
    await sleep(100);
    assert.equal(await bodyOf(served.connections), "2");
    assert.equal(served.count(), 2);
  });

  test("a server that closes after each answer, said or unsaid", async () => {
    for (const line of ["Connection: close", "Server: quiet"]) {
      await using served = await serve((socket, n) => void socket.end(plain(`${n}`, line)));
      for (const n of [1, 2, 3]) {
        assert.equal(await bodyOf(served.connections), `${n}`);
        await sleep(50);
      }
      assert.equal(served.count(), 3);
    }
  });

  test("cut off in the middle: what came is there, and then the error", async () => {
    await using served = await serve((socket) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour");
    });
    const answer = (await served.connections.ask(ASK, 200, never))!;
    assert.equal(await answer.read(new Uint8Array(10)), 4);
    await assert.rejects(answer.read(new Uint8Array(6)), /ended the connection/);
    await assert.rejects(bodyOf(served.connections), /ended the connection/);
  });

  test("cut off before it says anything, and nobody there: no answer", async () => {
    await using served = await serve((socket) => void socket.destroy());
    assert.equal(await bodyOf(served.connections), undefined);
    using nobody = openConnections(
      { hostname: "127.0.0.1", port: 1, isSecure: false, silentMs: 1000 },
      1,
    );
    assert.equal(await bodyOf(nobody), undefined);
    assert.equal(await bodyOf(nobody), undefined);
  });

  test("a server that falls silent is not waited for, before its answer and in the middle", async () => {
    await using mute = await serve(() => {}, { silentMs: 100 });
    assert.equal(await bodyOf(mute.connections), undefined);
    await using half = await serve(
      (socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"),
      { silentMs: 100 },
    );
    await assert.rejects(bodyOf(half.connections), /silent/);
  });

  test("a server that falls silent while nobody reads is not waited for afterwards", async () => {
    await using served = await serve(
      (socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour"),
      { silentMs: 100 },
    );
    using answer = (await served.connections.ask(ASK, 200, never))!;
    assert.equal(await answer.read(new Uint8Array(4)), 4);
    await sleep(300);
    await assert.rejects(answer.read(new Uint8Array(6)), /silent/);
  });
});
