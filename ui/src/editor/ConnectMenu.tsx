// Draws an edge by choosing its end from a list: each other node, those that cannot be chosen with the reason.

import { Popover, ScrollArea, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { cloneElement, type MouseEvent, type ReactElement, useMemo, useRef, useState } from "react";
import { useDocument, useEditor } from "./context.ts";
import css from "./ConnectMenu.module.css";
import { KindIcon } from "./kindIcons.tsx";
import { kindOf, nodesOf, titleOf } from "./model/document.ts";
import { refusal } from "./model/wires.ts";

export function ConnectMenu({ from, children }: { from: string; children: ReactElement<{ onClick?: (event: MouseEvent) => void }> }) {
  const [open, setOpen] = useState(false);
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" width={300} trapFocus returnFocus withinPortal>
      <Popover.Target>
        {cloneElement(children, {
          onClick: (event: MouseEvent) => {
            event.stopPropagation();
            setOpen(!open);
          },
        })}
      </Popover.Target>
      <Popover.Dropdown p="xs" aria-label={`Connect ${from}`}>
        {open ? <Ends from={from} onDone={() => setOpen(false)} /> : null}
      </Popover.Dropdown>
    </Popover>
  );
}

function Ends({ from, onDone }: { from: string; onDone: () => void }) {
  const { link, kinds } = useEditor();
  const { doc } = useDocument();
  const [wanted, setWanted] = useState("");
  const list = useRef<HTMLDivElement>(null);
  const ends = useMemo(
    () => nodesOf(doc).filter(([name]) => name !== from).map(([name, node]) => ({ name, title: titleOf(name, node), kind: kindOf(node), no: refusal(doc, kinds, from, name) })).toSorted((a, b) => Number(a.no !== null) - Number(b.no !== null)),
    [doc, kinds, from],
  );
  const shown = ends.filter((one) => `${one.name} ${one.title}`.toLowerCase().includes(wanted.trim().toLowerCase()));
  const choose = (name: string) => {
    onDone();
    link(from, name);
  };
  const move = (by: number) => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>("button") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    all[Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
  };
  return (
    <Stack
      gap={6}
      onKeyDown={(event) => {
        if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
        event.preventDefault();
        move(event.key === "ArrowDown" ? 1 : -1);
      }}
    >
      <TextInput
        data-autofocus size="xs" aria-label={`Node that ${from} leads to`} placeholder={`${from} leads to…`} value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
        onKeyDown={(event) => {
          const first = shown[0];
          if (event.key !== "Enter" || !first) return;
          event.preventDefault();
          choose(first.name);
        }}
      />
      <ScrollArea.Autosize mah={280} type="auto">
        <div ref={list}>
          {shown.map((one) => (
            <UnstyledButton key={one.name} className={css.end} data-refused={one.no ? true : undefined} onClick={() => choose(one.name)} aria-label={one.no ? `${one.name}: cannot be connected. ${one.no.reason}` : one.name}>
              <KindIcon kind={one.kind} size={14} />
              <span className={css.words}>
                <span>{one.title === one.name ? one.name : `${one.title} (${one.name})`}</span>
                {one.no ? <span className={css.reason}>{one.no.reason}</span> : null}
              </span>
            </UnstyledButton>
          ))}
          {shown.length === 0 ? (
            <Text size="sm" c="dimmed" p={6}>
              {ends.length ? "No node by that name" : "There is no other node yet"}
            </Text>
          ) : null}
        </div>
      </ScrollArea.Autosize>
    </Stack>
  );
}
