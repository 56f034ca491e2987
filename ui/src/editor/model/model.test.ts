import { describe, expect, test } from "vitest";
import { copy, paste, readable } from "./clipboard.ts";
import { addNode, connect, connectLoop, moveNodes, removeNodes, renameNode, reorderEdge, reorderNode, setNode } from "./commands.ts";
import { compare, union } from "./compare.ts";
import { complete, follow, keysOf, scopeOf, unknownName } from "./completion.ts";
import { blank, type Doc, nodeOf, nodesOf, placesOf, rootsOf, START, wiresOf } from "./document.ts";
import { equal, getIn, type Obj, setIn, shared } from "./json.ts";
import { placeInWords, sorted, targetOf } from "./problems.ts";
import { nodesIn, readersOf, renameIn, spansIn } from "./references.ts";
import { Store } from "./store.ts";
import { gives, inWords, type Kind, type Kinds, mayFit } from "./types.ts";
import { refusal } from "./wires.ts";
import { parse, patch, print, pathAt, rangeOf } from "./yaml.ts";

const TEXT = `# reviews a folder
penstock: 1
name: review-folder # the slug
inputs:
  type: object
  properties: {folder: {type: string, title: Folder}, deep: {type: boolean, default: false}}
limits: {usd: 0.50, seconds: 600}
nodes:
  # finds the files
  list: {kind: code, with: {source: "def main(input): return []", input: "\${{ inputs.folder }}"}}
  scan:
    kind: http
    for_each: "\${{ nodes.list.output }}"
    with:
      url: "https://example.org/\${{ item.path }}" # one file
    retry: {attempts: 3, backoff: 2s}
  judge: {kind: agent, with: {instructions: "Weigh \${{ nodes.scan.output }}", output: {$ref: "#/schemas/Verdict"}}}
edges:
  - {from: list, to: scan} # first
  - {from: scan, to: judge, when: "\${{ inputs.deep }}"}
outputs: {verdict: "\${{ nodes.judge.output.ok }}"}
schemas: {Verdict: {type: object, additionalProperties: false, properties: {ok: {type: boolean}, why: {type: string}}}}
x-unknown: {kept: [1, null, "a"]}
`;
const DOC = parse(TEXT).doc as Doc;
const LITERAL = (kind: string) => (kind === "code" ? ["source"] : []);
const CODE: Kind = { name: "code", description: "", literal: ["source"], config: { type: "object", properties: { source: { type: "string" }, input: {}, memory_mb: { type: "integer" } } } };
const KINDS: Kinds = new Map<string, Kind>([["code", CODE], ["http", { name: "http", description: "", literal: [], config: { type: "object", properties: { url: { type: "string" }, timeout_seconds: { type: "number" } } } }]]);

describe("json", () => {
  test("a change shares all that it does not touch", () => {
    const next = setIn(DOC, ["nodes", "scan", "with", "url"], "x") as Doc;
    expect(getIn(next, ["nodes", "scan", "with", "url"])).toBe("x");
    expect(nodeOf(next, "list")).toBe(nodeOf(DOC, "list"));
    expect(next["edges"]).toBe(DOC["edges"]);
    expect(shared(DOC, structuredClone(DOC))).toBe(DOC);
  });
  test("undefined takes away, and makes nothing on its way", () => {
    expect(setIn({ a: { b: 1 } }, ["a", "b"], undefined)).toEqual({ a: {} });
    expect(setIn({ a: 1 }, ["x", "y"], undefined)).toEqual({ a: 1 });
    expect(setIn({ a: [1, 2, 3] }, ["a", 1], undefined)).toEqual({ a: [1, 3] });
  });
});

describe("yaml", () => {
  test("a document survives printing and reading, unknown keys and order with it", () => {
    const again = parse(print(DOC)).doc as Doc;
    expect(again).toEqual(DOC);
    expect(Object.keys(again)).toEqual(Object.keys(DOC));
    expect(nodesOf(again).map(([name]) => name)).toEqual(["list", "scan", "judge"]);
  });
  test("words of YAML 1.1 are texts, numbers are numbers", () => {
    expect(parse("a: no\nb: on\nc: 12:30\nd: 2024-01-31\ne: 1.10\nf: ~\ng: 0x10").doc).toEqual({ a: "no", b: "on", c: "12:30", d: "2024-01-31", e: 1.1, f: null, g: 16 });
  });
  test.each<[string, (doc: Doc) => Doc]>([
    ["a value", (doc) => setNode(doc, "scan", ["with", "url"], "https://other.example/")],
    ["a new key", (doc) => setNode(doc, "list", ["timeout"], "5s")],
    ["a key taken away", (doc) => setNode(doc, "scan", ["retry"], undefined)],
    ["a node", (doc) => addNode(doc, "more", { kind: "wait", with: { seconds: 1 } }).doc],
    ["no node", (doc) => removeNodes(doc, ["judge"])],
    ["an edge", (doc) => connect(doc, "list", "judge")],
    ["another name", (doc) => renameNode(doc, "scan", "look", LITERAL)],
    ["another order", (doc) => reorderNode(doc, "judge", -2)],
    ["places", (doc) => moveNodes(doc, { list: { x: 1, y: 2 }, scan: { x: 300, y: 2 } })],
    ["several lines", (doc) => setNode(doc, "list", ["with", "source"], "def main(input):\n    return []\n")],
    ["other types", (doc) => setNode(doc, "scan", ["with"], { url: ["a", { b: 1 }], n: "12", t: "true" })],
  ])("%s is written into the text, whose comments stay", (_, change) => {
    const next = change(DOC);
    const text = patch(TEXT, DOC, next);
    expect(parse(text).doc).toEqual(next);
    expect(nodesOf(parse(text).doc as Doc).map(([name]) => name)).toEqual(nodesOf(next).map(([name]) => name));
    for (const comment of ["# reviews a folder", "# the slug", "# finds the files", "# first"]) expect(text).toContain(comment);
  });
  test("what was not touched is written as it was", () => {
    const text = patch(TEXT, DOC, setNode(DOC, "scan", ["retry", "attempts"], 5));
    expect(text).toBe(TEXT.replace("attempts: 3", "attempts: 5"));
  });
  test("an error has its line", () => {
    expect(parse("penstock: 1\nname: [a\nnodes: {}\n")).toMatchObject({ doc: null, problems: [{ line: 3 }] });
    expect(parse("- a").doc).toBeNull();
    expect(parse("a: 1\na: 2").problems[0]?.line).toBe(2);
  });
  test("a path is found in the text, and the text's place in the document", () => {
    const range = rangeOf(TEXT, ["nodes", "scan", "with", "url"]);
    expect(TEXT.slice(range?.from, range?.to)).toContain("url: ");
    expect(pathAt(TEXT, TEXT.indexOf("attempts"))).toEqual(["nodes", "scan", "retry", "attempts"]);
    expect(pathAt(TEXT, TEXT.indexOf("to: judge"))).toEqual(["edges", 1, "to"]);
  });
});

describe("commands", () => {
  test("a renamed node is renamed wherever it is named", () => {
    const doc = renameNode(setNode(DOC, "list", ["with", "source"], "nodes.scan is code"), "scan", "look", LITERAL);
    expect(wiresOf(doc).map(({ from, to }) => [from, to])).toEqual([["list", "look"], ["look", "judge"]]);
    expect(getIn(doc, ["nodes", "judge", "with", "instructions"])).toBe("Weigh ${{ nodes.look.output }}");
    expect(getIn(doc, ["nodes", "list", "with", "source"])).toBe("nodes.scan is code");
    expect(nodesOf(doc).map(([name]) => name)).toEqual(["list", "look", "judge"]);
    expect(renameNode(DOC, "scan", "list", LITERAL)).toBe(DOC);
  });
  test("names in quotes and names that only begin alike stay", () => {
    const names = new Map([["a", "z"]]);
    expect(renameIn("${{ nodes.a.output + nodes.ab.output + 'nodes.a' + nodes[\"a\"].status }} nodes.a $${{ nodes.a }}", names)).toBe(
      "${{ nodes.z.output + nodes.ab.output + 'nodes.a' + nodes[\"z\"].status }} nodes.a $${{ nodes.a }}",
    );
  });
  test("a plan goes to a renamed successor, and a gate is read by its new name", () => {
    const doc: Doc = {
      nodes: { p: { kind: "plan", with: { rules: [{ when: "${{ true }}", next: ["a"] }], default: ["a"] } }, a: { kind: "wait", with: { output: "${{ nodes.gate_p_a.output.by }}" } } },
      edges: [{ from: "p", to: "a", gate: true }],
    };
    expect(renameNode(doc, "a", "b", LITERAL)).toEqual({
      nodes: { p: { kind: "plan", with: { rules: [{ when: "${{ true }}", next: ["b"] }], default: ["b"] } }, b: { kind: "wait", with: { output: "${{ nodes.gate_p_b.output.by }}" } } },
      edges: [{ from: "p", to: "b", gate: true }],
    });
  });
  test("a node that goes takes its edges and its place along", () => {
    const doc = removeNodes(moveNodes(DOC, { scan: { x: 1, y: 1 } }), ["scan"]);
    expect(wiresOf(doc)).toEqual([]);
    expect(placesOf(doc)).toEqual({});
  });
  test("a new node stands where nothing stands, under a free name", () => {
    const one = addNode(blank("w", ""), "code", { kind: "code" });
    const two = addNode(one.doc, "code", { kind: "code" }, undefined, "code");
    expect(two.name).toBe("code_2");
    const places = placesOf(two.doc);
    expect(places["code_2"]!.x).toBeGreaterThan(places["code"]!.x + 200);
  });
  test("edges of one node change places, others stay", () => {
    const doc = connect(connect(DOC, "list", "judge"), "scan", "list");
    const next = reorderEdge(doc, 2, -1);
    expect(wiresOf(next).map(({ from, to }) => `${from}>${to}`)).toEqual(["list>judge", "scan>judge", "list>scan", "scan>list"]);
    expect(reorderEdge(doc, 0, -1)).toBe(doc);
  });
});

describe("wires", () => {
  const code = (from: string, to: string, doc = DOC) => refusal(doc, KINDS, from, to)?.code ?? null;
  test("a wrong wire is refused with its reason", () => {
    expect(code("list", "list")).toBe("self");
    expect(code("list", "scan")).toBe("doubled");
    expect(code("judge", START)).toBe("into_start");
    expect(code(START, "scan")).toBe("from_start");
    expect(code("list", "nobody")).toBe("unknown");
    expect(refusal(DOC, KINDS, "judge", "list")).toMatchObject({ code: "unbounded_loop", visits: 3, reason: expect.stringContaining("list → scan → judge → list") });
    expect(code("list", "judge")).toBeNull();
  });
  test("a loop that is bounded may be", () => {
    expect(code("judge", "list", setNode(DOC, "list", ["max_visits"], 2))).toBeNull();
    expect(nodeOf(connectLoop(DOC, "judge", "list", 3), "list")?.["max_visits"]).toBe(3);
  });
  test("types that cannot fit are refused", () => {
    const reads = (place: string[], source: string) => setNode(setNode(DOC, "list", [], { kind: "code", with: {} }), "list", place, source);
    expect(refusal(setNode(DOC, "list", ["max_visits"], 2), KINDS, "judge", "list")).toBeNull();
    const loop = (doc: Doc) => setNode(doc, "list", ["max_visits"], 2);
    expect(code("judge", "list", loop(reads(["for_each"], "${{ nodes.judge.output }}")))).toBe("types");
    expect(code("judge", "list", loop(reads(["with", "memory_mb"], "${{ nodes.judge.output.ok }}")))).toBe("types");
    expect(refusal(loop(reads(["with", "input"], "a ${{ nodes.judge.output.nope }}")), KINDS, "judge", "list")?.reason).toContain("does not have");
    expect(code("judge", "list", loop(reads(["with", "input"], "${{ nodes.judge.output.why }}")))).toBeNull();
    expect(code("judge", "list", loop(reads(["with", "source"], "${{ nodes.judge.output.nope }}")))).toBeNull();
  });
  test("what nobody declared fits everywhere", () => {
    expect(mayFit({}, { type: "array" }, {})).toBe(true);
    expect(mayFit({ type: "integer" }, { type: "number" }, {})).toBe(true);
    expect(mayFit({ type: ["string", "null"] }, { type: "object" }, {})).toBe(false);
    expect(inWords(gives(DOC, "scan"), DOC)).toBe("a list");
    expect(gives(DOC, "judge")["properties"]).toHaveProperty("ok");
  });
  test("a run begins where nothing leads to", () => {
    expect(rootsOf(DOC)).toEqual(["list"]);
    expect(rootsOf(connectLoop(DOC, "judge", "list", 3))).toEqual(["list"]);
  });
});

describe("expressions", () => {
  test("are found in texts, with braces and quotes within them", () => {
    expect(spansIn("a ${{ {'k': \"}}\"} }} b $${{ no }} ${{ x").map((one) => one.source)).toEqual([" {'k': \"}}\"} ", " x"]);
    expect(spansIn(" ${{ x }} ")[0]?.whole).toBe(true);
    expect(nodesIn("nodes.a.output + my.nodes.b + nodes['c d'].output + \"nodes.e\"")).toEqual(["a", "c d"]);
    expect(readersOf(DOC, "list")).toEqual(["scan"]);
  });
  const samples = new Map<string, never>([["list", [{ path: "a.py", size: 3 }] as never], ["scan", [{ status: 200, json: { deep: [1] } }] as never]]);
  const labels = (text: string, scope = scopeOf(DOC, samples, "judge"), bare = false) => complete(text, text.length, scope, bare)?.options.map((one) => one.label) ?? null;
  test("inputs, outputs of nodes before, and functions are offered", () => {
    expect(labels("Weigh ${{ ")).toEqual(expect.arrayContaining(["inputs.folder", "nodes.list.output", "nodes.scan.output", "size"]));
    expect(labels("${{ ")).not.toContain("nodes.judge.output");
    expect(labels("${{ inputs.")).toEqual(expect.arrayContaining(["folder", "deep"]));
    expect(labels("${{ nodes.")).toEqual(["list", "scan"]);
    expect(labels("${{ nodes.scan.")).toEqual(["output", "status", "errors"]);
    expect(labels("${{ nodes.scan.output[0].json.")).toContain("deep");
    expect(labels("${{ nodes.scan.output[0].")).toEqual(expect.arrayContaining(["status", "headers", "json"]));
    expect(labels("${{ nodes.scan.output.")).toEqual(expect.arrayContaining(["filter", "size"]));
    expect(labels("plain text")).toBeNull();
    expect(labels("${{ 'in quotes nodes.")).toBeNull();
    expect(labels("inputs.", scopeOf(DOC, samples, "list", true), true)).toContain("deep");
  });
  test("item is an element of what for_each goes over, and its members come from the last run", () => {
    const scope = scopeOf(DOC, samples, "scan");
    expect(labels("${{ item.", scope)).toEqual(expect.arrayContaining(["path", "size"]));
    expect(labels("${{ item.", scopeOf(DOC, samples, "judge"))).toEqual([]);
    expect(follow("item.size", scope)?.sample).toBe(3);
  });
  test("a choice says how much it replaces", () => {
    expect(complete("${{ inputs.fol", 14, scopeOf(DOC, samples, "judge"))?.from).toBe(11);
    expect(keysOf("a.b[0]['c d']")).toEqual(["a", "b", "0", "c d"]);
  });
  test("a node that cannot have run before is named", () => {
    const scope = scopeOf(DOC, samples, "scan");
    expect(unknownName("nodes.judge.output", scope, DOC)?.message).toContain("cannot have run before");
    expect(unknownName("nodes.nobody.output", scope, DOC)?.message).toBe("There is no node nobody");
    expect(unknownName("nodes.list.output", scope, DOC)).toBeNull();
  });
});

describe("clipboard", () => {
  test("what is pasted has free names and reads its companions by them", () => {
    const clip = readable(copy(moveNodes(DOC, { list: { x: 10, y: 10 }, scan: { x: 300, y: 10 } }), ["list", "scan"])) as Doc;
    const { doc, names } = paste(DOC, clip, LITERAL, { x: 100, y: 200 });
    expect(names).toEqual(["list_2", "scan_2"]);
    expect(nodeOf(doc, "scan_2")?.["for_each"]).toBe("${{ nodes.list_2.output }}");
    expect(wiresOf(doc).slice(2).map(({ from, to }) => [from, to])).toEqual([["list_2", "scan_2"]]);
    expect(placesOf(doc)).toEqual({ list_2: { x: 100, y: 200 }, scan_2: { x: 390, y: 200 } });
    expect(readable("hello")).toBeNull();
    expect(readable('{"nodes": {}}')).toBeNull();
  });
});

describe("store", () => {
  test("each change can be undone and done again, text and all", () => {
    const store = new Store(DOC, TEXT);
    store.apply("add more", (doc) => addNode(doc, "more", { kind: "wait" }).doc, { select: { nodes: ["more"] } });
    store.apply("connect", (doc) => connect(doc, "judge", "more"));
    expect(store.get().text).toContain("more:");
    expect(store.undo()).toBe("connect");
    expect(store.undo()).toBe("add more");
    expect(store.doc).toBe(DOC);
    expect(store.get().text).toBe(TEXT);
    expect(store.undo()).toBeNull();
    expect(store.redo()).toBe("add more");
    expect(store.get().selection.nodes).toEqual(["more"]);
    store.apply("other", (doc) => removeNodes(doc, ["list"]));
    expect(store.redo()).toBeNull();
  });
  test("typing in one field is one step back, a pause makes two", () => {
    let now = 0;
    const store = new Store(DOC, null, () => now);
    const type = (text: string) => store.apply("edit", (doc) => setNode(doc, "list", ["title"], text), { key: "list/title" });
    type("a");
    type("ab");
    now = 5000;
    type("abc");
    store.undo();
    expect(nodeOf(store.doc, "list")?.["title"]).toBe("ab");
    store.undo();
    expect(store.doc).toBe(DOC);
  });
  test("a broken text is kept, what is drawn is the last that was right, and nothing else may be changed", () => {
    const store = new Store(DOC, TEXT);
    store.write(`${TEXT}  - {`);
    expect(store.get().problems.length).toBeGreaterThan(0);
    expect(store.doc).toBe(DOC);
    expect(store.apply("x", (doc) => removeNodes(doc, ["list"]))).toBe(false);
    store.write(TEXT.replace("attempts: 3", "attempts: 4"));
    expect(store.get().problems).toEqual([]);
    expect(nodeOf(store.doc, "list")).toBe(nodeOf(DOC, "list"));
    expect(getIn(store.doc, ["nodes", "scan", "retry", "attempts"])).toBe(4);
  });
  test("hearers are told, and a state stays what it was", () => {
    const store = new Store(DOC);
    let told = 0;
    store.subscribe(() => told++);
    const before = store.get();
    expect(store.get()).toBe(before);
    store.select({ nodes: ["list"] });
    store.select({ nodes: ["list"] });
    expect(told).toBe(1);
    expect(before.selection.nodes).toEqual([]);
  });
});

describe("compare", () => {
  test("nodes and edges come, go and change; places do not count", () => {
    const next = removeNodes(setNode(addNode(DOC, "more", { kind: "wait" }).doc, "scan", ["retry", "attempts"], 9), ["judge"]);
    const found = compare(DOC, next);
    expect(Object.fromEntries(found.nodes.map((one) => [one.name, one.verdict]))).toEqual({ list: "same", scan: "changed", judge: "removed", more: "added" });
    expect(found.nodes[1]?.changes).toEqual([{ pointer: "/retry/attempts", old: 3, new: 9 }]);
    expect(found.edges.map((one) => one.verdict)).toEqual(["same", "removed"]);
    expect(compare(DOC, moveNodes(DOC, { list: { x: 1, y: 1 } })).same).toBe(true);
    expect(Object.keys(union(DOC, next)["nodes"] as Obj).toSorted()).toEqual(["judge", "list", "more", "scan"]);
    expect(equal(DOC, structuredClone(DOC))).toBe(true);
  });
});

describe("problems", () => {
  test("a pointer leads to the node, the edge or the settings", () => {
    expect(targetOf("/nodes/a~1b/with/url")).toEqual({ at: "node", name: "a/b", path: ["with", "url"] });
    expect(targetOf("/edges/1/when")).toEqual({ at: "edge", index: 1, path: ["when"] });
    expect(targetOf("")).toEqual({ at: "workflow", path: [] });
    expect(placeInWords(DOC, "/edges/1/when")).toBe("edge scan → judge, when");
    const found = sorted([
      { code: "a.b", pointer: "/nodes/scan", message: "", severity: "warning" },
      { code: "a.c", pointer: "/nodes/scan/kind", message: "", severity: "error" },
    ]);
    expect([found.errors, found.warnings, found.nodes.get("scan")?.length]).toEqual([1, 1, 2]);
  });
});
