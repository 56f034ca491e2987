// The open questions of all runs. The list is short-lived: it is asked for again every few seconds while the page is looked at.

import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import { all, keys } from "../api/queries.ts";
import type { Approval } from "../api/schema.d.ts";
import { oldestFirst } from "./questions.ts";

export const questionsQuery = () =>
  queryOptions({
    queryKey: [...keys.approvals, "all"],
    queryFn: async ({ signal }) =>
      oldestFirst(await all<Approval>((cursor) => api.get("/approvals", { query: { limit: 100, ...(cursor ? { cursor } : {}) }, signal }), 2000)),
    refetchInterval: 2_000,
    retry: false, // the next look is the second try
  });

/** How a question was decided, as the run tells; null where it does not. */
export const decisionQuery = (run: string, step: string) =>
  queryOptions({
    queryKey: [...keys.run(run), "decision", step],
    queryFn: async ({ signal }) => {
      const found = await api.get("/runs/{run_id}", { path: { run_id: run }, query: { steps: 1000 }, signal });
      return found.steps.find((one) => one.id === step)?.answer ?? null;
    },
  });
