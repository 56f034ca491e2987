// The document as text, and back. A change made elsewhere is written into the text that is there, part by part, so that the
// comments and the order of whoever wrote it stay; only what changed is written anew.

import { Document, isMap, isPair, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, Scalar, type YAMLMap, type YAMLSeq } from "yaml";
import type { Doc } from "./document.ts";
import { equal, isObj, type Json, type Obj, type Path, shared } from "./json.ts";

export interface TextProblem {
  message: string;
  /** Offsets in the text. */
  from: number;
  to: number;
  line: number;
}

export interface Parsed {
  /** Null while the text is no document. */
  doc: Doc | null;
  problems: TextProblem[];
}

const PRINT = { lineWidth: 120, flowCollectionPadding: false, indentSeq: true } as const;
const LOAD = { version: "1.2", schema: "core", merge: false, uniqueKeys: true, keepSourceTokens: false } as const;

/** A document as YAML. Edges, places and other small things stand on one line each. */
export function print(doc: Doc): string {
  const tree = new Document(doc, { version: "1.2" });
  flatten(tree.contents as Node, []);
  return tree.toString(PRINT);
}

/** Makes flow collections of what is short and has no depth. */
function flatten(node: Node | null, path: Path): void {
  if (isScalar(node)) return shapeText(node);
  if (!isMap(node) && !isSeq(node)) return;
  for (const item of node.items) {
    if (isPair(item)) flatten(item.value as Node, [...path, String((item.key as Scalar).value)]);
    else flatten(item as Node, [...path, 0]);
  }
  const small = path[0] === "edges" ? path.length === 2 : path[0] === "layout" ? path.length > 1 : path.length > 1 || path[0] === "limits" || path[0] === "tags";
  const size = JSON.stringify(node.toJSON()).length;
  if (small && size < (path[0] === "edges" ? 140 : 90) && !multiline(node)) node.flow = true;
}

function multiline(node: Node): boolean {
  if (isScalar(node)) return typeof node.value === "string" && node.value.includes("\n");
  if (isMap(node)) return node.items.some((pair) => multiline(pair.value as Node));
  return isSeq(node) ? node.items.some((item) => multiline(item as Node)) : false;
}

function shapeText(node: Scalar): void {
  if (typeof node.value !== "string") return;
  if (node.value.includes("\n")) node.type = Scalar.BLOCK_LITERAL;
  else if (node.value.includes("${{")) node.type = Scalar.QUOTE_DOUBLE;
}

/** A text as a document; what it shares with `before` is the same object. */
export function parse(text: string, before?: Doc): Parsed {
  const lines = new LineCounter();
  const tree = parseDocument(text, { ...LOAD, lineCounter: lines });
  const problems: TextProblem[] = tree.errors.map((error) => ({
    message: error.message.split("\n")[0]?.replace(/ at line \d+.*$/, "") ?? error.code,
    from: error.pos[0],
    to: Math.max(error.pos[1], error.pos[0] + 1),
    line: lines.linePos(error.pos[0]).line,
  }));
  if (problems.length) return { doc: null, problems };
  let value: unknown;
  try {
    value = tree.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return { doc: null, problems: [{ message: error instanceof Error ? error.message : String(error), from: 0, to: 1, line: 1 }] };
  }
  if (!isObj(value)) return { doc: null, problems: [{ message: "A workflow is a mapping that begins with penstock: 1", from: 0, to: Math.max(1, text.length), line: 1 }] };
  return { doc: before ? (shared(before, value) as Doc) : value, problems: [] };
}

/** `text`, which says `before`, changed so that it says `after`. */
export function patch(text: string, before: Doc, after: Doc): string {
  if (before === after) return text;
  const tree = parseDocument(text, LOAD);
  if (tree.errors.length || !isMap(tree.contents)) return print(after);
  patchMap(tree, tree.contents as YAMLMap, before, after, []);
  const out = tree.toString(PRINT);
  return equal(parse(out).doc, after) ? out : print(after);
}

function patchMap(tree: Document, map: YAMLMap, before: Obj, after: Obj, path: Path): void {
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  const come = Object.keys(after).filter((key) => !Object.hasOwn(before, key));
  const pairOf = (key: string) => map.items.find((pair) => keyOf(pair) === key);
  // a key that went where another came, at the same place, was renamed: what is written about it stays with it
  const order = Object.keys(after);
  for (const old of [...gone]) {
    const name = come.find((key) => order.indexOf(key) === Object.keys(before).indexOf(old));
    const pair = pairOf(old);
    if (name === undefined || !pair || !isScalar(pair.key)) continue;
    pair.key.value = name;
    gone.splice(gone.indexOf(old), 1);
    come.splice(come.indexOf(name), 1);
    patchPair(tree, pair, before[old] as Json, after[name] as Json, [...path, name]);
  }
  for (const key of gone) map.items = map.items.filter((pair) => keyOf(pair) !== key);
  for (const key of order) {
    if (come.includes(key)) map.items.push(tree.createPair(key, made(tree, after[key] as Json, [...path, key])) as Pair<never, never>);
    else if (Object.hasOwn(before, key) && before[key] !== after[key]) {
      const pair = pairOf(key);
      if (pair) patchPair(tree, pair, before[key] as Json, after[key] as Json, [...path, key]);
    }
  }
  if (map.items.some((pair, n) => keyOf(pair) !== order[n])) map.items.sort((a, b) => order.indexOf(keyOf(a)) - order.indexOf(keyOf(b)));
  if (come.length && map.items.length && path.length === 0) map.flow = false;
}

const keyOf = (pair: Pair): string => String(isScalar(pair.key) ? pair.key.value : pair.key);

function patchPair(tree: Document, pair: Pair, before: Json, after: Json, path: Path): void {
  pair.value = patchNode(tree, pair.value as Node | null, before, after, path) as never;
}

function patchNode(tree: Document, node: Node | null, before: Json, after: Json, path: Path): Node {
  if (before === after && node) return node;
  if (isMap(node) && isObj(before) && isObj(after)) {
    patchMap(tree, node, before, after, path);
    if (node.flow && (JSON.stringify(after).length > 140 || multiline(node))) node.flow = false;
    if (!node.flow && Object.keys(before).length === 0) flatten(node, path);
    return node;
  }
  if (isSeq(node) && Array.isArray(before) && Array.isArray(after)) {
    patchSeq(tree, node, before, after, path);
    return node;
  }
  if (isScalar(node) && !isObj(after) && !Array.isArray(after)) {
    node.value = after;
    delete node.source;
    if (typeof after === "string" && (after.includes("\n") || after.includes("${{"))) shapeText(node);
    else if (typeof after !== "string" || typeof before !== "string" || node.type === "BLOCK_LITERAL" || node.type === "BLOCK_FOLDED") delete node.type;
    return node;
  }
  return made(tree, after, path);
}

function patchSeq(tree: Document, seq: YAMLSeq, before: Json[], after: Json[], path: Path): void {
  const old = seq.items as Node[];
  const used = new Set<number>();
  const same = after.map((one) => {
    const at = before.findIndex((other, n) => !used.has(n) && other === one);
    if (at >= 0) used.add(at);
    return at;
  });
  const left = before.map((_, n) => n).filter((n) => !used.has(n));
  seq.items = after.map((one, n) => {
    const kept = same[n] as number;
    if (kept >= 0) return old[kept] as Node;
    const place = left.includes(n) ? n : before.length === after.length ? left[0] : undefined;
    if (place === undefined) return made(tree, one, [...path, n]);
    left.splice(left.indexOf(place), 1);
    return patchNode(tree, old[place] as Node, before[place] as Json, one, [...path, n]);
  });
  if (after.length && !before.length) seq.flow = false;
  if (before.length === 0 && seq.items.length && path.at(-1) !== "edges") flatten(seq, path);
}

function made(tree: Document, value: Json, path: Path): Node {
  const node = tree.createNode(value) as Node;
  flatten(node, path);
  return node;
}

/** Where the value at a path stands in the text; the nearest that holds it where there is none. */
export function rangeOf(text: string, path: Path): { from: number; to: number } | null {
  const tree = parseDocument(text, LOAD);
  let node: Node | null = tree.contents as Node | null;
  let found: { from: number; to: number } | null = null;
  for (const key of path) {
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find((one) => keyOf(one) === String(key));
      if (!pair) break;
      const begin = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      node = pair.value as Node | null;
      if (begin !== undefined) found = { from: begin, to: node?.range?.[1] ?? begin };
    } else if (isSeq(node)) {
      node = (node.items[Number(key)] as Node | undefined) ?? null;
      if (node?.range) found = { from: node.range[0], to: node.range[1] };
    } else break;
  }
  return found;
}

/** The path of what stands at an offset of the text: the deepest value whose text holds it. */
export function pathAt(text: string, offset: number): Path {
  let node: Node | null = parseDocument(text, LOAD).contents as Node | null;
  const path: (string | number)[] = [];
  for (;;) {
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.findLast((one) => ((one.key as Node | null)?.range?.[0] ?? Infinity) <= offset);
      if (!pair) return path;
      path.push(keyOf(pair));
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      const at: number = (node.items as Node[]).findLastIndex((one) => (one.range?.[0] ?? Infinity) <= offset);
      if (at < 0) return path;
      path.push(at);
      node = node.items[at] as Node;
    } else return path;
  }
}
