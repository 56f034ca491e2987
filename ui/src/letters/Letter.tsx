// One dead letter: what went wrong and what to do, the input it failed on to be changed, and how often it was tried.

import { Anchor, Button, Code, Group, Table, Text } from "@mantine/core";
import { IconAlertTriangle, IconArrowRight, IconChecks, IconRefresh } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useRef, useState } from "react";
import { Link } from "react-router";
import { api } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import type { DeadLetter } from "../api/schema.d.ts";
import { useSendKey } from "../inbox/sendKey.ts";
import { Card } from "../parts/Card.tsx";
import { ago, dateTime, duration, instant, plural, shortId } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";
import { Status } from "../parts/Status.tsx";
import { useWhole } from "../run/values.ts";
import { Waiting } from "../run/Waiting.tsx";
import { announce } from "../shell/announce.tsx";
import { toastDone } from "../shell/toast.tsx";
import { todoOf } from "./advice.ts";
import { parse } from "./json.ts";
import css from "./Letters.module.css";
import { failingSeqQuery } from "./queries.ts";

const JsonEditor = lazy(() => import("./JsonEditor.tsx"));

interface LetterProps {
  letter: DeadLetter;
  now: number;
  /** The run that goes on with it, where it was sent again. */
  sent: string | undefined;
  onSent: (run: string) => void;
}

export function Letter({ letter, now, sent, onSent }: LetterProps) {
  const seq = useQuery(failingSeqQuery(letter.run_id, letter.step));
  const step = letter.step === null ? "" : `step=${encodeURIComponent(letter.step)}`;
  const place = [step, seq.data ? `seq=${seq.data}` : ""].filter(Boolean).join("&");
  return (
    <>
      <Card>
        <div className={css.head}>
          <h2>
            {letter.workflow} <span className={css.step}>{letter.step ?? "the run itself"}</span>
          </h2>
          <Status of={letter.status} variant="badge" />
        </div>
        <div className={css.meta}>
          <span title={dateTime(letter.failed_at)}>{ago(letter.failed_at, now)}</span>
          <span>version {letter.version}</span>
          <span>{shortId(letter.run_id)}</span>
          <Anchor component={Link} to={`/runs/${letter.run_id}${place ? `?${place}` : ""}`} size="sm">
            {seq.data ? `See event ${seq.data} of its run` : "See its run"} <IconArrowRight size={13} aria-hidden />
          </Anchor>
        </div>
        <What letter={letter} />
      </Card>
      {sent ? (
        <div className={css.done} role="status">
          <IconChecks size={18} aria-hidden />
          <Text size="sm">
            Sent again.{" "}
            <Anchor component={Link} to={`/runs/${sent}`} size="sm" underline="always">
              {sent === letter.run_id ? "See the run go on" : `See the new run ${shortId(sent)}`}
            </Anchor>
          </Text>
        </div>
      ) : null}
      <Redrive letter={letter} onSent={onSent} />
      {letter.attempts.length > 0 ? <Tries letter={letter} /> : null}
    </>
  );
}

function What({ letter }: { letter: DeadLetter }) {
  const todo = todoOf(letter.error, letter.step !== null);
  const code = letter.error["code"];
  return (
    <div className={css.what}>
      <IconAlertTriangle size={18} aria-hidden />
      <div>
        <p className={css.message}>{String(letter.error["message"] ?? "It failed without a word.")}</p>
        <Text size="sm">
          {todo.text}{" "}
          {todo.link ? (
            <Anchor component={Link} to={todo.link.to} size="sm" underline="always">
              {todo.link.label}
            </Anchor>
          ) : null}
        </Text>
        {typeof code === "string" ? <Code mt={6}>{code}</Code> : null}
      </div>
    </div>
  );
}

function Redrive({ letter, onSent }: { letter: DeadLetter; onSent: (run: string) => void }) {
  const { value, error } = useWhole(letter.input, letter.run_id);
  return (
    <Card title={letter.step === null ? "The inputs of the run" : "The input it failed on"}>
      {error ? <Problem error={error} title="The input could not be fetched" /> : null}
      {value === undefined && !error ? <Waiting /> : null}
      {value === undefined ? null : <Editor letter={letter} value={value} onSent={onSent} />}
    </Card>
  );
}

function Editor({ letter, value, onSent }: { letter: DeadLetter; value: unknown; onSent: (run: string) => void }) {
  const before = JSON.stringify(value, null, 2) ?? "null";
  const [text, setText] = useState(before);
  const queries = useQueryClient();
  const parsed = parse(text);
  const changed = parsed.wrong === null && JSON.stringify(parsed.value) !== JSON.stringify(value);
  const redrive = useMutation({
    mutationFn: () =>
      api.post("/dead-letters/{id}/redrive", { path: { id: letter.id }, body: changed ? { input: parsed.value } : {}, idempotencyKey: true }),
    onSuccess: (run) => {
      onSent(run.run_id);
      toastDone(changed ? "Sent again with the new input" : "Sent again as it was");
      announce("Sent again");
      void queries.invalidateQueries({ queryKey: keys.deadLetters });
      void queries.invalidateQueries({ queryKey: keys.runs });
    },
  });
  const form = useRef<HTMLFormElement>(null);
  useSendKey(form);
  const fixed = letter.step === null;
  return (
    <form
      ref={form}
      data-answer
      className={css.editor}
      onSubmit={(event) => {
        event.preventDefault();
        if (parsed.wrong === null && !redrive.isPending) redrive.mutate();
      }}
    >
      <Suspense fallback={<Waiting />}>
        <JsonEditor label={fixed ? "Inputs" : "Input"} text={text} onChange={setText} error={parsed.wrong} readOnly={fixed} />
      </Suspense>
      <Text size="sm" c="dimmed">
        {letter.status === "paused"
          ? "The run goes on from this step; what was done before is not done again."
          : "A new run goes on from just before the failure; the failed one stays as it is."}
        {fixed ? " It failed for itself, not in a step, so there is no input to change." : ""}
      </Text>
      {redrive.error ? <Problem error={redrive.error} title="It was not sent" /> : null}
      <Group gap="xs">
        <Button type="submit" loading={redrive.isPending} disabled={parsed.wrong !== null} leftSection={<IconRefresh size={16} aria-hidden />}>
          {changed ? "Redrive with this input" : "Redrive as it was"}
        </Button>
        {text === before ? null : (
          <Button variant="default" onClick={() => setText(before)}>
            Undo my changes
          </Button>
        )}
      </Group>
    </form>
  );
}

function Tries({ letter }: { letter: DeadLetter }) {
  return (
    <Card title={plural(letter.attempts.length, "attempt")}>
      <div className={css.tries}>
        <Table fz="sm" verticalSpacing={4}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>No.</Table.Th>
              <Table.Th>How it went</Table.Th>
              <Table.Th>Begun</Table.Th>
              <Table.Th>Took</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {letter.attempts.map((one, n) => (
              <Table.Tr key={n}>
                <Table.Td>{one.attempt}</Table.Td>
                <Table.Td>
                  <Status of={one.outcome ?? "running"} />
                  {one.error ? <div className={css.why}>{String(one.error["message"] ?? "")}</div> : null}
                </Table.Td>
                <Table.Td>{dateTime(one.started_at ?? one.scheduled_at)}</Table.Td>
                <Table.Td>{one.started_at && one.ended_at ? duration((instant(one.ended_at) - instant(one.started_at)) / 1000) : "–"}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Card>
  );
}
