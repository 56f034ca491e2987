// What happened, line by line: what steps said and what was done with them, in the order of time.

import { Button, Switch, TextInput } from "@mantine/core";
import { IconArrowDown, IconDownload, IconListSearch, IconSearch } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import { logText } from "../model/log.ts";
import { clock, dateTime } from "../parts/format.ts";
import { Empty } from "../parts/Empty.tsx";
import { download } from "./hooks.ts";
import { useFollowing } from "./Journal.tsx";
import css from "./Logs.module.css";
import { CopyTool } from "./JsonTree.tsx";
import { Scrolling } from "./Scrolling.tsx";
import type { TabProps } from "./RunFrame.tsx";
import { useVersion } from "./store.ts";

export default function Logs({ store, place, move }: TabProps) {
  const version = useVersion(store);
  const [text, setText] = useState(place.text ?? "");
  const [notesOnly, setNotesOnly] = useState(false);
  const [wrap, setWrap] = useState(false);
  const needle = text.trim().toLowerCase();
  const lines = useMemo(() => {
    void version;
    const all = store.log.take(store.view);
    return all.filter((line) => (!notesOnly || line.note) && (!needle || `${line.who} ${line.text}`.toLowerCase().includes(needle)));
  }, [store, version, notesOnly, needle]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => 21, overscan: 20 });
  const toEnd = () => virtual.scrollToIndex(lines.length - 1, { align: "end" });
  const atEnd = useFollowing(scroller, lines.length, toEnd, store.view.terminal);
  return (
    <div className={css.logs}>
      <div className={css.tools}>
        <TextInput
          size="xs"
          className={css.search ?? ""}
          leftSection={<IconSearch size={14} />}
          placeholder="Search in the log"
          aria-label="Search in the log"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Switch size="xs" label="Notes only" checked={notesOnly} onChange={(event) => setNotesOnly(event.currentTarget.checked)} />
        <Switch size="xs" label="Wrap" checked={wrap} onChange={(event) => setWrap(event.currentTarget.checked)} />
        <span className={css.right}>
          <CopyTool text={() => logText(lines)} label="Copy what is shown" />
          <Button size="compact-xs" variant="default" leftSection={<IconDownload size={14} />} onClick={() => download("logs.txt", logText(store.log.lines), "text/plain")}>
            logs.txt
          </Button>
        </span>
      </div>
      {lines.length === 0 ? (
        <Empty compact icon={<IconListSearch size={26} />} title={needle || notesOnly ? "No line is like that" : "Nothing was said yet"}>
          {needle || notesOnly ? "Search for less, or show all lines." : "Lines appear here as steps say them."}
        </Empty>
      ) : (
        <Scrolling ref={scroller} className={css.lines} label="Log" data-wrap={wrap || undefined}>
          <div className={css.sheet} style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const line = lines[item.index]!;
              return (
                <div
                  key={item.key}
                  ref={wrap ? virtual.measureElement : undefined}
                  data-index={item.index}
                  className={css.line}
                  data-bad={line.bad || undefined}
                  data-note={line.note || undefined}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  <time title={dateTime(line.at)}>{clock(line.at)}</time>
                  {line.who.includes("#") ? (
                    <button type="button" className={css.who} tabIndex={-1} onClick={() => move({ step: line.who })}>
                      {line.who}
                    </button>
                  ) : (
                    <span className={css.who}>{line.who}</span>
                  )}
                  <span className={css.text}>{line.text}</span>
                </div>
              );
            })}
          </div>
        </Scrolling>
      )}
      {atEnd ? null : (
        <Button className={css.down ?? ""} size="xs" leftSection={<IconArrowDown size={14} />} onClick={toEnd}>
          To the newest
        </Button>
      )}
    </div>
  );
}
