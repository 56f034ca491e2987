// The further fields of an answer, drawn from their JSON Schema. What has no field of its own is written as JSON.

import { Checkbox, Group, JsonInput, NumberInput, Select, Textarea, TextInput } from "@mantine/core";
import type { Wrong } from "../api/schema.d.ts";
import type { Fields } from "../model/events.ts";

interface AnswerFieldsProps {
  schema: Fields;
  value: Fields;
  onChange: (value: Fields) => void;
  errors: readonly Wrong[];
}

export default function AnswerFields({ schema, value, onChange, errors }: AnswerFieldsProps) {
  const required = new Set((schema["required"] ?? []) as string[]);
  return (
    <Group align="flex-start" gap="md">
      {Object.entries((schema["properties"] ?? {}) as Record<string, Fields>).map(([name, part]) => (
        <Field
          key={name}
          part={part}
          label={part["title"] ?? name}
          required={required.has(name)}
          value={value[name]}
          error={errors.find((one) => one.pointer === `/fields/${name}` || one.pointer.startsWith(`/fields/${name}/`))?.message ?? null}
          onChange={(changed) => {
            const { [name]: _before, ...rest } = value;
            onChange(changed === undefined ? rest : { ...rest, [name]: changed });
          }}
        />
      ))}
    </Group>
  );
}

interface FieldProps {
  part: Fields;
  label: string;
  required: boolean;
  value: any;
  error: string | null;
  onChange: (value: any) => void;
}

function Field({ part, label, required, value, error, onChange }: FieldProps) {
  const common = { label, description: part["description"], withAsterisk: required, error };
  if (Array.isArray(part["enum"])) {
    const data = part["enum"].map((one: unknown) => ({ value: JSON.stringify(one), label: String(one) }));
    return <Select {...common} data={data} value={value === undefined ? null : JSON.stringify(value)} onChange={(picked) => onChange(picked === null ? undefined : JSON.parse(picked))} clearable={!required} />;
  }
  switch (part["type"]) {
    case "boolean":
      return <Checkbox label={label} description={part["description"]} error={error} checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} mt="lg" />;
    case "integer":
    case "number":
      return (
        <NumberInput
          {...common}
          value={value ?? ""}
          min={part["minimum"]}
          max={part["maximum"]}
          allowDecimal={part["type"] === "number"}
          onChange={(typed) => onChange(typeof typed === "number" ? typed : undefined)}
        />
      );
    case "string":
      return part["maxLength"] === undefined || part["maxLength"] > 200 ? (
        <Textarea {...common} value={value ?? ""} onChange={(event) => onChange(event.currentTarget.value || undefined)} autosize minRows={1} maxRows={8} />
      ) : (
        <TextInput {...common} value={value ?? ""} onChange={(event) => onChange(event.currentTarget.value || undefined)} />
      );
    default:
      return <JsonInput {...common} defaultValue={value === undefined ? "" : JSON.stringify(value, null, 2)} onChange={(text) => onChange(read(text))} formatOnBlur autosize minRows={2} />;
  }
}

function read(text: string): unknown {
  try {
    return text.trim() === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
