// What the editor asks the server: the draft as it is now, the kinds of node, what the last run gave, what is wrong.

import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "../api/client.ts";
import { keys, kindsQuery } from "../api/queries.ts";
import type { Schema } from "../form/schema.ts";
import type { Samples } from "./model/completion.ts";
import type { Doc } from "./model/document.ts";
import type { Json } from "./model/json.ts";
import { NO_PROBLEMS, type Problems, sorted } from "./model/problems.ts";
import type { Server, Theirs } from "./model/saver.ts";
import type { Kinds } from "./model/types.ts";

export async function readDraft(slug: string, signal?: AbortSignal): Promise<Theirs> {
  const { data } = await api.call("get", "/workflows/{slug}", { path: { slug }, ...(signal ? { signal } : {}) });
  return { doc: data.document as Doc, etag: data.etag, by: data.updated_by, at: data.updated_at };
}

/** The draft when the page was opened: from then on the editor knows better. */
export const draftQuery = (slug: string) =>
  queryOptions({
    queryKey: [...keys.workflow(slug), "edited"],
    queryFn: ({ signal }) => readDraft(slug, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });

export const serverOf = (slug: string): Server => ({
  put: async (doc, etag) => (await api.put("/workflows/{slug}", { path: { slug }, body: doc as never, ifMatch: etag })).etag,
  draft: () => readDraft(slug),
});

export function useKinds(): Kinds | null {
  const { data } = useQuery(kindsQuery());
  return useMemo(() => {
    const items = data?.items;
    return items ? new Map(items.map((one) => [one.name, { name: one.name, description: one.description, config: one.config as Schema, literal: one.literal }])) : null;
  }, [data]);
}

/** What each node gave in the newest run that ended well, else in the newest. */
export function useSamples(slug: string): Samples {
  const { data } = useQuery({
    queryKey: [...keys.runs, "samples", slug],
    queryFn: async ({ signal }): Promise<Samples> => {
      const newest = async (status?: "completed") =>
        (await api.get("/runs", { query: { workflow: slug, limit: 1, ...(status ? { status } : {}) }, signal })).items[0];
      const last = (await newest("completed")) ?? (await newest());
      if (!last) return new Map();
      const run = await api.get("/runs/{run_id}", { path: { run_id: last.run_id }, query: { steps: 200 }, signal });
      const found = new Map<string, Json>();
      for (const step of run.steps) {
        if (step.status !== "completed") continue;
        const output = step.output as Json;
        if (step.index === null) found.set(step.node, output);
        else {
          const list = found.get(step.node);
          found.set(step.node, [...(Array.isArray(list) ? list : []), output]);
        }
      }
      return found;
    },
    staleTime: 30_000,
  });
  return data ?? NONE;
}
const NONE: Samples = new Map();

const PAUSE = 350; // ms after the last change

/** What the server finds wrong with the document, a moment after each change; `checking` until it is known. */
export function useProblems(slug: string, doc: Doc): Problems & { checking: boolean; preflight: Problems } {
  const [found, setFound] = useState<{ doc: Doc | null; problems: Problems; preflight: Problems }>({ doc: null, problems: NO_PROBLEMS, preflight: NO_PROBLEMS });
  const judged = useRef<Doc | null>(null);
  useEffect(() => {
    const content = doc;
    if (judged.current && onlyMoved(judged.current, content)) return;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const { problems, preflight } = await api.post("/workflows/{slug}/validate", { path: { slug }, body: content as never, signal: abort.signal });
        judged.current = content;
        setFound({ doc: content, problems: sorted(problems), preflight: sorted(preflight) });
      } catch {
        // without an answer what was found before stands; saving says that nobody answers
      }
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [slug, doc]);
  return useMemo(
    () => ({ ...found.problems, preflight: found.preflight, checking: found.doc === null || !onlyMoved(found.doc, doc) }),
    [found, doc],
  );
}

/** Whether two documents differ in nothing but where nodes stand. */
function onlyMoved(a: Doc, b: Doc): boolean {
  if (a === b) return true;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => name === "layout" || a[name] === b[name]);
}
