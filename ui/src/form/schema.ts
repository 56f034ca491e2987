// A JSON Schema as a form sees it: which control a value needs, what it begins as, and what is wrong with it before it is sent.
// Pure. The server judges again with the whole of JSON Schema; what is checked here is what a person can mend while typing.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Value = Json | undefined; // undefined: not given
export type Schema = { [keyword: string]: unknown };

export interface Mistake {
  /** JSON pointer into the value. */
  pointer: string;
  message: string;
}

export type Control =
  | "text" | "area" | "number" | "integer" | "boolean" | "choice" | "choices" | "constant" | "secret" | "file" | "color"
  | "date" | "time" | "date-time" | "email" | "uri" | "password" | "path" | "object" | "list" | "map" | "variants" | "json";

const MAX_REFS = 32;
const LONG = 160; // a text that may be longer than this gets several lines

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const escapePointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");
export const at = (pointer: string, key: string | number): string => `${pointer}/${escapePointer(String(key))}`;

/** What a JSON pointer such as `#/schemas/Verdict` leads to; undefined when it leads nowhere. */
export function lookUp(root: Schema, ref: string): unknown {
  if (!ref.startsWith("#")) return undefined;
  let value: unknown = root;
  for (const part of decodeURIComponent(ref.slice(1)).split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    value = Array.isArray(value) ? value[Number(key)] : isObject(value) ? value[key] : undefined;
  }
  return value;
}

/** The schema with its references followed and its `allOf` put together. */
export function resolve(given: unknown, root: Schema): Schema {
  let schema: Schema = given === false ? { not: {} } : isObject(given) ? given : {};
  for (let n = 0; typeof schema["$ref"] === "string" && n < MAX_REFS; n++) {
    const { $ref, ...beside } = schema;
    const target = lookUp(root, $ref as string);
    schema = { ...(isObject(target) ? target : {}), ...beside };
  }
  if (Array.isArray(schema["allOf"])) {
    const { allOf, ...rest } = schema;
    schema = (allOf as unknown[]).map((part) => resolve(part, root)).reduce(merge, rest);
  }
  return schema;
}

function merge(a: Schema, b: Schema): Schema {
  const out: Schema = { ...b, ...a };
  if (isObject(a["properties"]) || isObject(b["properties"]))
    out["properties"] = { ...(a["properties"] as object), ...(b["properties"] as object), ...(a["properties"] as object) };
  if (Array.isArray(a["required"]) || Array.isArray(b["required"]))
    out["required"] = [...new Set([...((a["required"] as string[]) ?? []), ...((b["required"] as string[]) ?? [])])];
  return out;
}

/** The types a schema names, without null. */
function typesOf(schema: Schema): string[] {
  const type = schema["type"];
  const types = Array.isArray(type) ? (type as string[]) : typeof type === "string" ? [type] : [];
  return types.filter((one) => one !== "null");
}

export const mayBeNull = (schema: Schema): boolean =>
  (Array.isArray(schema["type"]) && schema["type"].includes("null")) ||
  variantsOf(schema).some((one) => isObject(one) && one["type"] === "null");

/** The alternatives of `oneOf` or `anyOf`. */
export function variantsOf(schema: Schema): unknown[] {
  const found = schema["oneOf"] ?? schema["anyOf"];
  return Array.isArray(found) ? found : [];
}

const isConstant = (schema: unknown): boolean => isObject(schema) && "const" in schema;

export interface Option {
  label: string;
  value: Json;
  description?: string;
}

/** The values to choose from, where a schema lists them. */
export function optionsOf(schema: Schema): Option[] | null {
  if (Array.isArray(schema["enum"]))
    return (schema["enum"] as Json[]).map((value) => ({ value, label: value === null ? "none" : typeof value === "string" ? value : JSON.stringify(value) }));
  const variants = variantsOf(schema);
  if (variants.length && variants.every(isConstant))
    return (variants as Schema[]).map((one) => ({
      value: one["const"] as Json,
      label: text(one["title"]) ?? String(one["const"]),
      ...(text(one["description"]) ? { description: text(one["description"]) as string } : {}),
    }));
  return null;
}

export const text = (value: unknown): string | undefined => (typeof value === "string" && value ? value : undefined);

const FORMATS: Record<string, Control> = {
  date: "date",
  time: "time",
  "date-time": "date-time",
  email: "email",
  "idn-email": "email",
  uri: "uri",
  url: "uri",
  "uri-reference": "text",
  color: "color",
  password: "password",
  textarea: "area",
  markdown: "area",
  multiline: "area",
  path: "path",
  secret: "secret",
  "secret-name": "secret",
  "data-url": "file",
  binary: "file",
  byte: "file",
  file: "file",
};

/** Which control a resolved schema needs. */
export function controlOf(schema: Schema, root: Schema): Control {
  if ("const" in schema) return "constant";
  if (optionsOf(schema)) return "choice";
  const variants = variantsOf(schema).filter((one) => !(isObject(one) && one["type"] === "null"));
  if (variants.length > 1) return "variants";
  if (variants.length === 1) return controlOf(without(merge(schema, resolve(variants[0], root))), root);
  const types = typesOf(schema);
  if (types.length > 1) return "json";
  const type = types[0] ?? guess(schema);
  if (type === "string") {
    if (schema["contentEncoding"] === "base64") return "file";
    const format = FORMATS[String(schema["format"] ?? "")];
    if (format) return format;
    return typeof schema["maxLength"] === "number" && schema["maxLength"] > LONG ? "area" : "text";
  }
  if (type === "array") {
    if (Array.isArray(schema["prefixItems"])) return "list";
    const items = resolve(schema["items"], root);
    return schema["uniqueItems"] === true && optionsOf(items) ? "choices" : "list";
  }
  if (type === "object") {
    if (isObject(schema["properties"]) && Object.keys(schema["properties"]).length) return "object";
    return schema["additionalProperties"] === false ? "object" : "map";
  }
  if (type === "number" || type === "integer" || type === "boolean") return type;
  return "json";
}

/** The schema of an optional value without the alternative of being null. */
export function without(schema: Schema): Schema {
  const { oneOf: _one, anyOf: _any, ...rest } = schema;
  return rest;
}

/** What to draw of a schema whose only alternative is null: the rest of it. */
export function essential(schema: Schema, root: Schema): Schema {
  const variants = variantsOf(schema).filter((one) => !(isObject(one) && one["type"] === "null"));
  return variants.length === 1 && !optionsOf(schema) ? merge(without(schema), resolve(variants[0], root)) : schema;
}

function guess(schema: Schema): string | undefined {
  if (isObject(schema["properties"])) return "object";
  if ("items" in schema || "prefixItems" in schema) return "array";
  if ("pattern" in schema || "minLength" in schema || "maxLength" in schema || "format" in schema) return "string";
  if ("minimum" in schema || "maximum" in schema || "multipleOf" in schema) return "number";
  return undefined;
}

/** What a value begins as: its default, the defaults within it, or nothing. Required lists and objects begin empty. */
export function initial(given: unknown, root: Schema, required = true, depth = 0): Value {
  const schema = essential(resolve(given, root), root);
  if (schema["default"] !== undefined) return structuredClone(schema["default"]) as Json;
  if ("const" in schema && required) return schema["const"] as Json;
  if (depth > 8) return undefined;
  const control = controlOf(schema, root);
  if (control === "object") {
    const out: Record<string, Json> = {};
    for (const [name, part] of Object.entries((schema["properties"] as object | undefined) ?? {})) {
      const value = initial(part, root, requiredOf(schema).includes(name), depth + 1);
      if (value !== undefined) out[name] = value;
    }
    return required || Object.keys(out).length ? out : undefined;
  }
  if (!required) return undefined;
  if (control === "boolean") return false;
  if (control === "choices" || control === "list") return blanks(schema, root, depth);
  if (control === "map") return {};
  if (control === "variants") return initial(variantsOf(schema)[0], root, true, depth + 1);
  return undefined;
}

function blanks(schema: Schema, root: Schema, depth: number): Json[] {
  const least = typeof schema["minItems"] === "number" && !schema["uniqueItems"] ? Math.min(schema["minItems"], 20) : 0;
  return Array.from({ length: least }, () => initial(schema["items"], root, true, depth + 1) ?? null);
}

export const requiredOf = (schema: Schema): string[] => (Array.isArray(schema["required"]) ? (schema["required"] as string[]) : []);

/** A name for people: the title, or the name with its words apart. */
export function labelOf(name: string, schema: Schema): string {
  const title = text(schema["title"]);
  if (title) return title;
  const words = name.replaceAll(/[_-]+/g, " ").replaceAll(/([a-z])([A-Z])/g, "$1 $2").trim().toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The alternative that a value fits best: the first whose type and required keys it has. */
export function variantOf(variants: unknown[], value: Value, root: Schema): number {
  const found = variants.findIndex((one) => value !== undefined && check(one, value, root, "").length === 0);
  if (found >= 0) return found;
  const type = typeName(value);
  return Math.max(0, variants.findIndex((one) => {
    const types = typesOf(resolve(one, root));
    return types.includes(type) || (type === "integer" && types.includes("number"));
  }));
}

export function typeName(value: Value): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** A value without what was left empty: keys that are not given, and texts left empty where nothing asked for them. */
export function tidy(value: Value): Value {
  if (Array.isArray(value)) return value.map((one) => tidy(one) ?? null);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, part]) => {
    const kept = tidy(part as Value);
    return kept === undefined ? [] : [[key, kept]];
  })) as Json;
}

/** What is wrong with a value, each mistake at its place. */
export function check(given: unknown, value: Value, root: Schema, pointer = "", depth = 0): Mistake[] {
  const schema = resolve(given, root);
  const wrong = (message: string): Mistake[] => [{ pointer, message }];
  if (value === undefined || depth > 40) return [];
  if ("const" in schema) return same(schema["const"], value) ? [] : wrong(`must be ${JSON.stringify(schema["const"])}`);
  if (Array.isArray(schema["enum"]) && !schema["enum"].some((one) => same(one, value))) return wrong("is none of the choices");
  const variants = variantsOf(schema);
  if (variants.length) {
    const each = variants.map((one) => check(one, value, root, pointer, depth + 1));
    if (!each.some((found) => found.length === 0)) return each.toSorted((a, b) => depthOf(b) - depthOf(a))[0] ?? [];
  }
  const type = schema["type"];
  const types = Array.isArray(type) ? (type as string[]) : typeof type === "string" ? [type] : null;
  const name = typeName(value);
  if (types && !types.includes(name) && !(name === "integer" && types.includes("number")))
    return wrong(value === null || value === "" ? "is missing" : `must be ${article(types)}`);
  if (typeof value === "string") return checkText(schema, value).flatMap(wrong);
  if (typeof value === "number") return checkNumber(schema, value).flatMap(wrong);
  if (Array.isArray(value)) return [...checkList(schema, value).flatMap(wrong), ...within(schema, value, root, pointer, depth)];
  if (isObject(value)) return checkObject(schema, value as Record<string, Json>, root, pointer, depth);
  return [];
}

const depthOf = (found: Mistake[]) => Math.max(0, ...found.map((one) => one.pointer.split("/").length));
const same = (a: unknown, b: unknown) => a === b || JSON.stringify(a) === JSON.stringify(b);
const article = (types: string[]) => types.map((one) => (one === "null" ? "empty" : `${/^[aio]/.test(one) ? "an" : "a"} ${one === "string" ? "text" : one === "array" ? "list" : one}`)).join(" or ");
const number = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

function checkText(schema: Schema, value: string): string[] {
  const least = number(schema["minLength"]);
  const most = number(schema["maxLength"]);
  const length = [...value].length;
  if (least !== undefined && length < least) return [length === 0 ? "is missing" : `must have at least ${least} characters`];
  if (most !== undefined && length > most) return [`must have at most ${most} characters`];
  const pattern = text(schema["pattern"]);
  if (pattern && !matches(pattern, value)) return [text(schema["patternMessage"]) ?? `must match ${pattern}`];
  if (schema["format"] === "email" && value && !/^[^\s@]+@[^\s@]+$/.test(value)) return ["must be an e-mail address"];
  if ((schema["format"] === "uri" || schema["format"] === "url") && value && !URL.canParse(value)) return ["must be an address such as https://example.org"];
  return [];
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true; // a pattern of another dialect: the server knows
  }
}

function checkNumber(schema: Schema, value: number): string[] {
  const bounds: [string, (bound: number) => boolean, string][] = [
    ["minimum", (bound) => value >= bound, "must be at least"],
    ["maximum", (bound) => value <= bound, "must be at most"],
    ["exclusiveMinimum", (bound) => value > bound, "must be more than"],
    ["exclusiveMaximum", (bound) => value < bound, "must be less than"],
    ["multipleOf", (step) => Math.abs(value / step - Math.round(value / step)) < 1e-9, "must be a multiple of"],
  ];
  return bounds.flatMap(([keyword, holds, message]) => {
    const bound = number(schema[keyword]);
    return bound === undefined || holds(bound) ? [] : [`${message} ${bound}`];
  });
}

function checkList(schema: Schema, value: Json[]): string[] {
  const least = number(schema["minItems"]);
  const most = number(schema["maxItems"]);
  if (least !== undefined && value.length < least) return [`must have at least ${least} ${least === 1 ? "entry" : "entries"}`];
  if (most !== undefined && value.length > most) return [`must have at most ${most} ${most === 1 ? "entry" : "entries"}`];
  if (schema["uniqueItems"] === true && new Set(value.map((one) => JSON.stringify(one))).size < value.length) return ["has an entry twice"];
  return [];
}

function within(schema: Schema, value: Json[], root: Schema, pointer: string, depth: number): Mistake[] {
  const first = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"] : [];
  return value.flatMap((one, index) => check(first[index] ?? schema["items"], one, root, at(pointer, index), depth + 1));
}

function checkObject(schema: Schema, value: Record<string, Json>, root: Schema, pointer: string, depth: number): Mistake[] {
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const missing = requiredOf(schema).filter((name) => value[name] === undefined);
  return [
    ...missing.map((name) => ({ pointer: at(pointer, name), message: "is missing" })),
    ...Object.entries(value).flatMap(([name, part]) =>
      check(properties[name] ?? schema["additionalProperties"], part, root, at(pointer, name), depth + 1),
    ),
  ];
}
