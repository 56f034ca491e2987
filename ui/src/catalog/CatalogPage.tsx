// The catalog: what can be run here, each with one button that leads to the run.

import { Button, Chip, Group, Select, Skeleton, Text } from "@mantine/core";
import { IconFilterOff, IconLayoutGrid, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";
import { workflowsQuery } from "../api/queries.ts";
import { CopyBlock } from "../parts/CopyBlock.tsx";
import { Empty } from "../parts/Empty.tsx";
import { plural } from "../parts/format.ts";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { SearchField } from "../parts/SearchField.tsx";
import { useTitle } from "../shell/title.ts";
import css from "./CatalogPage.module.css";
import { filtered, starterOf, tally } from "./filter.ts";
import { Starter } from "./Starter.tsx";
import { WorkflowCard } from "./WorkflowCard.tsx";

const MOST_TAGS = 12;

export function Component() {
  useTitle("Catalog");
  const [params, setParams] = useSearchParams();
  const { data, error, refetch } = useQuery(workflowsQuery());
  const text = params.get("q") ?? "";
  const persona = params.get("persona");
  const tags = params.getAll("tag");
  const change = (next: Record<string, string | string[] | null>) =>
    setParams(
      (before) => {
        const out = new URLSearchParams(before);
        for (const [name, value] of Object.entries(next)) {
          out.delete(name);
          for (const one of Array.isArray(value) ? value : [value]) if (one) out.append(name, one);
        }
        return out;
      },
      { replace: true },
    );
  const clear = () => change({ q: null, persona: null, tag: null });
  const items = data ?? [];
  const shown = filtered(items, { text, persona, tags });
  const known = tally(items.flatMap((one) => one.tags));
  const offered = [...known.slice(0, MOST_TAGS), ...known.slice(MOST_TAGS).filter((one) => tags.includes(one.value))];
  const starter = data && data.every((one) => one.last_run === null) ? starterOf(data) : null;
  return (
    <Page
      title="Catalog"
      about="Workflows, ready to run"
      actions={
        <Button component={Link} to="/workflows/new" variant="default" leftSection={<IconPlus size={16} aria-hidden />}>
          New workflow
        </Button>
      }
    >
      {error && !data ? <Problem error={error} title="The catalog could not be read" retry={() => void refetch()} /> : null}
      {starter ? <Starter workflow={starter} /> : null}
      {items.length > 0 ? (
        <search className={css.filters}>
          <SearchField className={css.search} placeholder="Search workflows" label="Search workflows" value={text} onChange={(q) => change({ q })} />
          <Select
            className={css.persona ?? ""}
            placeholder="For everyone"
            aria-label="Persona"
            data={tally(items.map((one) => one.persona)).map((one) => ({ value: one.value, label: `${one.value} (${one.count})` }))}
            value={persona}
            onChange={(next) => change({ persona: next })}
            clearable
          />
          <Chip.Group multiple value={tags} onChange={(next) => change({ tag: next })}>
            <Group gap={6} className={css.tags ?? ""} role="group" aria-label="Tags">
              {offered.map((one) => (
                <Chip key={one.value} value={one.value} size="xs" variant="outline">
                  {one.value}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
        </search>
      ) : null}
      {data ? (
        <Text size="sm" c="dimmed" mb="sm" role="status" className={items.length ? undefined : "visually-hidden"}>
          {shown.length === items.length ? plural(items.length, "workflow") : `${shown.length} of ${plural(items.length, "workflow")}`}
        </Text>
      ) : null}
      {!data && !error ? <Waiting /> : null}
      {data && items.length === 0 ? <Nothing /> : null}
      {items.length > 0 && shown.length === 0 ? (
        <Empty
          icon={<IconFilterOff size={26} />}
          title="No workflow matches"
          actions={
            <Button variant="default" onClick={clear}>
              Show all
            </Button>
          }
        >
          Fewer words or tags find more.
        </Empty>
      ) : null}
      <ul className={css.grid}>
        {shown.map((one) => (
          <li key={one.slug}>
            <WorkflowCard workflow={one} onTag={(tag) => change({ tag: [...new Set([...tags, tag])] })} />
          </li>
        ))}
      </ul>
    </Page>
  );
}

function Waiting() {
  return (
    <div className={css.grid} aria-busy aria-label="Loading">
      {[0, 1, 2].map((one) => (
        <Skeleton key={one} height={188} radius="md" />
      ))}
    </div>
  );
}

function Nothing() {
  return (
    <Empty icon={<IconLayoutGrid size={26} />} title="No workflows yet">
      <p>Put the workflows that come with Penstock, or one of your own, into the catalog:</p>
      <CopyBlock label="the command" text={"penstock workflows apply my-workflow.yaml\npenstock run survey -i folder=."} />
    </Empty>
  );
}
