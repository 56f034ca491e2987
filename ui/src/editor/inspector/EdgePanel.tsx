// One edge: when it is taken, whether a person is asked on it, and in which order a router tries it.

import { ActionIcon, Button, Group, NumberInput, SegmentedControl, Select, Stack, Switch, Text, Textarea, TextInput, Tooltip } from "@mantine/core";
import { IconArrowDown, IconArrowRight, IconArrowUp, IconTrash } from "@tabler/icons-react";
import { useMemo } from "react";
import { useDocument, useEditor } from "../context.ts";
import { reorderEdge, setEdge, setNode } from "../model/commands.ts";
import { scopeOf } from "../model/completion.ts";
import { nodeOf, textOf, type Wire, wiresOf } from "../model/document.ts";
import { isObj, type Json, type Obj, type Path, pointerOf } from "../model/json.ts";
import { ExpressionField } from "./ExpressionField.tsx";
import css from "./Inspector.module.css";

export function EdgePanel({ wire }: { wire: Wire }) {
  const editor = useEditor();
  const { doc } = useDocument();
  const { store, samples, problems } = editor;
  const { index, from, to, edge } = wire;
  const base = pointerOf(["edges", index]);
  const scope = useMemo(() => scopeOf(doc, samples, from, true), [doc, samples, from]);
  const found = problems.edges.get(index) ?? [];
  const wrong = (key: string) => found.find((one) => one.pointer === `${base}/${key}` || one.pointer.startsWith(`${base}/${key}/`))?.message;
  const atEdge = found.filter((one) => one.pointer === base);
  const set = (path: Path, value: Json | undefined) =>
    void store.apply(`edit the edge ${from} → ${to}`, (before) => setEdge(before, index, path, value), { key: `edge/${from}/${to}/${path.join("/")}` });
  const route = nodeOf(doc, from)?.["route"] === "first";
  const beside = wiresOf(doc).filter((one) => one.from === from);
  const place = beside.findIndex((one) => one.index === index);
  const stop = edge["gate"] !== undefined ? "gate" : edge["checkpoint"] === true ? "checkpoint" : "none";
  const gate: Obj = isObj(edge["gate"]) ? edge["gate"] : typeof edge["gate"] === "string" ? { title: edge["gate"] } : {};
  const setGate = (key: string, value: Json | undefined) => {
    const { [key]: _, ...rest } = gate;
    const next: Obj = value === undefined || value === "" ? rest : { ...gate, [key]: value };
    const keys = Object.keys(next);
    set(["gate"], keys.length === 0 ? true : keys.length === 1 && typeof next["title"] === "string" ? next["title"] : next);
  };
  const reorder = (by: number) => {
    store.apply("change the order", (before) => reorderEdge(before, index, by));
    const now = wiresOf(store.doc).find((one) => one.from === from && one.to === to);
    if (now) store.select({ edges: [now.index] });
  };
  return (
    <Stack gap="sm">
      <div className={css.head}>
        <div className={css.headWords}>
          <h2 className={css.headTitle}>
            {from} <IconArrowRight size={16} aria-label="to" style={{ verticalAlign: -2 }} /> {to}
          </h2>
          <Text size="xs" c="dimmed">
            What follows {from}
          </Text>
        </div>
        <Tooltip label="Disconnect">
          <ActionIcon variant="subtle" color="red" aria-label={`Disconnect ${from} from ${to}`} onClick={() => editor.remove({ nodes: [], edges: [index] })}>
            <IconTrash size={17} />
          </ActionIcon>
        </Tooltip>
      </div>
      {atEdge.map((one) => (
        <Text key={one.code} size="sm" c="var(--mantine-color-error)" data-pointer={base} tabIndex={-1}>
          {one.message}
          {one.hint ? `: ${one.hint}` : ""}
        </Text>
      ))}
      <div data-autofocus tabIndex={-1}>
        <ExpressionField
          label="When" bare description="It is taken only if this is true. Always, when empty." placeholder={`nodes.${from}.output == …`} value={textOf(edge["when"])} scope={scope}
          pointer={`${base}/when`} error={wrong("when")} onChange={(text) => set(["when"], text || undefined)}
        />
      </div>
      <Select
        label={`After ${from}`} description="Of all edges that leave it." allowDeselect={false} value={route ? "first" : "all"}
        data={[{ value: "all", label: "every edge whose condition is true" }, { value: "first", label: "only the first of them" }]}
        onChange={(value) => store.apply(`edit route of ${from}`, (before) => setNode(before, from, ["route"], value === "first" ? "first" : undefined))}
      />
      {route ? (
        <>
          <div data-pointer={`${base}/default`}>
            <Switch label="Taken when no other is" checked={edge["default"] === true} error={wrong("default")} onChange={(event) => set(["default"], event.currentTarget.checked || undefined)} />
          </div>
          <Group gap="xs">
            <Text size="sm">
              Tried {place + 1} of {beside.length}
            </Text>
            <ActionIcon variant="default" size="sm" aria-label="Try it earlier" disabled={place === 0} onClick={() => reorder(-1)}>
              <IconArrowUp size={14} />
            </ActionIcon>
            <ActionIcon variant="default" size="sm" aria-label="Try it later" disabled={place === beside.length - 1} onClick={() => reorder(1)}>
              <IconArrowDown size={14} />
            </ActionIcon>
          </Group>
        </>
      ) : null}
      <div data-pointer={`${base}/gate`}>
        <Text size="sm" fw={500} mb={4}>
          On the way
        </Text>
        <SegmentedControl
          fullWidth size="xs" value={stop} aria-label="On the way"
          data={[{ value: "none", label: "Goes on" }, { value: "gate", label: "A person approves" }, { value: "checkpoint", label: "Stops" }]}
          onChange={(value) =>
            store.apply(`edit the edge ${from} → ${to}`, (before) =>
              setEdge(setEdge(before, index, ["gate"], value === "gate" ? true : undefined), index, ["checkpoint"], value === "checkpoint" ? true : undefined),
            )
          }
        />
        {wrong("gate") ?? wrong("checkpoint") ? (
          <Text size="sm" c="var(--mantine-color-error)" mt={4}>
            {wrong("gate") ?? wrong("checkpoint")}
          </Text>
        ) : null}
      </div>
      {stop === "gate" ? (
        <>
          <TextInput label="Question" placeholder={`May ${to} begin?`} maxLength={200} value={textOf(gate["title"])} onChange={(event) => setGate("title", event.currentTarget.value)} />
          <Textarea label="What the person should know" autosize minRows={2} value={textOf(gate["message"])} onChange={(event) => setGate("message", event.currentTarget.value)} />
          <Select label="Comment" data={[{ value: "optional", label: "may be given" }, { value: "required", label: "must be given" }, { value: "on_reject", label: "must be given to reject" }]} value={textOf(gate["comment"]) || "optional"} allowDeselect={false} onChange={(value) => setGate("comment", value === "optional" ? undefined : (value ?? undefined))} />
          <NumberInput label="Waits at most (s)" placeholder="for ever" min={1} value={typeof gate["seconds"] === "number" ? gate["seconds"] : ""} onChange={(value) => setGate("seconds", typeof value === "number" ? value : undefined)} />
          {gate["seconds"] === undefined ? null : (
            <Select label="When nobody answers" data={[{ value: "fail", label: "it fails" }, { value: "approve", label: "it is approved" }, { value: "reject", label: "it is rejected" }]} value={textOf(gate["on_timeout"]) || "fail"} allowDeselect={false} onChange={(value) => setGate("on_timeout", value === "fail" ? undefined : (value ?? undefined))} />
          )}
        </>
      ) : null}
      {stop === "checkpoint" ? (
        <Text size="sm" c="dimmed">
          The run stops before {to}, to be looked at, until a person lets it go on.
        </Text>
      ) : null}
      <Group>
        {[from, to].map((name) => (
          <Button
            key={name} size="compact-sm" variant="default"
            onClick={() => {
              store.select({ nodes: [name] });
              editor.inspect();
            }}
          >
            Open {name}
          </Button>
        ))}
      </Group>
    </Stack>
  );
}
