// Policies, budgets, and what was used; days and months are those of UTC.

import { queryOptions } from "@tanstack/react-query";
import { api, send } from "../api/client.ts";
import type { Health } from "../api/schema.d.ts";

export const POLICIES = ["policies"] as const;
export const BUDGETS = ["budgets"] as const;

export const policiesQuery = () => queryOptions({ queryKey: [...POLICIES, "list"], queryFn: ({ signal }) => api.get("/policies", { signal }) });

export const budgetsQuery = () =>
  queryOptions({ queryKey: [...BUDGETS, "list"], queryFn: ({ signal }) => api.get("/budgets", { signal }), refetchInterval: 10_000 });

/** What was used in a day or a month, such as `2026-11-20` or `2026-11`. */
export const usageQuery = (period: string) =>
  queryOptions({
    queryKey: [...BUDGETS, "usage", period],
    queryFn: ({ signal }) => api.get("/usage", { query: { period }, signal }),
    refetchInterval: 10_000,
  });

/** Whether it can work; an answer that it cannot is an answer. */
export const healthQuery = () =>
  queryOptions({
    queryKey: ["health"],
    queryFn: async ({ signal }): Promise<Health> => {
      const answer = await fetch("/readyz", { signal, credentials: "same-origin" });
      return (await answer.json()) as Health;
    },
    refetchInterval: 5_000,
  });

export const aboutQuery = () =>
  queryOptions({
    queryKey: ["about"],
    queryFn: async ({ signal }) => {
      const answer = await send("/api/v1/openapi.json", { signal });
      return (await answer.json()) as { openapi: string; info: { title: string; version: string } };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
