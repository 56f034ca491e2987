// The whole run in a strip: how much went on when, where it failed, and which piece is shown. Drawing a piece with the mouse
// zooms into it; its two ends are sliders for the keyboard.

import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import { density, type Span } from "../../model/timeline.ts";
import { duration } from "../../parts/format.ts";
import { type RunStore, useVersion } from "../store.ts";
import css from "./Timeline.module.css";

const SLICE = 4; // pixels of one slice of the strip

interface BrushProps {
  store: RunStore;
  whole: Span;
  span: Span;
  zoom: (to: Span | null) => void;
}

export function Brush({ store, whole, span, zoom }: BrushProps) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const [drawn, setDrawn] = useState<{ from: number; to: number } | null>(null);
  const size = whole.to - whole.from;
  const share = (at: number) => Math.max(0, Math.min(1, (at - whole.from) / size));
  const shown = drawn ?? { from: share(span.from), to: share(span.to) };
  const at = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  const set = (from: number, to: number) => {
    const low = Math.min(from, to);
    const high = Math.max(from, to);
    zoom(high - low < 1e-9 || (low <= 0 && high >= 1) ? null : { from: whole.from + low * size, to: whole.from + high * size });
  };
  const keys = (end: "from" | "to") => (event: KeyboardEvent) => {
    const by = { ArrowLeft: -0.01, ArrowRight: 0.01, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (end === "from") set(Math.max(0, Math.min(shown.to - 0.001, shown.from + by)), shown.to);
    else set(shown.from, Math.min(1, Math.max(shown.from + 0.001, shown.to + by)));
  };
  const slider = (end: "from" | "to") => (
    <span
      role="slider"
      tabIndex={0}
      className={css.handle}
      style={{ left: `${shown[end] * 100}%` }}
      aria-label={end === "from" ? "Beginning of the piece that is shown" : "End of the piece that is shown"}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(shown[end] * 100)}
      aria-valuetext={`${duration(shown[end] * size)} after the beginning`}
      onKeyDown={keys(end)}
    />
  );
  return (
    <div
      ref={ref}
      className={css.brush}
      data-zoomed={shown.from > 0 || shown.to < 1 || undefined}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrawn({ from: at(event), to: at(event) });
      }}
      onPointerMove={(event) => drawn && setDrawn({ ...drawn, to: at(event) })}
      onPointerUp={() => {
        if (drawn && Math.abs(drawn.to - drawn.from) * width > 4) set(drawn.from, drawn.to);
        setDrawn(null);
      }}
      onPointerCancel={() => setDrawn(null)}
      onDoubleClick={() => zoom(null)}
    >
      <Strip store={store} slices={Math.max(1, Math.floor(width / SLICE))} width={width} />
      <span className={css.window} style={{ left: `${Math.min(shown.from, shown.to) * 100}%`, width: `${Math.abs(shown.to - shown.from) * 100}%` }} />
      {slider("from")}
      {slider("to")}
    </div>
  );
}

function Strip({ store, slices, width }: { store: RunStore; slices: number; width: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const version = useVersion(store);
  const scheme = useComputedColorScheme("light");
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context || width === 0) return;
    const scale = window.devicePixelRatio || 1;
    const height = element.clientHeight;
    element.width = Math.round(width * scale);
    element.height = Math.round(height * scale);
    const style = getComputedStyle(element);
    const [calm, bad] = [style.color, style.outlineColor]; // a canvas takes no light-dark(), but what has become of it
    const { busy, failed } = density(store.view, store.now(), slices);
    const most = busy.reduce((a, b) => Math.max(a, b), 1);
    const step = element.width / slices;
    for (let n = 0; n < slices; n++) {
      if (busy[n] === 0) continue;
      const tall = Math.max(3 * scale, Math.sqrt(busy[n]! / most) * (element.height - 6 * scale));
      context.fillStyle = failed[n] ? bad : calm;
      context.fillRect(n * step, element.height - tall, Math.max(1, step - scale), tall);
    }
  }, [store, version, slices, width, scheme]);
  return <canvas ref={canvas} className={css.strip} aria-hidden />;
}
