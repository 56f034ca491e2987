// Nodes as JSON, to be taken along: from one place to another, to another workflow, through a mail. What is pasted gets names that
// are free, and reads its companions by their new names.

import { type Doc, freeName, namesOf, nodeOf, nodesOf, type Place, placesOf, placePath, wiresOf } from "./document.ts";
import { isObj, type Json, type Obj, setIn } from "./json.ts";
import { type Literal, renameInNode, renameIn } from "./references.ts";

const STEP = 36; // pixels by which a copy stands beside what it was made of

/** The nodes, the edges among them and where they stand, as JSON text. */
export function copy(doc: Doc, names: readonly string[]): string {
  const taken = new Set(names);
  const places = placesOf(doc);
  const chosen = nodesOf(doc).filter(([name]) => taken.has(name));
  const layout = Object.fromEntries(chosen.flatMap(([name]) => (places[name] ? [[name, places[name] as unknown as Json]] : [])));
  const edges = wiresOf(doc).filter((wire) => taken.has(wire.from) && taken.has(wire.to)).map((wire) => wire.edge);
  return JSON.stringify({ penstock: 1, nodes: Object.fromEntries(chosen), edges, layout: { nodes: layout } }, null, 2);
}

/** Whether a text is something that `paste` understands. */
export function readable(text: string): Doc | null {
  if (!text.trimStart().startsWith("{")) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isObj(value) && isObj(value["nodes"]) && nodesOf(value).length > 0 ? value : null;
  } catch {
    return null;
  }
}

/** The document with what was copied, and the names that it got. `at` is where its upper left corner stands. */
export function paste(doc: Doc, clip: Doc, literal: Literal, at?: Place): { doc: Doc; names: string[] } {
  const taken = namesOf(doc);
  const names = new Map<string, string>();
  for (const [name] of nodesOf(clip)) {
    const free = freeName(taken, name);
    taken.add(free);
    names.set(name, free);
  }
  const changed = new Map([...names].filter(([old, name]) => old !== name));
  const places = placesOf(clip);
  const known = [...names.keys()].flatMap((name) => places[name] ?? []);
  const corner = { x: Math.min(...known.map((one) => one.x)), y: Math.min(...known.map((one) => one.y)) };
  const shift = at && known.length ? { x: at.x - corner.x, y: at.y - corner.y } : { x: STEP, y: STEP };
  let next = doc;
  let row = 0;
  for (const [old, name] of names) {
    const node = nodeOf(clip, old) as Obj;
    const place = places[old] ?? { x: at?.x ?? 0, y: (at?.y ?? 0) + row++ * 96 };
    next = setIn(next, ["nodes", name], renameInNode(node, changed, literal)) as Doc;
    next = setIn(next, placePath(name), { x: Math.round(place.x + shift.x), y: Math.round(place.y + shift.y) }) as Doc;
  }
  const edges = wiresOf(clip).flatMap(({ from, to, edge }) => {
    const [source, target] = [names.get(from), names.get(to)];
    if (!source || !target) return [];
    const when = edge["when"];
    return [{ ...edge, from: source, to: target, ...(typeof when === "string" ? { when: renameIn(when, changed, true) } : {}) }];
  });
  if (edges.length) next = { ...next, edges: [...(Array.isArray(next["edges"]) ? next["edges"] : []), ...edges] };
  return { doc: next, names: [...names.values()] };
}
