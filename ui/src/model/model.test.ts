// Timeline, conversation, journal, log, graph and artifacts: what is drawn, before it is drawn.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDiff, readKnowledge, readTable, shownAs } from "./artifact.ts";
import { callsOf, placeOf } from "./calls.ts";
import { conversations } from "./chat.ts";
import { type JournalEvent, parseStepId, placeId } from "./events.ts";
import { fold } from "./fold.ts";
import { graphOf } from "./graph.ts";
import { filtered, wordsOf } from "./journal.ts";
import { Log, logText } from "./log.ts";
import { extent, rowsOf, segmentsOf, stepSegments, ticks } from "./timeline.ts";

const FOLDER = join(import.meta.dirname, "../../../tests/journals");
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
const read = (...path: string[]) => JSON.parse(readFileSync(join(FOLDER, ...path), "utf8"));
const viewOf = (name: string) => fold(read(name).events, "run-1");

/** A journal of these facts, one each second from 100 on, after the three that begin every run. */
function journal(...facts: [string, Record<string, unknown>][]): JournalEvent[] {
  const created = { workflow: "flow", version: 1, fingerprint: "f", inputs: {} };
  const all: [string, Record<string, unknown>][] = [["run.created", created], ["run.checked", {}], ["run.started", {}], ...facts];
  return all.map(([kind, data], n) => ({ seq: n + 1, at: 100 + n, kind, data }));
}

describe("the log", () => {
  it.each(NAMES)("of %s is the server's logs.txt", (name) => {
    const log = new Log();
    const view = viewOf(name);
    expect(logText(log.take(view))).toBe(read("views", name).log_text);
    expect(log.take(view).length).toBe(log.lines.length);
  });
});

describe("the timeline", () => {
  it.each(NAMES)("of %s has the server's bars and waits", (name) => {
    const view = viewOf(name);
    const { rows, origin } = read("views", name).timeline;
    const zero = Date.parse(origin) / 1000;
    for (const row of rows) {
      const segments = stepSegments(view.steps.get(row.id)!, view.updatedAt);
      const near = (a: number, b: number) => Math.abs(a - b) < 0.002;
      const waits = segments.filter((one) => one.kind === "wait");
      expect(waits.map((one) => one.what)).toEqual(row.waits.map((one: any) => one.why));
      waits.forEach((one, n) => expect(near(one.start - zero, row.waits[n].start) && near(one.end - zero, row.waits[n].end)).toBe(true));
      const runs = segments.filter((one) => one.kind === "run");
      for (const run of runs) for (const wait of waits) expect(run.end <= wait.start + 1e-9 || run.start >= wait.end - 1e-9).toBe(true);
      expect(Math.max(...segments.map((one) => one.end)) - zero).toBeLessThanOrEqual(row.end + 0.002);
    }
  });

  it.each(NAMES)("of %s shows each step once when everything is open", (name) => {
    const view = viewOf(name);
    const rows = rowsOf(view, () => true);
    expect(rows.filter((row) => row.kind === "step").map((row) => row.step!.id).toSorted()).toEqual([...view.steps.keys()].toSorted());
    expect(new Set(rows.map((row) => row.id)).size).toBe(rows.length);
    for (const row of rows) for (const one of segmentsOf(row, view.updatedAt, extent(view, 0))) expect(one.end).toBeGreaterThanOrEqual(one.start);
  });

  it("groups the calls of a crew by agent and task", () => {
    const step = "team#1";
    const view = fold(
      journal(
        ["step.scheduled", { step, input: { tasks: [{ name: "find", agent: "scout" }, { name: "write", agent: "author" }] } }],
        ["task.moved", { step, task: "find", agent: "scout", status: "started" }],
        ["step.kept", { step, key: "task:find/model:1", value: { text: "", asked: "scripted:", calls: [{ id: "c", name: "search", arguments: {} }] } }],
        ["step.kept", { step, key: "task:find/tool:1.1:c", value: { text: "x", failed: false } }],
        ["task.moved", { step, task: "find", agent: "scout", status: "completed" }],
        ["task.moved", { step, task: "write", agent: "author", status: "started", parent: "find" }],
        ["step.kept", { step, key: "task:write/model:1", value: { text: "done", asked: "scripted:" } }],
      ),
    );
    const rows = rowsOf(view).map((row) => [row.depth, row.kind, row.label, row.status]);
    expect(rows).toEqual([
      [0, "step", "team", "scheduled"],
      [1, "agent", "scout", "completed"],
      [2, "task", "find", "completed"],
      [3, "call", "scripted", "completed"],
      [3, "call", "search", "completed"],
      [1, "agent", "author", "scheduled"],
      [2, "task", "write", "scheduled"],
      [3, "call", "scripted", "completed"],
    ]);
    const shut = rowsOf(view, (row) => (row === "agent:team#1:scout" ? false : undefined));
    expect(shut.map((row) => row.label)).not.toContain("search");
  });

  it("cuts the waits out of the attempts", () => {
    const step = "a#1";
    const view = fold(
      journal(
        ["step.scheduled", { step }],
        ["step.failed", { step, error: { code: "x", message: "y" }, retry_at: 106, started: 103.5 }],
        ["step.scheduled", { step, attempt: 2 }],
        ["step.waiting", { step, ask: { title: "Go?" } }],
        ["step.completed", { step, attempt: 2, output: 1 }],
      ),
    );
    const segments = stepSegments(view.steps.get(step)!, 200).map(({ kind, what, start, end }) => [kind, what, start, end]);
    expect(segments).toEqual([
      ["queued", "queued", 103, 103.5],
      ["run", "failed", 103.5, 104],
      ["run", "completed", 105, 106],
      ["wait", "retry", 104, 105],
      ["wait", "person", 106, 107],
    ]);
  });

  it.each([
    [0, 10, 5, [0, 2, 4, 6, 8, 10]],
    [0, 0.01, 5, [0, 0.002, 0.004, 0.006, 0.008, 0.01]],
    [0, 3600, 6, [0, 600, 1200, 1800, 2400, 3000, 3600]],
  ])("ticks from %d to %d", (from, to, most, expected) => {
    expect(ticks(from, to, most).map((tick) => Math.round(tick * 1e6) / 1e6)).toEqual(expected);
  });
});

describe("calls and conversations", () => {
  it.each([
    ["model:3", { task: null, what: "model", turn: 3 }],
    ["tool:3.1:call-1", { task: null, what: "tool", turn: 3, number: 1, id: "call-1" }],
    ["task:Find it/model:2", { task: "Find it", what: "model", turn: 2 }],
    ["task:a/b/tool:1.2:x/y", { task: "a/b", what: "tool", turn: 1, number: 2, id: "x/y" }],
    ["task:write/tool:3.1:id/model:1", { task: "write/tool:3.1:id", what: "model", turn: 1 }],
    ["task:write/tool:3.1:id/tool:2.1:other", { task: "write/tool:3.1:id", what: "tool", turn: 2, id: "other" }],
    ["tools", { task: null, what: "tools" }],
    ["approval:tool:1.1:x", { what: "answer" }],
    ["whatever", { what: "other", name: "whatever" }],
  ])("%s", (key, expected) => {
    expect(placeOf(key)).toMatchObject(expected);
  });

  it("tells a recorded conversation from the first word to the answer", () => {
    const step = viewOf("asked-and-answered.json").steps.get("think#1")!;
    const [talk] = conversations(step);
    expect(talk!.messages.map((message) => message.role)).toEqual(["system", "user", "assistant", "tool", "assistant"]);
    expect(talk!.messages[1]).toMatchObject({ text: "Explain penstock" });
    expect(talk!.messages[3]).toMatchObject({ name: "lookup", arguments: { word: "penstock" }, failed: false });
    expect(talk!.messages[4]).toMatchObject({ scripted: true, turn: 2 });
    expect(callsOf(step).map((call) => call.label)).toEqual(["scripted", "lookup", "scripted"]);
  });

  it("says where a big answer is, and shows it once it was fetched", () => {
    const step = "a#1";
    const pointer = { $spilled: "sha256:1", size: 70_000 };
    const view = fold(journal(["step.scheduled", { step }], ["step.kept", { step, key: "model:1", value: pointer }]));
    expect(conversations(view.steps.get(step)!)[0]!.messages).toMatchObject([{ role: "pointer", digest: "sha256:1" }]);
    const whole = () => ({ text: "long", asked: "m" });
    expect(conversations(view.steps.get(step)!, whole)[0]!.messages).toMatchObject([{ role: "assistant", text: "long" }]);
  });

  it("says when an answer did not fit", () => {
    const step = "a#1";
    const reply = { text: "no", asked: "m" };
    const kept = (n: number): [string, object] => ["step.kept", { step, key: `model:${n}`, value: reply }];
    const view = fold(journal(["step.scheduled", { step }], kept(1) as never, kept(2) as never));
    expect(conversations(view.steps.get(step)!)[0]!.messages.map((one) => one.role)).toEqual(["assistant", "repair", "assistant"]);
  });
});

describe("the journal", () => {
  const events = read("asked-and-answered.json").events as JournalEvent[];
  it("is filtered by kind, step and text", () => {
    expect(filtered(events, {})).toBe(events);
    expect(new Set(filtered(events, { kinds: ["run"] }).map((event) => event.kind.split(".")[0]))).toEqual(new Set(["run"]));
    expect(filtered(events, { step: "ok#1" }).map((event) => event.kind)).toEqual(["step.scheduled", "step.waiting", "step.completed"]);
    expect(filtered(events, { step: "each" }).every((event) => JSON.stringify(event.data).includes("each"))).toBe(true);
    expect(filtered(events, { text: "IS IT RIGHT" }).length).toBeGreaterThan(0);
  });
  it("has a word for every kind it knows, and none for others", () => {
    const wordless = events.filter((event) => wordsOf(event) === "").map((event) => event.kind);
    const plain = new Set(["run.started", "run.completed", "step.started", "step.completed", "steps.alive"]);
    expect(wordless.filter((kind) => !plain.has(kind))).toEqual([]);
    expect(wordsOf({ seq: 1, at: 1, kind: "moon.rose", data: {} })).toBe("");
  });
});

describe("ids", () => {
  it.each([
    ["review#2", { node: "review", visit: 2, index: null }],
    ["scan#1.17", { node: "scan", visit: 1, index: 17 }],
  ])("%s", (id, expected) => expect(parseStepId(id)).toEqual(expected));
  it("approvals are called as the server calls them", () => expect(placeId("run-1", "ok#1")).toBe("cnVuLTEKb2sjMQ"));
});

describe("the graph", () => {
  it("has the status of each node and the state of each edge", () => {
    const { document } = read("asked-and-answered.json");
    const { nodes, edges } = graphOf(document, viewOf("asked-and-answered.json"));
    expect(Object.fromEntries(nodes.map((node) => [node.id, node.status]))).toEqual({
      think: "completed", each: "completed", ok: "completed", write: "completed", never: "skipped",
    });
    expect(edges.map((edge) => [edge.source, edge.target, edge.state])).toEqual([
      ["think", "each", "taken"], ["each", "ok", "taken"], ["ok", "write", "taken"], ["ok", "never", "closed"],
    ]);
    expect(nodes.find((node) => node.id === "each")).toMatchObject({ loops: true, done: 3, total: 3 });
  });
  it("shows the question that stands on an edge", () => {
    const document = { nodes: { a: { kind: "x" }, b: { kind: "x" } }, edges: [{ from: "a", to: "b", when: "${{ true }}", gate: true }] };
    const { nodes, edges } = graphOf(document, fold(journal()));
    expect(nodes.map((node) => [node.id, node.kind])).toEqual([["a", "x"], ["b", "x"], ["gate_a_b", "human"]]);
    expect(edges.map((edge) => [edge.source, edge.target, edge.label])).toEqual([["a", "gate_a_b", "true"], ["gate_a_b", "b", ""]]);
  });
  it("waits to be reached", () => {
    const { document } = read("asked-and-answered.json");
    const { nodes, edges } = graphOf(document, fold(journal()));
    expect(new Set(nodes.map((node) => node.status))).toEqual(new Set(["pending"]));
    expect(new Set(edges.map((edge) => edge.state))).toEqual(new Set(["open"]));
  });
});

describe("artifacts", () => {
  it.each([
    ["notes.md", "text/plain", "markdown"], ["a.csv", "", "table"], ["fix.patch", "text/x-diff", "diff"], ["x.png", "image/png", "image"],
    ["x.svg", "image/svg+xml", "text"], ["g.jsonld", "application/ld+json", "json"], ["a.ttl", "text/turtle", "text"], ["a.bin", "application/octet-stream", "binary"],
  ])("%s of type %s is shown as %s", (name, mime, expected) => expect(shownAs(name, mime)).toBe(expected));

  it("reads a table with quotes, line ends and empty cells", () => {
    expect(readTable('a,b\r\n"x, ""y""",\n"two\nlines",3')).toEqual([["a", "b"], ['x, "y"', ""], ["two\nlines", "3"]]);
    expect(readTable("a\tb\n1\t2\n")).toEqual([["a", "b"], ["1", "2"]]);
  });

  it("numbers both sides of a diff, and takes lines that look like headers for what they are", () => {
    const text = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\n--- two\n+++ three\n four\n\\ No newline at end of file\n";
    expect(readDiff(text).map((line) => [line.kind, line.old, line.new])).toEqual([
      ["file", null, null], ["file", null, null], ["hunk", null, null], ["same", 1, 1], ["del", 2, null], ["add", null, 2], ["same", 3, 3], ["meta", null, null],
    ]);
  });

  it("finds graphs of knowledge", () => {
    const own = readKnowledge({ nodes: [{ id: "a", kind: "file" }], edges: [{ source: "a", target: "b", label: "imports" }] });
    expect(own).toMatchObject({ nodes: [{ id: "a", kind: "file" }, { id: "b" }], edges: [{ label: "imports" }] });
    const linked = readKnowledge({
      "@context": {},
      "@graph": [{ "@id": "urn:x/a", "@type": "Module", "schema:name": "a.py", imports: [{ "@id": "urn:x/b" }] }],
    });
    expect(linked).toMatchObject({ nodes: [{ label: "a.py", kind: "Module" }, { label: "b" }], edges: [{ source: "urn:x/a", target: "urn:x/b", label: "imports" }] });
    expect(readKnowledge({ a: 1 })).toBeNull();
    expect(readKnowledge([1, 2])).toBeNull();
  });
});
