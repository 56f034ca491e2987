// The workflow itself: what people see of it, what a run is asked for, what comes out, what it may spend.

import { Accordion, ActionIcon, Button, Group, JsonInput, NumberInput, Select, Stack, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useDocument, useEditor } from "../context.ts";
import { setTop } from "../model/commands.ts";
import { scopeOf } from "../model/completion.ts";
import { textOf } from "../model/document.ts";
import { equal, isObj, type Json, type Obj, type Path, pointerOf } from "../model/json.ts";
import { ExpressionField } from "./ExpressionField.tsx";
import css from "./Inspector.module.css";
import { Inputs } from "./Inputs.tsx";
import { Limits } from "./Keys.tsx";

export function WorkflowPanel() {
  const { store, problems, slug } = useEditor();
  const { doc } = useDocument();
  const set = (path: Path, value: Json | undefined) => void store.apply(`edit ${path.join(".")}`, (before) => setTop(before, path, value), { key: path.join("/") });
  const wrong = (pointer: string) => problems.workflow.find((one) => one.pointer === pointer || one.pointer.startsWith(`${pointer}/`))?.message;
  const text = (key: string) => ({
    value: textOf(doc[key]),
    error: wrong(`/${key}`),
    onChange: (event: { currentTarget: { value: string } }) => set([key], event.currentTarget.value || undefined),
  });
  const general = problems.workflow.filter((one) => one.pointer === "" || ["/nodes", "/edges", "/name", "/layout", "/penstock"].includes(one.pointer));
  return (
    <Stack gap="sm">
      <div className={css.headWords}>
        <h2 className={css.headTitle}>Workflow</h2>
        <Text size="xs" c="dimmed">
          Choose a node or an edge to edit it.
        </Text>
      </div>
      {general.map((one) => (
        <Text key={one.code + one.pointer} size="sm" c="var(--mantine-color-error)" data-pointer={one.pointer} tabIndex={-1}>
          {one.message}
          {one.hint ? `: ${one.hint}` : ""}
        </Text>
      ))}
      <div data-pointer="/title">
        <TextInput label="Title" data-autofocus placeholder={slug} {...text("title")} />
      </div>
      <div data-pointer="/description">
        <Textarea label="Description" autosize minRows={2} maxRows={10} {...text("description")} />
      </div>
      <Accordion multiple defaultValue={["inputs", "outputs"]} variant="separated" chevronPosition="left" styles={{ content: { padding: "0.5rem 0.6rem 0.75rem" }, label: { padding: "0.55rem 0" }, control: { paddingInline: "0.6rem" } }}>
        <Accordion.Item value="inputs">
          <Accordion.Control>Inputs</Accordion.Control>
          <Accordion.Panel>
            <Inputs />
          </Accordion.Panel>
        </Accordion.Item>
        <Accordion.Item value="outputs">
          <Accordion.Control>Outputs</Accordion.Control>
          <Accordion.Panel>
            <Outputs />
          </Accordion.Panel>
        </Accordion.Item>
        <Accordion.Item value="limits">
          <Accordion.Control>Limits</Accordion.Control>
          <Accordion.Panel>
            <Limits names={["tokens", "usd", "seconds", "steps", "parallel", "iterations"]} legend="One run may spend" pointer="/limits" value={doc["limits"]} onChange={(value) => set(["limits"], value)} wrong={(key) => wrong(`/limits/${key}`)} />
          </Accordion.Panel>
        </Accordion.Item>
        <Accordion.Item value="catalog">
          <Accordion.Control>In the catalog</Accordion.Control>
          <Accordion.Panel>
            <Stack gap="sm">
              <TextInput label="For whom" placeholder="engineer" {...text("persona")} />
              <TagsInput label="Tags" value={Array.isArray(doc["tags"]) ? doc["tags"].map(String) : []} onChange={(next) => set(["tags"], next.length ? next : undefined)} error={wrong("/tags")} />
              <Select label="Difficulty" clearable data={["beginner", "intermediate", "advanced"]} value={textOf(doc["difficulty"]) || null} onChange={(next) => set(["difficulty"], next ?? undefined)} error={wrong("/difficulty")} />
              <NumberInput label="Minutes a run takes" min={0} value={typeof doc["minutes"] === "number" ? doc["minutes"] : ""} onChange={(next) => set(["minutes"], typeof next === "number" ? next : undefined)} error={wrong("/minutes")} />
            </Stack>
          </Accordion.Panel>
        </Accordion.Item>
        <Accordion.Item value="schemas">
          <Accordion.Control>Schemas</Accordion.Control>
          <Accordion.Panel>
            <Schemas />
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </Stack>
  );
}

/** A new name in a mapping. */
function NewName({ what, taken, onAdd }: { what: string; taken: Obj; onAdd: (name: string) => void }) {
  const [name, setName] = useState("");
  const add = () => {
    if (!name.trim() || name.trim() in taken) return;
    onAdd(name.trim());
    setName("");
  };
  return (
    <Group gap="xs" wrap="nowrap" align="flex-start">
      <TextInput
        aria-label={`Name of a new ${what}`} placeholder="Name" style={{ flex: 1 }} value={name} spellCheck={false} error={name.trim() in taken ? "There is one already" : null}
        onChange={(event) => setName(event.currentTarget.value)} onKeyDown={(event) => event.key === "Enter" && add()}
      />
      <Button variant="light" leftSection={<IconPlus size={14} />} disabled={!name.trim()} onClick={add}>
        Add {what}
      </Button>
    </Group>
  );
}

function Outputs() {
  const { store, samples, problems } = useEditor();
  const { doc } = useDocument();
  const outputs = isObj(doc["outputs"]) ? doc["outputs"] : {};
  const scope = useMemo(() => scopeOf(doc, samples, null), [doc, samples]);
  const put = (next: Obj, key?: string) => store.apply("edit outputs", (before) => setTop(before, ["outputs"], next), key ? { key } : {});
  return (
    <Stack gap="xs" data-pointer="/outputs">
      {Object.entries(outputs).map(([name, value]) => {
        const pointer = pointerOf(["outputs", name]);
        const remove = (
          <ActionIcon variant="subtle" color="red" size="sm" aria-label={`Remove output ${name}`} onClick={() => put(Object.fromEntries(Object.entries(outputs).filter(([other]) => other !== name)))}>
            <IconTrash size={14} />
          </ActionIcon>
        );
        if (typeof value !== "string")
          return (
            <div key={name} className={css.rowHead}>
              <Json label={name} pointer={pointer} value={value} onChange={(next) => put({ ...outputs, [name]: next }, pointer)} />
              {remove}
            </div>
          );
        return (
          <ExpressionField key={name} label={name} value={value} scope={scope} pointer={pointer} aside={remove} placeholder="${{ nodes.last.output }}" error={problems.workflow.find((one) => one.pointer.startsWith(pointer))?.message} onChange={(text) => put({ ...outputs, [name]: text }, pointer)} />
        );
      })}
      {Object.keys(outputs).length === 0 ? (
        <Text size="sm" c="dimmed">
          A run has no result of its own.
        </Text>
      ) : null}
      <NewName what="output" taken={outputs} onAdd={(name) => put({ ...outputs, [name]: "" })} />
    </Stack>
  );
}

function Schemas() {
  const { store } = useEditor();
  const { doc } = useDocument();
  const schemas = isObj(doc["schemas"]) ? doc["schemas"] : {};
  const put = (next: Obj, key?: string) => store.apply("edit schemas", (before) => setTop(before, ["schemas"], Object.keys(next).length ? next : undefined), key ? { key } : {});
  return (
    <Stack gap="xs" data-pointer="/schemas">
      {Object.entries(schemas).map(([name, value]) => (
        <div key={name}>
          <Group justify="space-between" gap={4}>
            <Text size="sm" fw={500}>{`#/schemas/${name}`}</Text>
            <ActionIcon variant="subtle" color="red" size="sm" aria-label={`Remove schema ${name}`} onClick={() => put(Object.fromEntries(Object.entries(schemas).filter(([other]) => other !== name)))}>
              <IconTrash size={14} />
            </ActionIcon>
          </Group>
          <Json label={`Schema ${name}`} hideLabel pointer={pointerOf(["schemas", name])} value={value} onChange={(next) => put({ ...schemas, [name]: next }, `schemas/${name}`)} />
        </div>
      ))}
      <NewName what="schema" taken={schemas} onAdd={(name) => put({ ...schemas, [name]: { type: "object", properties: {} } })} />
    </Stack>
  );
}

/** Any JSON as text; while it does not parse, it is kept as it is typed and is not the value. */
function Json({ label, hideLabel = false, value, pointer, onChange }: { label: string; hideLabel?: boolean; value: Json; pointer: string; onChange: (value: Json) => void }) {
  const [draft, setDraft] = useState<{ text: string; of: Json }>(() => ({ text: JSON.stringify(value, null, 2), of: value }));
  const text = equal(draft.of, value) ? draft.text : JSON.stringify(value, null, 2);
  return (
    <JsonInput
      style={{ flex: 1 }} label={hideLabel ? undefined : label} aria-label={hideLabel ? label : undefined} data-pointer={pointer} autosize minRows={2} maxRows={16} value={text} validationError="is no JSON"
      styles={{ input: { fontFamily: "var(--mono)", fontSize: "var(--mantine-font-size-xs)" } }}
      onChange={(next) => {
        try {
          const parsed = JSON.parse(next) as Json;
          setDraft({ text: next, of: parsed });
          onChange(parsed);
        } catch {
          setDraft({ text: next, of: value });
        }
      }}
    />
  );
}
