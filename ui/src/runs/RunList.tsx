// The list of runs, of which only what is in sight is drawn. A row is a row of a table to a screen reader, with one link that
// fills it.

import { Checkbox, Loader, Skeleton } from "@mantine/core";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { ENDED } from "../api/queries.ts";
import type { RunItem } from "../api/schema.d.ts";
import { MODES } from "../form/ModePicker.tsx";
import { ago, dateTime, duration, instant, shortId } from "../parts/format.ts";
import { Status } from "../parts/Status.tsx";
import { isTyping } from "../shell/shortcuts.ts";
import css from "./RunList.module.css";

interface RunListProps {
  runs: readonly RunItem[];
  loading: boolean;
  chosen: ReadonlySet<string>;
  onChoose: (chosen: ReadonlySet<string>) => void;
  hasMore: boolean;
  onMore: () => void;
}

const ROW = 45;
const NARROW = 72;

export function RunList({ runs, loading, chosen, onChoose, hasMore, onMore }: RunListProps) {
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const narrow = useNarrow();
  const now = useNow(runs.some((one) => !ENDED.has(one.status)) ? 1000 : 15_000);
  useLayoutEffect(() => setTop(list.current?.offsetTop ?? 0), [runs.length > 0, chosen.size > 0]); // oxlint-disable-line react/exhaustive-deps -- what moves the list
  const rows = useWindowVirtualizer({
    count: runs.length + (hasMore ? 1 : 0),
    estimateSize: () => (narrow ? NARROW : ROW),
    overscan: 12,
    scrollMargin: top,
    getItemKey: (index) => runs[index]?.run_id ?? "more",
  });
  useLayoutEffect(() => rows.measure(), [narrow, rows]);
  useArrows(list);
  const shown = rows.getVirtualItems();
  const atEnd = (shown.at(-1)?.index ?? 0) >= runs.length;
  useEffect(() => {
    if (hasMore && atEnd) onMore();
  }, [hasMore, atEnd, onMore]);
  if (loading)
    return (
      <div aria-busy aria-label="Loading" className={css.table}>
        {Array.from({ length: 8 }, (_, index) => (
          <Skeleton key={index} height={ROW - 9} mb={8} radius="sm" />
        ))}
      </div>
    );
  const open = runs.filter((one) => !ENDED.has(one.status));
  const all = open.length > 0 && open.every((one) => chosen.has(one.run_id));
  const toggle = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    onChoose(next);
  };
  return (
    <div className={css.table} role="table" aria-label="Runs" aria-rowcount={runs.length + 1}>
      <div className={css.head} role="row" aria-rowindex={1}>
        <span role="columnheader">
          <Checkbox
            size="xs"
            aria-label="Choose all runs that have not ended"
            checked={all}
            indeterminate={!all && open.some((one) => chosen.has(one.run_id))}
            disabled={!open.length}
            onChange={() => onChoose(all ? new Set() : new Set(open.map((one) => one.run_id)))}
          />
        </span>
        <span role="columnheader">Status</span>
        <span role="columnheader">Workflow</span>
        <span role="columnheader">Mode</span>
        <span role="columnheader">Started by</span>
        <span role="columnheader">Begun</span>
        <span role="columnheader" className={css.right}>
          Took
        </span>
        <span role="columnheader" className={css.errorHead}>
          Error
        </span>
      </div>
      <div ref={list} role="rowgroup" className={css.body} style={{ height: rows.getTotalSize() }}>
        {shown.map((item) => {
          const run = runs[item.index];
          const style = { transform: `translateY(${item.start - top}px)`, height: item.size };
          return run ? (
            <Row key={item.key} run={run} place={item.index + 2} style={style.transform} size={item.size} now={now} chosen={chosen.has(run.run_id)} onToggle={toggle} />
          ) : (
            <div key="more" className={css.more} style={style}>
              <Loader size="sm" aria-label="Loading more" />
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  run: RunItem;
  place: number;
  style: string;
  size: number;
  now: number;
  chosen: boolean;
  onToggle: (id: string) => void;
}

const Row = memo(function Row({ run, place, style, size, now, chosen, onToggle }: RowProps) {
  const ended = ENDED.has(run.status);
  const took = ((ended ? instant(run.updated_at) : now) - instant(run.created_at)) / 1000;
  return (
    <div className={css.row} role="row" aria-rowindex={place} style={{ transform: style, height: size }} data-chosen={chosen || undefined}>
      <span role="cell" className={css.check}>
        <Checkbox size="xs" aria-label={`Choose run ${run.run_id}`} checked={chosen} disabled={ended} onChange={() => onToggle(run.run_id)} />
      </span>
      <span role="cell" className={css.status}>
        <Status of={run.status} />
        {run.asks ? <span className={css.asks}>{run.asks === 1 ? "1 question" : `${run.asks} questions`}</span> : null}
      </span>
      <span role="cell" className={css.name}>
        <Link to={`/runs/${run.run_id}`} className={css.link} data-row-link>
          {run.workflow}
        </Link>
        <span className={css.dim}>
          v{run.version} · {shortId(run.run_id)}
        </span>
      </span>
      <span role="cell" className={css.mode}>
        {MODES[run.mode].name}
      </span>
      <span role="cell" className={css.actor}>
        {run.actor}
      </span>
      <time role="cell" className={css.begun} dateTime={run.created_at} title={dateTime(run.created_at)}>
        {ago(run.created_at, now)}
      </time>
      <span role="cell" className={`${css.took} ${css.right}`}>
        {duration(took)}
      </span>
      <span role="cell" className={css.error} title={run.error ?? undefined}>
        {run.error}
      </span>
    </div>
  );
});

/** The time, told again every so many milliseconds. */
function useNow(every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia("(max-width: 48em)").matches);
  useEffect(() => {
    const query = matchMedia("(max-width: 48em)");
    const onChange = () => setNarrow(query.matches);
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, []);
  return narrow;
}

/** J and K, and the arrows, go from row to row. */
function useArrows(list: React.RefObject<HTMLDivElement | null>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const by = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      const links = [...(list.current?.querySelectorAll<HTMLElement>("[data-row-link]") ?? [])];
      const inList = list.current?.contains(document.activeElement) ?? false;
      if (!by || isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key.startsWith("Arrow") && !inList) return;
      const rows = links.toSorted((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top);
      const place = rows.indexOf(document.activeElement as HTMLElement);
      event.preventDefault();
      rows[Math.max(0, Math.min(rows.length - 1, place + by))]?.focus();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [list]);
}
