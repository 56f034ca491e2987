// One value of a form: which control it gets, with its name, what it is for, and what is wrong with it.

import { Button, Fieldset, Group, Stack, Text } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { ListField, MapField, VariantsField } from "./collections.tsx";
import { idOf, useForm } from "./context.ts";
import { ScalarField } from "./controls.tsx";
import { at, controlOf, essential, initial, type Json, labelOf, requiredOf, resolve, type Schema, text, type Value } from "./schema.ts";

export interface FieldProps {
  schema: unknown;
  value: Value;
  onChange: (value: Value) => void;
  pointer: string;
  name: string;
  required: boolean;
  /** Without a frame and a name: the form itself, or an entry that is named by what stands round it. */
  bare?: boolean;
  label?: string;
}

export function Field({ schema: given, value, onChange, pointer, name, required, bare = false, label: named }: FieldProps) {
  const { root, disabled } = useForm();
  const schema = essential(resolve(given, root), root);
  const control = controlOf(schema, root);
  const label = named ?? labelOf(name, schema);
  const description = text(schema["description"]);
  const props = { schema, value, onChange, pointer, label, description, required, bare };
  if (control === "object") return <ObjectField {...props} />;
  if (control === "list") return <ListField {...props} field={Field} />;
  if (control === "map") return <MapField {...props} field={Field} />;
  if (control === "variants") return <VariantsField {...props} field={Field} />;
  if (control === "constant" && !required)
    return null; // it is given with its object, and says nothing to a person
  return <ScalarField {...props} control={control} disabled={disabled || schema["readOnly"] === true} />;
}

export interface PartProps {
  schema: Schema;
  value: Value;
  onChange: (value: Value) => void;
  pointer: string;
  label: string;
  description: string | undefined;
  required: boolean;
  bare: boolean;
}

function ObjectField({ schema, value, onChange, pointer, label, description, required, bare }: PartProps) {
  const { root, disabled, wrong } = useForm();
  const given = (typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}) as Record<string, Json>;
  const properties = Object.entries((schema["properties"] as Record<string, unknown> | undefined) ?? {});
  const fields = properties.map(([name, part]) => (
    <Field
      key={name}
      schema={part}
      name={name}
      value={given[name]}
      pointer={at(pointer, name)}
      required={requiredOf(schema).includes(name)}
      onChange={(next) => {
        const { [name]: _, ...rest } = given;
        onChange(next === undefined ? rest : { ...rest, [name]: next });
      }}
    />
  ));
  if (bare) return <Stack gap="md">{fields}</Stack>;
  if (value === undefined)
    return (
      <Absent label={label} description={description} pointer={pointer} onAdd={() => onChange(initial(schema, root) ?? {})} disabled={disabled} />
    );
  return (
    <Fieldset id={idOf(pointer)} legend={label} variant="default" radius="md">
      <Stack gap="md">
        {description ? (
          <Text size="sm" c="dimmed">
            {description}
          </Text>
        ) : null}
        {fields}
        {wrong(pointer) ? (
          <Text size="sm" c="var(--mantine-color-error)">
            {wrong(pointer)}
          </Text>
        ) : null}
        {required || disabled ? null : (
          <Group>
            <Button size="compact-sm" variant="subtle" color="gray" leftSection={<IconX size={14} />} onClick={() => onChange(undefined)}>
              Leave out {label}
            </Button>
          </Group>
        )}
      </Stack>
    </Fieldset>
  );
}

interface AbsentProps {
  label: string;
  description: string | undefined;
  pointer: string;
  onAdd: () => void;
  disabled: boolean;
}

/** Something optional that was not given. */
export function Absent({ label, description, pointer, onAdd, disabled }: AbsentProps) {
  return (
    <div id={idOf(pointer)}>
      <Button size="compact-sm" variant="light" leftSection={<IconPlus size={14} />} onClick={onAdd} disabled={disabled}>
        {label}
      </Button>
      {description ? (
        <Text size="xs" c="dimmed" mt={4}>
          {description}
        </Text>
      ) : null}
    </div>
  );
}
