// The journal as it stands: every event, filtered, each with an address of its own. Windowed; the last one is followed as long
// as it is in sight.

import { Button, CloseButton, Group, MultiSelect, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconArrowDown, IconCopy, IconGitFork, IconLink, IconListSearch, IconRoute2, IconSearch } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type JournalEvent, stepsOf } from "../model/events.ts";
import { filtered, toneOf, wordsOf } from "../model/journal.ts";
import { clock, dateTime, duration } from "../parts/format.ts";
import { Empty } from "../parts/Empty.tsx";
import { toastDone } from "../shell/toast.tsx";
import { ForkModal } from "./Actions.tsx";
import { copyText } from "./hooks.ts";
import css from "./Journal.module.css";
import { JsonTree } from "./JsonTree.tsx";
import type { TabProps } from "./RunFrame.tsx";
import { useVersion } from "./store.ts";
import { placesFor } from "./places.ts";

const ROW = 30;

export default function Journal({ store, place, move }: TabProps) {
  const { view } = store;
  const version = useVersion(store);
  const [text, setText] = useState(place.text ?? "");
  const [forkAt, setForkAt] = useState<number | null>(null);
  const kindKey = place.kinds.join(",");
  const events = useMemo(() => {
    void version;
    const kinds = kindKey.split(",").filter(Boolean);
    return filtered(view.events, { kinds, step: place.only ?? "", text: place.text ?? "" }).slice();
  }, [view, version, kindKey, place.only, place.text]);
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState(0);
  const openIndex = place.seq === null ? -1 : events.findIndex((event) => event.seq === place.seq);
  const virtual = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (index === openIndex ? 260 : ROW),
    overscan: 12,
    getItemKey: (index) => events[index]?.seq ?? index,
  });
  const search = useDebouncedCallback((to: string) => move({ text: to || null }, { replace: true }), 200);
  const bottom = useFollowing(scroller, events.length, () => virtual.scrollToIndex(events.length - 1, { align: "end" }), view.terminal);

  const wanted = useRef(place.seq);
  useEffect(() => {
    if (wanted.current === null) return;
    const index = events.findIndex((event) => event.seq === wanted.current);
    if (index < 0) return;
    wanted.current = null;
    setAt(index);
    virtual.scrollToIndex(index, { align: "center" });
  }, [events, virtual]);

  const toggle = useCallback(
    (index: number, seq: number, to: boolean) => {
      setAt(index);
      move({ seq: to ? seq : null }, { replace: true });
    },
    [move],
  );
  const go = (index: number) => {
    const to = Math.max(0, Math.min(events.length - 1, index));
    setAt(to);
    virtual.scrollToIndex(to, { align: "auto" });
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${to}"] button`)?.focus({ preventScroll: true }));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as HTMLElement).closest(`.${css.details}`)) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? ROW) / ROW) - 1);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: events.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  };
  const items = virtual.getVirtualItems();
  const places = placesFor(items.length);
  const filters = place.kinds.length > 0 || place.only !== null || place.text !== null;
  return (
    <div className={css.journal}>
      <div className={css.filters}>
        <TextInput
          className={css.search ?? ""}
          size="xs"
          leftSection={<IconSearch size={14} />}
          placeholder="Search in all events"
          aria-label="Search in all events"
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            search(event.currentTarget.value.trim());
          }}
        />
        <MultiSelect
          className={css.kinds ?? ""}
          size="xs"
          aria-label="Kinds of events"
          placeholder={place.kinds.length === 0 ? "All kinds" : undefined}
          data={[...view.kinds].toSorted().map(([kind, count]) => ({ value: kind, label: `${kind} (${count})` }))}
          value={place.kinds}
          onChange={(kinds) => move({ kinds }, { replace: true })}
          clearable
          searchable
        />
        {place.only !== null ? (
          <span className={css.only}>
            {place.only}
            <CloseButton size="xs" aria-label={`Show more than ${place.only}`} onClick={() => move({ only: null }, { replace: true })} />
          </span>
        ) : null}
        <span className={css.count} role="status">
          {filters ? `${events.length.toLocaleString()} of ${view.head.toLocaleString()}` : view.head.toLocaleString()}
        </span>
      </div>
      {events.length === 0 ? (
        <Empty
          compact
          icon={<IconListSearch size={26} />}
          title="No event is like that"
          actions={
            <Button
              size="xs"
              variant="default"
              onClick={() => {
                setText("");
                move({ kinds: [], only: null, text: null });
              }}
            >
              Show all events
            </Button>
          }
        />
      ) : (
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- arrows move through the buttons within
        <div ref={scroller} className={css.rows} role="list" aria-label="Events of the run" onKeyDown={onKeyDown} data-testid="journal-rows">
          <div role="presentation" className={css.sheet} style={{ height: virtual.getTotalSize() }}>
            {items.map((item) => {
              const event = events[item.index]!;
              const open = event.seq === place.seq;
              return (
                <div
                  key={open ? "open" : item.index % places} // a row that leaves at one end is used again at the other
                  ref={open ? virtual.measureElement : undefined}
                  data-index={item.index}
                  data-open={open || undefined}
                  className={css.row}
                  role="listitem"
                  aria-setsize={events.length}
                  aria-posinset={item.index + 1}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  <EventLine
                    event={event}
                    open={open}
                    first={item.index === at}
                    origin={view.createdAt}
                    index={item.index}
                    toggle={toggle}
                  />
                  {open ? (
                    <div className={css.details}>
                      <Group gap={6}>
                        <Tool icon={<IconCopy size={14} />} label="Copy as JSON" onClick={() => void told(copyText(JSON.stringify(event, null, 2)), "The event was copied")} />
                        <Tool
                          icon={<IconLink size={14} />}
                          label="Copy its address"
                          onClick={() => void told(copyText(`${window.location.origin}/runs/${store.runId}?tab=journal&seq=${event.seq}`), "The address was copied")}
                        />
                        {stepsOf(event).slice(0, 1).map((step) => (
                          <Tool key={step} icon={<IconRoute2 size={14} />} label={`Show ${step}`} onClick={() => move({ step })} />
                        ))}
                        {/^run\.(completed|failed|cancelled)$/.test(event.kind) ? null : (
                          <Tool icon={<IconGitFork size={14} />} label="Fork from here" onClick={() => setForkAt(event.seq)} />
                        )}
                      </Group>
                      <p className={css.when}>{dateTime(event.at)}</p>
                      <JsonTree value={event.data} runId={store.runId} label={`Event ${event.seq}`} />
                    </div>
                  ) : null}
                </div>
              );
            })}
          </div>
        </div>
      )}
      {bottom ? null : (
        <Button className={css.down ?? ""} size="xs" leftSection={<IconArrowDown size={14} />} onClick={() => go(events.length - 1)}>
          To the newest
        </Button>
      )}
      {forkAt !== null ? <ForkModal store={store} at={forkAt} onClose={() => setForkAt(null)} /> : null}
    </div>
  );
}

interface EventLineProps {
  event: JournalEvent;
  index: number;
  open: boolean;
  first: boolean;
  origin: number;
  toggle: (index: number, seq: number, open: boolean) => void;
}

const EventLine = memo(function EventLine({ event, index, open, first, origin, toggle }: EventLineProps) {
  const steps = stepsOf(event);
  return (
    <button type="button" className={css.line} tabIndex={first ? 0 : -1} aria-expanded={open} onClick={() => toggle(index, event.seq, !open)}>
      <span className={css.seq}>{event.seq}</span>
      <span className={css.time} title={dateTime(event.at)}>
        <span>{clock(event.at)}</span> <span className={css.since}>+{duration(Math.max(0, event.at - origin))}</span>
      </span>
      <span className={css.kind} data-tone={toneOf(event.kind)}>
        {event.kind}
      </span>
      <span className={css.step}>{steps.length > 1 ? `${steps.length} steps` : (steps[0] ?? event.data["node"] ?? "")}</span>
      <span className={css.words}>{wordsOf(event)}</span>
    </button>
  );
});

function Tool({ icon, label, onClick }: { icon: React.ReactNode; label: string; onClick: () => void }) {
  return (
    <Button size="compact-xs" variant="default" leftSection={icon} onClick={onClick}>
      {label}
    </Button>
  );
}

async function told(done: Promise<boolean>, text: string): Promise<void> {
  if (await done) toastDone(text);
}

/** Keep the newest in sight while it was in sight; whether it is, or need not be. */
export function useFollowing(scroller: React.RefObject<HTMLDivElement | null>, length: number, toEnd: () => void, over: boolean): boolean {
  const following = useRef(false);
  const [atEnd, setAtEnd] = useState(true);
  const end = useRef(toEnd);
  useEffect(() => {
    end.current = toEnd;
  });
  useEffect(() => {
    const element = scroller.current;
    if (element === null || over) return;
    const onScroll = () => {
      following.current = element.scrollHeight - element.scrollTop - element.clientHeight < 60;
      setAtEnd(following.current);
    };
    onScroll();
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => element.removeEventListener("scroll", onScroll);
  }, [scroller, over]);
  useEffect(() => {
    if (following.current && !over) end.current();
  }, [length, over]);
  return over || atEnd;
}
