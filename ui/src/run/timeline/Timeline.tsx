// The waterfall. A tree of rows over one axis of time: windowed, so that only what is seen is drawn; zoomed by the brush
// above it, with the wheel or by keys; walked through with the arrows like any tree.

import { ActionIcon, Tooltip } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { IconArrowsMaximize, IconChartBar, IconFoldUp, IconFoldDown } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { extent, type Row, rowsOf, type Span } from "../../model/timeline.ts";
import { duration } from "../../parts/format.ts";
import { Empty } from "../../parts/Empty.tsx";
import { useNow } from "../hooks.ts";
import type { TabProps } from "../RunFrame.tsx";
import { useVersion } from "../store.ts";
import { Axis } from "./Axis.tsx";
import { Brush } from "./Brush.tsx";
import { Bars } from "./Bars.tsx";
import { Label } from "./Label.tsx";
import { Legend } from "./Legend.tsx";
import css from "./Timeline.module.css";

const ROW = 28;
const LEAST = 1e-4; // seconds: closer one cannot look

export default function Timeline({ store, place, move }: TabProps) {
  const { view } = store;
  const version = useVersion(store);
  const now = useNow(store, !view.terminal);
  const [open, setOpen] = useState<ReadonlyMap<string, boolean>>(new Map());
  const rows = useMemo(() => {
    void version; // the view is changed in place: its version says when
    return rowsOf(view, (row) => open.get(row));
  }, [view, open, version]);
  const whole = extent(view, now);
  const span = zoomed(whole, place.zoom);
  const scroller = useRef<HTMLDivElement>(null);
  const { ref: sized, width } = useElementSize();
  const chosen = place.step === null ? null : `step:${place.step}`;
  const [at, setAt] = useState<string | null>(chosen);
  const current = Math.max(0, rows.findIndex((row) => row.id === (at ?? chosen)));
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 8,
    getItemKey: (index) => rows[index]?.id ?? index,
  });
  const zoom = (to: Span | null) => move({ zoom: to === null ? null : { from: to.from - view.createdAt, to: to.to - view.createdAt } }, { replace: true });
  const zoomBy = (factor: number, about = 0.5) => {
    const size = Math.max(LEAST, (span.to - span.from) * factor);
    const center = span.from + (span.to - span.from) * about;
    zoom(size >= whole.to - whole.from ? null : kept({ from: center - size * about, to: center + size * (1 - about) }, whole));
  };
  const pan = (share: number) => {
    const by = (span.to - span.from) * share;
    zoom(kept({ from: span.from + by, to: span.to + by }, whole));
  };
  useWheel(scroller, zoomBy, pan);

  const choose = (row: Row) => {
    setAt(row.id);
    if (row.step !== null) move({ step: row.step.id, part: row.kind === "call" ? "calls" : null, seq: row.call?.kept.seq ?? null });
    else toggle(row);
  };
  const toggle = (row: Row, to = !row.open) => {
    if (row.open !== null) setOpen((before) => new Map(before).set(row.id, to));
  };
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
      ArrowRight: () => (row.open === false ? toggle(row, true) : go(row.open === true ? current + 1 : current)),
      ArrowLeft: () => (row.open === true ? toggle(row, false) : row.parent === null ? undefined : go(rows.findIndex((one) => one.id === row.parent))),
      Enter: () => choose(row),
      " ": () => choose(row),
      "+": () => zoomBy(0.5),
      "=": () => zoomBy(0.5),
      "-": () => zoomBy(2),
      "0": () => zoom(null),
      "[": () => pan(-0.25),
      "]": () => pan(0.25),
    };
    const act = moves[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  };

  const target = useRef(chosen);
  useEffect(() => {
    if (target.current === null || rows.length === 0) return;
    const index = rows.findIndex((row) => row.id === target.current);
    if (index >= 0) virtual.scrollToIndex(index, { align: "center" });
    target.current = null;
  }, [rows, virtual]);

  if (rows.length === 0) {
    return (
      <Empty icon={<IconChartBar size={26} />} title={view.terminal ? "No step was begun" : "Nothing has begun yet"} compact>
        {view.terminal ? "The run ended before its first step." : "Steps appear here the moment they are sent."}
      </Empty>
    );
  }
  const foldable = rows.some((row) => row.open !== null);
  const setAll = (to: boolean) => setOpen(new Map(rowsOf(view, () => true).flatMap((row) => (row.open === null ? [] : [[row.id, to] as const]))));
  return (
    <div className={css.timeline}>
      <div className={css.top}>
        <div className={css.tools}>
          <span className={css.span} title="The piece of time that is shown">
            {duration(span.to - span.from)}
          </span>
          <Tooltip label="Show all of it (0)">
            <ActionIcon variant="subtle" color="gray" aria-label="Show the whole run" disabled={place.zoom === null} onClick={() => zoom(null)}>
              <IconArrowsMaximize size={16} />
            </ActionIcon>
          </Tooltip>
          {foldable ? (
            <>
              <Tooltip label="Open all rows">
                <ActionIcon variant="subtle" color="gray" aria-label="Open all rows" onClick={() => setAll(true)}>
                  <IconFoldDown size={16} />
                </ActionIcon>
              </Tooltip>
              <Tooltip label="Shut all rows">
                <ActionIcon variant="subtle" color="gray" aria-label="Shut all rows" onClick={() => setAll(false)}>
                  <IconFoldUp size={16} />
                </ActionIcon>
              </Tooltip>
            </>
          ) : null}
          <Legend />
        </div>
        <Brush store={store} whole={whole} span={span} zoom={zoom} />
      </div>
      <div className={css.axisRow}>
        <div className={css.axisLabel}>Step</div>
        <div className={css.axis} ref={sized}>
          <Axis span={span} origin={view.createdAt} width={width} />
        </div>
      </div>
      <div
        ref={scroller}
        className={css.rows}
        role="tree"
        aria-label="Steps of the run, by node"
        tabIndex={-1}
        onKeyDown={onKeyDown}
      >
        <div className={css.sheet} role="presentation" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index]!;
            return (
              // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the tree handles the keys for all of its rows
              <div
                key={row.id}
                data-index={item.index}
                data-current={item.index === current || undefined}
                data-chosen={row.id === chosen || undefined}
                className={css.row}
                role="treeitem"
                tabIndex={item.index === current ? 0 : -1}
                aria-level={row.depth + 1}
                aria-expanded={row.open ?? undefined}
                aria-selected={row.id === chosen}
                aria-setsize={rows.length}
                aria-posinset={item.index + 1}
                style={{ transform: `translateY(${item.start}px)` }}
                onClick={() => choose(row)}
                onFocus={() => setAt(row.id)}
              >
                <Label row={row} now={now} toggle={() => toggle(row)} />
                <Bars row={row} now={now} span={span} rev={row.end === null ? now : (row.step?.rev ?? row.size)} />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** The piece that is shown, within the run: one that grows is shown to its end, unless somebody looks closer. */
function zoomed(whole: Span, zoom: Span | null): Span {
  if (zoom === null) return { from: whole.from, to: whole.to + (whole.to - whole.from) * 0.01 };
  return { from: whole.from + zoom.from, to: whole.from + zoom.to };
}

/** Moved back into the run where it hangs over. */
function kept(span: Span, whole: Span): Span {
  const size = span.to - span.from;
  const from = Math.max(whole.from, Math.min(span.from, whole.to - size));
  return { from, to: from + size };
}

/** With Ctrl (or by pinching) the wheel zooms about the pointer, sideways it moves along. */
function useWheel(scroller: RefObject<HTMLDivElement | null>, zoomBy: (factor: number, about: number) => void, pan: (share: number) => void): void {
  const act = useRef({ zoomBy, pan });
  useEffect(() => {
    act.current = { zoomBy, pan };
  });
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const onWheel = (event: WheelEvent) => {
      const lane = element.querySelector(`.${css.lane}`)?.getBoundingClientRect();
      if (lane === undefined || lane.width === 0) return;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        act.current.zoomBy(Math.exp(Math.max(-50, Math.min(50, event.deltaY)) / 100), Math.max(0, Math.min(1, (event.clientX - lane.left) / lane.width)));
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        act.current.pan(event.deltaX / lane.width);
      }
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [scroller]);
}
