// Dead letters, and where in its journal a run failed.

import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import { all, keys } from "../api/queries.ts";
import type { DeadLetter } from "../api/schema.d.ts";

const MOST = 1000;

export const lettersQuery = () =>
  queryOptions({
    queryKey: [...keys.deadLetters, "all"],
    queryFn: ({ signal }) => all<DeadLetter>((cursor) => api.get("/dead-letters", { query: { limit: 50, ...(cursor ? { cursor } : {}) }, signal }), MOST),
    refetchInterval: 5_000,
    retry: false, // the next look is the second try
  });

const OF_STEP = new Set(["step.failed", "step.paused", "step.completed"]);
const OF_RUN = new Set(["run.failed", "run.ending", "run.paused"]);

/** The seq of the event with which it failed; null where it is further back than the last thousand events. */
export const failingSeqQuery = (run: string, step: string | null) =>
  queryOptions({
    queryKey: [...keys.run(run), "failing", step],
    queryFn: async ({ signal }) => {
      const { head } = await api.get("/runs/{run_id}", { path: { run_id: run }, query: { steps: 0 }, signal });
      const { events } = await api.get("/runs/{run_id}/events", { path: { run_id: run }, query: { after: Math.max(0, head - MOST), limit: MOST }, signal });
      const found = events.findLast((one) =>
        step === null ? OF_RUN.has(one.kind) : OF_STEP.has(one.kind) && (one.data as Record<string, unknown>)["step"] === step,
      );
      return found?.seq ?? null;
    },
  });
