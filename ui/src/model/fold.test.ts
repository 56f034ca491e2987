// The fold here and the fold on the server are the same function: every recorded journal is shown as the server shows it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { JournalEvent } from "./events.ts";
import { apply, fold } from "./fold.ts";
import { RunView } from "./view.ts";
import { rfc3339, runJson } from "./wire.ts";

const FOLDER = join(import.meta.dirname, "../../../tests/journals");
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

function read(...path: string[]) {
  return JSON.parse(readFileSync(join(FOLDER, ...path), "utf8"));
}

const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

describe("recorded journals", () => {
  it.each(NAMES)("%s is shown as the server shows it", (name) => {
    const { run_id, events } = read(name);
    const { timeline: _timeline, log_text: _log, ...expected } = read("views", name);
    expect(plain(runJson(fold(events, run_id)))).toEqual(expected);
  });

  it.each(NAMES)("%s has nothing open at its end", (name) => {
    const { run_id, events } = read(name);
    const view = fold(events, run_id);
    expect(view.open.size).toBe(0);
    expect(view.order.every((step) => step.attempts.every((attempt) => attempt.outcome !== null))).toBe(true);
    expect(view.order.every((step) => step.waits.every((pause) => pause.end !== null))).toBe(true);
    for (const step of view.order) for (const kept of step.kept) expect(kept.start).toBeLessThanOrEqual(kept.at);
  });
});

const START: JournalEvent[] = [
  { seq: 1, at: 100, kind: "run.created", data: { workflow: "flow", version: 1, fingerprint: "f", inputs: {} } },
  { seq: 2, at: 100, kind: "run.checked", data: {} },
  { seq: 3, at: 100, kind: "run.started", data: {} },
];

describe("the fold", () => {
  it("refuses an event out of order", () => {
    expect(() => apply(fold(START), { seq: 5, at: 1, kind: "run.paused", data: {} })).toThrow("event 5 after 3");
  });

  it("takes in what it does not know and is not changed by it", () => {
    const view = fold([...START, { seq: 4, at: 101, kind: "moon.rose", data: { step: "a#1" } }]);
    expect(view.head).toBe(4);
    expect(view.kinds.get("moon.rose")).toBe(1);
    expect(view.status).toBe("running");
  });

  it("remembers why servers were chosen, what policies said and how tasks moved", () => {
    const about = [
      ["route.chosen", { key: "tool:1.1:a", chosen: "code", tool: "scan", candidates: [] }],
      ["policy.decided", { key: "model:1", point: "model.call", policy: "no-keys", then: "redact" }],
      ["task.moved", { task: "draft", agent: "writer", status: "started" }],
      ["consent.given", { server: "slow", granted: true, by: "ann" }],
      ["breaker.moved", { subject: "server code", state: "open" }],
      ["spend.refused", { key: "1", limit: "usd", asked: "1", left: "0" }],
    ] as const;
    const scheduled = { seq: 4, at: 101, kind: "step.scheduled", data: { step: "a#1" } };
    const events = about.map(([kind, data], n) => ({ seq: 5 + n, at: 102, kind, data: { step: "a#1", ...data } }));
    const step = fold([...START, scheduled, ...events]).steps.get("a#1")!;
    expect(step.said.map((one) => one.kind)).toEqual(about.map(([kind]) => kind));
    expect(step.said[2]!.data).toEqual({ task: "draft", agent: "writer", status: "started" });
    expect(step.seqs).toEqual([4, 5, 6, 7, 8, 9, 10]);
  });

  it("runs a step again when what it waited for inside has come", () => {
    const step = { step: "a#1" };
    const view = fold([
      ...START,
      { seq: 4, at: 101, kind: "step.scheduled", data: step },
      { seq: 5, at: 102, kind: "step.waiting", data: { ...step, ask: { title: "May I?" }, resume: "approval:1" } },
    ]);
    expect([view.status, view.questions().map((one) => one.id)]).toEqual(["waiting", ["a#1"]]);
    apply(view, { seq: 6, at: 105, kind: "step.kept", data: { ...step, key: "approval:1", value: { decision: "approve" } } });
    expect([view.status, view.questions(), view.steps.get("a#1")!.status]).toEqual(["running", [], "queued"]);
    expect(view.steps.get("a#1")!.waits).toEqual([{ why: "person", start: 102, end: 105 }]);
  });

  it("keeps money exact", () => {
    const spend = (seq: number, key: string, usd: string, kind = "spend.reserved") => ({
      seq, at: 101, kind, data: { step: "a#1", key, cost: { usd, tokens: 1 } },
    });
    const scheduled = { seq: 4, at: 101, kind: "step.scheduled", data: { step: "a#1" } };
    const view = fold([...START, scheduled, spend(5, "a", "0.1"), spend(6, "b", "0.2"), spend(7, "b", "0.25", "spend.settled")]);
    expect(runJson(view)["spent"]).toEqual({ tokens: 2, usd: "0.35", steps: 1 });
  });

  it("folds ten thousand events in a moment, and one more in no time", () => {
    const events = long(10_000);
    const times = [0, 1, 2].map(() => {
      const begun = performance.now();
      fold(events);
      return performance.now() - begun;
    });
    expect(Math.min(...times)).toBeLessThan(150);
    const view = new RunView();
    const half = (from: number, to: number) => {
      const begun = performance.now();
      for (let n = from; n < to; n++) apply(view, events[n]!);
      return performance.now() - begun;
    };
    const first = half(0, 5_000);
    expect(half(5_000, 10_000)).toBeLessThan(Math.max(20, first * 4));
  });
});

function long(count: number): JournalEvent[] {
  const events = [...START];
  for (let n = 0; events.length < count; n++) {
    const step = `each#1.${n}`;
    const push = (kind: string, data: object) =>
      events.push({ seq: events.length + 1, at: 100 + n / 10, kind, data: { step, ...data } });
    push("step.scheduled", { input: { n } });
    push("step.started", { started: 100 + n / 10, executor: "e" });
    push("step.kept", { key: "call", value: { n } });
    push("step.completed", { output: { n } });
  }
  return events.slice(0, count);
}

describe("times", () => {
  it.each([
    [0, "1970-01-01T00:00:00.000Z"],
    [1_700_000_000.1234, "2023-11-14T22:13:20.123Z"],
    [1_700_000_000.9996, "2023-11-14T22:13:21.000Z"],
    [1e300, "9999-12-31T23:59:59.999Z"],
    [null, null],
  ])("%s is %s", (at, text) => {
    expect(rfc3339(at)).toBe(text);
  });
});
