// The workflow as a list, in the order of the document: everything that the canvas can do, by keyboard and by ear. Each node is a row
// that is moved to with the arrow keys; its buttons are reached with Tab, and the same is done by a letter.

import { ActionIcon, Kbd, Menu, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { IconAlertCircle, IconArrowDown, IconArrowUp, IconCopyPlus, IconDots, IconPencil, IconPlugConnected, IconPlus, IconTrash, IconX } from "@tabler/icons-react";
import { type KeyboardEvent, memo, useCallback, useRef, useState } from "react";
import { announce } from "../shell/announce.tsx";
import { ConnectMenu } from "./ConnectMenu.tsx";
import { useDocument, useEditor } from "./context.ts";
import { labelOf, marksOf } from "./canvas/flow.ts";
import { KindIcon } from "./kindIcons.tsx";
import { useLatest } from "./latest.ts";
import { reorderNode } from "./model/commands.ts";
import { kindOf, nodesOf, titleOf, type Wire, wiresOf } from "./model/document.ts";
import type { Obj } from "./model/json.ts";
import css from "./Panels.module.css";

export function Outline() {
  const editor = useEditor();
  const { doc, selection } = useDocument();
  const { store, problems } = editor;
  const list = useRef<HTMLUListElement>(null);
  const nodes = nodesOf(doc);
  const names = nodes.map(([name]) => name);
  const current = selection.nodes.find((name) => names.includes(name)) ?? names[0];
  const leaving = new Map<string, Wire[]>();
  for (const wire of wiresOf(doc)) leaving.set(wire.from, [...(leaving.get(wire.from) ?? []), wire]);
  const rowOf = (name: string) => list.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(name)}"]`);
  const focus = (name: string | undefined) => {
    if (!name) return;
    store.select({ nodes: [name] });
    requestAnimationFrame(() => rowOf(name)?.focus());
  };
  const move = (name: string, by: number) => {
    store.apply(`move ${name} ${by < 0 ? "up" : "down"}`, (before) => reorderNode(before, name, by));
    const now = nodesOf(store.doc).findIndex(([one]) => one === name) + 1;
    announce(`${name} is ${now} of ${names.length}`);
    requestAnimationFrame(() => rowOf(name)?.focus());
  };
  const onKey = (event: KeyboardEvent, name: string) => {
    if (event.target !== event.currentTarget || event.metaKey || event.ctrlKey) return;
    const at = names.indexOf(name);
    const key = event.key;
    if (event.altKey && (key === "ArrowUp" || key === "ArrowDown")) move(name, key === "ArrowUp" ? -1 : 1);
    else if (event.altKey) return;
    else if (key === "ArrowDown") focus(names[at + 1]);
    else if (key === "ArrowUp") focus(names[at - 1]);
    else if (key === "Home") focus(names[0]);
    else if (key === "End") focus(names.at(-1));
    else if (key === "Enter" || key === " ") editor.inspect();
    else if (key === "c") rowOf(name)?.parentElement?.querySelector<HTMLElement>("[data-connect]")?.click();
    else if (key === "d") editor.duplicate([name]);
    else if (key === "Delete" || key === "Backspace") {
      editor.remove({ nodes: [name], edges: [] });
      focus(names[at + 1] ?? names[at - 1]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const latest = useLatest({ onKey, move });
  const hear = useCallback((event: KeyboardEvent, name: string) => latest.current.onKey(event, name), [latest]);
  const shift = useCallback((name: string, by: number) => latest.current.move(name, by), [latest]);
  return (
    <section className={css.outline} aria-label="Outline">
      <div className={css.outlineHead}>
        <Text fw={600} size="sm">
          Outline
        </Text>
        <UnstyledButton className={css.add} onClick={() => editor.setInserting({ after: selection.nodes[0] ?? null, at: null })}>
          <IconPlus size={14} aria-hidden /> Add node
        </UnstyledButton>
      </div>
      {nodes.length === 0 ? (
        <Text size="sm" c="dimmed" px="sm">
          No node yet. Add one to begin.
        </Text>
      ) : null}
      <ul ref={list} className={css.rows} aria-label="Nodes">
        {nodes.map(([name, node], place) => (
          <Row
            key={name}
            name={name}
            node={node}
            errors={problems.nodes.get(name)?.filter((one) => one.severity !== "warning").length ?? 0}
            wires={leaving.get(name) ?? NONE}
            selected={selection.nodes.includes(name)}
            reachable={name === current}
            place={place + 1}
            of={nodes.length}
            onKey={hear}
            onMove={shift}
          />
        ))}
      </ul>
      {nodes.length ? (
        <Text size="xs" c="dimmed" px="sm" py={6} className={css.keys ?? ""}>
          <Kbd size="xs">Enter</Kbd> edit <Kbd size="xs">C</Kbd> connect <Kbd size="xs">D</Kbd> duplicate <Kbd size="xs">Del</Kbd> remove <Kbd size="xs">Alt ↑↓</Kbd> reorder
        </Text>
      ) : null}
    </section>
  );
}

const NONE: Wire[] = [];

interface RowProps {
  name: string;
  node: Obj;
  errors: number;
  wires: Wire[];
  selected: boolean;
  reachable: boolean;
  place: number;
  of: number;
  onKey: (event: KeyboardEvent, name: string) => void;
  onMove: (name: string, by: number) => void;
}

const Row = memo(
  function Row({ name, node, errors, wires, selected, reachable, place, of, onKey, onMove }: RowProps) {
    const editor = useEditor();
    const [menu, setMenu] = useState(false);
    const title = titleOf(name, node);
    const leads = wires.length ? `leads to ${wires.map((wire) => wire.to).join(", ")}` : "leads nowhere";
    return (
      <li className={css.item} data-selected={selected || undefined}>
        <div className={css.rowLine}>
          <UnstyledButton
            className={css.rowButton}
            data-row={name}
            tabIndex={reachable ? 0 : -1}
            aria-current={selected || undefined}
            onClick={() => editor.store.select({ nodes: [name] })}
            onDoubleClick={() => editor.inspect()}
            onFocus={() => editor.store.select({ nodes: [name] })}
            onKeyDown={(event: KeyboardEvent) => onKey(event, name)}
          >
            <KindIcon kind={kindOf(node)} size={13} />
            <span className={css.rowWords}>
              <span className={css.rowTitle}>{title}</span>
              <span className="visually-hidden">{title === name ? ", " : ` (${name}), `}</span>
              <span className={css.rowAbout}>
                {kindOf(node)}
                {marksOf(node) ? ` · ${marksOf(node)}` : ""}
              </span>
              <span className="visually-hidden">{`, ${leads}${errors ? `, ${errors} wrong` : ""}, ${place} of ${of}`}</span>
            </span>
            {errors ? <IconAlertCircle size={15} className={css.bad} aria-hidden /> : null}
          </UnstyledButton>
          <span className={css.rowActions} data-open={menu || selected || undefined}>
            <ConnectMenu from={name}>
              <ActionIcon variant="subtle" color="gray" size="sm" data-connect aria-label={`Connect ${name} to…`} title="Connect…" tabIndex={reachable ? 0 : -1}>
                <IconPlugConnected size={15} />
              </ActionIcon>
            </ConnectMenu>
            <Menu opened={menu} onChange={setMenu} position="bottom-end" withinPortal>
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`More for ${name}`} tabIndex={reachable ? 0 : -1}>
                  <IconDots size={15} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item leftSection={<IconPencil size={15} />} onClick={() => { editor.store.select({ nodes: [name] }); editor.inspect(); }}>Edit</Menu.Item>
                <Menu.Item leftSection={<IconPlus size={15} />} onClick={() => editor.setInserting({ after: name, at: null })}>Add after it…</Menu.Item>
                <Menu.Item leftSection={<IconCopyPlus size={15} />} onClick={() => editor.duplicate([name])}>Duplicate</Menu.Item>
                <Menu.Item leftSection={<IconArrowUp size={15} />} disabled={place === 1} onClick={() => onMove(name, -1)}>Move up</Menu.Item>
                <Menu.Item leftSection={<IconArrowDown size={15} />} disabled={place === of} onClick={() => onMove(name, 1)}>Move down</Menu.Item>
                <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => editor.remove({ nodes: [name], edges: [] })}>Delete</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </span>
        </div>
        {wires.length ? (
          <ul className={css.leaves} aria-label={`Edges from ${name}`}>
            {wires.map((wire) => {
              const label = labelOf(wire.edge);
              return (
                <li key={wire.index} className={css.leaf}>
                  <UnstyledButton
                    className={css.leafButton}
                    tabIndex={reachable ? 0 : -1}
                    onClick={() => { editor.store.select({ edges: [wire.index] }); editor.inspect(); }}
                  >
                    <span aria-hidden>→ </span>
                    <span className="visually-hidden">Edge from {wire.from} to </span>
                    {wire.to}
                    {label ? <span className={css.leafWhen}>{label}</span> : null}
                  </UnstyledButton>
                  <Tooltip label="Disconnect" openDelay={400}>
                    <ActionIcon className={css.rowActions ?? ""} data-open={selected || undefined} variant="subtle" color="gray" size="xs" tabIndex={reachable ? 0 : -1} aria-label={`Disconnect ${wire.from} from ${wire.to}`} onClick={() => editor.remove({ nodes: [], edges: [wire.index] })}>
                      <IconX size={12} />
                    </ActionIcon>
                  </Tooltip>
                </li>
              );
            })}
          </ul>
        ) : null}
      </li>
    );
  },
  (a, b) => a.node === b.node && a.name === b.name && a.errors === b.errors && a.selected === b.selected && a.reachable === b.reachable && a.place === b.place && a.of === b.of && a.wires.length === b.wires.length && a.wires.every((wire, n) => wire.edge === b.wires[n]?.edge && wire.index === b.wires[n]?.index),
);
