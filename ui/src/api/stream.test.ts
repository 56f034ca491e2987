// @vitest-environment node
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { follow, Messages, patience, type RunEvent } from "./stream.ts";

describe("messages out of a stream", () => {
  it("come whole, however the text is cut", () => {
    const text = 'retry: 1000\n\nid: 1\nevent: run.created\ndata: {"seq":1}\n\n: \n\nevent: delta\ndata: {"a":\ndata: 2}\n\n';
    const whole = new Messages().take(text);
    expect(whole).toEqual([
      { id: "1", event: "run.created", data: '{"seq":1}' },
      { id: null, event: "delta", data: '{"a":\n2}' },
    ]);
    const cut = new Messages();
    expect([...text].flatMap((one) => cut.take(one))).toEqual(whole);
    expect(new Messages().take(text.replaceAll("\n", "\r\n"))).toEqual(whole);
  });
});

it("waits longer each time, up to a bound", () => {
  expect([0, 1, 2, 3].map((n) => patience(n, 0.5))).toEqual([500, 1000, 2000, 4000]);
  expect(patience(50, 0.5)).toBe(20_000);
});

describe("following a run", () => {
  let server: Server | undefined;
  afterEach(() => {
    vi.unstubAllGlobals();
    server?.closeAllConnections();
    server?.close();
  });

  /** A server that answers each connection with the next of `answers`; the `after` of each connection. */
  async function serve(answers: ((response: ServerResponse) => void)[]): Promise<string[]> {
    const asked: string[] = [];
    server = createServer((request, response) => {
      asked.push(new URL(request.url ?? "", "http://x").searchParams.get("after") ?? "");
      answers[Math.min(asked.length, answers.length) - 1]?.(response);
    });
    await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const real = globalThis.fetch;
    vi.stubGlobal("window", new EventTarget());
    vi.stubGlobal("document", new EventTarget());
    vi.stubGlobal("fetch", (path: string, init: RequestInit) => real(origin + path, init));
    return asked;
  }

  const frame = (seq: number) => `id: ${seq}\nevent: step.noted\ndata: ${JSON.stringify({ seq, at: 1, kind: "step.noted", data: {} })}\n\n`;

  it("goes on after the last event it saw, and drops what comes twice", async () => {
    const stream = { "content-type": "text/event-stream" };
    const asked = await serve([
      (response) => response.writeHead(200, stream).end(frame(1) + frame(2)),
      (response) => response.writeHead(503).end(),
      (response) => response.writeHead(200, stream).end(`${frame(2)}${frame(3)}event: delta\ndata: {"text":"hi"}\n\nevent: end\ndata: {"status":"completed"}\n\n`),
    ]);
    const seen: number[] = [];
    const deltas: unknown[] = [];
    const states: string[] = [];
    const ended = await new Promise<string>((resolve) => {
      follow("run_1", 0, {
        onEvents: (events: RunEvent[]) => seen.push(...events.map((one) => one.seq)),
        onDelta: (data) => deltas.push(data),
        onState: (state) => states.push(state),
        onEnd: resolve,
      });
    });
    expect(ended).toBe("completed");
    expect(seen).toEqual([1, 2, 3]);
    expect(asked).toEqual(["0", "2", "2"]);
    expect(deltas).toEqual([{ text: "hi" }]);
    expect(states.at(-1)).toBe("ended");
    expect(states).toContain("waiting");
  });

  it("does not ask again where it was refused", async () => {
    const body = JSON.stringify({ code: "run.not_found", detail: "there is no run", status: 404, errors: [], retryable: false });
    const asked = await serve([(response) => response.writeHead(404, { "content-type": "application/problem+json" }).end(body)]);
    const code = await new Promise<string | undefined>((resolve) => {
      follow("gone", 7, { onEvents: () => {}, onState: (state, _until, error) => state === "refused" && resolve(error?.code) });
    });
    expect(code).toBe("run.not_found");
    expect(asked).toEqual(["7"]);
  });
});
