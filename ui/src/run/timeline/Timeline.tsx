// The waterfall. A tree of rows over one axis of time: windowed, so that only what is seen is drawn; zoomed by the brush
// above it, with the wheel or by keys; walked through with the arrows like any tree.

import { ActionIcon, Tooltip } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { IconArrowsMaximize, IconChartBar, IconFoldDown, IconFoldUp } from "@tabler/icons-react";
import { type CSSProperties, useMemo, useState } from "react";
import { extent, type Row, rowsOf, type Span } from "../../model/timeline.ts";
import type { RunView } from "../../model/view.ts";
import { Empty } from "../../parts/Empty.tsx";
import { duration } from "../../parts/format.ts";
import { useNow } from "../hooks.ts";
import type { TabProps } from "../RunFrame.tsx";
import { useVersion } from "../store.ts";
import { Axis, marksOf } from "./Axis.tsx";
import { Brush } from "./Brush.tsx";
import { Legend } from "./Legend.tsx";
import { Rows } from "./Rows.tsx";
import css from "./Timeline.module.css";

const LEAST = 1e-4; // seconds: closer one cannot look

export default function Timeline({ store, place, move }: TabProps) {
  const { view } = store;
  const version = useVersion(store);
  const now = useNow(store, !view.terminal);
  const [open, setOpen] = useState<ReadonlyMap<string, boolean>>(new Map());
  const rows = useMemo(() => rowsAt(version, view, open), [version, view, open]);
  const whole = extent(view, now);
  const span = zoomed(whole, place.zoom);
  const { ref: sized, width } = useElementSize();
  const chosen = place.step === null ? null : `step:${place.step}`;
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
  const choose = (row: Row) => {
    if (row.step !== null) move({ step: row.step.id, part: row.kind === "call" ? "calls" : null, seq: row.call?.kept.seq ?? null });
    else toggle(row, !row.open);
  };
  const toggle = (row: Row, to: boolean) => {
    if (row.open !== null) setOpen((before) => new Map(before).set(row.id, to));
  };
  if (rows.length === 0) {
    return (
      <Empty icon={<IconChartBar size={26} />} title={view.terminal ? "No step was begun" : "Nothing has begun yet"} compact>
        {view.terminal ? "The run ended before its first step." : "Steps appear here the moment they are sent."}
      </Empty>
    );
  }
  const marks = marksOf(span, view.createdAt, width);
  const pixels = width / (span.to - span.from);
  const grid = {
    "--grid": marks.length > 1 ? `${(marks[1]! - marks[0]!) * pixels}px` : undefined,
    "--grid-at": marks.length > 0 ? `${(marks[0]! + view.createdAt - span.from) * pixels}px` : undefined,
  } as CSSProperties;
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
      <Rows rows={rows} now={now} span={span} chosen={chosen} grid={grid} act={{ choose, toggle, zoomBy, pan, whole: () => zoom(null) }} />
    </div>
  );
}

/** The view is changed in place: its version says when. */
function rowsAt(_version: number, view: RunView, open: ReadonlyMap<string, boolean>): Row[] {
  return rowsOf(view, (row) => open.get(row));
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
