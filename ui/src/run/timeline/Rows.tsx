// The rows of the waterfall, as a tree: only those in sight are drawn, each drawn again only when it changes itself, and one
// walks through all of them with the arrows.

import { useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, type KeyboardEvent, memo, type RefObject, useEffect, useRef, useState } from "react";
import type { Row, Span } from "../../model/timeline.ts";
import { placesFor } from "../places.ts";
import { Bars } from "./Bars.tsx";
import { Label } from "./Label.tsx";
import css from "./Timeline.module.css";

const ROW = 28;

export interface Act {
  choose: (row: Row) => void;
  toggle: (row: Row, to: boolean) => void;
  zoomBy: (factor: number, about?: number) => void;
  pan: (share: number) => void;
  /** show all of it */
  whole: () => void;
}

interface RowsProps {
  rows: Row[];
  now: number;
  span: Span;
  chosen: string | null;
  grid: CSSProperties;
  act: Act;
}

export function Rows({ rows, now, span, chosen, grid, act }: RowsProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<string | null>(chosen);
  const found = at === null ? -1 : rows.findIndex((row) => row.id === at);
  const current = Math.max(0, found);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 6,
    getItemKey: (index) => rows[index]?.id ?? index,
  });
  const latest = useLatest({ act, setAt });
  useWheel(scroller, latest);

  const go = (index: number) => {
    const to = Math.max(0, Math.min(rows.length - 1, index));
    setAt(rows[to]!.id);
    virtual.scrollToIndex(to, { align: "auto" });
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${to}"]`)?.focus({ preventScroll: true }));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = rows[current];
    if (row === undefined) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? ROW) / ROW) - 1);
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(current + 1),
      ArrowUp: () => go(current - 1),
      PageDown: () => go(current + page),
      PageUp: () => go(current - page),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowRight: () => (row.open === false ? act.toggle(row, true) : go(row.open === true ? current + 1 : current)),
      ArrowLeft: () => (row.open === true ? act.toggle(row, false) : row.parent === null ? undefined : go(rows.findIndex((one) => one.id === row.parent))),
      Enter: () => act.choose(row),
      " ": () => act.choose(row),
      "+": () => act.zoomBy(0.5),
      "=": () => act.zoomBy(0.5),
      "-": () => act.zoomBy(2),
      "0": () => act.whole(),
      "[": () => act.pan(-0.25),
      "]": () => act.pan(0.25),
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    move();
  };

  const target = useRef(chosen);
  useEffect(() => {
    if (target.current === null || rows.length === 0) return;
    const index = rows.findIndex((row) => row.id === target.current);
    if (index >= 0) virtual.scrollToIndex(index, { align: "center" });
    target.current = null;
  }, [rows, virtual]);

  const items = virtual.getVirtualItems();
  const places = placesFor(items.length);
  return (
    <div ref={scroller} className={css.rows} role="tree" aria-label="Steps of the run, by node" tabIndex={-1} style={grid} onKeyDown={onKeyDown}>
      <div className={css.sheet} role="presentation" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index]!;
          return (
            <OneRow
              key={item.index % places} // a row that leaves at one end is used again at the other
              row={row}
              index={item.index}
              size={rows.length}
              top={item.start}
              current={item.index === current}
              chosen={row.id === chosen}
              now={row.end === null ? now : 0}
              from={span.from}
              to={span.to}
              latest={latest}
            />
          );
        })}
      </div>
    </div>
  );
}

type Latest = RefObject<{ act: Act; setAt: (id: string) => void }>;

interface OneRowProps {
  row: Row;
  index: number;
  size: number;
  top: number;
  current: boolean;
  chosen: boolean;
  now: number;
  from: number;
  to: number;
  latest: Latest;
}

const OneRow = memo(function OneRow({ row, index, size, top, current, chosen, now, from, to, latest }: OneRowProps) {
  return (
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the tree handles the keys for all of its rows
    <div
      data-index={index}
      data-current={current || undefined}
      data-chosen={chosen || undefined}
      className={css.row}
      role="treeitem"
      tabIndex={current ? 0 : -1}
      aria-level={row.depth + 1}
      aria-expanded={row.open ?? undefined}
      aria-selected={chosen}
      aria-setsize={size}
      aria-posinset={index + 1}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => {
        latest.current.setAt(row.id);
        latest.current.act.choose(row);
      }}
      onFocus={() => latest.current.setAt(row.id)}
    >
      <Label row={row} now={now} toggle={() => latest.current.act.toggle(row, !row.open)} />
      <Bars row={row} now={now} from={from} to={to} />
    </div>
  );
});

/** What was given last, for handlers that stay the same. */
function useLatest<T>(value: T): RefObject<T> {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}

/** With Ctrl (or by pinching) the wheel zooms about the pointer, sideways it moves along. */
function useWheel(scroller: RefObject<HTMLDivElement | null>, latest: Latest): void {
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const onWheel = (event: WheelEvent) => {
      const lane = element.querySelector(`.${css.lane}`)?.getBoundingClientRect();
      if (lane === undefined || lane.width === 0) return;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        latest.current.act.zoomBy(Math.exp(Math.max(-50, Math.min(50, event.deltaY)) / 100), Math.max(0, Math.min(1, (event.clientX - lane.left) / lane.width)));
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        latest.current.act.pan(event.deltaX / lane.width);
      }
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [scroller, latest]);
}
