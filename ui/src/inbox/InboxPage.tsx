// What runs ask of people: all that is open, the oldest first, each with its form. A question is decided once; who was faster is
// told to the other.

import { Anchor, Button, Skeleton, Text } from "@mantine/core";
import { IconChecks, IconPlugConnectedX } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "react-router";
import { keys } from "../api/queries.ts";
import type { Approval } from "../api/schema.d.ts";
import { Empty } from "../parts/Empty.tsx";
import { ago, duration, instant, plural } from "../parts/format.ts";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { useTitle } from "../shell/title.ts";
import { Answer } from "./Answer.tsx";
import { Closed } from "./Closed.tsx";
import { useClock } from "./clock.ts";
import css from "./Inbox.module.css";
import { questionsQuery } from "./queries.ts";
import { questionOf } from "./questions.ts";
import { Split, useChosen } from "./Split.tsx";

interface Receipt {
  item: Approval;
  decision: string;
}

export function Component() {
  useTitle("Inbox");
  const { data, error, refetch } = useQuery(questionsQuery());
  const [named, choose] = useChosen();
  const [receipt, setReceipt] = useState<Receipt | null>(null);
  const queries = useQueryClient();
  const items = useMemo(() => (data ?? []).filter((one) => one.id !== receipt?.item.id), [data, receipt]);
  const seen = useSeen(data);
  const now = useClock();
  const counted = useRef<number | null>(null);
  useEffect(() => {
    if (!data) return;
    queries.setQueryData(keys.approvals, { items: data, cursor: null }); // so that the number in the navigation is this one
    if (counted.current !== null && data.length > counted.current) announce(`${plural(data.length - counted.current, "new question")}`);
    counted.current = data.length;
  }, [data, queries]);
  const there = named === null ? undefined : items.find((one) => one.id === named);
  const shown = there ?? (named === null ? items[0] : undefined);
  const gone = named !== null && !there && data !== undefined;
  const answered = (item: Approval, decision: string) => {
    setReceipt({ item, decision });
    announce(`Answered: ${decision}`);
    const at = items.findIndex((one) => one.id === item.id);
    choose((items[at + 1] ?? items[at - 1])?.id ?? null);
  };
  return (
    <Page
      title="Inbox"
      about={
        data && data.length > 0 ? (
          <span className={css.about}>
            <span role="status">
              {plural(items.length, "open question")}
              {items.length > 1 ? ", the oldest first" : ""}
            </span>
            {items.length > 1 ? <span className={css.keys}>j and k go through them, Enter goes to the answer</span> : null}
            {error ? <Stale /> : null}
          </span>
        ) : (
          "What runs ask of people"
        )
      }
    >
      {error && !data ? <Problem error={error} title="The questions could not be read" retry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton height={220} radius="md" /> : null}
      {receipt ? <Thanks receipt={receipt} /> : null}
      {data && items.length === 0 && !gone ? (
        <Empty
          icon={<IconChecks size={26} />}
          title="Nobody waits for you"
          actions={
            <Button component={Link} to="/runs" variant="default">
              See the runs
            </Button>
          }
        >
          When a run comes to a step of kind <code>human</code>, or a policy wants a person's word, its question shows up here by itself.
        </Empty>
      ) : null}
      {data && (items.length > 0 || gone) ? (
        <Split items={items} label="Questions" chosen={shown?.id ?? named} renderRow={(item) => <Row item={item} now={now} />}>
          {shown ? <Answer key={shown.id} item={shown} now={now} onAnswered={(decision) => answered(shown, decision)} /> : null}
          {gone ? <Closed item={seen.get(named)} onNext={items[0] ? () => choose(items[0]!.id) : undefined} /> : null}
        </Split>
      ) : null}
    </Page>
  );
}

/** Every question that was open while the page was looked at. */
function useSeen(data: Approval[] | undefined): ReadonlyMap<string, Approval> {
  const [seen, setSeen] = useState<ReadonlyMap<string, Approval>>(new Map());
  if (data?.some((one) => !seen.has(one.id))) setSeen(new Map([...seen, ...data.map((one) => [one.id, one] as const)]));
  return seen;
}

function Row({ item, now }: { item: Approval; now: number }) {
  const left = item.until === null ? null : (instant(item.until) - now) / 1000;
  return (
    <span className={css.row}>
      <span className={css.title}>{questionOf(item.ask).title}</span>
      <span className={css.facts}>
        <span className={css.where}>{item.workflow}</span>
        <span>{ago(item.asked_at, now)}</span>
        {left === null ? null : <span className={css.left}>{left > 0 ? `${duration(Math.round(left))} left` : "out of time"}</span>}
      </span>
    </span>
  );
}

function Thanks({ receipt: { item, decision } }: { receipt: Receipt }) {
  return (
    <div className={css.thanks} role="status">
      <IconChecks size={18} aria-hidden />
      <Text size="sm">
        You answered “{questionOf(item.ask).title}” with <strong>{decision}</strong>.{" "}
        <Anchor component={Link} to={`/runs/${item.run_id}`} size="sm" underline="always">
          See the run go on
        </Anchor>
      </Text>
    </div>
  );
}

function Stale() {
  return (
    <Text component="span" size="sm" c="var(--tone-warn)" role="alert">
      <IconPlugConnectedX size={14} aria-hidden /> not up to date: Penstock does not answer
    </Text>
  );
}
