// JSON values that are never changed in place: a change makes new containers along its path and shares everything else, so
// that whoever compares by identity sees exactly what changed.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Obj = { [key: string]: Json };
export type Path = readonly (string | number)[];

export const isObj = (value: unknown): value is Obj => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether two values are the same JSON; the order of keys is no difference. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((one, n) => equal(one, b[n]));
  if (!isObj(a) || !isObj(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}

/** What stands at a path; undefined where it leads nowhere. */
export function getIn(value: Json | undefined, path: Path): Json | undefined {
  let at: Json | undefined = value;
  for (const key of path) {
    if (Array.isArray(at)) at = at[Number(key)];
    else if (isObj(at)) at = Object.hasOwn(at, key) ? at[key] : undefined;
    else return undefined;
  }
  return at;
}

/** The value with `next` at a path, containers made where there are none; undefined takes away what stands there. */
export function setIn(value: Json | undefined, path: Path, next: Json | undefined): Json {
  const [key, ...rest] = path;
  if (key === undefined) return next ?? null;
  const inner = rest.length ? (child: Json | undefined) => setIn(child, rest, next) : () => next as Json;
  if (Array.isArray(value)) {
    const place = Number(key);
    if (!rest.length && next === undefined) return value.filter((_, n) => n !== place);
    const out = [...value];
    out[place] = inner(out[place]);
    return out;
  }
  const given = isObj(value) ? value : {};
  if (!rest.length && next === undefined) {
    if (!Object.hasOwn(given, key)) return given;
    const { [String(key)]: _, ...others } = given;
    return others;
  }
  if (rest.length && next === undefined && !Object.hasOwn(given, key)) return given;
  return { ...given, [key]: inner(given[key]) };
}

/** `after` where it differs from `before`, with every part that is alike taken from `before`. */
export function shared(before: Json | undefined, after: Json): Json {
  if (before === after) return after;
  if (Array.isArray(after)) {
    if (!Array.isArray(before)) return after;
    const out = after.map((one, n) => shared(before[n] ?? before.find((other) => equal(other, one)), one));
    return out.length === before.length && out.every((one, n) => one === before[n]) ? before : out;
  }
  if (!isObj(after) || !isObj(before)) return after;
  const out: Obj = {};
  for (const [key, one] of Object.entries(after)) out[key] = shared(before[key], one);
  const keys = Object.keys(out);
  const old = Object.keys(before);
  return keys.length === old.length && keys.every((key, n) => key === old[n] && out[key] === before[key]) ? before : out;
}

/** A JSON pointer as a path. */
export function pathOf(pointer: string): string[] {
  return pointer === "" ? [] : pointer.slice(1).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export const pointerOf = (path: Path): string =>
  path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/** Every text within a value, changed by `change`; what stays the same is shared. */
export function mapTexts(value: Json, change: (text: string, path: Path) => string, path: Path = []): Json {
  if (typeof value === "string") return change(value, path);
  if (Array.isArray(value)) {
    const out = value.map((one, n) => mapTexts(one, change, [...path, n]));
    return out.every((one, n) => one === value[n]) ? value : out;
  }
  if (!isObj(value)) return value;
  let same = true;
  const out: Obj = {};
  for (const [key, one] of Object.entries(value)) {
    out[key] = mapTexts(one, change, [...path, key]);
    same &&= out[key] === one;
  }
  return same ? value : out;
}
