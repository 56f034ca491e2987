// A workflow document as a graph. The document is the truth and keeps whatever it holds, keys we do not know too; what is here
// only reads it, and reads nothing that is not there: a document that is being written may be wrong anywhere.

import { getIn, isObj, type Json, type Obj } from "./json.ts";

export type Doc = Obj;

export interface Place {
  x: number;
  y: number;
}

export interface Wire {
  /** Its place among the edges of the document. */
  index: number;
  from: string;
  to: string;
  edge: Obj;
}

/** The place where a run begins: it stands on the canvas, and is no node of the document. */
export const START = "$start";
export const SLUG = /^[a-z0-9][a-z0-9-]{0,62}$/;
export const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
/** The size of a node on the canvas, in pixels. */
export const SIZE = { width: 208, height: 68 };

/** The nodes, by name, in the order of the document. */
export function nodesOf(doc: Doc): [string, Obj][] {
  const nodes = doc["nodes"];
  return isObj(nodes) ? Object.entries(nodes).filter((entry): entry is [string, Obj] => isObj(entry[1])) : [];
}

export const nodeOf = (doc: Doc, name: string): Obj | undefined => {
  const node = getIn(doc, ["nodes", name]);
  return isObj(node) ? node : undefined;
};

/** The edges that have two ends. */
export function wiresOf(doc: Doc): Wire[] {
  const edges = doc["edges"];
  if (!Array.isArray(edges)) return [];
  return edges.flatMap((edge, index) => {
    if (!isObj(edge) || typeof edge["from"] !== "string" || typeof edge["to"] !== "string") return [];
    return [{ index, from: edge["from"], to: edge["to"], edge }];
  });
}

export const kindOf = (node: Obj | undefined): string => (typeof node?.["kind"] === "string" ? node["kind"] : "");
export const titleOf = (name: string, node: Obj | undefined): string =>
  typeof node?.["title"] === "string" && node["title"] ? node["title"] : name;
export const textOf = (value: Json | undefined): string => (typeof value === "string" ? value : "");

/** Where nodes stand, as far as the document says. */
export function placesOf(doc: Doc): Record<string, Place> {
  const out: Record<string, Place> = {};
  const nodes = getIn(doc, ["layout", "nodes"]);
  for (const [name, place] of Object.entries(isObj(nodes) ? nodes : {})) {
    if (isPlace(place)) out[name] = place;
  }
  const start = getIn(doc, ["layout", "start"]);
  if (isPlace(start)) out[START] = start;
  return out;
}

const isPlace = (place: unknown): place is Obj & Place => isObj(place) && typeof place["x"] === "number" && typeof place["y"] === "number";

/** The path in the document of a node's place. */
export const placePath = (name: string): string[] => (name === START ? ["layout", "start"] : ["layout", "nodes", name]);

/** The nodes that nothing leads to but edges from further on: where a run begins. */
export function rootsOf(doc: Doc): string[] {
  const names = nodesOf(doc).map(([name]) => name);
  const wires = wiresOf(doc).filter((wire) => wire.from !== wire.to);
  const led = new Set(wires.map((wire) => wire.to));
  const roots = names.filter((name) => !led.has(name));
  if (roots.length || !names.length) return roots;
  // all stand in a loop: it begins where it may come back to
  return names.filter((name) => visitsOf(nodeOf(doc, name)) > 1).slice(0, 1);
}

export const visitsOf = (node: Obj | undefined): number => (typeof node?.["max_visits"] === "number" ? node["max_visits"] : 1);

/** What leads to a node, directly or not, itself left out unless a loop leads back to it. */
export function before(doc: Doc, name: string): Set<string> {
  return reach(wiresOf(doc).map((wire) => [wire.to, wire.from]), name);
}

/** What a node leads to, directly or not. */
export function after(doc: Doc, name: string): Set<string> {
  return reach(wiresOf(doc).map((wire) => [wire.from, wire.to]), name);
}

function reach(pairs: string[][], name: string): Set<string> {
  const next = new Map<string, string[]>();
  for (const [a, b] of pairs as [string, string][]) next.set(a, [...(next.get(a) ?? []), b]);
  const seen = new Set<string>();
  const todo = [...(next.get(name) ?? [])];
  while (todo.length) {
    const one = todo.pop() as string;
    if (seen.has(one)) continue;
    seen.add(one);
    todo.push(...(next.get(one) ?? []));
  }
  return seen;
}

/** A shortest way over the edges, both ends with it; null where there is none. */
export function wayFrom(doc: Doc, from: string, to: string): string[] | null {
  const next = new Map<string, string[]>();
  for (const wire of wiresOf(doc)) next.set(wire.from, [...(next.get(wire.from) ?? []), wire.to]);
  const came = new Map<string, string>();
  let ring = [from];
  const seen = new Set(ring);
  while (ring.length) {
    const wider: string[] = [];
    for (const one of ring) {
      if (one === to) {
        const way = [to];
        while (way[0] !== from) way.unshift(came.get(way[0] as string) as string);
        return way;
      }
      for (const other of next.get(one) ?? []) {
        if (seen.has(other)) continue;
        seen.add(other);
        came.set(other, one);
        wider.push(other);
      }
    }
    ring = wider;
  }
  return null;
}

/** A name that no node has, made of what is asked for. */
export function freeName(taken: ReadonlySet<string>, wanted: string): string {
  const cleaned = wanted.replaceAll(/[^A-Za-z0-9_]+/g, "_").replace(/^(?=[0-9])/, "_").slice(0, 58) || "node";
  if (!taken.has(cleaned)) return cleaned;
  const stem = cleaned.replace(/_\d+$/, "") || cleaned;
  for (let n = 2; ; n++) if (!taken.has(`${stem}_${n}`)) return `${stem}_${n}`;
}

export const namesOf = (doc: Doc): Set<string> => new Set(isObj(doc["nodes"]) ? Object.keys(doc["nodes"]) : []);

/** A document with nothing in it yet. */
export const blank = (name: string, title: string): Doc => ({
  penstock: 1,
  name,
  ...(title ? { title } : {}),
  inputs: { type: "object", properties: {} },
  nodes: {},
  edges: [],
  outputs: {},
});
