// What can be done to a workflow, as functions from one document to the next. None of them looks at the canvas, so the mouse, the
// keyboard and the outline do the very same things.

import { type Doc, freeName, namesOf, nodeOf, nodesOf, type Place, placePath, placesOf, SIZE, START, wiresOf } from "./document.ts";
import { getIn, isObj, type Json, type Obj, type Path, setIn } from "./json.ts";
import { type Literal, renameEverywhere } from "./references.ts";

const GAP = 72;

/** A node, under a name that is free, and its name. Without a place it stands right of `beside`, or of everything. */
export function addNode(doc: Doc, wanted: string, node: Obj, at?: Place, beside?: string): { doc: Doc; name: string } {
  const name = freeName(namesOf(doc), wanted);
  const place = at ?? freePlace(doc, beside);
  const next = setIn(setIn(doc, ["nodes", name], node), placePath(name), place as unknown as Obj) as Doc;
  return { doc: next, name };
}

/** A place where nothing stands yet. */
export function freePlace(doc: Doc, beside?: string): Place {
  const places = placesOf(doc);
  const standing = nodesOf(doc).flatMap(([name]) => places[name] ?? []);
  const origin = beside === undefined ? undefined : places[beside];
  let at: Place;
  if (origin) at = { x: origin.x + SIZE.width + GAP, y: origin.y };
  else if (standing.length) at = { x: Math.max(...standing.map((one) => one.x)) + SIZE.width + GAP, y: Math.min(...standing.map((one) => one.y)) };
  else at = { x: 0, y: 0 };
  while (standing.some((one) => Math.abs(one.x - at.x) < SIZE.width && Math.abs(one.y - at.y) < SIZE.height + 12))
    at = { x: at.x, y: at.y + SIZE.height + 28 };
  return at;
}

/** Without some nodes, the edges that touch them and their places. */
export function removeNodes(doc: Doc, names: readonly string[]): Doc {
  const gone = new Set(names);
  let next: Doc = doc;
  for (const name of names) {
    next = setIn(next, ["nodes", name], undefined) as Doc;
    next = setIn(next, ["layout", "nodes", name], undefined) as Doc;
  }
  if (wiresOf(doc).some((wire) => gone.has(wire.from) || gone.has(wire.to)))
    next = { ...next, edges: (doc["edges"] as Json[]).filter((edge) => !(isObj(edge) && (gone.has(String(edge["from"])) || gone.has(String(edge["to"]))))) };
  return next;
}

/** Without the edges at some places. */
export function removeEdges(doc: Doc, indexes: readonly number[]): Doc {
  const gone = new Set(indexes);
  return Array.isArray(doc["edges"]) ? { ...doc, edges: doc["edges"].filter((_, n) => !gone.has(n)) } : doc;
}

/** A node under another name, wherever it was named: edges, expressions, the questions on its edges, its place. */
export function renameNode(doc: Doc, old: string, name: string, literal: Literal): Doc {
  if (old === name || !isObj(doc["nodes"]) || !Object.hasOwn(doc["nodes"], old) || Object.hasOwn(doc["nodes"], name)) return doc;
  const names = new Map([[old, name]]);
  for (const { from, to, edge } of wiresOf(doc)) {
    if (from !== old && to !== old) continue;
    const what = edge["gate"] !== undefined ? "gate" : edge["checkpoint"] === true ? "checkpoint" : null;
    if (what) names.set(`${what}_${from}_${to}`, `${what}_${from === old ? name : from}_${to === old ? name : to}`);
  }
  const within = renameEverywhere(doc, names, literal);
  const nodes: Obj = {};
  for (const [key, node] of Object.entries(within["nodes"] as Obj)) nodes[key === old ? name : key] = node;
  let next: Doc = { ...within, nodes };
  if (Array.isArray(next["edges"]))
    next["edges"] = next["edges"].map((edge) => {
      if (!isObj(edge) || (edge["from"] !== old && edge["to"] !== old)) return edge;
      return { ...edge, ...(edge["from"] === old ? { from: name } : {}), ...(edge["to"] === old ? { to: name } : {}) };
    });
  const place = getIn(doc, placePath(old));
  if (place !== undefined) next = setIn(setIn(next, placePath(old), undefined), placePath(name), place) as Doc;
  return next;
}

/** One value of a node: `path` begins at the node. Undefined takes the key away. */
export const setNode = (doc: Doc, name: string, path: Path, value: Json | undefined): Doc =>
  nodeOf(doc, name) === undefined ? doc : (setIn(doc, ["nodes", name, ...path], value) as Doc);

export const setEdge = (doc: Doc, index: number, path: Path, value: Json | undefined): Doc =>
  getIn(doc, ["edges", index]) === undefined ? doc : (setIn(doc, ["edges", index, ...path], value) as Doc);

export const setTop = (doc: Doc, path: Path, value: Json | undefined): Doc => setIn(doc, path, value) as Doc;

/** An edge more; whether it may be is for `refusal` to say. */
export const connect = (doc: Doc, from: string, to: string): Doc => ({
  ...doc,
  edges: [...(Array.isArray(doc["edges"]) ? doc["edges"] : []), { from, to }],
});

/** A loop that was refused because nothing bounds it, bounded. */
export const connectLoop = (doc: Doc, from: string, to: string, visits: number): Doc =>
  connect(setNode(doc, to, ["max_visits"], visits), from, to);

export function moveNodes(doc: Doc, places: Record<string, Place>): Doc {
  let next = doc;
  for (const [name, { x, y }] of Object.entries(places)) {
    if (name !== START && nodeOf(doc, name) === undefined) continue;
    next = setIn(next, placePath(name), { x: Math.round(x), y: Math.round(y) }) as Doc;
  }
  return next;
}

/** A node so many places further down in the document. */
export function reorderNode(doc: Doc, name: string, by: number): Doc {
  if (!isObj(doc["nodes"])) return doc;
  const entries = Object.entries(doc["nodes"]);
  return { ...doc, nodes: Object.fromEntries(moved(entries, entries.findIndex(([key]) => key === name), by)) };
}

/** An edge before or behind the next one that leaves the same node: the order in which a router asks. */
export function reorderEdge(doc: Doc, index: number, by: number): Doc {
  const wires = wiresOf(doc);
  const wire = wires.find((one) => one.index === index);
  if (!wire) return doc;
  const beside = wires.filter((one) => one.from === wire.from).map((one) => one.index);
  const other = beside[beside.indexOf(index) + by];
  if (other === undefined) return doc;
  const edges = [...(doc["edges"] as Json[])];
  [edges[index], edges[other]] = [edges[other] as Json, edges[index] as Json];
  return { ...doc, edges };
}

function moved<T>(list: T[], from: number, by: number): T[] {
  const to = from + by;
  if (from < 0 || to < 0 || to >= list.length) return list;
  const out = [...list];
  const [taken] = out.splice(from, 1);
  out.splice(to, 0, taken as T);
  return out;
}
