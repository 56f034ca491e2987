// What a node gives and what a place takes, as JSON Schemas; {} where nobody says. A kind we do not know gives anything, so a new
// kind needs nothing here.

import { resolve, type Schema } from "../../form/schema.ts";
import { type Doc, kindOf, nodeOf } from "./document.ts";
import { getIn, isObj, type Json, type Obj } from "./json.ts";
import { isExpression } from "./references.ts";

export interface Kind {
  name: string;
  description: string;
  /** JSON Schema of `with`. */
  config: Schema;
  literal: readonly string[];
}
export type Kinds = ReadonlyMap<string, Kind>;

const object = (properties: Record<string, Schema>): Schema => ({ type: "object", properties });
const TEXT: Schema = { type: "string" };

/** What the kinds that come with Penstock give, whatever their `with` says. */
const GIVES: Record<string, Schema> = {
  http: object({ status: { type: "integer" }, headers: { type: "object" }, json: {}, text: TEXT, artifact: TEXT }),
  human: object({ decision: TEXT, comment: { type: ["string", "null"] }, fields: { type: "object" }, by: TEXT, timed_out: { type: "boolean" } }),
  plan: object({ next_task_ids: { type: "array", items: TEXT }, metadata: { type: "object" } }),
  render: object({ artifact: TEXT, name: TEXT, size: { type: "integer" }, mime: TEXT }),
  subflow: { type: "object" },
};

/** The schema of one step's output. */
function ofStep(doc: Doc, node: Obj): Schema {
  const kind = kindOf(node);
  const declared = getIn(node, ["with", "output"]);
  if (kind === "agent") {
    if (isObj(declared)) return resolve(declared, doc);
    return object({ text: TEXT, truncated: { type: "boolean" } });
  }
  if (kind === "crew") {
    const tasks = getIn(node, ["with", "tasks"]);
    const last = Array.isArray(tasks) ? tasks.at(-1) : undefined;
    const output = isObj(last) && isObj(last["output"]) ? last["output"] : null;
    const each = (Array.isArray(tasks) ? tasks : []).flatMap((task) => (isObj(task) && typeof task["name"] === "string" ? [[task["name"], isObj(task["output"]) ? task["output"] : TEXT]] : []));
    return object({ ...(output ? { value: resolve(output, doc) } : { text: TEXT }), tasks: object(Object.fromEntries(each)) });
  }
  if (kind === "wait") return declared === undefined ? { type: "null" } : schemaOf(declared);
  return GIVES[kind] ?? {};
}

/** The schema of a node's output; {} where nobody says. */
export function gives(doc: Doc, name: string): Schema {
  const node = nodeOf(doc, name);
  if (!node) return {};
  const step = ofStep(doc, node);
  return node["for_each"] === undefined ? step : { type: "array", items: step };
}

/** The schema that a value is an example of. */
export function schemaOf(value: Json | undefined): Schema {
  if (value === null || value === undefined) return {};
  if (isExpression(value)) return {};
  if (Array.isArray(value)) return { type: "array", items: value.length ? schemaOf(value[0]) : {} };
  if (isObj(value)) return object(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, schemaOf(one)])));
  return { type: typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value };
}

/** What stands at a member of a value of this schema: null when the schema says that there is none. */
export function member(schema: Schema, key: string, root: Schema): Schema | null {
  const whole = resolve(schema, root);
  const properties = whole["properties"];
  if (isObj(properties) && Object.hasOwn(properties, key)) return resolve(properties[key], root);
  if (/^\d+$/.test(key) && whole["items"] !== undefined) return resolve(whole["items"], root);
  if (isObj(whole["additionalProperties"])) return resolve(whole["additionalProperties"], root);
  return whole["additionalProperties"] === false ? null : {};
}

export function typesOf(schema: Schema, root: Schema): string[] {
  const whole = resolve(schema, root);
  if ("const" in whole) return [typeName(whole["const"])];
  if (Array.isArray(whole["enum"])) return [...new Set(whole["enum"].map(typeName))];
  const variants = whole["anyOf"] ?? whole["oneOf"];
  if (Array.isArray(variants)) {
    const each = variants.map((one) => typesOf(one as Schema, root));
    return each.some((types) => types.length === 0) ? [] : [...new Set(each.flat())];
  }
  const type = whole["type"];
  return Array.isArray(type) ? type.map(String) : typeof type === "string" ? [type] : [];
}

const typeName = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value;

/** Whether some value may be of both schemas, as far as their types say. */
export function mayFit(given: Schema, taken: Schema, root: Schema, takenRoot: Schema = root): boolean {
  const [a, b] = [typesOf(given, root), typesOf(taken, takenRoot)];
  if (!a.length || !b.length) return true;
  return a.some((one) => b.includes(one) || (one === "integer" && b.includes("number")) || (one === "number" && b.includes("integer")));
}

const WORDS: Record<string, string> = { string: "text", array: "a list", object: "an object", integer: "a whole number", number: "a number", boolean: "true or false", null: "nothing" };

/** The types of a schema in words: "a list", "text or nothing", "anything". */
export function inWords(schema: Schema, root: Schema): string {
  const types = typesOf(schema, root);
  return types.length ? types.map((type) => WORDS[type] ?? type).join(" or ") : "anything";
}
