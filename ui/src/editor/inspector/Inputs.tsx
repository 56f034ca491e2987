// What a run is asked for, built a field at a time. What a field knows beyond this form stays as it is, and can be edited as JSON.

import { ActionIcon, Button, Group, JsonInput, Select, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconBraces, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useDocument, useEditor } from "../context.ts";
import { setTop } from "../model/commands.ts";
import { getIn, isObj, type Json, type Obj, pointerOf } from "../model/json.ts";
import css from "./Inspector.module.css";

const SHAPES: Record<string, { label: string; schema: Obj }> = {
  text: { label: "Text", schema: { type: "string" } },
  area: { label: "Long text", schema: { type: "string", format: "textarea" } },
  integer: { label: "Whole number", schema: { type: "integer" } },
  number: { label: "Number", schema: { type: "number" } },
  boolean: { label: "Yes or no", schema: { type: "boolean" } },
  choice: { label: "Choice", schema: { type: "string", enum: ["one", "two"] } },
  texts: { label: "List of texts", schema: { type: "array", items: { type: "string" } } },
  object: { label: "Object", schema: { type: "object" } },
  list: { label: "List of objects", schema: { type: "array", items: { type: "object" } } },
  path: { label: "Path", schema: { type: "string", format: "path" } },
  date: { label: "Date", schema: { type: "string", format: "date" } },
  secret: { label: "Name of a secret", schema: { type: "string", format: "secret" } },
  file: { label: "File", schema: { type: "string", contentEncoding: "base64" } },
};

function shapeOf(schema: Obj): string {
  if (Array.isArray(schema["enum"])) return "choice";
  if (schema["contentEncoding"] === "base64") return "file";
  if (schema["type"] === "array") return getIn(schema, ["items", "type"]) === "string" ? "texts" : "list";
  if (schema["type"] === "string") return { textarea: "area", path: "path", date: "date", secret: "secret" }[String(schema["format"])] ?? "text";
  return typeof schema["type"] === "string" && schema["type"] in SHAPES ? schema["type"] : "";
}

const KEPT = ["title", "description"];

export function Inputs() {
  const { store, problems } = useEditor();
  const { doc } = useDocument();
  const inputs: Obj = isObj(doc["inputs"]) ? doc["inputs"] : { type: "object", properties: {} };
  const properties = isObj(inputs["properties"]) ? inputs["properties"] : {};
  const required = Array.isArray(inputs["required"]) ? inputs["required"].map(String) : [];
  const [name, setName] = useState("");
  const put = (label: string, next: Obj, needs: string[], key?: string) => {
    const { required: _, ...rest } = inputs;
    store.apply(label, (before) => setTop(before, ["inputs"], { ...rest, ...(needs.length ? { required: needs } : {}), properties: next }), key ? { key } : {});
  };
  const entries = Object.entries(properties);
  const add = () => {
    const key = name.trim();
    if (!key || key in properties) return;
    put(`add input ${key}`, { ...properties, [key]: { type: "string" } }, required);
    setName("");
  };
  const move = (from: number, to: number) => {
    const next = [...entries];
    const [taken] = next.splice(from, 1);
    if (taken) next.splice(to, 0, taken);
    put("change the order of inputs", Object.fromEntries(next), required);
  };
  const wrong = problems.workflow.filter((one) => one.pointer.startsWith("/inputs"));
  return (
    <Stack gap="xs" data-pointer="/inputs">
      {entries.map(([key, schema], place) => (
        <Input
          key={key}
          name={key}
          schema={isObj(schema) ? schema : {}}
          required={required.includes(key)}
          error={wrong.find((one) => one.pointer.startsWith(pointerOf(["inputs", "properties", key])))?.message}
          onRename={(next) => {
            if (!next || next in properties) return;
            put(`rename input ${key}`, Object.fromEntries(entries.map(([old, one]) => [old === key ? next : old, one])), required.map((one) => (one === key ? next : one)));
          }}
          onChange={(next) => put(`edit input ${key}`, { ...properties, [key]: next }, required, `inputs/${key}`)}
          onRequired={(yes) => put(`edit input ${key}`, properties, yes ? [...required, key] : required.filter((one) => one !== key))}
          onRemove={() => put(`remove input ${key}`, Object.fromEntries(entries.filter(([old]) => old !== key)), required.filter((one) => one !== key))}
          onUp={place > 0 ? () => move(place, place - 1) : undefined}
          onDown={place < entries.length - 1 ? () => move(place, place + 1) : undefined}
        />
      ))}
      {entries.length === 0 ? (
        <Text size="sm" c="dimmed">
          A run is asked for nothing.
        </Text>
      ) : null}
      <Group gap="xs" align="flex-start" wrap="nowrap">
        <TextInput
          aria-label="Name of a new input" placeholder="Name" style={{ flex: 1 }} value={name} error={name.trim() in properties ? "There is one already" : null} spellCheck={false}
          onChange={(event) => setName(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && add()}
        />
        <Button variant="light" leftSection={<IconPlus size={14} />} disabled={!name.trim()} onClick={add}>
          Add input
        </Button>
      </Group>
    </Stack>
  );
}

interface InputProps {
  name: string;
  schema: Obj;
  required: boolean;
  error: string | undefined;
  onRename: (name: string) => void;
  onChange: (schema: Obj) => void;
  onRequired: (yes: boolean) => void;
  onRemove: () => void;
  onUp: (() => void) | undefined;
  onDown: (() => void) | undefined;
}

function Input({ name, schema, required, error, onRename, onChange, onRequired, onRemove, onUp, onDown }: InputProps) {
  const [draft, setDraft] = useState(name);
  const [raw, setRaw] = useState<string | null>(null);
  const shape = shapeOf(schema);
  const set = (key: string, value: Json | undefined) => {
    const { [key]: _, ...rest } = schema;
    onChange(value === undefined || value === "" ? rest : key in schema ? { ...schema, [key]: value } : { ...rest, [key]: value });
  };
  return (
    <div className={css.row} data-pointer={pointerOf(["inputs", "properties", name])} role="group" aria-label={`Input ${name}`}>
      <div className={css.rowHead}>
        <TextInput
          className={css.rowName ?? ""} size="xs" aria-label={`Name of input ${name}`} value={draft} spellCheck={false} error={error}
          onChange={(event) => setDraft(event.currentTarget.value)} onBlur={() => (draft === name ? undefined : onRename(draft.trim()))}
          onKeyDown={(event) => event.key === "Enter" && draft !== name && onRename(draft.trim())}
        />
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Move ${name} up`} disabled={!onUp} onClick={onUp}><IconArrowUp size={14} /></ActionIcon>
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Move ${name} down`} disabled={!onDown} onClick={onDown}><IconArrowDown size={14} /></ActionIcon>
        <ActionIcon variant={raw === null ? "subtle" : "light"} color="gray" size="sm" aria-label={`${name} as JSON Schema`} aria-pressed={raw !== null} onClick={() => setRaw(raw === null ? JSON.stringify(schema, null, 2) : null)}><IconBraces size={14} /></ActionIcon>
        <ActionIcon variant="subtle" color="red" size="sm" aria-label={`Remove input ${name}`} onClick={onRemove}><IconTrash size={14} /></ActionIcon>
      </div>
      {raw === null ? (
        <Stack gap={6} mt={6}>
          <Group gap="xs" wrap="nowrap" align="center">
            <Select
              size="xs" style={{ flex: 1 }} aria-label={`Type of ${name}`} allowDeselect={false} placeholder="JSON Schema" value={shape || null}
              data={Object.entries(SHAPES).map(([value, { label }]) => ({ value, label }))}
              onChange={(value) => {
                const kept = Object.fromEntries(KEPT.flatMap((key) => (key in schema ? [[key, schema[key] as Json]] : [])));
                if (value) onChange({ ...SHAPES[value]?.schema, ...kept });
              }}
            />
            <Switch size="xs" label="Required" checked={required} onChange={(event) => onRequired(event.currentTarget.checked)} />
          </Group>
          {shape === "choice" ? (
            <TagsInput size="xs" aria-label={`Choices of ${name}`} value={(schema["enum"] as Json[]).map(String)} onChange={(next) => set("enum", next)} />
          ) : null}
          <TextInput size="xs" aria-label={`Title of ${name}`} placeholder="Title" value={String(schema["title"] ?? "")} onChange={(event) => set("title", event.currentTarget.value)} />
          <TextInput size="xs" aria-label={`Description of ${name}`} placeholder="What it is for" value={String(schema["description"] ?? "")} onChange={(event) => set("description", event.currentTarget.value)} />
          <Default key={shape} name={name} shape={shape} value={schema["default"]} onChange={(value) => set("default", value)} />
        </Stack>
      ) : (
        <JsonInput
          mt={6} size="xs" autosize minRows={4} maxRows={16} aria-label={`JSON Schema of ${name}`} value={raw} error={readable(raw) ? null : "is no JSON object"}
          styles={{ input: { fontFamily: "var(--mono)" } }}
          onChange={(text) => {
            setRaw(text);
            const value = readable(text);
            if (value) onChange(value);
          }}
        />
      )}
    </div>
  );
}

function Default({ name, shape, value, onChange }: { name: string; shape: string; value: Json | undefined; onChange: (value: Json | undefined) => void }) {
  const [draft, setDraft] = useState(() => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value)));
  if (shape === "file" || shape === "secret") return null;
  if (shape === "boolean")
    return <Switch size="xs" label="Yes by default" checked={value === true} onChange={(event) => onChange(event.currentTarget.checked || undefined)} />;
  const textual = ["text", "area", "choice", "path", "date"].includes(shape);
  const parsed = draft.trim() === "" ? undefined : textual ? draft : json(draft);
  return (
    <TextInput
      size="xs" aria-label={`Default of ${name}`} placeholder={textual ? "Default" : "Default, as JSON"} value={draft} error={draft.trim() !== "" && parsed === undefined ? "is no JSON" : null}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setDraft(text);
        const next = text.trim() === "" ? undefined : textual ? text : json(text);
        if (text.trim() === "" || next !== undefined) onChange(next);
      }}
    />
  );
}

function json(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const readable = (text: string): Obj | null => {
  const value = json(text);
  return isObj(value) ? value : null;
};
