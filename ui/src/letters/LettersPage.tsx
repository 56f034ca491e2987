// Steps that failed for good, each opened at what it failed on: read why, change the input, send it again.

import { Button, Checkbox, Group, Skeleton, Text } from "@mantine/core";
import { IconMailOpened, IconPlugConnectedX, IconRefresh } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { keys } from "../api/queries.ts";
import type { DeadLetter } from "../api/schema.d.ts";
import { Split, useChosen } from "../inbox/Split.tsx";
import { useClock } from "../inbox/clock.ts";
import { Empty } from "../parts/Empty.tsx";
import { ago, plural } from "../parts/format.ts";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { Status } from "../parts/Status.tsx";
import { announce } from "../shell/announce.tsx";
import { useTitle } from "../shell/title.ts";
import { toastDone, toastError } from "../shell/toast.tsx";
import { Letter } from "./Letter.tsx";
import css from "./Letters.module.css";
import { lettersQuery } from "./queries.ts";

export function Component() {
  useTitle("Dead letters");
  const { data, error, refetch } = useQuery(lettersQuery());
  const [named, choose] = useChosen();
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const [sent, setSent] = useState<ReadonlyMap<string, string>>(new Map()); // letter → the run that goes on with it
  const now = useClock();
  const items = data ?? [];
  const shown = named === null ? items[0] : items.find((one) => one.id === named);
  const chosen = items.filter((one) => ticked.has(one.id));
  const onSent = (letter: DeadLetter, run: string) => setSent((before) => new Map(before).set(letter.id, run));
  return (
    <Page
      title="Dead letters"
      about={
        items.length > 0 ? (
          <Group gap={8} component="span">
            <span role="status">{plural(items.length, "step or run", "steps and runs")} failed or paused{items.length > 1 ? ", the newest first" : ""}</span>
            {error ? (
              <Text component="span" size="sm" c="var(--tone-warn)" role="alert">
                <IconPlugConnectedX size={14} aria-hidden /> not up to date: Penstock does not answer
              </Text>
            ) : null}
          </Group>
        ) : (
          "Steps that failed for good, and what they failed on"
        )
      }
    >
      {error && !data ? <Problem error={error} title="The dead letters could not be read" retry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton height={220} radius="md" /> : null}
      {data && items.length === 0 ? (
        <Empty
          icon={<IconMailOpened size={26} />}
          title="Nothing failed for good"
          actions={
            <Button component={Link} to="/runs" variant="default">
              See the runs
            </Button>
          }
        >
          When a run fails, or is paused on an error, its failing step shows up here with its input, to be mended and sent again.
        </Empty>
      ) : null}
      {items.length > 0 ? (
        <Split
          items={items}
          label="Dead letters"
          chosen={shown?.id ?? named}
          head={<Bulk all={items} chosen={chosen} onTick={setTicked} onSent={onSent} />}
          renderBefore={(item) => (
            <span className={css.tick}>
              <Checkbox
                size="xs"
                aria-label={`Choose ${item.workflow} ${item.step ?? "run"} of ${item.run_id}`}
                checked={ticked.has(item.id)}
                onChange={() => setTicked(toggled(ticked, item.id))}
              />
            </span>
          )}
          renderRow={(item) => <Row item={item} now={now} sent={sent.has(item.id)} />}
        >
          {shown ? (
            <Letter key={`${shown.id}:${shown.failed_at}`} letter={shown} now={now} sent={sent.get(shown.id)} onSent={(run) => onSent(shown, run)} />
          ) : (
            <Empty
              compact
              icon={<IconMailOpened size={26} />}
              title="This letter is here no more"
              actions={<Button onClick={() => choose(items[0]?.id ?? null)}>To the newest</Button>}
            >
              Its run goes on, or was removed.
            </Empty>
          )}
        </Split>
      ) : null}
    </Page>
  );
}

function toggled(before: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const out = new Set(before);
  if (!out.delete(id)) out.add(id);
  return out;
}

function Row({ item, now, sent }: { item: DeadLetter; now: number; sent: boolean }) {
  return (
    <span className={css.row}>
      <span className={css.title}>
        {item.workflow} <span className={css.step}>{item.step ?? "the run itself"}</span>
      </span>
      <span className={css.why}>{String(item.error["message"] ?? "")}</span>
      <span className={css.facts}>
        <Status of={item.status} />
        <span>{ago(item.failed_at, now)}</span>
        {sent ? <span className={css.sent}>sent again</span> : null}
      </span>
    </span>
  );
}

interface BulkProps {
  all: readonly DeadLetter[];
  chosen: readonly DeadLetter[];
  onTick: (ids: ReadonlySet<string>) => void;
  onSent: (letter: DeadLetter, run: string) => void;
}

/** Tick all of them, and send those that are ticked again as they were. */
function Bulk({ all, chosen, onTick, onSent }: BulkProps) {
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const redrive = async () => {
    setBusy(true);
    const runs = new Set<string>();
    let done = 0;
    for (const letter of chosen) {
      if (letter.status === "paused" && runs.has(letter.run_id)) {
        done += 1; // one resume takes all the steps of a paused run along
        continue;
      }
      try {
        const run = await api.post("/dead-letters/{id}/redrive", { path: { id: letter.id }, body: {}, idempotencyKey: true });
        runs.add(letter.run_id);
        onSent(letter, run.run_id);
        done += 1;
      } catch (error) {
        toastError(`Redrive ${letter.workflow}`, error);
        if (ApiError.of(error).status === 0) break; // nobody answers: the others would not go either
      }
    }
    setBusy(false);
    onTick(new Set());
    if (done > 0) toastDone(`${plural(done, "letter")} sent again`);
    announce(`${done} of ${chosen.length} sent again`);
    void queries.invalidateQueries({ queryKey: keys.deadLetters });
    void queries.invalidateQueries({ queryKey: keys.runs });
  };
  return (
    <div className={css.bulk}>
      <Checkbox
        size="xs"
        label={chosen.length === 0 ? "Choose all" : `${chosen.length} chosen`}
        checked={chosen.length === all.length}
        indeterminate={chosen.length > 0 && chosen.length < all.length}
        onChange={() => onTick(chosen.length === all.length ? new Set() : new Set(all.map((one) => one.id)))}
      />
      {chosen.length > 0 ? (
        <Button size="compact-sm" loading={busy} leftSection={<IconRefresh size={14} aria-hidden />} onClick={() => void redrive()}>
          Redrive {chosen.length}
        </Button>
      ) : null}
    </div>
  );
}
