// What the server finds wrong, by the places where it is to be seen: at a node and its field, at an edge, or in the settings.

import type { Wrong } from "../../api/schema.d.ts";
import { type Doc, wiresOf } from "./document.ts";
import { pathOf } from "./json.ts";

export type Target =
  | { at: "node"; name: string; path: string[] }
  | { at: "edge"; index: number; path: string[] }
  | { at: "workflow"; path: string[] };

/** What a JSON pointer into a document leads to. */
export function targetOf(pointer: string): Target {
  const [head, second, ...rest] = pathOf(pointer);
  if (head === "nodes" && second !== undefined) return { at: "node", name: second, path: rest };
  if (head === "edges" && second !== undefined && /^\d+$/.test(second)) return { at: "edge", index: Number(second), path: rest };
  return { at: "workflow", path: pathOf(pointer) };
}

export interface Problems {
  all: readonly Wrong[];
  errors: number;
  warnings: number;
  nodes: ReadonlyMap<string, readonly Wrong[]>;
  edges: ReadonlyMap<number, readonly Wrong[]>;
  workflow: readonly Wrong[];
}

export const NO_PROBLEMS: Problems = { all: [], errors: 0, warnings: 0, nodes: new Map(), edges: new Map(), workflow: [] };

export function sorted(found: readonly Wrong[]): Problems {
  const nodes = new Map<string, Wrong[]>();
  const edges = new Map<number, Wrong[]>();
  const workflow: Wrong[] = [];
  for (const one of found) {
    const target = targetOf(one.pointer);
    if (target.at === "node") nodes.set(target.name, [...(nodes.get(target.name) ?? []), one]);
    else if (target.at === "edge") edges.set(target.index, [...(edges.get(target.index) ?? []), one]);
    else workflow.push(one);
  }
  const errors = found.filter((one) => one.severity !== "warning").length;
  return { all: found, errors, warnings: found.length - errors, nodes, edges, workflow };
}

/** The place in words: "fetch, with.url", "edge fetch → judge, when". */
export function placeInWords(doc: Doc, pointer: string): string {
  const target = targetOf(pointer);
  if (target.at === "node") return [target.name, target.path.join(".")].filter(Boolean).join(", ");
  if (target.at === "edge") {
    const wire = wiresOf(doc).find((one) => one.index === target.index);
    return [wire ? `edge ${wire.from} → ${wire.to}` : `edge ${target.index + 1}`, target.path.join(".")].filter(Boolean).join(", ");
  }
  return target.path.length ? target.path.join(".") : "workflow";
}

/** The problems of one field and of what lies within it, by what they are called below it. */
export const below = (found: readonly Wrong[], prefix: string): Wrong[] =>
  found.filter((one) => one.pointer === prefix || one.pointer.startsWith(`${prefix}/`));
