// A node's `with`, drawn from the schema of its kind: what is needed and what is set first, the rest when it is asked for.

import { Button, Stack, Text } from "@mantine/core";
import { IconChevronDown, IconChevronUp } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { secretsQuery } from "../../api/queries.ts";
import { Form, type FormContext } from "../../form/context.ts";
import { at, type Json, requiredOf, type Schema } from "../../form/schema.ts";
import type { Wrong } from "../../api/schema.d.ts";
import { useDocument, useEditor } from "../context.ts";
import { setNode } from "../model/commands.ts";
import { scopeOf } from "../model/completion.ts";
import { isObj, type Obj, pointerOf } from "../model/json.ts";
import type { Kind } from "../model/types.ts";
import { Config, ConfigField } from "./ConfigField.tsx";

const SHOWN = 4; // optional fields that are there from the beginning

export function ConfigForm({ name, node, kind, found }: { name: string; node: Obj; kind: Kind; found: readonly Wrong[] }) {
  const { store, samples } = useEditor();
  const { doc } = useDocument();
  const { data: secrets } = useQuery(secretsQuery());
  const [open, setOpen] = useState(false);
  const config = isObj(node["with"]) ? node["with"] : {};
  const base = pointerOf(["nodes", name]);
  const scope = useMemo(() => scopeOf(doc, samples, name), [doc, samples, name]);
  const context = useMemo(() => ({ scope, base, literal: new Set(kind.literal) }), [scope, base, kind]);
  const form = useMemo<FormContext>(() => {
    const wrong = new Map<string, string>();
    for (const one of found) {
      const pointer = one.pointer.slice(base.length);
      if (pointer && !wrong.has(pointer)) wrong.set(pointer, one.hint ? `${one.message}: ${one.hint}` : one.message);
    }
    return {
      root: kind.config,
      secrets: secrets?.names ?? [],
      disabled: false,
      touch: () => {},
      wrong: (pointer) => wrong.get(pointer),
      wrongWithin: (pointer) => [...wrong.keys()].some((key) => key === pointer || key.startsWith(`${pointer}/`)),
    };
  }, [found, base, kind, secrets]);

  const properties = Object.entries((kind.config["properties"] as Record<string, Schema> | undefined) ?? {});
  const required = requiredOf(kind.config);
  const important = properties.filter(([key], n) => required.includes(key) || key in config || n < SHOWN || form.wrongWithin(at("/with", key)));
  const rest = properties.filter((one) => !important.includes(one));
  const unknown = Object.keys(config).filter((key) => !properties.some(([known]) => known === key));
  const field = ([key, schema]: [string, Schema]) => (
    <ConfigField
      key={key}
      schema={schema}
      name={key}
      value={config[key]}
      pointer={at("/with", key)}
      required={required.includes(key)}
      onChange={(next) =>
        store.apply(`edit ${key} of ${name}`, (before) => setNode(before, name, ["with", key], next as Json | undefined), { key: `${name}/with/${key}` })
      }
    />
  );
  return (
    <Form value={form}>
      <Config value={context}>
        <Stack gap="sm">
          {properties.length === 0 ? <Text size="sm" c="dimmed">This kind has nothing to set.</Text> : null}
          {important.map(field)}
          {unknown.map((key) => field([key, {}]))}
          {rest.length ? (
            <div>
              <Button
                size="compact-sm" variant="subtle" color="gray" aria-expanded={open}
                leftSection={open ? <IconChevronUp size={15} /> : <IconChevronDown size={15} />} onClick={() => setOpen(!open)}
              >
                {open ? "Fewer settings" : `${rest.length} more settings`}
              </Button>
            </div>
          ) : null}
          {open ? rest.map(field) : null}
        </Stack>
      </Config>
    </Form>
  );
}
