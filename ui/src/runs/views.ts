// What of the runs is shown: filters, as they stand in the address, and views that somebody saved in this browser. Pure but for
// the storage, which is handed in.

import type { RunFilters, RunMode, RunStatus } from "../api/queries.ts";
import type { RunItem } from "../api/schema.d.ts";

export const STATUSES: readonly RunStatus[] = [
  "queued",
  "validating",
  "running",
  "waiting",
  "paused",
  "completed",
  "failed",
  "cancelled",
];
const RUN_MODES: readonly RunMode[] = ["full_run", "test_run", "validate_only"];

export interface Shown extends RunFilters {
  /** Looked for among what is loaded. */
  text: string;
}

export function readParams(params: URLSearchParams): Shown {
  const status = STATUSES.find((one) => one === params.get("status"));
  const mode = RUN_MODES.find((one) => one === params.get("mode"));
  return {
    text: params.get("q") ?? "",
    ...(status ? { status } : {}),
    ...(mode ? { mode } : {}),
    ...(params.get("workflow") ? { workflow: params.get("workflow") as string } : {}),
    ...(params.get("actor") ? { actor: params.get("actor") as string } : {}),
  };
}

/** The address of a view; what is not asked for is not in it. */
export function writeParams(shown: Partial<Record<keyof Shown, string | undefined>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of [
    ["status", shown.status],
    ["workflow", shown.workflow],
    ["mode", shown.mode],
    ["actor", shown.actor],
    ["q", shown.text],
  ] as const)
    if (value) params.set(name, value);
  return params.toString();
}

/** The newest first, each run once and as it was seen last. `newest` is fresher than `pages`. */
export function mergeRuns(pages: readonly RunItem[], newest: readonly RunItem[]): RunItem[] {
  const found = new Map<string, RunItem>();
  for (const one of [...pages, ...newest]) {
    const before = found.get(one.run_id);
    if (!before || one.head >= before.head) found.set(one.run_id, one);
  }
  return [...found.values()].toSorted((a, b) => b.created_at.localeCompare(a.created_at) || b.run_id.localeCompare(a.run_id));
}

/** Those in which every word occurs, and whose status is the one asked for still. */
export function matching(runs: readonly RunItem[], shown: Shown): RunItem[] {
  const words = shown.text.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter((one) => {
    if (shown.status && one.status !== shown.status) return false;
    const text = `${one.run_id} ${one.workflow} v${one.version} ${one.actor} ${one.error ?? ""} ${one.mode} ${one.status}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export interface View {
  name: string;
  search: string;
}

export const BUILT_IN: readonly View[] = [
  { name: "All runs", search: "" },
  { name: "Running", search: "status=running" },
  { name: "Waiting for someone", search: "status=waiting" },
  { name: "Paused", search: "status=paused" },
  { name: "Failed", search: "status=failed" },
];

const KEY = "penstock.runs.views";

export function readViews(storage: Pick<Storage, "getItem">): View[] {
  try {
    const found: unknown = JSON.parse(storage.getItem(KEY) ?? "[]");
    return Array.isArray(found)
      ? found.filter((one): one is View => typeof one?.name === "string" && typeof one?.search === "string")
      : [];
  } catch {
    return [];
  }
}

/** The views with one more, or with the one of that name changed; without it where `search` is null. */
export function saveView(storage: Pick<Storage, "getItem" | "setItem">, name: string, search: string | null): View[] {
  const rest = readViews(storage).filter((one) => one.name !== name);
  const views = search === null ? rest : [...rest, { name, search }];
  storage.setItem(KEY, JSON.stringify(views));
  return views;
}
