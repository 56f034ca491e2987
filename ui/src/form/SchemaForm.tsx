// A form out of a JSON Schema. The value belongs to whoever shows the form; what is not given is absent from it. Mistakes show at
// their field once somebody has left it, or all at once when `showAll` says that sending was tried.

import { Stack } from "@mantine/core";
import { useCallback, useMemo, useState } from "react";
import { Field } from "./Field.tsx";
import { Form, type FormContext, idOf } from "./context.ts";
import { check, type Mistake, resolve, type Schema, tidy, type Value } from "./schema.ts";

export interface SchemaFormProps {
  schema: Schema;
  value: Value;
  onChange: (value: Value) => void;
  /** What references lead into; the schema itself by default. */
  root?: Schema;
  /** What the server found wrong, by pointers into the value. */
  mistakes?: readonly Mistake[];
  showAll?: boolean;
  disabled?: boolean;
  secrets?: readonly string[];
}

export function SchemaForm({
  schema,
  value,
  onChange,
  root = schema,
  mistakes = [],
  showAll = false,
  disabled = false,
  secrets = [],
}: SchemaFormProps) {
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const touch = useCallback((pointer: string) => {
    setTouched((before) => (before.has(pointer) ? before : new Set([...before, pointer])));
  }, []);
  const context = useMemo<FormContext>(() => {
    const found = new Map<string, string>();
    for (const one of check(schema, tidy(value), root))
      if (showAll || touched.has(one.pointer)) if (!found.has(one.pointer)) found.set(one.pointer, one.message);
    for (const one of mistakes) found.set(one.pointer, one.message);
    return {
      root,
      secrets,
      disabled,
      touch,
      wrong: (pointer) => found.get(pointer),
      wrongWithin: (pointer) => [...found.keys()].some((key) => key === pointer || key.startsWith(`${pointer}/`)),
    };
  }, [schema, value, root, mistakes, showAll, disabled, secrets, touch, touched]);
  return (
    <Form value={context}>
      <Stack gap="md">
        <Field schema={resolve(schema, root)} value={value} onChange={onChange} pointer="" name="" required bare />
      </Stack>
    </Form>
  );
}

/** Move the focus to the control at a place, or to what stands round it. */
export function focusOn(pointer: string): boolean {
  for (let place = pointer; ; place = place.slice(0, place.lastIndexOf("/"))) {
    const element = document.getElementById(idOf(place));
    const control = element?.matches("input,textarea,select,button") ? element : element?.querySelector<HTMLElement>("input,textarea,select,button");
    if (control) {
      control.focus();
      control.scrollIntoView({ block: "center" });
      return true;
    }
    if (!place) return false;
  }
}
