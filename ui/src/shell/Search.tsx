// Cmd-K: workflows, recent runs and pages, found by a few letters of their names. A run's whole id leads to it even when it
// is too old to be among the recent ones.

import { Spotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import { IconExternalLink, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { recentRunsQuery, workflowsQuery } from "../api/queries.ts";
import { ago } from "../parts/format.ts";
import { lookOf, Status } from "../parts/Status.tsx";
import { ICONS, type NavLink } from "./nav.ts";
import css from "./Search.module.css";

const RUN_ID = /^[A-Za-z0-9_-]{12,80}$/;

export default function Search({ nav }: { nav: NavLink[] }) {
  const navigate = useNavigate();
  const [opened, setOpened] = useState(false);
  const [query, setQuery] = useState("");
  const { data: workflows } = useQuery({ ...workflowsQuery(), enabled: opened });
  const { data: runs } = useQuery({ ...recentRunsQuery(50), enabled: opened });
  const go = (to: string) => () => void navigate(to);
  const groups: SpotlightActionGroupData[] = [
    {
      group: "Pages",
      actions: nav.map((entry) => {
        const Icon = ICONS[entry.icon];
        return {
          id: `page:${entry.to}`,
          label: entry.label,
          description: entry.hint,
          leftSection: <Icon size={18} aria-hidden />,
          onClick: go(entry.to),
        };
      }),
    },
    {
      group: "Workflows",
      actions: (workflows ?? []).map((one) => ({
        id: `workflow:${one.slug}`,
        label: `Run ${one.title || one.slug}`,
        description: one.description || one.slug,
        keywords: [one.slug, ...one.tags],
        leftSection: <ICONS.catalog size={18} aria-hidden />,
        onClick: go(`/workflows/${one.slug}/run`),
      })),
    },
    {
      group: "Runs",
      actions: (runs?.items ?? []).map((one) => ({
        id: `run:${one.run_id}`,
        label: `${one.workflow} · ${ago(one.created_at)}`,
        description: one.run_id,
        keywords: [lookOf(one.status).word, one.actor],
        rightSection: <Status of={one.status} />,
        leftSection: <ICONS.runs size={18} aria-hidden />,
        onClick: go(`/runs/${one.run_id}`),
      })),
    },
  ];
  const wanted = query.trim();
  if (RUN_ID.test(wanted) && !runs?.items.some((one) => one.run_id === wanted))
    groups.push({
      group: "Elsewhere",
      actions: [
        {
          id: `open:${wanted}`,
          label: `Open run ${wanted}`,
          leftSection: <IconExternalLink size={18} aria-hidden />,
          onClick: go(`/runs/${wanted}`),
        },
      ],
    });
  return (
    <Spotlight
      actions={groups}
      query={query}
      onQueryChange={setQuery}
      onSpotlightOpen={() => setOpened(true)}
      attributes={{ content: { "aria-label": "Search" } }}
      classNames={{ action: css.action ?? "" }}
      shortcut={null}
      limit={24}
      scrollable
      maxHeight="min(60vh, 32rem)"
      nothingFound="Nothing by that name"
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: "Workflows, runs, pages…",
        "aria-label": "Search workflows, runs and pages",
      }}
    />
  );
}
