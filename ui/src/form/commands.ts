// The same run from a terminal: what the form would send, as curl and as the command.

import type { RunMode } from "../api/queries.ts";
import type { Json } from "./schema.ts";

export interface Wanted {
  workflow: string;
  version?: number | undefined;
  inputs: Record<string, Json>;
  mode: RunMode;
  limits?: Record<string, Json> | undefined;
}

/** A word for a POSIX shell. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The body of POST /runs. */
export function bodyOf(wanted: Wanted) {
  return {
    workflow: wanted.workflow,
    inputs: wanted.inputs,
    run_mode: wanted.mode,
    ...(wanted.version ? { version: wanted.version } : {}),
    ...(wanted.limits && Object.keys(wanted.limits).length ? { limits: wanted.limits } : {}),
  };
}

/** `curl`, with the token from the environment: it is not shown on a page. */
export function asCurl(wanted: Wanted, origin: string, key: string): string {
  return [
    `curl -sS ${quote(`${origin}/api/v1/runs`)} \\`,
    `  -H "Authorization: Bearer $PENSTOCK_TOKEN" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -H ${quote(`Idempotency-Key: ${key}`)} \\`,
    `  -d ${quote(JSON.stringify(bodyOf(wanted)))}`,
  ].join("\n");
}

const isScalar = (value: Json): value is string | number | boolean => ["string", "number", "boolean"].includes(typeof value);

/** `penstock run`; inputs that are more than a word each go through standard input. */
export function asCommand(wanted: Wanted): string {
  const words = ["penstock", "run", wanted.workflow];
  if (wanted.mode !== "full_run") words.push("--mode", wanted.mode);
  if (wanted.version) words.push("--version", String(wanted.version));
  for (const [name, value] of Object.entries(wanted.limits ?? {})) words.push("--limit", `${name}=${String(value)}`);
  const pairs = Object.entries(wanted.inputs);
  if (pairs.every(([, value]) => isScalar(value) && !String(value).includes("\n")))
    return [...words, ...pairs.flatMap(([name, value]) => ["-i", `${name}=${String(value)}`])].map(quote).join(" ");
  const json = JSON.stringify(wanted.inputs, null, 2);
  return `${[...words, "--inputs", "-"].map(quote).join(" ")} <<'JSON'\n${json}\nJSON`;
}
