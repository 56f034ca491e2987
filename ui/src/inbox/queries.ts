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

export interface Decision {
  /** Who answered; null when nobody did in time. */
  by: string | null;
  /** Absent where the question was put by a policy or a tool: its step goes on with what it does. */
  decision: string | null;
  comment: string | null;
}

/** How a question was decided, as its run tells; null where it does not. */
export const decisionQuery = (run: string, step: string) =>
  queryOptions({
    queryKey: [...keys.run(run), "decision", step],
    queryFn: async ({ signal }): Promise<Decision | null> => {
      const found = await api.get("/runs/{run_id}", { path: { run_id: run }, query: { steps: 1000 }, signal });
      const one = found.steps.find((known) => known.id === step);
      const said = (typeof one?.output === "object" ? one.output : null) as Record<string, unknown> | null;
      const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);
      if (text(said?.["decision"]) !== null)
        return { by: said?.["timed_out"] === true ? null : text(said?.["by"]), decision: text(said?.["decision"]), comment: text(said?.["comment"]) };
      return one?.answer ? { by: text(one.answer["actor"]), decision: null, comment: null } : null;
    },
  });
