// One call of a tool, outside of any run: a form from its schema, and what came back as a table, text or JSON.

import { Button, Group, SegmentedControl, Stack, Table, Text } from "@mantine/core";
import { IconPlayerPlayFilled } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { keys } from "../api/queries.ts";
import type { ServerDetail, Tool } from "../api/schema.d.ts";
import { focusOn, SchemaForm } from "../form/SchemaForm.tsx";
import { check, initial, type Json, type Mistake, type Schema, tidy, type Value } from "../form/schema.ts";
import { duration } from "../parts/format.ts";
import { useSendKey } from "../inbox/sendKey.ts";
import { Problem } from "../parts/Problem.tsx";
import { JsonTree } from "../run/JsonTree.tsx";
import { Scrolling } from "../run/Scrolling.tsx";
import { announce } from "../shell/announce.tsx";
import css from "./Servers.module.css";
import { type Grid, gridOf, textOf } from "./words.ts";

export default function TryTool({ server, tool }: { server: ServerDetail; tool: Tool }) {
  const schema = tool.input_schema as Schema;
  const queries = useQueryClient();
  const [value, setValue] = useState<Value>(() => initial(schema, schema) ?? {});
  const [tried, setTried] = useState(false);
  const call = useMutation({
    mutationFn: () =>
      api.post("/servers/{name}/tools/{tool}", {
        path: { name: server.name, tool: tool.name },
        body: { arguments: (tidy(value) ?? {}) as Record<string, Json> } as never,
      }),
    onSuccess: (found) => announce(found.ok ? "It answered" : "It failed"),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.servers }),
  });
  const empty = Object.keys((schema["properties"] as object | undefined) ?? {}).length === 0;
  const error = call.data && !call.data.ok ? call.data.error : null;
  const mistakes: Mistake[] = Array.isArray(error?.["problems"])
    ? (error["problems"] as { pointer?: string; message?: string }[]).map((one) => ({ pointer: String(one.pointer ?? "").replace(/^\/arguments/, ""), message: String(one.message ?? "") }))
    : [];
  const form = useRef<HTMLFormElement>(null);
  useSendKey(form);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    const wrong = check(schema, tidy(value) ?? {}, schema);
    if (wrong[0]) {
      announce(wrong[0].message);
      focusOn(wrong[0].pointer);
    } else if (!call.isPending) call.mutate();
  };
  return (
    <Stack gap="sm">
      <form
        ref={form}
        noValidate
        onSubmit={submit}
        aria-label={`Try ${tool.name}`}
      >
        <Stack gap="sm">
          {empty ? <Text c="dimmed">It needs nothing.</Text> : <SchemaForm schema={schema} value={value} onChange={setValue} showAll={tried} mistakes={mistakes} disabled={call.isPending} />}
          <Group>
            <Button type="submit" loading={call.isPending} disabled={!server.enabled} leftSection={<IconPlayerPlayFilled size={14} aria-hidden />}>
              Call it
            </Button>
            {tool.reads_only ? null : (
              <Text size="sm" c="dimmed">
                This is a real call: what it changes stays changed.
              </Text>
            )}
          </Group>
        </Stack>
      </form>
      {call.error ? <Problem error={call.error} title="It was not called" /> : null}
      {error ? <Problem error={failure(error)} title={`It failed after ${duration((call.data?.milliseconds ?? 0) / 1000)}`} /> : null}
      {call.data?.ok ? <Result result={call.data.result} milliseconds={call.data.milliseconds} /> : null}
    </Stack>
  );
}

const failure = (error: { [key: string]: unknown }) =>
  new ApiError({ code: String(error["code"] ?? "tool.failed"), status: 422, detail: String(error["message"] ?? "It failed without a word."), retryable: error["retryable"] === true });

type Form = "table" | "text" | "json";

function Result({ result, milliseconds }: { result: unknown; milliseconds: number }) {
  const grid = gridOf(result);
  const text = textOf(result);
  const [wanted, setWanted] = useState<Form | null>(null);
  const forms: Form[] = [...(grid ? (["table"] as const) : []), ...(text !== null ? (["text"] as const) : []), "json"];
  const form = wanted !== null && forms.includes(wanted) ? wanted : forms[0]!;
  return (
    <div role="group" aria-label="Result" className={css.result}>
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          Answered in {duration(milliseconds / 1000)}
        </Text>
        {forms.length > 1 ? (
          <SegmentedControl
            size="xs"
            aria-label="How the result is shown"
            value={form}
            onChange={(next) => setWanted(next as Form)}
            data={forms.map((one) => ({ value: one, label: LABELS[one] }))}
          />
        ) : null}
      </Group>
      {form === "table" && grid ? <Rows grid={grid} /> : null}
      {form === "text" && text !== null ? (
        <Scrolling className={css.text} label="Result as text">
          {text || "(an empty text)"}
        </Scrolling>
      ) : null}
      {form === "json" ? <JsonTree value={result} runId="" label="Result as JSON" /> : null}
    </div>
  );
}

const LABELS: Record<Form, string> = { table: "Table", text: "Text", json: "JSON" };

function Rows({ grid }: { grid: Grid }) {
  return (
    <Scrolling className={css.grid} label={grid.name ? `Result: ${grid.name}` : "Result as a table"}>
      <Table fz="xs" verticalSpacing={3} stickyHeader>
        <Table.Thead>
          <Table.Tr>
            {grid.columns.map((one) => (
              <Table.Th key={one}>{one}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {grid.rows.map((row, n) => (
            <Table.Tr key={n}>
              {grid.columns.map((one) => (
                <Table.Td key={one}>{cell(row[one])}</Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Scrolling>
  );
}

const cell = (value: Json | undefined): string => (value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
