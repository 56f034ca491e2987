// Values that hold others: lists, mappings with names of their own, and choices between shapes.

import { ActionIcon, Button, Fieldset, Group, Input, SegmentedControl, Select, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconPlus, IconTrash } from "@tabler/icons-react";
import { type ComponentType, type ReactNode, useState } from "react";
import { idOf, useForm } from "./context.ts";
import type { FieldProps, PartProps } from "./Field.tsx";
import { at, controlOf, initial, type Json, labelOf, resolve, type Schema, text, variantOf, variantsOf } from "./schema.ts";

interface WithField extends PartProps {
  field: ComponentType<FieldProps>;
}

/** Plain texts are typed one after the other; anything else gets a field for each entry, which can be moved. */
export function ListField({ field: Field, schema, value, onChange, pointer, label, description, required, bare }: WithField) {
  const form = useForm();
  const entries = Array.isArray(value) ? value : [];
  const first = Array.isArray(schema["prefixItems"]) ? (schema["prefixItems"] as unknown[]) : [];
  const items = resolve(schema["items"], form.root);
  const most = typeof schema["maxItems"] === "number" ? schema["maxItems"] : Number.POSITIVE_INFINITY;
  const error = form.wrong(pointer) ?? entries.map((_, index) => form.wrong(at(pointer, index))).find(Boolean);
  if (!first.length && controlOf(items, form.root) === "text")
    return (
      <TagsInput
        id={idOf(pointer)}
        label={bare ? undefined : label}
        aria-label={bare ? label : undefined}
        description={description}
        error={error}
        withAsterisk={required}
        disabled={form.disabled}
        value={entries.map(String)}
        onChange={(next) => onChange(next)}
        onBlur={() => form.touch(pointer)}
        placeholder={entries.length ? undefined : "Type, then press Enter"}
        splitChars={[",", "\n", "\t"]}
        maxTags={Number.isFinite(most) ? most : undefined}
        allowDuplicates={schema["uniqueItems"] !== true}
        clearable
        acceptValueOnBlur
      />
    );
  const set = (next: Json[]) => onChange(next);
  const move = (from: number, to: number) => {
    const next = [...entries];
    const [taken] = next.splice(from, 1);
    next.splice(to, 0, taken as Json);
    set(next);
  };
  return (
    <Framed {...{ bare, label, description, pointer }} error={form.wrong(pointer)}>
      {entries.length === 0 ? (
        <Text size="sm" c="dimmed">
          No entry yet.
        </Text>
      ) : null}
      {entries.map((entry, index) => (
        <Group key={index} gap="xs" align="flex-start" wrap="nowrap">
          <div style={{ flex: 1, minWidth: 0 }}>
            <Field
              schema={first[index] ?? schema["items"]}
              name={String(index + 1)}
              label={`${label} ${index + 1}`}
              value={entry}
              pointer={at(pointer, index)}
              required
              onChange={(next) => set(entries.map((one, place) => (place === index ? (next ?? null) : one)))}
            />
          </div>
          {index < first.length || form.disabled ? null : (
            <Group gap={2} wrap="nowrap" pt={26}>
              <ActionIcon variant="subtle" color="gray" aria-label={`Move ${label} ${index + 1} up`} disabled={index === 0} onClick={() => move(index, index - 1)}>
                <IconArrowUp size={16} />
              </ActionIcon>
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label={`Move ${label} ${index + 1} down`}
                disabled={index === entries.length - 1}
                onClick={() => move(index, index + 1)}
              >
                <IconArrowDown size={16} />
              </ActionIcon>
              <ActionIcon variant="subtle" color="red" aria-label={`Remove ${label} ${index + 1}`} onClick={() => set(entries.filter((_, place) => place !== index))}>
                <IconTrash size={16} />
              </ActionIcon>
            </Group>
          )}
        </Group>
      ))}
      <div>
        <Button
          size="compact-sm"
          variant="light"
          leftSection={<IconPlus size={14} />}
          disabled={form.disabled || entries.length >= most || (schema["items"] === false && entries.length >= first.length)}
          onClick={() => set([...entries, initial(first[entries.length] ?? schema["items"], form.root) ?? null])}
        >
          Add an entry
        </Button>
      </div>
    </Framed>
  );
}

/** Names that the schema does not know, each with a value. A name that is being typed belongs to no value yet. */
export function MapField({ field: Field, schema, value, onChange, pointer, label, description, bare }: WithField) {
  const form = useForm();
  const [name, setName] = useState("");
  const given = (typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}) as Record<string, Json>;
  const items = typeof schema["additionalProperties"] === "object" ? schema["additionalProperties"] : {};
  const taken = name in given;
  const add = () => {
    if (!name || taken) return;
    onChange({ ...given, [name]: initial(items, form.root) ?? (controlOf(resolve(items, form.root), form.root) === "text" ? "" : null) });
    setName("");
  };
  return (
    <Framed {...{ bare, label, description, pointer }} error={form.wrong(pointer)}>
      {Object.entries(given).map(([key, part]) => (
        <Group key={key} gap="xs" align="flex-end" wrap="nowrap">
          <div style={{ flex: 1, minWidth: 0 }}>
            <Field
              schema={items}
              name={key}
              label={key}
              value={part}
              pointer={at(pointer, key)}
              required
              onChange={(next) => onChange({ ...given, [key]: next ?? null })}
            />
          </div>
          <ActionIcon
            variant="subtle"
            color="red"
            mb={4}
            aria-label={`Remove ${key}`}
            disabled={form.disabled}
            onClick={() => onChange(Object.fromEntries(Object.entries(given).filter(([other]) => other !== key)))}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </Group>
      ))}
      <Group gap="xs" align="flex-start">
        <TextInput
          aria-label={`A new name in ${label}`}
          placeholder="Name"
          value={name}
          error={taken ? "is there already" : undefined}
          disabled={form.disabled}
          onChange={(event) => setName(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            add();
          }}
        />
        <Button variant="light" leftSection={<IconPlus size={14} />} onClick={add} disabled={!name || taken || form.disabled}>
          Add
        </Button>
      </Group>
    </Framed>
  );
}

/** One of several shapes. Changing the shape begins it anew. */
export function VariantsField({ field: Field, schema, value, onChange, pointer, label, description, required, bare }: WithField) {
  const form = useForm();
  const all = variantsOf(schema).filter((one) => !(resolve(one, form.root)["type"] === "null" && !required));
  const [picked, setPicked] = useState<number | null>(null);
  const index = picked ?? variantOf(all, value, form.root);
  const names = all.map((one, place) => nameOf(resolve(one, form.root), place));
  const pick = (place: number) => {
    setPicked(place);
    onChange(initial(all[place], form.root));
  };
  const data = names.map((name, place) => ({ value: String(place), label: name }));
  return (
    <Framed {...{ bare, label, description, pointer }} error={form.wrong(pointer)}>
      {names.join("").length < 40 && names.length < 5 ? (
        <SegmentedControl data={data} value={String(index)} onChange={(next) => pick(Number(next))} disabled={form.disabled} aria-label={`Shape of ${label}`} />
      ) : (
        <Select data={data} value={String(index)} onChange={(next) => pick(Number(next ?? 0))} disabled={form.disabled} allowDeselect={false} aria-label={`Shape of ${label}`} />
      )}
      <Field key={index} schema={all[index]} name={names[index] ?? label} label={names[index] ?? label} value={value} onChange={onChange} pointer={pointer} required={required} bare />
    </Framed>
  );
}

const TYPES: Record<string, string> = { string: "Text", number: "Number", integer: "Whole number", boolean: "Yes or no", array: "List", object: "Object", null: "Nothing" };

function nameOf(schema: Schema, place: number): string {
  const type = typeof schema["type"] === "string" ? TYPES[schema["type"]] : undefined;
  const properties = Object.entries((schema["properties"] as Record<string, Schema> | undefined) ?? {});
  const tag = properties.find(([, part]) => "const" in part)?.[1]["const"];
  return text(schema["title"]) ?? ("const" in schema ? String(schema["const"]) : undefined) ?? (tag === undefined ? undefined : labelOf(String(tag), {})) ?? type ?? `Shape ${place + 1}`;
}

interface FramedProps {
  bare: boolean;
  label: string;
  description: string | undefined;
  pointer: string;
  error: string | undefined;
  children: ReactNode;
}

function Framed({ bare, label, description, pointer, error, children }: FramedProps) {
  const inside = (
    <Stack gap="sm">
      {description ? (
        <Text size="sm" c="dimmed">
          {description}
        </Text>
      ) : null}
      {children}
      {error ? <Input.Error size="sm">{error}</Input.Error> : null}
    </Stack>
  );
  if (bare) return inside;
  return (
    <Fieldset id={idOf(pointer)} legend={label} radius="md">
      {inside}
    </Fieldset>
  );
}

