// What may be written next in an expression: inputs, the outputs of nodes that have run before, functions. Members come from declared
// schemas and from what the last run really gave; where both know one, the schema says what it is and the run shows it.

import { resolve, type Schema } from "../../form/schema.ts";
import { before, type Doc, nodesOf, titleOf } from "./document.ts";
import { isObj, type Json } from "./json.ts";
import { nodesIn, spansIn } from "./references.ts";
import { gives, inWords, member, schemaOf, typesOf } from "./types.ts";

export interface Scope {
  inputs: Schema;
  /** By node: what it gives, and gave. */
  nodes: ReadonlyMap<string, { title: string; schema: Schema; sample: Json | undefined }>;
  /** What `item` is; null where there is none. */
  item: { schema: Schema; sample: Json | undefined } | null;
  root: Schema;
}

export interface Suggestion {
  label: string;
  detail: string;
  type: "variable" | "property" | "function" | "keyword" | "namespace";
  apply?: string;
  info?: string;
  boost?: number;
}

/** Outputs of the last run, by node. */
export type Samples = ReadonlyMap<string, Json>;

/** What an expression at a node may read; of all nodes where `name` is null, as in the outputs of the run. */
export function scopeOf(doc: Doc, samples: Samples, name: string | null, edge = false): Scope {
  const earlier = name === null ? null : before(doc, name);
  const known = nodesOf(doc).filter(([other]) => earlier === null || earlier.has(other) || (edge && other === name));
  const nodes = new Map(known.map(([other, node]) => [other, { title: titleOf(other, node), schema: gives(doc, other), sample: samples.get(other) }]));
  const inputs = isObj(doc["inputs"]) ? doc["inputs"] : { type: "object" };
  const scope: Scope = { inputs, nodes, item: null, root: doc };
  const each = name === null || edge ? undefined : nodesOf(doc).find(([other]) => other === name)?.[1]["for_each"];
  if (typeof each !== "string") return scope;
  const source = spansIn(each)[0]?.source ?? each;
  const list = follow(source.trim(), scope);
  const sample = Array.isArray(list?.sample) ? list.sample[0] : undefined;
  return { ...scope, item: { schema: list ? (member(list.schema, "0", doc) ?? {}) : {}, sample } };
}

interface Found {
  schema: Schema;
  sample: Json | undefined;
}

const STATUS: Schema = { enum: ["pending", "active", "completed", "failed", "skipped"] };
const RUN: Schema = {
  type: "object",
  properties: {
    id: { type: "string" }, workflow: { type: "string" }, version: { type: "integer" }, mode: { enum: ["full_run", "test_run", "validate_only"] },
    actor: { type: "string" }, group: { type: "string" }, started_at: { type: "string" },
  },
};

/** What a chain such as `nodes.a.output[0].b` leads to; null when it is none, or leads nowhere. */
export function follow(chain: string, scope: Scope): Found | null {
  const keys = keysOf(chain);
  if (!keys) return null;
  const [root, ...rest] = keys;
  if (root === "inputs") return walk({ schema: scope.inputs, sample: undefined }, rest, scope.root);
  if (root === "run") return walk({ schema: RUN, sample: undefined }, rest, RUN);
  if (root === "item") return scope.item && walk(scope.item, rest, scope.root);
  if (root === "index") return rest.length ? null : { schema: { type: "integer" }, sample: undefined };
  if (root !== "nodes") return null;
  const node = scope.nodes.get(rest[0] ?? "");
  if (!node || rest[1] === undefined) return null;
  if (rest[1] === "output") return walk({ schema: node.schema, sample: node.sample }, rest.slice(2), scope.root);
  if (rest[1] === "status") return { schema: STATUS, sample: undefined };
  return rest[1] === "errors" ? walk({ schema: { type: "array", items: { type: "object" } }, sample: undefined }, rest.slice(2), scope.root) : null;
}

function walk(from: Found, keys: readonly string[], root: Schema): Found | null {
  let at: Found | null = from;
  for (const key of keys) {
    const schema: Schema | null = member(at.schema, key, root);
    const sample: Json | undefined = Array.isArray(at.sample) ? at.sample[Number(key)] : isObj(at.sample) ? at.sample[key] : undefined;
    if (schema === null && sample === undefined) return null;
    at = { schema: schema ?? {}, sample };
  }
  return at;
}

const LINK = /^\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(?:(\d+)|"([^"\\]*)"|'([^'\\]*)')\s*\])/;

/** The keys of a chain of members; null for anything else. */
export function keysOf(chain: string): string[] | null {
  const head = /^\s*([A-Za-z_]\w*)/.exec(chain);
  if (!head?.[1]) return null;
  const keys = [head[1]];
  let rest = chain.slice(head[0].length);
  while (rest.trim()) {
    const link = LINK.exec(rest);
    if (!link) return null;
    keys.push(link[1] ?? link[2] ?? link[3] ?? link[4] ?? "");
    rest = rest.slice(link[0].length);
  }
  return keys;
}

/** Functions: what they are called with, of which type their subject is, what they do. */
const FUNCTIONS: [string, string, string[], string][] = [
  ["size", "size(x)", ["array", "string", "object"], "elements of a list, members of a map, characters of text"],
  ["type", "type(x)", [], "null, bool, int, double, string, list or map"],
  ["string", "string(x)", [], "a number, true, false or null as text"],
  ["int", "int(x)", ["string", "number"], "a whole number of text, or of a number"],
  ["double", "double(x)", ["string", "integer"], "a number of text or of a whole number"],
  ["bool", "bool(x)", ["string"], "true or false of text"],
  ["json", "json(x)", [], "any value as JSON text"],
  ["contains", "x.contains(text)", ["string"], "whether text holds other text"],
  ["startsWith", "x.startsWith(text)", ["string"], "whether text begins with other text"],
  ["endsWith", "x.endsWith(text)", ["string"], "whether text ends with other text"],
  ["indexOf", "x.indexOf(text)", ["string"], "the place of text in text, -1 if it is not there"],
  ["substring", "x.substring(from, to)", ["string"], "a part of text"],
  ["lower", "x.lower()", ["string"], "in small letters"],
  ["upper", "x.upper()", ["string"], "in capital letters"],
  ["trim", "x.trim()", ["string"], "without blanks at both ends"],
  ["replace", "x.replace(old, new)", ["string"], "with one text put for another"],
  ["split", "x.split(separator)", ["string"], "text as a list"],
  ["join", "x.join(separator)", ["array"], "a list as text"],
  ["matches", "x.matches(pattern)", ["string"], "whether a pattern is found in text"],
  ["filter", "x.filter(one, condition)", ["array"], "the elements for which a condition is true"],
  ["map", "x.map(one, value)", ["array"], "a value for each element"],
  ["all", "x.all(one, condition)", ["array"], "whether a condition is true for each element"],
  ["exists", "x.exists(one, condition)", ["array"], "whether a condition is true for some element"],
  ["exists_one", "x.exists_one(one, condition)", ["array"], "whether a condition is true for exactly one element"],
  ["sum", "sum(list)", ["array"], "of a list, or of its arguments"],
  ["min", "min(list)", ["array"], "the smallest"],
  ["max", "max(list)", ["array"], "the largest"],
  ["first", "first(list)", ["array"], "the first element"],
  ["last", "last(list)", ["array"], "the last element"],
  ["keys", "keys(map)", ["object"], "the names in a map"],
  ["values", "values(map)", ["object"], "the values in a map"],
  ["unique", "unique(list)", ["array"], "each once, where it came first"],
  ["sort", "sort(list)", ["array"], "in order; by a member, named as text"],
  ["flatten", "flatten(list)", ["array"], "one level less"],
  ["range", "range(n)", [], "0 to n - 1 as a list"],
  ["round", "round(x, digits)", ["number"], "halves away from zero"],
  ["floor", "floor(x)", ["number"], "the whole number below"],
  ["ceil", "ceil(x)", ["number"], "the whole number above"],
  ["abs", "abs(x)", ["number", "integer"], "without its sign"],
  ["has", "has(x.y)", [], "whether a member is there"],
];
const METHODS_ONLY = new Set(["filter", "map", "all", "exists", "exists_one"]);
export const FUNCTION_NAMES: ReadonlySet<string> = new Set(FUNCTIONS.map(([name]) => name));

export interface Completed {
  /** Where what is replaced begins, in the text. */
  from: number;
  options: Suggestion[];
}

const TAIL = /((?:[A-Za-z_]\w*)(?:\s*\.\s*[A-Za-z_]\w*|\s*\[\s*(?:\d+|"[^"\\]*"|'[^'\\]*')\s*\])*)?(\s*\.\s*)([A-Za-z_]\w*)?$|([A-Za-z_]\w*)?$/;

/**
 * What may stand at `at` in a text with `${{ }}`; in one that is an expression without them where `bare`. Null outside of expressions, unless
 * `$` was just typed.
 */
export function complete(text: string, at: number, scope: Scope, bare = false): Completed | null {
  const span = spansIn(text).find((one) => at >= one.start && at <= one.end);
  if (!span && !(bare && !text.includes("${{"))) {
    const opened = /\$\{{0,2}$/.exec(text.slice(0, at));
    if (!opened || bare) return null;
    return { from: at - opened[0].length, options: rootsOf(scope).map((one) => ({ ...one, label: `\${{ ${one.label} }}`, apply: `\${{ ${one.label} }}` })) };
  }
  const head = text.slice(span?.start ?? 0, at);
  if (quoted(head)) return null;
  const tail = TAIL.exec(head);
  if (tail?.[2] !== undefined) {
    if (tail[1] === undefined) return null;
    return { from: at - (tail[3]?.length ?? 0), options: membersOf(tail[1], scope) };
  }
  return { from: at - (tail?.[4]?.length ?? 0), options: [...rootsOf(scope), ...functions()] };
}

function quoted(head: string): boolean {
  let open = "";
  for (let at = 0; at < head.length; at++) {
    const char = head[at] as string;
    if (open) {
      if (char === "\\") at++;
      else if (char === open) open = "";
    } else if (char === '"' || char === "'") open = char;
  }
  return open !== "";
}

function rootsOf(scope: Scope): Suggestion[] {
  const outputs = [...scope.nodes].map(([name, node]): Suggestion => ({
    label: `nodes.${name}.output`, type: "variable", detail: shown({ schema: node.schema, sample: node.sample }, scope.root), boost: 2,
    ...(node.title === name ? {} : { info: node.title }),
  }));
  const given = isObj(scope.inputs["properties"]) ? Object.entries(scope.inputs["properties"]) : [];
  return [
    ...(scope.item ? [{ label: "item", type: "variable", detail: shown(scope.item, scope.root), boost: 4 } as const, { label: "index", type: "variable", detail: "its place, from 0", boost: 3 } as const] : []),
    ...given.map(([name, schema]): Suggestion => ({ label: `inputs.${name}`, type: "variable", detail: inWords(resolve(schema, scope.root), scope.root), boost: 3 })),
    ...outputs,
    { label: "inputs", type: "namespace", detail: "what the run was started with" },
    { label: "nodes", type: "namespace", detail: "what nodes gave" },
    { label: "run", type: "namespace", detail: "the run itself" },
  ];
}

const functions = (): Suggestion[] =>
  FUNCTIONS.filter(([name]) => !METHODS_ONLY.has(name)).map(([name, call, , does]) => ({ label: name, type: "function", detail: call, info: does, apply: `${name}(`, boost: -1 }));

function membersOf(chain: string, scope: Scope): Suggestion[] {
  const keys = keysOf(chain);
  if (keys?.[0] === "nodes" && keys.length === 1)
    return [...scope.nodes].map(([name, node]) => ({ label: name, type: "property", detail: node.title === name ? "" : node.title }));
  if (keys?.[0] === "nodes" && keys.length === 2)
    return scope.nodes.has(keys[1] as string)
      ? [
          { label: "output", type: "property", detail: "what it gave", boost: 2 },
          { label: "status", type: "property", detail: "how it ended" },
          { label: "errors", type: "property", detail: "what failed" },
        ]
      : [];
  const found = follow(chain, scope);
  if (!found) return [];
  const schema = resolve(found.schema, scope.root);
  const sample = isObj(found.sample) ? found.sample : {};
  const declared = isObj(schema["properties"]) ? schema["properties"] : {};
  const names = new Set([...Object.keys(declared), ...Object.keys(sample)].filter((name) => /^[A-Za-z_]\w*$/.test(name)));
  const fields = [...names].map((name): Suggestion => ({
    label: name, type: "property", boost: 2,
    detail: shown({ schema: (declared[name] as Schema | undefined) ?? {}, sample: sample[name] }, scope.root),
    ...(typeof resolve(declared[name] ?? {}, scope.root)["description"] === "string" ? { info: String(resolve(declared[name], scope.root)["description"]) } : {}),
  }));
  const types = typesOf(schema, scope.root).length ? typesOf(schema, scope.root) : typesOf(schemaOf(found.sample), scope.root);
  const methods = FUNCTIONS.filter(([, , takes]) => takes.some((type) => types.includes(type))).map(
    ([name, call, , does]): Suggestion => ({ label: name, type: "function", detail: call, info: does, apply: `${name}(` }),
  );
  return [...fields, ...methods];
}

/** A value in few words: what it was in the last run, else its type. */
function shown(found: Found, root: Schema): string {
  if (found.sample !== undefined && found.sample !== null) {
    const text = JSON.stringify(found.sample);
    return text.length > 40 ? `${text.slice(0, 39)}…` : text;
  }
  return inWords(found.schema, root);
}

/** What is wrong with an expression as far as names tell, at its place in the text; null when nothing is. */
export function unknownName(source: string, scope: Scope, doc: Doc): { message: string; from: number; to: number } | null {
  for (const name of nodesIn(source)) {
    if (scope.nodes.has(name)) continue;
    const from = source.indexOf(name);
    const exists = nodesOf(doc).some(([other]) => other === name);
    const message = exists ? `${name} cannot have run before this: no path leads from it` : `There is no node ${name}`;
    return { message, from, to: from + name.length };
  }
  return null;
}
