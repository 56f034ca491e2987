// Two states of a workflow, and what differs: drawn, in words, and as text. Each verdict is a colour, an icon and a word.

import { Group, SegmentedControl, Select, Skeleton, Text } from "@mantine/core";
import { IconEqual } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState } from "react";
import { useParams, useSearchParams } from "react-router";
import { api } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import { readDraft } from "../editor/loading.ts";
import { compare } from "../editor/model/compare.ts";
import type { Doc } from "../editor/model/document.ts";
import { print } from "../editor/model/yaml.ts";
import { Empty } from "../parts/Empty.tsx";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useTitle } from "../shell/title.ts";
import { Changes } from "./Changes.tsx";
import css from "./Compare.module.css";
import { Difference } from "./Difference.tsx";

const Merge = lazy(() => import("../editor/text/Merge.tsx"));
const DRAFT = "draft";

function useDocumentOf(slug: string, which: string | null) {
  return useQuery({
    queryKey: [...keys.workflow(slug), "state", which],
    queryFn: async ({ signal }): Promise<Doc> =>
      which === DRAFT ? (await readDraft(slug, signal)).doc : ((await api.get("/workflows/{slug}/versions/{number}", { path: { slug, number: Number(which) }, signal })).document as Doc),
    enabled: which !== null,
    staleTime: which === DRAFT ? 0 : Number.POSITIVE_INFINITY,
  });
}

export function Component() {
  const { slug = "" } = useParams();
  const [search, setSearch] = useSearchParams();
  useTitle(`Compare ${slug}`);
  const versions = useQuery({
    queryKey: [...keys.workflow(slug), "versions", "numbers"],
    queryFn: ({ signal }) => api.get("/workflows/{slug}/versions", { path: { slug }, query: { limit: 100 }, signal }),
  });
  const numbers = versions.data?.items.map((one) => String(one.number)) ?? [];
  const to = search.get("to") ?? (versions.data ? DRAFT : null);
  const from = search.get("from") ?? numbers.find((one) => one !== to) ?? null;
  const old = useDocumentOf(slug, from);
  const next = useDocumentOf(slug, to);
  const [view, setView] = useState("graph");
  const found = useMemo(() => (old.data && next.data ? compare(old.data, next.data) : null), [old.data, next.data]);
  const set = (key: string, value: string | null) =>
    value && setSearch((before) => ({ ...Object.fromEntries(before), ...(from ? { from } : {}), ...(to ? { to } : {}), [key]: value }), { replace: true });
  const choices = [{ value: DRAFT, label: "The draft" }, ...numbers.map((one) => ({ value: one, label: `Version ${one}` }))];
  const error = versions.error ?? old.error ?? next.error;
  return (
    <Page title={`Compare ${slug}`} back={{ to: `/workflows/${slug}/versions`, label: "Versions" }} wide>
      <Group gap="sm" mb="md" align="flex-end">
        <Select label="From" data={choices} value={from} onChange={(value) => set("from", value)} allowDeselect={false} w={150} />
        <Select label="To" data={choices} value={to} onChange={(value) => set("to", value)} allowDeselect={false} w={150} />
        <SegmentedControl value={view} onChange={setView} aria-label="View" data={[{ value: "graph", label: "Graph" }, { value: "text", label: "Text" }]} />
      </Group>
      {error ? <Problem error={error} title="They could not be read" /> : null}
      {versions.data && from === null ? (
        <Empty icon={<IconEqual size={26} />} title="There is nothing to compare yet">
          Publish the draft: then it can be compared with what comes after.
        </Empty>
      ) : null}
      {!error && from !== null && !found ? <Skeleton height={420} radius="md" /> : null}
      {found?.same ? (
        <Text mb="sm" role="status">
          <IconEqual size={16} aria-hidden style={{ verticalAlign: -3 }} /> They are the same.
        </Text>
      ) : null}
      {found && old.data && next.data ? (
        view === "graph" ? (
          <div className={css.columns}>
            <Difference old={old.data} next={next.data} found={found} />
            <Changes found={found} />
          </div>
        ) : (
          <div className={css.text}>
            <Suspense fallback={<Skeleton height={420} />}>
              <Merge left={print(old.data)} right={print(next.data)} leftLabel={nameOf(from)} rightLabel={nameOf(to)} />
            </Suspense>
          </div>
        )
      ) : null}
    </Page>
  );
}

const nameOf = (which: string | null) => (which === DRAFT ? "The draft" : `Version ${which}`);
