// Start a run: inputs, how it is to run, what stands in its way and what it will cost, before anything is spent.

import { Button, Group, Skeleton, Stack, Text } from "@mantine/core";
import { IconPlayerPlayFilled } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useMemo, useRef, useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { api, newKey } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { inputSchemaQuery, keys, runQuery, type RunMode, secretsQuery, workflowQuery } from "../api/queries.ts";
import { Card } from "../parts/Card.tsx";
import { shortId } from "../parts/format.ts";
import { Page } from "../parts/Page.tsx";
import { Places, Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { MOD } from "../shell/shortcuts.ts";
import { useTitle } from "../shell/title.ts";
import { Commands } from "./Commands.tsx";
import { bodyOf, type Wanted } from "./commands.ts";
import { Estimate } from "./Estimate.tsx";
import { Limits } from "./Limits.tsx";
import { ModePicker, MODES } from "./ModePicker.tsx";
import { Preflight } from "./Preflight.tsx";
import css from "./RunFormPage.module.css";
import { focusOn, SchemaForm } from "./SchemaForm.tsx";
import { check, initial, type Json, labelOf, type Mistake, resolve, type Schema, tidy, type Value } from "./schema.ts";

const INPUTS = "/inputs";

export function Component() {
  const { slug = "" } = useParams();
  const [search] = useSearchParams();
  const version = Number(search.get("version")) || undefined;
  const from = search.get("from");
  const workflow = useQuery(workflowQuery(slug));
  const schema = useQuery(inputSchemaQuery(slug, version));
  const source = useQuery({ ...runQuery(from ?? ""), enabled: from !== null });
  const title = String(workflow.data?.document["title"] || slug);
  useTitle(workflow.data ? `Run ${title}` : null);
  const error = workflow.error ?? schema.error;
  const ready = workflow.data && schema.data && (from === null || source.data || source.error);
  return (
    <Page
      back={{ to: "/", label: "Catalog" }}
      title={title}
      about={
        <>
          {String(workflow.data?.document["description"] ?? "")}
          {from ? ` The inputs are those of run ${shortId(from)}.` : ""}
        </>
      }
    >
      {error ? <Problem error={error} title="This workflow could not be read" retry={() => void workflow.refetch()} /> : null}
      {source.error ? <Problem error={source.error} title="The inputs of that run could not be read" /> : null}
      {ready && !error ? (
        <Starter
          key={`${slug}/${version}/${from}`}
          slug={slug}
          version={version}
          schema={schema.data as Schema}
          document={workflow.data.document}
          given={(source.data?.inputs ?? undefined) as Value}
          mode={source.data?.mode}
        />
      ) : null}
      {!ready && !error ? <Skeleton height={320} radius="md" /> : null}
    </Page>
  );
}

interface StarterProps {
  slug: string;
  version: number | undefined;
  schema: Schema;
  document: Record<string, unknown>;
  given: Value;
  mode: RunMode | undefined;
}

function Starter({ slug, version, schema, document: workflow, given, mode: before }: StarterProps) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [value, setValue] = useState<Value>(() => given ?? initial(schema, schema) ?? {});
  const [mode, setMode] = useState<RunMode>(before ?? "test_run");
  const [limits, setLimits] = useState<Record<string, Json>>({});
  const [tried, setTried] = useState(false);
  const [mistakes, setMistakes] = useState<Mistake[]>([]);
  const { data: secrets } = useQuery(secretsQuery());
  const wanted = useMemo<Wanted>(
    () => ({ workflow: slug, version, inputs: (tidy(value) ?? {}) as Record<string, Json>, mode, limits }),
    [slug, version, value, mode, limits],
  );
  const body = JSON.stringify(bodyOf(wanted));
  const key = useMemo(() => newKeyFor(body), [body]);
  const start = useMutation({
    mutationFn: () => api.post("/runs", { body: bodyOf(wanted), idempotencyKey: key }),
    onSuccess: (run) => {
      void client.invalidateQueries({ queryKey: keys.runs });
      void client.invalidateQueries({ queryKey: keys.workflows });
      void navigate(`/runs/${run.run_id}`);
    },
    onError: (error) => setMistakes(placed(ApiError.of(error), schema)),
  });
  useEffect(() => {
    if (mistakes[0] && !start.isPending) focusOn(mistakes[0].pointer); // when the fields are enabled again
  }, [mistakes, start.isPending]);
  const form = useRef<HTMLFormElement>(null);
  const empty = Object.keys((schema["properties"] as object | undefined) ?? {}).length === 0;

  function submit(event?: FormEvent) {
    event?.preventDefault();
    if (start.isPending) return;
    setTried(true);
    setMistakes([]);
    const found = check(schema, tidy(value), schema);
    if (found[0]) {
      announce(`${found.length} ${found.length === 1 ? "field is" : "fields are"} not right yet`);
      focusOn(found[0].pointer);
      return;
    }
    start.mutate();
  }

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.current?.requestSubmit();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  const elsewhere = start.error ? ApiError.of(start.error).errors.filter((one) => !one.pointer.startsWith(INPUTS)) : [];
  return (
    <form ref={form} onSubmit={submit} noValidate className={css.columns} aria-label={`Run ${slug}`}>
      <Stack gap="md" miw={0}>
        <Card title="Inputs">
          {empty ? (
            <Text c="dimmed">This workflow needs no inputs.</Text>
          ) : (
            <SchemaForm
              schema={schema}
              value={value}
              onChange={(next) => {
                setValue(next);
                setMistakes([]);
              }}
              mistakes={mistakes}
              showAll={tried}
              disabled={start.isPending}
              secrets={secrets?.names ?? []}
            />
          )}
        </Card>
        <Card title="How to run it">
          <Stack gap="md">
            <ModePicker value={mode} onChange={setMode} />
            <Limits value={limits} onChange={setLimits} document={workflow} />
          </Stack>
        </Card>
      </Stack>
      <Stack gap="md" miw={0} className={css.side}>
        <Card>
          <Stack gap="sm">
            {start.error && (mistakes.length === 0 || elsewhere.length > 0) ? (
              <Problem error={start.error} title="The run did not start" />
            ) : null}
            {mistakes.length > 0 && start.error ? (
              <div role="alert">
                <Text size="sm" fw={600} c="var(--mantine-color-error)">
                  Some inputs are not right
                </Text>
                <Places errors={mistakes} />
              </div>
            ) : null}
            <Button type="submit" size="md" leftSection={<IconPlayerPlayFilled size={16} />} loading={start.isPending} fullWidth>
              {MODES[mode].verb}
            </Button>
            <Group justify="center" gap={6}>
              <Text size="xs" c="dimmed">
                or {MOD}+Enter
              </Text>
            </Group>
          </Stack>
        </Card>
        <Preflight slug={slug} />
        <Estimate slug={slug} mode={mode} document={workflow} limits={limits} />
        <Commands wanted={wanted} idempotencyKey={key} />
      </Stack>
    </form>
  );
}

/** One key for one body: the same form sent twice is one run, a changed one another. */
const newKeyFor = (_body: string): string => newKey();

/** The server's places, as places in the inputs; its messages without the name that stands beside the field already. */
function placed(error: ApiError, schema: Schema): Mistake[] {
  return error.errors
    .filter((one) => one.pointer === INPUTS || one.pointer.startsWith(`${INPUTS}/`))
    .map((one) => {
      const pointer = one.pointer.slice(INPUTS.length);
      const dotted = pointer.slice(1).replaceAll("/", ".");
      const message = one.message.startsWith(dotted) && dotted ? one.message.slice(dotted.length).replace(/^:?\s*(it )?/, "") : one.message;
      const known = pointer.split("/")[1] ?? "";
      const field = (resolve(schema, schema)["properties"] as Record<string, Schema> | undefined)?.[known];
      return { pointer, message: field || !known ? message : `${labelOf(known, {})}: ${message}` };
    });
}
