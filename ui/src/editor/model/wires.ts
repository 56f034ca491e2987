// Which wires may be drawn. The server judges the whole document; what is judged here is what a hand that draws a wire must be
// told at once, with the reason and, where there is one, the way out.

import { resolve, type Schema } from "../../form/schema.ts";
import { type Doc, kindOf, nodeOf, START, visitsOf, wayFrom, wiresOf } from "./document.ts";
import { getIn, isObj, mapTexts, type Obj } from "./json.ts";
import { nodesIn, spansIn } from "./references.ts";
import { gives, inWords, type Kinds, mayFit, member } from "./types.ts";

export type RefusalCode = "into_start" | "from_start" | "unknown" | "self" | "doubled" | "unbounded_loop" | "types";

export interface Refusal {
  code: RefusalCode;
  /** One sentence for a person. */
  reason: string;
  /** What can be done about it by one click: give the target so many visits. */
  visits?: number;
}

const VISITS = 3;

/** Why there can be no edge between two nodes; null when there can be one. */
export function refusal(doc: Doc, kinds: Kinds, from: string, to: string): Refusal | null {
  const wires = wiresOf(doc);
  if (to === START) return { code: "into_start", reason: "Nothing leads to the start: a run begins there, and is given its inputs." };
  if (from === START) {
    const led = wires.filter((wire) => wire.to === to);
    const reason = led.length
      ? `${to} begins after ${led.map((wire) => wire.from).join(", ")}. Only nodes that nothing leads to begin at the start: remove that edge first.`
      : `${to} begins at the start already, since nothing leads to it.`;
    return { code: "from_start", reason };
  }
  const [source, target] = [nodeOf(doc, from), nodeOf(doc, to)];
  if (!source || !target) return { code: "unknown", reason: `There is no node ${source ? to : from}.` };
  if (from === to) return { code: "self", reason: `${from} cannot lead to itself. To try it again when it fails, give it a retry; to do it for many elements, a for_each.` };
  if (wires.some((wire) => wire.from === from && wire.to === to))
    return { code: "doubled", reason: `There is an edge from ${from} to ${to} already. Join two conditions with || on that one.` };
  const back = wayFrom(doc, to, from);
  if (back && !back.some((name) => visitsOf(nodeOf(doc, name)) > 1))
    return {
      code: "unbounded_loop",
      reason: `That makes a loop, ${[...back, to].join(" → ")}, and nothing bounds it: ${to} needs max_visits, the most times it may run.`,
      visits: VISITS,
    };
  const misfit = misfits(doc, kinds, from, to, target)[0];
  return misfit === undefined ? null : { code: "types", reason: misfit };
}

const PATH = /^\s*nodes\s*(?:\.\s*(\w+)|\[\s*["'](\w+)["']\s*\])\s*\.\s*output((?:\s*\.\s*\w+|\s*\[\s*(?:\d+|"[^"\\]*"|'[^'\\]*')\s*\])*)\s*$/;

/** The keys of an expression that only reads a node's output, as `nodes.a.output.b[0]`: null for any other. */
export function outputPath(source: string): { node: string; path: string[] } | null {
  const found = PATH.exec(source);
  const node = found?.[1] ?? found?.[2];
  if (!found || node === undefined) return null;
  return { node, path: [...(found[3] ?? "").matchAll(/\w+/g)].map(([key]) => key) };
}

/** Where a node reads what another gives, and cannot take it. */
function misfits(doc: Doc, kinds: Kinds, from: string, to: string, target: Obj): string[] {
  const kind = kinds.get(kindOf(target));
  const given = gives(doc, from);
  const found: string[] = [];
  mapTexts(target, (text, path) => {
    const bare = path[0] === "for_each" && !spansIn(text).length;
    const spans = bare ? [{ source: text, whole: true }] : spansIn(text);
    if (path[0] === "with" && kind?.literal.includes(String(path[1]))) return text;
    for (const span of spans) {
      if (!nodesIn(span.source).includes(from)) continue;
      const read = outputPath(span.source);
      if (!read || read.node !== from) continue;
      let schema: Schema | null = given;
      for (const key of read.path) schema = schema && member(schema, key, doc);
      const place = path.join(".");
      if (schema === null) {
        found.push(`${to} reads ${read.path.join(".")} of ${from} (in ${place}), which its declared output does not have.`);
        continue;
      }
      const taken = path[0] === "for_each" ? { type: "array" } : span.whole && kind ? placeOf(kind.config, path.slice(1).map(String)) : {};
      if (taken && !mayFit(schema, taken, doc, kind?.config ?? doc))
        found.push(`${to} takes ${inWords(taken, kind?.config ?? doc)} in ${place}, and ${from} gives ${inWords(schema, doc)} there.`);
    }
    return text;
  });
  return found;
}

/** What a kind takes at a place in its `with`. */
function placeOf(config: Schema, path: readonly string[]): Schema | null {
  let at: Schema | null = config;
  for (const key of path) {
    if (at === null) return null;
    const variants: unknown = at["anyOf"] ?? at["oneOf"];
    const shapes: Schema[] = Array.isArray(variants) ? variants.map((one) => resolve(one, config)) : [at];
    at = member(shapes.find((one) => isObj(one["properties"]) || one["items"] !== undefined) ?? at, key, config);
  }
  return at;
}

export interface Port {
  /** In words. */
  takes: string;
  gives: string;
}

/** What a node takes and gives, for people. */
export function portOf(doc: Doc, name: string): Port {
  const node = nodeOf(doc, name);
  const each = typeof node?.["for_each"] === "string";
  const input = getIn(node, ["with", "input"]);
  return { takes: each ? "a list, an element at a time" : input === undefined ? "anything" : "its input", gives: inWords(gives(doc, name), doc) };
}
