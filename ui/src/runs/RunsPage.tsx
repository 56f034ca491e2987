// The runs: which there are, how they stand, now.

import { Button, Group, Text } from "@mantine/core";
import { IconFilterOff, IconPlayerPlay, IconPlugConnectedX } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { ENDED, newestRunsQuery, runsQuery } from "../api/queries.ts";
import { Empty } from "../parts/Empty.tsx";
import { count } from "../parts/format.ts";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useTitle } from "../shell/title.ts";
import { CancelMany } from "./CancelMany.tsx";
import { Filters } from "./Filters.tsx";
import { RunList } from "./RunList.tsx";
import { matching, mergeRuns, readParams, writeParams } from "./views.ts";
import { Views } from "./Views.tsx";

export function Component() {
  useTitle("Runs");
  const [params, setParams] = useSearchParams();
  const search = params.toString();
  const shown = useMemo(() => readParams(new URLSearchParams(search)), [search]);
  const { text: _, ...asked } = shown;
  const pages = useInfiniteQuery(runsQuery(asked));
  const newest = useQuery(newestRunsQuery(asked));
  const runs = useMemo(
    () => mergeRuns(pages.data?.pages.flatMap((page) => page.items) ?? [], newest.data?.items ?? []),
    [pages.data, newest.data],
  );
  const visible = useMemo(() => matching(runs, shown), [runs, shown]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const cancellable = visible.filter((one) => chosen.has(one.run_id) && !ENDED.has(one.status));
  const error = newest.error ?? pages.error;
  const filtering = writeParams(shown) !== "";
  const change = (next: Partial<Record<string, string | undefined>>) =>
    setParams(writeParams({ ...shown, ...next }), { replace: true });
  return (
    <Page
      title="Runs"
      wide
      about={
        <Group gap={8} component="span">
          <span role="status">
            {count(visible.length)}
            {pages.hasNextPage ? "+" : ""} {visible.length === 1 ? "run" : "runs"}
          </span>
          {newest.error && newest.data ? (
            <Text component="span" size="sm" c="var(--tone-warn)" role="alert">
              <IconPlugConnectedX size={14} aria-hidden /> not up to date: Penstock does not answer
            </Text>
          ) : null}
        </Group>
      }
      actions={<Views current={writeParams(shown)} onOpen={(search) => setParams(search)} />}
    >
      <Filters shown={shown} onChange={change} />
      {error && !runs.length ? <Problem error={error} title="The runs could not be read" retry={() => void pages.refetch()} /> : null}
      <CancelMany runs={cancellable} onDone={() => setChosen(new Set())} />
      {pages.data && visible.length === 0 ? (
        <Nothing filtering={filtering} onClear={() => setParams("")} more={pages.hasNextPage} onMore={() => void pages.fetchNextPage()} />
      ) : (
        <RunList
          runs={visible}
          loading={!pages.data && !error}
          chosen={chosen}
          onChoose={setChosen}
          hasMore={pages.hasNextPage}
          onMore={() => {
            if (!pages.isFetchingNextPage) void pages.fetchNextPage();
          }}
        />
      )}
    </Page>
  );
}

interface NothingProps {
  filtering: boolean;
  more: boolean;
  onClear: () => void;
  onMore: () => void;
}

function Nothing({ filtering, more, onClear, onMore }: NothingProps) {
  if (filtering)
    return (
      <Empty
        icon={<IconFilterOff size={26} />}
        title="No run matches"
        actions={
          <>
            {more ? <Button onClick={onMore}>Look further back</Button> : null}
            <Button variant="default" onClick={onClear}>
              Show all runs
            </Button>
          </>
        }
      >
        {more ? "Not among the runs that are loaded." : "Change a filter, or show all."}
      </Empty>
    );
  return (
    <Empty
      icon={<IconPlayerPlay size={26} />}
      title="Nothing ran yet"
      actions={
        <Button component={Link} to="/">
          Choose a workflow
        </Button>
      }
    >
      Start one from the catalog, or with <code>penstock run survey -i folder=.</code> in a terminal. It shows up here by itself.
    </Empty>
  );
}
