// A JSON value as a tree that opens and shuts. Only what is seen is drawn, so a value of a hundred thousand lines scrolls like
// one of ten. Parts that stand elsewhere are fetched when they are asked for.

import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconCheck, IconChevronDown, IconChevronRight, IconCopy, IconFoldUp, IconFoldDown } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { isPointer } from "../model/events.ts";
import { bytes } from "../parts/format.ts";
import { copyText } from "./hooks.ts";
import css from "./JsonTree.module.css";
import { Scrolling } from "./Scrolling.tsx";
import { useWhole } from "./values.ts";

const SMALL = 120; // lines that are drawn without a window
const DEEP = 3; // levels that are open at first
const FULL = 60; // children above which a list is shut at first
const LONG = 140; // characters of a text on one line

interface Line {
  path: string;
  depth: number;
  name: string | null;
  value: unknown;
  open: boolean | null;
  size: number;
}

interface JsonTreeProps {
  value: unknown;
  runId: string;
  label: string;
  /** takes all the room there is, instead of as much as it needs */
  fill?: boolean;
}

export function JsonTree({ value, runId, label, fill = false }: JsonTreeProps) {
  const [fetched, setFetched] = useState<ReadonlyMap<string, unknown>>(new Map());
  const [open, setOpen] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [all, setAll] = useState<boolean | null>(null);
  const lines = useMemo(() => flatten(value, open, all, fetched), [value, open, all, fetched]);
  const scroller = useRef<HTMLDivElement>(null);
  const windowed = fill || lines.length > SMALL;
  const virtual = useVirtualizer({
    count: windowed ? lines.length : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => 22,
    overscan: 12,
    getItemKey: (index) => lines[index]?.path ?? index,
  });
  const line = (one: Line) => (
    <TreeLine
      line={one}
      runId={runId}
      toggle={() => setOpen((before) => new Map(before).set(one.path, !one.open))}
      onFetched={(whole) => setFetched((before) => new Map(before).set(one.path, whole))}
    />
  );
  const folds = lines.some((one) => one.open !== null);
  return (
    <div className={css.tree} data-fill={fill || undefined}>
      <div className={css.tools}>
        {folds ? (
          <>
            <Tool label="Open all" icon={<IconFoldDown size={15} />} onClick={() => [setAll(true), setOpen(new Map())]} />
            <Tool label="Shut all" icon={<IconFoldUp size={15} />} onClick={() => [setAll(false), setOpen(new Map())]} />
          </>
        ) : null}
        <CopyTool text={() => JSON.stringify(value, null, 2) ?? "null"} />
      </div>
      <Scrolling ref={scroller} className={css.scroller} data-windowed={windowed || undefined} label={label}>
        {windowed ? (
          <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
            {virtual.getVirtualItems().map((item) => (
              <div key={item.key} ref={virtual.measureElement} data-index={item.index} className={css.placed} style={{ transform: `translateY(${item.start}px)` }}>
                {line(lines[item.index]!)}
              </div>
            ))}
          </div>
        ) : (
          lines.map((one) => <div key={one.path}>{line(one)}</div>)
        )}
      </Scrolling>
    </div>
  );
}

function TreeLine({ line, runId, toggle, onFetched }: { line: Line; runId: string; toggle: () => void; onFetched: (whole: unknown) => void }) {
  const { name, value, open, depth } = line;
  const body = isPointer(value) ? <Fetch pointer={value} runId={runId} onFetched={onFetched} /> : <Shown line={line} />;
  const key = name === null ? null : <span className={css.key}>{name}</span>;
  return (
    <div className={css.line} style={{ paddingLeft: `${depth * 1.1}rem` }}>
      {open === null ? (
        <>
          <span className={css.leaf} />
          {key}
          {body}
        </>
      ) : (
        <>
          <button type="button" className={css.toggle} onClick={toggle} aria-expanded={open}>
            {open ? <IconChevronDown size={14} aria-hidden /> : <IconChevronRight size={14} aria-hidden />}
            {key}
            {typeof value === "string" && open ? <span className={css.about}>{value.length.toLocaleString()} characters</span> : null}
            {typeof value === "string" && open ? null : body}
          </button>
          {typeof value === "string" && open ? <pre className={css.long}>{value}</pre> : null}
        </>
      )}
    </div>
  );
}

function Shown({ line: { value, size, open } }: { line: Line }) {
  if (Array.isArray(value)) return <span className={css.about}>{size === 0 ? "[ ]" : `[ ${size.toLocaleString()} ]`}</span>;
  if (value !== null && typeof value === "object") {
    if (size === 0) return <span className={css.about}>{"{ }"}</span>;
    return <span className={css.about}>{open ? `{ ${size} }` : `{ ${Object.keys(value).slice(0, 5).join(", ")}${size > 5 ? ", …" : ""} }`}</span>;
  }
  if (typeof value === "string") return <span className={css.string}>{value.length > LONG ? `${value.slice(0, LONG)}…` : value === "" ? '""' : value.replaceAll("\n", " ⏎ ")}</span>;
  return <span className={css[value === null ? "null" : typeof value]}>{String(value)}</span>;
}

function Fetch({ pointer, runId, onFetched }: { pointer: { $spilled: string; size: number }; runId: string; onFetched: (whole: unknown) => void }) {
  const [wanted, setWanted] = useState(false);
  const { value, error, loading } = useWhole(pointer, runId, wanted);
  const tell = useRef(onFetched);
  useEffect(() => {
    tell.current = onFetched;
  });
  useEffect(() => {
    if (value !== undefined) tell.current(value);
  }, [value]);
  return (
    <Button size="compact-xs" variant="default" loading={loading} color={error ? "red" : undefined} onClick={() => setWanted(true)}>
      {error ? "Could not be fetched" : `Fetch ${bytes(pointer.size)}`}
    </Button>
  );
}

function Tool({ label, icon, onClick }: { label: string; icon: React.ReactNode; onClick: () => void }) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}

export function CopyTool({ text, label = "Copy" }: { text: () => string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    setDone(await copyText(text()));
    setTimeout(() => setDone(false), 1500);
  };
  return <Tool label={done ? "Copied" : label} icon={done ? <IconCheck size={15} /> : <IconCopy size={15} />} onClick={() => void copy()} />;
}

function flatten(root: unknown, open: ReadonlyMap<string, boolean>, all: boolean | null, fetched: ReadonlyMap<string, unknown>): Line[] {
  const lines: Line[] = [];
  const walk = (given: unknown, name: string | null, path: string, depth: number) => {
    const value = isPointer(given) && fetched.has(path) ? fetched.get(path) : given;
    const inside = value !== null && typeof value === "object" && !isPointer(value);
    const size = inside ? (Array.isArray(value) ? value.length : Object.keys(value).length) : 0;
    const folds = (inside && size > 0) || (typeof value === "string" && (value.length > LONG || value.includes("\n")));
    const shown = folds ? (open.get(path) ?? all ?? (inside ? depth === 0 || (depth < DEEP && size <= FULL) : (value as string).length < 2000)) : null;
    lines.push({ path, depth, name, value, open: shown, size });
    if (!inside || !shown) return;
    if (Array.isArray(value)) value.forEach((one, n) => walk(one, String(n), `${path}/${n}`, depth + 1));
    else for (const [key, one] of Object.entries(value)) walk(one, key, `${path}/${key}`, depth + 1);
  };
  walk(root, null, "", 0);
  return lines;
}
