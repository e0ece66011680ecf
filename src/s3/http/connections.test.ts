import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ASK, bodyOf, never, plain, serve } from "../../../test/support/answering.ts";
import { getEventListeners, once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  createServer as createSecureServer,
  getCACertificates,
  setDefaultCACertificates,
} from "node:tls";
import { openConnections } from "./connections.ts";

// Goal: what a server says arrives as it is, in whatever pieces it comes, and requests share a few connections.

// Of this test alone, for localhost, until the year 2126.
const KEY = [
  "-----BEGIN PRIVATE KEY-----",
  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrSg4rxKexV3nZTG6",
  "J0rYRy2uIxy7KzqwjK0Q+OjhKH2hRANCAARn7a9IDR8SqihKWPedKmCinsKmqjnZ",
  "zLA06+a9jY91ZDN5xqS2UgTSAc/1MZiFtoCqui+2a+1qZF1MOnJbuU9c",
  "-----END PRIVATE KEY-----",
].join("\n");
const CERTIFICATE = [
  "-----BEGIN CERTIFICATE-----",
  "MIIBlTCCATugAwIBAgIUYuKr1eHudeCdJAL5SFTLkWbNs+MwCgYIKoZIzj0EAwIw",
  "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzE2NTYxOVoYDzIxMjYxMDMw",
  "MTY1NjE5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO",
  "PQMBBwNCAARn7a9IDR8SqihKWPedKmCinsKmqjnZzLA06+a9jY91ZDN5xqS2UgTS",
  "Ac/1MZiFtoCqui+2a+1qZF1MOnJbuU9co2kwZzAdBgNVHQ4EFgQUJUmSl10MvlXk",
  "dL1Thy4wAJ2AKMowHwYDVR0jBBgwFoAUJUmSl10MvlXkdL1Thy4wAJ2AKMowDwYD",
  "VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID",
  "SAAwRQIhAKbcfF8kHYiobYvO9OgLGFxc0dj/cu3AQ44UymMlm2ExAiBxAFocWSSF",
  "gvL6vLEWs5i2kQgbJbRfxfsGYNg9FUtdQg==",
  "-----END CERTIFICATE-----",
].join("\n");

suite("connections to a server", { timeout: 60_000 }, () => {
  test("one is used for one request after the other", async () => {
    await using served = await serve((socket, n) => void socket.write(plain(`body ${n}`)));
    for (const n of [1, 2, 3]) assert.equal(await bodyOf(served.connections), `body ${n}`);
    assert.equal(served.count(), 1);
  });

  test("an answer that comes byte by byte", async () => {
    await using served = await serve(async (socket) => {
      for (const byte of plain("slow body")) {
        socket.write(byte);
        await sleep(1);
      }
    });
    assert.equal(await bodyOf(served.connections), "slow body");
    assert.equal(await bodyOf(served.connections), "slow body");
  });

  test("a long body goes where it is to lie, in memory of threads too", async () => {
    const bytes = Buffer.alloc(20_000_003);
    for (let at = 0; at < bytes.length; at += 4)
      bytes.writeUInt32LE(at, Math.min(at, 20_000_003 - 4));
    await using served = await serve((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`);
      socket.write(bytes);
    });
    for (const memory of [new ArrayBuffer(bytes.length), new SharedArrayBuffer(bytes.length)]) {
      const answer = (await served.connections.ask(ASK, 200, never))!;
      const target = new Uint8Array(memory);
      // In parts: between them nothing is read, and nothing gets lost.
      for (const [from, to] of [
        [0, 1],
        [1, 9_000_000],
        [9_000_000, 9_000_007],
        [9_000_007, bytes.length],
      ]) {
        await sleep(5);
        assert.equal(await answer.read(target.subarray(from, to)), to! - from!);
      }
      assert(Buffer.from(target).equals(bytes));
    }
    assert.equal(served.count(), 1);
  });

  test("what is read slowly makes the server wait", async () => {
    let sent = 0;
    await using served = await serve((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n");
      const more = (): void => {
        while (sent < 300_000_000) {
          sent += 1_000_000;
          if (!socket.write(Buffer.alloc(1_000_000))) return void socket.once("drain", more);
        }
      };
      more();
    });
    using answer = (await served.connections.ask(ASK, 200, never))!;
    assert.equal(await answer.read(new Uint8Array(1000)), 1000);
    await sleep(300);
    assert(sent < 50_000_000, `${sent} bytes were sent`);
  });

  test("headers are as they were sent", async () => {
    await using served = await serve((socket) => {
      socket.write(plain("x", 'ETag:\t"abc" ', "X-Amz-Meta-A: 1", "x-amz-meta-a: ü", "Empty:"));
    });
    const { headers, sizeBytes } = (await served.connections.ask(ASK, 200, never))!;
    assert.equal(sizeBytes, 1);
    assert.deepEqual(headers, {
      "content-length": "1",
      etag: '"abc"',
      "x-amz-meta-a": "1, \u00c3\u00bc",
      empty: "",
    });
  });

  test("who reads slowly is not taken for a silent server", async () => {
    await using served = await serve((socket) => void socket.write(plain("x".repeat(10_000_000))), {
      silentMs: 100,
    });
    const answer = (await served.connections.ask(ASK, 200, never))!;
    for (let part = 0; part < 5; part++) {
      await sleep(200);
      assert.equal(await answer.read(new Uint8Array(2_000_000)), 2_000_000);
    }
  });

  test("no more connections than allowed; who waits for one gets it, whatever becomes of the others", async () => {
    let now = 0;
    let most = 0;
    await using served = await serve(
      async (socket, n) => {
        most = Math.max(most, ++now);
        await sleep(2);
        now--;
        if (n % 3 === 0) socket.destroy();
        else socket.write(plain(`${n}`));
      },
      { connectionsMax: 3 },
    );
    const { signal } = new AbortController();
    const all = await Promise.all(
      Array.from({ length: 60 }, () => bodyOf(served.connections, signal)),
    );
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.equal(all.filter((body) => body !== undefined).length, 40);
    assert(most <= 3, `${most} at once`);
  });

  test("cancelled: while it waits for a connection, for an answer, and for its bytes", async () => {
    await using served = await serve(
      (socket, n) => {
        if (n === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour");
        if (n > 1) socket.write(plain("sound"));
      },
      { connectionsMax: 1 },
    );
    const [first, second] = [new AbortController(), new AbortController()];
    const body = bodyOf(served.connections, first.signal);
    const waiting = bodyOf(served.connections, second.signal);
    await sleep(50);
    const third = bodyOf(served.connections);
    second.abort(new Error("the second is cancelled"));
    await assert.rejects(waiting, /second is cancelled/);
    first.abort(new Error("the first is cancelled"));
    await assert.rejects(body, /first is cancelled/);
    assert.equal(await third, "sound");

    await using mute = await serve(() => {});
    const asked = new AbortController();
    const answer = bodyOf(mute.connections, asked.signal);
    await sleep(50);
    asked.abort(new Error("cancelled"));
    await assert.rejects(answer, /cancelled/);
  });

  test("who waits behind others gets its turn, also when somebody behind it has given up", async () => {
    await using served = await serve(
      async (socket) => {
        await sleep(100);
        socket.write(plain("x"));
      },
      { connectionsMax: 1 },
    );
    const first = bodyOf(served.connections);
    const second = bodyOf(served.connections);
    const third = new AbortController();
    const given = bodyOf(served.connections, third.signal);
    await sleep(20);
    third.abort(new Error("given up"));
    await assert.rejects(given, /given up/);
    assert.deepEqual(await Promise.all([first, second]), ["x", "x"]);
  });

  test("who is woken and gives up at the same moment leaves its turn to the next", async () => {
    await using served = await serve((socket) => void socket.write(plain("x")), {
      connectionsMax: 1,
    });
    const first = (await served.connections.ask(ASK, 200, never))!;
    const second = new AbortController();
    const given = bodyOf(served.connections, second.signal);
    const third = bodyOf(served.connections);
    await sleep(20);
    first[Symbol.dispose]();
    second.abort(new Error("given up"));
    await assert.rejects(given, /given up/);
    assert.equal(await third, "x");
  });

  test("once they are closed nothing is asked any more, by those who wait neither", async () => {
    let asked = 0;
    await using served = await serve(() => void asked++, { connectionsMax: 1 });
    const all = Promise.allSettled([1, 2, 3].map(() => bodyOf(served.connections)));
    await sleep(30);
    served.connections[Symbol.dispose]();
    const ends = (await all).map((end) => ("value" in end ? end.value : String(end.reason)));
    assert.deepEqual(ends, [
      undefined,
      "Error: the connections are closed",
      "Error: the connections are closed",
    ]);
    await sleep(30);
    assert.deepEqual([asked, served.count()], [1, 1]);
  });

  test("an answer that is given up leaves room for the next", async () => {
    await using served = await serve((socket) => void socket.write(plain("a body")), {
      connectionsMax: 1,
    });
    for (let round = 0; round < 3; round++) {
      using _unread = (await served.connections.ask(ASK, 200, never))!;
    }
    for await (const _piece of (await served.connections.ask(ASK, 200, never))!.pieces()) break;
    assert.equal(await bodyOf(served.connections), "a body");
  });

  test("over TLS, by a name with several addresses; not where nobody vouches for the server", async () => {
    const bytes = Buffer.alloc(5_000_000, "some bytes");
    const server = createSecureServer({ key: KEY, cert: CERTIFICATE }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n`);
        socket.write(bytes);
      });
    }).listen(0, "localhost");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const at = { hostname: "localhost", port, isSecure: true, silentMs: 5000 };
    const known = getCACertificates("default");
    try {
      using connections = openConnections(at, 2);
      assert.equal(await bodyOf(connections), undefined);
      setDefaultCACertificates([...known, CERTIFICATE]);
      for (let round = 0; round < 3; round++) {
        using answer = (await connections.ask(ASK, 200, never))!;
        const target = new Uint8Array(bytes.length);
        assert.equal(await answer.read(target.subarray(0, 7)), 7);
        await sleep(50);
        assert.equal(await answer.read(target.subarray(7)), bytes.length - 7);
        assert(bytes.equals(target));
      }
    } finally {
      setDefaultCACertificates(known);
      server.close();
    }
  });
});
