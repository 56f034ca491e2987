// Where expressions stand in a document, and the names of nodes within them. An expression is found by its marks, `${{ … }}`, or by
// its place: `when` and `for_each` are one without any. `$${{` is text that only looks like one.

import { type Doc, kindOf, nodesOf } from "./document.ts";
import { type Json, isObj, mapTexts, type Obj, type Path } from "./json.ts";

/** Keys of `with`, by kind, that are taken as they stand. */
export type Literal = (kind: string) => readonly string[];

export interface Span {
  /** The source of one expression, and where it begins in the text. */
  source: string;
  start: number;
  end: number;
  /** Nothing else stands in the text: the value keeps its type. */
  whole: boolean;
}

/** The expressions marked in a text; one that is not closed ends with the text. */
export function spansIn(text: string): Span[] {
  const found: Span[] = [];
  for (let at = 0; ; ) {
    const open = text.indexOf("${{", at);
    if (open < 0) break;
    if (text[open - 1] === "$") {
      at = open + 3;
      continue;
    }
    const close = closing(text, open + 3);
    const end = close < 0 ? text.length : close;
    const whole = text.slice(0, open).trim() === "" && close >= 0 && text.slice(close + 2).trim() === "";
    found.push({ source: text.slice(open + 3, end), start: open + 3, end, whole });
    if (close < 0) break;
    at = close + 2;
  }
  return found;
}

/** Where `}}` closes an expression: not within quotes, nor within the braces of a map. */
function closing(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === '"' || char === "'") {
      for (at++; at < text.length && text[at] !== char; at++) if (text[at] === "\\") at++;
    } else if (char === "{") depth++;
    else if (char === "}" && depth > 0) depth--;
    else if (char === "}" && text[at + 1] === "}") return at;
  }
  return -1;
}

export const isExpression = (value: Json | undefined): value is string => typeof value === "string" && spansIn(value).length > 0;

const TOKEN = /(?<![\w.])nodes\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*\])|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g;

/** The nodes that an expression reads. */
export function nodesIn(source: string): string[] {
  return [...source.matchAll(TOKEN)].flatMap((found) => found[1] ?? found[2] ?? found[3] ?? []);
}

const renamed = (source: string, names: ReadonlyMap<string, string>): string =>
  source.replace(TOKEN, (token, dotted: string | undefined, double: string | undefined, single: string | undefined) => {
    const old = dotted ?? double ?? single;
    const next = old === undefined ? undefined : names.get(old);
    return next === undefined || old === undefined ? token : `${token.slice(0, token.lastIndexOf(old))}${next}${token.slice(token.lastIndexOf(old) + old.length)}`;
  });

/** A text whose expressions read nodes by their new names. `bare`: the text is one expression though it has no marks. */
export function renameIn(text: string, names: ReadonlyMap<string, string>, bare = false): string {
  const spans = spansIn(text);
  if (bare && !spans.length) return renamed(text, names);
  let out = "";
  let at = 0;
  for (const span of spans) {
    out += text.slice(at, span.start) + renamed(span.source, names);
    at = span.end;
  }
  return out + text.slice(at);
}

/** A node with its expressions reading other names. */
export function renameInNode(node: Obj, names: ReadonlyMap<string, string>, literal: Literal): Obj {
  const kind = kindOf(node);
  const closed = literal(kind);
  const within = mapTexts(node, (text, path) => {
    if (path[0] === "for_each") return renameIn(text, names, true);
    if (path[0] !== "with" || closed.includes(String(path[1]))) return text;
    return isSuccessor(kind, path) ? (names.get(text) ?? text) : renameIn(text, names);
  });
  return within as Obj;
}

/** Where a `plan` names the nodes that come next, as texts and not in expressions. */
const isSuccessor = (kind: string, path: Path): boolean =>
  kind === "plan" && ((path[1] === "rules" && path[3] === "next") || path[1] === "default");

/** The whole document with nodes renamed in every expression. */
export function renameEverywhere(doc: Doc, names: ReadonlyMap<string, string>, literal: Literal): Doc {
  const out: Doc = { ...doc };
  if (isObj(doc["nodes"])) {
    const nodes: Obj = {};
    for (const [name, node] of Object.entries(doc["nodes"])) nodes[name] = isObj(node) ? renameInNode(node, names, literal) : node;
    out["nodes"] = nodes;
  }
  if (Array.isArray(doc["edges"]))
    out["edges"] = doc["edges"].map((edge) =>
      isObj(edge) ? mapTexts(edge, (text, path) => (path[0] === "when" ? renameIn(text, names, true) : path[0] === "gate" ? renameIn(text, names) : text)) : edge,
    );
  if (doc["outputs"] !== undefined) out["outputs"] = mapTexts(doc["outputs"], (text) => renameIn(text, names));
  return out;
}

/** Who reads a node's output: other nodes, by name. */
export function readersOf(doc: Doc, name: string): string[] {
  return nodesOf(doc).filter(([other, node]) => {
    let reads = false;
    mapTexts(node, (text, path) => {
      const sources = path[0] === "for_each" && !spansIn(text).length ? [text] : spansIn(text).map((span) => span.source);
      reads ||= sources.some((source) => nodesIn(source).includes(name));
      return text;
    });
    return reads && other !== name;
  }).map(([other]) => other);
}
