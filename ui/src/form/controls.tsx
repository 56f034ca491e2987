// The controls of single values.

import {
  Autocomplete,
  Checkbox,
  ColorInput,
  FileInput,
  JsonInput,
  MultiSelect,
  NumberInput,
  PasswordInput,
  Radio,
  Select,
  Stack,
  Switch,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconFile, IconFolder, IconKey } from "@tabler/icons-react";
import { useState } from "react";
import { idOf, useForm } from "./context.ts";
import { readFile, sizeLimit } from "./files.ts";
import { type Control, type Json, mayBeNull, optionsOf, resolve, type Schema, text, type Value } from "./schema.ts";
import type { PartProps } from "./Field.tsx";

interface ScalarProps extends PartProps {
  control: Control;
  disabled: boolean;
}

const FEW = 4;
const NATIVE: Partial<Record<Control, string>> = { date: "date", time: "time", email: "email", uri: "url" };

export function ScalarField({ control, schema, value, onChange, pointer, label, description, required, bare, disabled }: ScalarProps) {
  const form = useForm();
  const error = form.wrong(pointer);
  const empty = (): Value => (schema["default"] !== undefined && control !== "choice" ? "" : required && mayBeNull(schema) ? null : undefined);
  const base = {
    id: idOf(pointer),
    label: bare ? undefined : label,
    "aria-label": bare ? label : undefined,
    description: bare ? undefined : description,
    error,
    required,
    disabled,
    withAsterisk: required,
    onBlur: () => form.touch(pointer),
  };
  const shown = typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value);
  const typed = (next: string) => onChange(next === "" ? empty() : next);
  const placeholder = example(schema);
  switch (control) {
    case "boolean":
      return (
        <Switch
          id={base.id}
          description={base.description}
          error={error}
          disabled={disabled}
          onBlur={base.onBlur}
          label={label}
          checked={value === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case "number":
    case "integer":
      return (
        <NumberInput
          {...base}
          placeholder={placeholder}
          value={typeof value === "number" ? value : shown}
          allowDecimal={control === "number"}
          thousandSeparator={control === "integer" ? " " : undefined}
          step={typeof schema["multipleOf"] === "number" ? schema["multipleOf"] : 1}
          onChange={(next) => onChange(next === "" ? (required && mayBeNull(schema) ? null : undefined) : next)}
          maw="20rem"
        />
      );
    case "choice":
      return <Choice {...{ schema, value, onChange, base, required }} />;
    case "choices":
      return <Choices {...{ schema, value, onChange, base }} />;
    case "constant":
      return <TextInput {...base} value={JSON.stringify(schema["const"])} readOnly disabled />;
    case "area":
      return (
        <Textarea {...base} placeholder={placeholder} autosize minRows={4} maxRows={18} value={shown} onChange={(event) => typed(event.currentTarget.value)} />
      );
    case "password":
      return <PasswordInput {...base} autoComplete="off" value={shown} onChange={(event) => typed(event.currentTarget.value)} />;
    case "color":
      return <ColorInput {...base} value={shown} onChange={typed} maw="20rem" />;
    case "secret":
      return (
        <Autocomplete
          {...base}
          description={base.description ?? "The name of a secret. Its value stays in the vault."}
          data={[...form.secrets]}
          value={shown}
          onChange={typed}
          leftSection={<IconKey size={16} aria-hidden />}
        />
      );
    case "path":
      return (
        <TextInput
          {...base}
          description={base.description ?? "A path on the machine that runs the step."}
          placeholder={placeholder ?? "/home/me/project"}
          leftSection={<IconFolder size={16} aria-hidden />}
          spellCheck={false}
          value={shown}
          onChange={(event) => typed(event.currentTarget.value)}
        />
      );
    case "file":
      return <FileField {...{ schema, value, onChange, base, required }} />;
    case "date-time":
      return (
        <TextInput
          {...base}
          type="datetime-local"
          step={1}
          maw="20rem"
          value={toLocal(shown)}
          onChange={(event) => typed(event.currentTarget.value && toInstant(event.currentTarget.value))}
        />
      );
    case "json":
      return <JsonField {...{ value, onChange, base, placeholder }} />;
    default:
      return (
        <TextInput
          {...base}
          type={NATIVE[control] ?? "text"}
          maw={control === "date" || control === "time" ? "20rem" : undefined}
          step={control === "time" ? 1 : undefined}
          placeholder={placeholder}
          value={shown}
          onChange={(event) => typed(event.currentTarget.value)}
        />
      );
  }
}

type Base = {
  id: string;
  label: string | undefined;
  "aria-label": string | undefined;
  description: string | undefined;
  error: string | undefined;
  required: boolean;
  disabled: boolean;
  withAsterisk: boolean;
  onBlur: () => void;
};

function example(schema: Schema): string | undefined {
  const first = Array.isArray(schema["examples"]) ? (schema["examples"] as unknown[])[0] : undefined;
  return first === undefined ? text(schema["placeholder"]) : typeof first === "string" ? first : JSON.stringify(first);
}

interface ChoiceProps {
  schema: Schema;
  value: Value;
  onChange: (value: Value) => void;
  base: Base;
}

/** A few choices are seen at once; many are looked for. */
function Choice({ schema, value, onChange, base, required }: ChoiceProps & { required: boolean }) {
  const options = optionsOf(schema) ?? [];
  const keyOf = (one: Value) => JSON.stringify(one);
  const found = options.find((one) => keyOf(one.value) === keyOf(value));
  const pick = (key: string | null) => onChange(key === null ? undefined : options.find((one) => keyOf(one.value) === key)?.value);
  if (options.length <= FEW) {
    const { id, label, description, error, withAsterisk } = base;
    return (
      <Radio.Group {...{ id, label, description, error, withAsterisk }} aria-label={base["aria-label"]} value={found ? keyOf(found.value) : null} onChange={pick} onBlur={base.onBlur}>
        <Stack gap={6} my={6}>
          {options.map((one) => (
            <Radio key={keyOf(one.value)} value={keyOf(one.value)} label={one.label} description={one.description} disabled={base.disabled} />
          ))}
        </Stack>
      </Radio.Group>
    );
  }
  return (
    <Select
      {...base}
      data={options.map((one) => ({ value: keyOf(one.value), label: one.label }))}
      value={found ? keyOf(found.value) : null}
      onChange={pick}
      searchable
      clearable={!required}
      maw="30rem"
    />
  );
}

function Choices({ schema, value, onChange, base }: ChoiceProps) {
  const { root } = useForm();
  const options = optionsOf(resolve(schema["items"], root)) ?? [];
  const keyOf = (one: Value) => JSON.stringify(one);
  const chosen = (Array.isArray(value) ? value : []).map(keyOf);
  const pick = (keys: string[]) => onChange(options.filter((one) => keys.includes(keyOf(one.value))).map((one) => one.value));
  if (options.length <= 8) {
    const { id, label, description, error, withAsterisk } = base;
    return (
      <Checkbox.Group {...{ id, label, description, error, withAsterisk }} aria-label={base["aria-label"]} value={chosen} onChange={pick}>
        <Stack gap={6} my={6}>
          {options.map((one) => (
            <Checkbox key={keyOf(one.value)} value={keyOf(one.value)} label={one.label} description={one.description} disabled={base.disabled} />
          ))}
        </Stack>
      </Checkbox.Group>
    );
  }
  return (
    <MultiSelect {...base} data={options.map((one) => ({ value: keyOf(one.value), label: one.label }))} value={chosen} onChange={pick} searchable />
  );
}

/** Any JSON, as text. What does not parse is kept as it is typed, and is not the value. */
function JsonField({ value, onChange, base, placeholder }: Omit<ChoiceProps, "schema"> & { placeholder: string | undefined }) {
  const [draft, setDraft] = useState(() => (value === undefined ? "" : JSON.stringify(value, null, 2)));
  const [broken, setBroken] = useState<string | null>(null);
  return (
    <JsonInput
      {...base}
      error={broken ?? base.error}
      placeholder={placeholder ?? '{"any": "JSON"}'}
      autosize
      minRows={3}
      maxRows={18}
      value={draft}
      styles={{ input: { fontFamily: "var(--mono)", fontSize: "var(--mantine-font-size-xs)" } }}
      onChange={(text) => {
        setDraft(text);
        if (!text.trim()) {
          setBroken(null);
          onChange(undefined);
          return;
        }
        try {
          onChange(JSON.parse(text) as Json);
          setBroken(null);
        } catch (error) {
          setBroken(error instanceof Error ? error.message : "is not JSON");
        }
      }}
    />
  );
}

function FileField({ schema, value, onChange, base, required }: ChoiceProps & { required: boolean }) {
  const [file, setFile] = useState<File | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <FileInput
      {...base}
      error={problem ?? base.error}
      description={base.description ?? sizeLimit()}
      value={file}
        placeholder={typeof value === "string" && value ? "A file was given" : "Choose a file"}
        leftSection={<IconFile size={16} aria-hidden />}
        accept={text(schema["contentMediaType"])}
        clearable={!required}
        onChange={async (next) => {
          setFile(next);
          setProblem(null);
          try {
            onChange(next ? await readFile(next, schema) : undefined);
          } catch (error) {
            setProblem(error instanceof Error ? error.message : String(error));
            onChange(undefined);
          }
        }}
      />
  );
}

function toLocal(instant: string): string {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return "";
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

const toInstant = (local: string): string => {
  const date = new Date(local);
  return Number.isNaN(date.getTime()) ? local : date.toISOString();
};
