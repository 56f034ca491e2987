// What differs between two documents, for the eyes: which nodes and edges came, went or changed, and where. Nodes are matched by
// their names, edges by what they connect; the order of keys is no difference, and where a node stands is none either.

import { type Doc, nodesOf, wiresOf } from "./document.ts";
import { equal, isObj, type Json, pointerOf } from "./json.ts";

export type Verdict = "added" | "removed" | "changed" | "same";

export interface Change {
  /** JSON pointer within the node, the edge or the document. */
  pointer: string;
  old: Json | undefined;
  new: Json | undefined;
}

export interface NodeChange {
  name: string;
  verdict: Verdict;
  changes: Change[];
}

export interface EdgeChange {
  from: string;
  to: string;
  verdict: Verdict;
  changes: Change[];
}

export interface Comparison {
  nodes: NodeChange[];
  edges: EdgeChange[];
  workflow: Change[];
  /** Nothing differs but, maybe, where nodes stand. */
  same: boolean;
}

const ELSEWHERE = new Set(["nodes", "edges", "layout"]);

export function compare(old: Doc, next: Doc): Comparison {
  const [before, after] = [new Map(nodesOf(old)), new Map(nodesOf(next))];
  const nodes = [...new Set([...before.keys(), ...after.keys()])].map((name): NodeChange => {
    const changes = differences(before.get(name), after.get(name), []);
    return { name, verdict: verdictOf(before.has(name), after.has(name), changes), changes: before.has(name) && after.has(name) ? changes : [] };
  });
  const key = (wire: { from: string; to: string }) => `${wire.from}\n${wire.to}`;
  const [was, is] = [new Map(wiresOf(old).map((one) => [key(one), one])), new Map(wiresOf(next).map((one) => [key(one), one]))];
  const edges = [...new Set([...was.keys(), ...is.keys()])].map((ends): EdgeChange => {
    const [a, b] = [was.get(ends), is.get(ends)];
    const { from, to } = (b ?? a) as { from: string; to: string };
    const changes = a && b ? differences(a.edge, b.edge, []) : [];
    return { from, to, verdict: verdictOf(a !== undefined, b !== undefined, changes), changes };
  });
  const workflow = [...new Set([...Object.keys(old), ...Object.keys(next)])].filter((name) => !ELSEWHERE.has(name)).flatMap((name) => differences(old[name], next[name], [name]));
  const same = workflow.length === 0 && [...nodes, ...edges].every((one) => one.verdict === "same");
  return { nodes, edges, workflow, same };
}

const verdictOf = (was: boolean, is: boolean, changes: Change[]): Verdict => (!was ? "added" : !is ? "removed" : changes.length ? "changed" : "same");

/** The smallest parts that differ. Lists of one length are compared element by element, others as a whole. */
function differences(old: Json | undefined, next: Json | undefined, path: (string | number)[]): Change[] {
  if (isObj(old) && isObj(next))
    return [...new Set([...Object.keys(old), ...Object.keys(next)])].flatMap((key) => differences(old[key], next[key], [...path, key]));
  if (Array.isArray(old) && Array.isArray(next) && old.length === next.length) return old.flatMap((one, n) => differences(one, next[n], [...path, n]));
  return equal(old, next) ? [] : [{ pointer: pointerOf(path), old, new: next }];
}

/** Both graphs in one document: what went stands where it stood. */
export function union(old: Doc, next: Doc): Doc {
  const nodes = { ...Object.fromEntries(nodesOf(old)), ...Object.fromEntries(nodesOf(next)) };
  const here = new Set(wiresOf(next).map((wire) => `${wire.from}\n${wire.to}`));
  const edges = [...wiresOf(next), ...wiresOf(old).filter((wire) => !here.has(`${wire.from}\n${wire.to}`))].map((wire) => wire.edge);
  const places = (doc: Doc) => (isObj(doc["layout"]) && isObj(doc["layout"]["nodes"]) ? doc["layout"]["nodes"] : {});
  return { ...next, nodes, edges, layout: { nodes: { ...places(old), ...places(next) } } };
}
