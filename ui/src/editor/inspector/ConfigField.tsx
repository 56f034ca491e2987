// One value of a node's `with`. Text is always written with expressions in mind; anything else has its own control, and a
// switch, fx, that puts an expression in its place.

import { ActionIcon, Button, Fieldset, Group, Stack, Text, Tooltip } from "@mantine/core";
import { IconMathFunction, IconX } from "@tabler/icons-react";
import { createContext, type ReactNode, useContext } from "react";
import { ListField, MapField, VariantsField } from "../../form/collections.tsx";
import { idOf, useForm } from "../../form/context.ts";
import { ScalarField } from "../../form/controls.tsx";
import { Absent, type FieldProps, type PartProps } from "../../form/Field.tsx";
import { at, controlOf, essential, initial, type Json, labelOf, requiredOf, resolve, type Schema, text } from "../../form/schema.ts";
import type { Scope } from "../model/completion.ts";
import { isExpression } from "../model/references.ts";
import { ExpressionField } from "./ExpressionField.tsx";
import css from "./Inspector.module.css";

interface ConfigContext {
  scope: Scope;
  /** Pointer of the node in the document. */
  base: string;
  literal: ReadonlySet<string>;
}

export const Config = createContext<ConfigContext | null>(null);

function useConfig(): ConfigContext {
  const config = useContext(Config);
  if (!config) throw new Error("a field of a node stands outside of one");
  return config;
}

const TEXTS = new Set(["text", "area", "email", "uri", "path", "date", "time", "date-time", "file"]);
const LONG = /source|template|jinja|message|instructions|backstory|description|body|goal|expected_output/;

export function ConfigField({ schema: given, value, onChange, pointer, name, required, bare = false, label: named }: FieldProps) {
  const form = useForm();
  const { scope, base, literal } = useConfig();
  const schema = essential(resolve(given, form.root), form.root);
  const control = controlOf(schema, form.root);
  const label = named ?? labelOf(name, schema);
  const description = text(schema["description"]);
  const props: PartProps = { schema, value, onChange, pointer, label, description, required, bare };
  const asIs = [...literal].some((key) => pointer === `/with/${key}` || pointer.startsWith(`/with/${key}/`));
  const written = isExpression(value) && !asIs;
  const isText = TEXTS.has(control);

  if (isText || (control === "json" && (typeof value === "string" || value === undefined)) || written) {
    const anything = control === "json";
    return (
      <ExpressionField
        label={label}
        hideLabel={bare}
        description={description}
        value={typeof value === "string" ? value : ""}
        onChange={(next) => onChange(next === "" && (!required || anything) ? undefined : next)}
        scope={scope}
        literal={asIs}
        multiline={LONG.test(name) || schema["format"] !== undefined && control === "area" ? "tall" : anything || control === "area"}
        placeholder={text(schema["placeholder"]) ?? (anything ? "Text or ${{ an expression }}" : undefined)}
        error={form.wrong(pointer)}
        required={required}
        pointer={base + pointer}
        aside={isText ? null : <Fx on label={label} onToggle={() => onChange(anything ? {} : required ? initial(schema, form.root) : undefined)} />}
      />
    );
  }
  if (control === "object") return <Properties {...props} />;
  if (control === "list") return <Place at={base + pointer}><ListField {...props} field={ConfigField} /></Place>;
  if (control === "map") return <Place at={base + pointer}><MapField {...props} schema={mapOf(schema)} field={ConfigField} /></Place>;
  if (control === "variants") return <Place at={base + pointer}><VariantsField {...props} field={ConfigField} /></Place>;
  if (control === "constant" && !required) return null;
  return (
    <Place at={base + pointer}>
      <div className={css.withFx}>
        <ScalarField {...props} schema={exampled(schema)} value={control === "choice" || control === "boolean" ? (value ?? (schema["default"] as Json | undefined)) : value} control={control} disabled={form.disabled} />
        {bare ? null : <Fx label={label} onToggle={() => onChange("${{  }}")} />}
      </div>
    </Place>
  );
}

/** A map whose names follow a pattern has values of that pattern's schema. */
function mapOf(schema: Schema): Schema {
  const patterns = schema["patternProperties"];
  const first = typeof patterns === "object" && patterns !== null ? Object.values(patterns)[0] : undefined;
  return first === undefined || typeof schema["additionalProperties"] === "object" ? schema : { ...schema, additionalProperties: first };
}

/** The default, where an example would stand in an empty field. */
const exampled = (schema: Schema): Schema => (schema["default"] === undefined || schema["default"] === null ? schema : { ...schema, examples: [schema["default"]] });

const Place = ({ at: pointer, children }: { at: string; children: ReactNode }) => <div data-pointer={pointer}>{children}</div>;

function Fx({ on = false, label, onToggle }: { on?: boolean; label: string; onToggle: () => void }) {
  const says = on ? `Give ${label} as a value` : `Give ${label} as an expression`;
  return (
    <Tooltip label={says} openDelay={400}>
      <ActionIcon className={css.fx ?? ""} size="sm" variant={on ? "light" : "subtle"} color={on ? "grape" : "gray"} aria-label={says} aria-pressed={on} onClick={onToggle}>
        <IconMathFunction size={15} />
      </ActionIcon>
    </Tooltip>
  );
}

function Properties({ schema, value, onChange, pointer, label, description, required, bare }: PartProps) {
  const { root, wrong } = useForm();
  const { base } = useConfig();
  const given = (typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}) as Record<string, Json>;
  const properties = Object.entries((schema["properties"] as Record<string, unknown> | undefined) ?? {});
  if (value === undefined && !bare)
    return <Absent label={label} description={description} pointer={pointer} onAdd={() => onChange(initial(withoutDefaults(schema), root) ?? {})} disabled={false} />;
  const fields = properties.map(([name, part]) => (
    <ConfigField
      key={name}
      schema={part}
      name={name}
      value={given[name]}
      pointer={at(pointer, name)}
      required={requiredOf(schema).includes(name)}
      onChange={(next) => {
        const { [name]: _, ...rest } = given;
        onChange(next === undefined ? rest : name in given ? { ...given, [name]: next } : { ...rest, [name]: next });
      }}
    />
  ));
  if (bare) return <Stack gap="sm">{fields}</Stack>;
  return (
    <Fieldset id={idOf(pointer)} legend={label} radius="md" data-pointer={base + pointer} className={css.fieldset ?? ""}>
      <Stack gap="sm">
        {description ? <Text size="xs" c="dimmed">{description}</Text> : null}
        {fields}
        {wrong(pointer) ? <Text size="sm" c="var(--mantine-color-error)">{wrong(pointer)}</Text> : null}
        {required ? null : (
          <Group>
            <Button size="compact-xs" variant="subtle" color="gray" leftSection={<IconX size={13} />} onClick={() => onChange(undefined)}>
              Leave out {label}
            </Button>
          </Group>
        )}
      </Stack>
    </Fieldset>
  );
}

/** So that a part that is added holds only what must be there: defaults need not be written. */
function withoutDefaults(schema: Schema): Schema {
  const required = requiredOf(schema);
  const properties = Object.entries((schema["properties"] as Record<string, unknown> | undefined) ?? {}).filter(([name]) => required.includes(name));
  const { default: _, ...rest } = schema;
  return { ...rest, properties: Object.fromEntries(properties) };
}
