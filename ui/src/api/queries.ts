// What the pages ask the server, one place each: the key under which an answer is remembered, and how it is asked for.
// A mutation invalidates by the first words of a key, such as `["runs"]`.

import { infiniteQueryOptions, keepPreviousData, QueryClient, queryOptions } from "@tanstack/react-query";
import { api } from "./client.ts";
import { ApiError } from "./problem.ts";
import type { Run } from "./schema.d.ts";

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      gcTime: 5 * 60_000,
      retry: (failures, error) => failures < 3 && ApiError.of(error).retryable,
      refetchOnWindowFocus: true,
      networkMode: "always",
    },
    mutations: { networkMode: "always", retry: false },
  },
});

export type RunStatus = Run["status"];
export type RunMode = Run["mode"];
export const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

export interface RunFilters {
  status?: RunStatus | undefined;
  workflow?: string | undefined;
  mode?: RunMode | undefined;
  actor?: string | undefined;
}

export const keys = {
  workflows: ["workflows"] as const,
  workflow: (slug: string) => ["workflows", slug] as const,
  runs: ["runs"] as const,
  run: (id: string) => ["runs", id] as const,
  approvals: ["approvals"] as const,
  deadLetters: ["dead-letters"] as const,
  servers: ["servers"] as const,
  secrets: ["secrets"] as const,
  kinds: ["kinds"] as const,
};

/** All pages of a list, up to `most` items. */
export async function all<T>(page: (cursor: string | undefined) => Promise<{ items: T[]; cursor: string | null }>, most: number) {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const found = await page(cursor);
    items.push(...found.items);
    cursor = found.cursor ?? undefined;
  } while (cursor && items.length < most);
  return items;
}

export const workflowsQuery = () =>
  queryOptions({
    queryKey: [...keys.workflows, "list"],
    queryFn: ({ signal }) =>
      all((cursor) => api.get("/workflows", { query: { limit: 100, ...(cursor ? { cursor } : {}) }, signal }), 2000),
    refetchInterval: 15_000,
  });

export const workflowQuery = (slug: string) =>
  queryOptions({
    queryKey: keys.workflow(slug),
    queryFn: ({ signal }) => api.get("/workflows/{slug}", { path: { slug }, signal }),
  });

export const inputSchemaQuery = (slug: string, version?: number) =>
  queryOptions({
    queryKey: [...keys.workflow(slug), "schema", version ?? "draft"],
    queryFn: ({ signal }) =>
      api.get("/workflows/{slug}/schema", { path: { slug }, query: version ? { version } : {}, signal }),
    placeholderData: keepPreviousData,
  });

export const PAGE = 50;

/** Runs, the newest first, a page at a time. */
export const runsQuery = (filters: RunFilters) =>
  infiniteQueryOptions({
    queryKey: [...keys.runs, "list", filters],
    queryFn: ({ pageParam, signal }) =>
      api.get("/runs", { query: { ...filters, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) }, signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.cursor,
  });

/** The newest of them, asked for again and again. */
export const newestRunsQuery = (filters: RunFilters) =>
  queryOptions({
    queryKey: [...keys.runs, "newest", filters],
    queryFn: ({ signal }) => api.get("/runs", { query: { ...filters, limit: PAGE }, signal }),
    refetchInterval: 2_000,
    retry: false, // the next look is the second try
  });

export const recentRunsQuery = (limit = 20) =>
  queryOptions({
    queryKey: [...keys.runs, "recent", limit],
    queryFn: ({ signal }) => api.get("/runs", { query: { limit }, signal }),
  });

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: [...keys.run(id), "bare"],
    queryFn: ({ signal }) => api.get("/runs/{run_id}", { path: { run_id: id }, query: { steps: 0 }, signal }),
  });

export const approvalsQuery = () =>
  queryOptions({
    queryKey: keys.approvals,
    queryFn: ({ signal }) => api.get("/approvals", { query: { limit: 100 }, signal }),
    refetchInterval: 15_000,
  });

export const secretsQuery = () =>
  queryOptions({ queryKey: keys.secrets, queryFn: ({ signal }) => api.get("/secrets", { signal }) });

export const serversQuery = () =>
  queryOptions({ queryKey: keys.servers, queryFn: ({ signal }) => api.get("/servers", { signal }) });

export const kindsQuery = () =>
  queryOptions({
    queryKey: keys.kinds,
    queryFn: ({ signal }) => api.get("/kinds", { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
