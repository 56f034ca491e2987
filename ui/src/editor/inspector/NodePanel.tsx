// One node: what it is called, what it does, how it runs, what leads to it and from it, and what it gave in the last run.

import { ActionIcon, Button, Code, Group, Menu, SegmentedControl, Select, Stack, Text, TextInput, Tooltip, UnstyledButton } from "@mantine/core";
import { IconArrowLeft, IconArrowRight, IconCopy, IconCopyPlus, IconDots, IconPlugConnected, IconTrash, IconX } from "@tabler/icons-react";
import { useState } from "react";
import type { Wrong } from "../../api/schema.d.ts";
import { announce } from "../../shell/announce.tsx";
import { ConnectMenu } from "../ConnectMenu.tsx";
import { useDocument, useEditor } from "../context.ts";
import { labelOf } from "../canvas/flow.ts";
import { KindIcon } from "../kindIcons.tsx";
import { renameNode, setNode } from "../model/commands.ts";
import { type Doc, kindOf, NAME, namesOf, textOf, titleOf, wiresOf } from "../model/document.ts";
import { type Obj, pathOf, pointerOf } from "../model/json.ts";
import { aboutKind } from "../model/starters.ts";
import { portOf } from "../model/wires.ts";
import { ConfigForm } from "./ConfigForm.tsx";
import css from "./Inspector.module.css";
import { Keys } from "./Keys.tsx";

const FLOW_KEYS = new Set(["for_each", "parallel", "join", "route", "on_error", "retry", "timeout", "max_visits", "limits"]);
const NOTHING: readonly Wrong[] = [];

export function NodePanel({ name, node }: { name: string; node: Obj }) {
  const editor = useEditor();
  const { doc } = useDocument();
  const { store, kinds, problems, samples } = editor;
  const { wanted } = editor;
  const asked = wanted.pointer.startsWith(`${pointerOf(["nodes", name])}/`) ? (FLOW_KEYS.has(pathOf(wanted.pointer)[2] ?? "") ? "runs" : "does") : null;
  const [tab, setTab] = useState(asked ?? "does");
  const [turn, setTurn] = useState(wanted.turn);
  if (turn !== wanted.turn) {
    setTurn(wanted.turn);
    if (asked) setTab(asked);
  }
  const found = problems.nodes.get(name) ?? NOTHING;
  const base = pointerOf(["nodes", name]);
  const kind = kinds.get(kindOf(node));
  const inFlow = found.filter((one) => FLOW_KEYS.has(one.pointer.slice(base.length + 1).split("/")[0] ?? ""));
  const atNode = found.filter((one) => one.pointer === base || one.pointer === `${base}/kind` || one.pointer === `${base}/with`);
  const port = portOf(doc, name);
  return (
    <Stack gap="sm">
      <div className={css.head}>
        <KindIcon kind={kindOf(node)} size={20} />
        <div className={css.headWords}>
          <h2 className={css.headTitle}>{titleOf(name, node)}</h2>
          <Text size="xs" c="dimmed" truncate>
            {kind ? aboutKind(kind) : kindOf(node) || "no kind"}
          </Text>
        </div>
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={`More about ${name}`}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconCopyPlus size={15} />} onClick={() => editor.duplicate([name])}>
              Duplicate
            </Menu.Item>
            <Menu.Item
              leftSection={<IconCopy size={15} />}
              onClick={() => {
                const text = editor.copy([name]);
                if (text) void navigator.clipboard?.writeText(text);
              }}
            >
              Copy as JSON
            </Menu.Item>
            <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => editor.remove({ nodes: [name], edges: [] })}>
              Delete
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      {atNode.map((one) => (
        <Text key={one.code + one.pointer} size="sm" c="var(--mantine-color-error)" data-pointer={one.pointer} tabIndex={-1}>
          {one.message}
          {one.hint ? `: ${one.hint}` : ""}
        </Text>
      ))}
      <Name key={name} name={name} />
      <SegmentedControl
        fullWidth size="xs" value={tab} onChange={setTab} aria-label="Part of the node"
        data={[{ value: "does", label: "What it does" }, { value: "runs", label: inFlow.length ? `How it runs (${inFlow.length})` : "How it runs" }, { value: "data", label: "Data" }]}
      />
      {tab === "does" ? (
        <>
          <TextInput
            label="Title" placeholder={name} value={textOf(node["title"])} maxLength={500}
            onChange={(event) => {
              const text = event.currentTarget.value;
              store.apply(`edit the title of ${name}`, (before) => setNode(before, name, ["title"], text || undefined), { key: `${name}/title` });
            }}
          />
          {kind ? <ConfigForm name={name} node={node} kind={kind} found={found} /> : <KindChoice name={name} node={node} />}
        </>
      ) : null}
      {tab === "runs" ? <Keys name={name} node={node} found={found} /> : null}
      {tab === "data" ? (
        <Stack gap="xs">
          <Text size="sm">
            Takes <strong>{port.takes}</strong>, gives <strong>{port.gives}</strong>.
          </Text>
          <Text size="sm">
            Others read it as <Code>{`nodes.${name}.output`}</Code>
          </Text>
          <Text size="sm" fw={600}>
            Output in the last run
          </Text>
          {samples.has(name) ? (
            <pre className={css.sample} tabIndex={0} aria-label={`Output of ${name} in the last run`}>
              {JSON.stringify(samples.get(name), null, 2).slice(0, 20_000)}
            </pre>
          ) : (
            <Text size="sm" c="dimmed">
              None yet. After a run its members are offered in expressions.
            </Text>
          )}
          <KindChoice name={name} node={node} />
        </Stack>
      ) : null}
      <Wires name={name} doc={doc} />
    </Stack>
  );
}

function KindChoice({ name, node }: { name: string; node: Obj }) {
  const { store, kinds } = useEditor();
  return (
    <Select
      label="Kind" description="What it does. Its settings stay, and may not fit another kind." searchable data={[...kinds.keys()]} value={kindOf(node) || null} data-pointer={pointerOf(["nodes", name, "kind"])}
      onChange={(value) => value && store.apply(`make ${name} a ${value}`, (before) => setNode(before, name, ["kind"], value))}
    />
  );
}

/** The name, by which others know it: it is changed everywhere when the field is left. */
function Name({ name }: { name: string }) {
  const { store, literal } = useEditor();
  const [draft, setDraft] = useState(name);
  const taken = draft !== name && namesOf(store.doc).has(draft);
  const wrong = !NAME.test(draft) ? "Letters, digits and _, not beginning with a digit" : taken ? "Another node has this name" : null;
  const commit = () => {
    if (wrong || draft === name) {
      setDraft(wrong ? name : draft);
      return;
    }
    if (store.apply(`rename ${name}`, (doc) => renameNode(doc, name, draft, literal), { select: { nodes: [draft] } })) announce(`${name} is now ${draft}`);
  };
  return (
    <TextInput
      label="Node name" data-autofocus value={draft} error={wrong} spellCheck={false} maxLength={63}
      onChange={(event) => setDraft(event.currentTarget.value)}
      onBlur={commit}
      onKeyDown={(event) => {
        if (event.key === "Enter") commit();
        if (event.key === "Escape") setDraft(name);
      }}
    />
  );
}

function Wires({ name, doc }: { name: string; doc: Doc }) {
  const editor = useEditor();
  const wires = wiresOf(doc).filter((wire) => wire.from === name || wire.to === name);
  return (
    <section aria-label={`Edges of ${name}`}>
      <Group justify="space-between" mb={4}>
        <Text size="sm" fw={600}>
          Edges
        </Text>
        <ConnectMenu from={name}>
          <Button size="compact-xs" variant="light" leftSection={<IconPlugConnected size={14} />}>
            Connect…
          </Button>
        </ConnectMenu>
      </Group>
      {wires.length === 0 ? (
        <Text size="sm" c="dimmed">
          None: it begins at once, and nothing follows it.
        </Text>
      ) : null}
      <ul className={css.wires}>
        {wires.map(({ index, from, to, edge }) => {
          const out = from === name;
          const label = labelOf(edge);
          return (
            <li key={index} className={css.wire}>
              <UnstyledButton
                className={css.wireGo}
                onClick={() => {
                  editor.store.select({ edges: [index] });
                  editor.inspect();
                }}
              >
                {out ? <IconArrowRight size={15} aria-hidden /> : <IconArrowLeft size={15} aria-hidden />}
                <span>
                  <span className="visually-hidden">{out ? "to " : "from "}</span>
                  {out ? to : from}
                </span>
                {label ? <span className={css.when}>{label}</span> : null}
              </UnstyledButton>
              <Tooltip label="Disconnect">
                <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Disconnect ${from} from ${to}`} onClick={() => editor.remove({ nodes: [], edges: [index] })}>
                  <IconX size={14} />
                </ActionIcon>
              </Tooltip>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
