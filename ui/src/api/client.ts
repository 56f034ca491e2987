// One way to the server. Paths, parameters, bodies and answers are those of our OpenAPI document: what drifts does not
// compile. The browser sends the cookie; nothing here knows a token.

import { ApiError } from "./problem.ts";
import type { paths } from "./schema.d.ts";

export const API = "/api/v1";

type Method = "get" | "post" | "put" | "delete" | "patch";
type Short<P> = P extends `/api/v1${infer Rest}` ? Rest : never;
type Full<P extends string> = `/api/v1${P}` & keyof paths;
type Operation<P extends string, M extends Method> = paths[Full<P>] extends Record<M, infer O> ? O : never;
/** The paths that know a method, without the prefix. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? Short<P> : never;
}[keyof paths];

type Query<O> = O extends { parameters: { query?: infer Q } } ? Q : never;
type Params<O> = O extends { parameters: { path: infer Q } } ? Q : undefined;
type Body<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : undefined;
type Json<C> = C extends { "application/json": infer T } ? T : undefined;
type Answers<O> = O extends { responses: infer R } ? R : never;
/** The body of the 2xx answers of an operation. */
export type Answer<P extends string, M extends Method> = {
  [S in keyof Answers<Operation<P, M>>]: S extends 200 | 201 | 202 | 204
    ? Answers<Operation<P, M>>[S] extends { content: infer C }
      ? Json<C>
      : undefined
    : never;
}[keyof Answers<Operation<P, M>>];

export interface Options<O> {
  path?: Params<O>;
  query?: Query<O>;
  body?: Body<O>;
  /** The ETag of what is changed, or `*`. */
  ifMatch?: string;
  ifNoneMatch?: string;
  /** `true` makes one up: this very call is made once, however often it is sent. */
  idempotencyKey?: string | true;
  /** Seconds to wait for a run's end. */
  wait?: number;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface Answered<T> {
  data: T;
  etag: string | null;
  headers: Headers;
  status: number;
}

export function urlOf(path: string, params?: object | undefined, query?: object | undefined): string {
  let url = API + path.replace(/\{(\w+)(?::\w+)?\}/g, (_, name: string) => {
    const value = (params as Record<string, unknown> | undefined)?.[name];
    return encodeURIComponent(String(value ?? ""));
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  if (text) url += `?${text}`;
  return url;
}

async function call<P extends string, M extends Method>(
  method: M,
  path: P,
  options: Options<Operation<P, M>> = {},
): Promise<Answered<Answer<P, M>>> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.ifMatch !== undefined) headers["If-Match"] = options.ifMatch === "*" ? "*" : quoted(options.ifMatch);
  if (options.ifNoneMatch !== undefined) headers["If-None-Match"] = options.ifNoneMatch;
  if (options.idempotencyKey !== undefined)
    headers["Idempotency-Key"] = options.idempotencyKey === true ? newKey() : options.idempotencyKey;
  if (options.wait !== undefined) headers["Prefer"] = `wait=${options.wait}`;
  const response = await send(urlOf(path, options.path as object | undefined, options.query as object | undefined), {
    method: method.toUpperCase(),
    headers,
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const type = response.headers.get("content-type") ?? "";
  const data = response.status !== 204 && type.includes("json") ? await response.json() : undefined;
  const etag = response.headers.get("etag")?.replaceAll('"', "") ?? null;
  return { data: data as Answer<P, M>, etag, headers: response.headers, status: response.status };
}

/** A request as it is, for what is no JSON. Raises ApiError. */
export async function send(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw ApiError.unreachable();
  }
  if (!response.ok) throw await ApiError.from(response);
  return response;
}

const quoted = (tag: string) => (tag.startsWith('"') ? tag : `"${tag}"`);

/** A fresh Idempotency-Key. */
export function newKey(): string {
  return crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

type Call<M extends Method> = <P extends PathOf<M>>(
  path: P,
  options?: Options<Operation<P, M>>,
) => Promise<Answer<P, M>>;

const simple =
  <M extends Method>(method: M): Call<M> =>
  async (path, options) =>
    (await call(method, path as string, options as never)).data as never;

/** `api.get("/runs/{run_id}", {path: {run_id}})` and so on: the answer's body. `call` also gives its ETag. Raises ApiError. */
export const api = {
  get: simple("get"),
  post: simple("post"),
  put: simple("put"),
  delete: simple("delete"),
  call,
};
