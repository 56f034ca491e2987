// What a run asks of people, answered where it is seen. A question is answered once: who was faster is told to the other.

import { Button, Group, Textarea } from "@mantine/core";
import { IconHelpHexagon } from "@tabler/icons-react";
import { lazy, Suspense, useId, useState } from "react";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { type Fields, placeId } from "../model/events.ts";
import type { StepView } from "../model/view.ts";
import { check, initial, tidy, type Value } from "../form/schema.ts";
import { dateTime, duration } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { useAct } from "./Actions.tsx";
import { useNow } from "./hooks.ts";
import css from "./Questions.module.css";
import type { RunStore } from "./store.ts";

const Markdown = lazy(() => import("./Markdown.tsx"));
const SchemaForm = lazy(async () => ({ default: (await import("../form/SchemaForm.tsx")).SchemaForm }));

export function Questions({ store }: { store: RunStore }) {
  const open = store.view.questions();
  if (open.length === 0 || store.view.ending !== null) return null;
  return (
    <>
      {open.map((step) => (
        <Question key={`${step.id}:${step.waits.length}`} store={store} step={step} />
      ))}
    </>
  );
}

export function Question({ store, step }: { store: RunStore; step: StepView }) {
  const ask = step.ask ?? {};
  const title = useId();
  const act = useAct();
  const [comment, setComment] = useState("");
  const [fields, setFields] = useState<Value>(() => (ask["fields"] ? initial(ask["fields"], ask["fields"]) : undefined));
  const [tried, setTried] = useState(false);
  const [chosen, setChosen] = useState<string | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const now = useNow(store, step.until !== null);
  const choices: string[] = Array.isArray(ask["choices"]) ? ask["choices"] : ["approve", "reject"];
  const rule: string = ask["comment"] ?? "optional";
  const needs = (choice: string) => rule === "required" || (rule === "on_reject" && choice === "reject");
  const needsFields = (choice: string) => choice !== "reject";
  const mistakes = (error?.errors ?? []).map((one) => ({ pointer: one.pointer.replace(/^\/fields/, ""), message: one.message }));
  const missing = chosen !== null && needs(chosen) && comment.trim() === "";
  const decide = (decision: string) => {
    setChosen(decision);
    if (needs(decision) && comment.trim() === "") {
      announce("Say why first");
      document.getElementById(`${title}-comment`)?.focus();
      return;
    }
    setTried(true);
    const given = tidy(fields) ?? {};
    const wrong = ask["fields"] && needsFields(decision) ? check(ask["fields"], given, ask["fields"]) : [];
    if (wrong.length > 0) {
      announce(wrong[0]!.message);
      void import("../form/SchemaForm.tsx").then(({ focusOn }) => focusOn(wrong[0]!.pointer));
      return;
    }
    setError(null);
    void act.go("Answer", async () => {
      try {
        const body = { decision, comment: comment.trim() || null, fields: ask["fields"] ? (given as Fields) : null };
        await api.post("/approvals/{id}", { path: { id: placeId(store.runId, step.id) }, body, idempotencyKey: true });
        announce(`Answered: ${decision}`);
      } catch (caught) {
        const problem = ApiError.of(caught);
        if (problem.errors.length === 0) throw caught;
        setError(problem);
      }
    });
  };
  return (
    <section className={css.question} aria-labelledby={title} data-question>
      <div className={css.head}>
        <IconHelpHexagon size={20} aria-hidden className={css.icon} />
        <h2 id={title}>{ask["title"] ?? "A person has to decide"}</h2>
        <span className={css.who}>
          {step.id}
          {step.until !== null ? (
            <span title={dateTime(step.until)}>
              {" "}
              · {duration(Math.max(0, step.until - now))} left, then {ask["on_timeout"] ?? "fail"}
            </span>
          ) : null}
        </span>
      </div>
      {ask["message"] ? (
        <div className={css.message}>
          <Suspense fallback={<p>{ask["message"]}</p>}>
            <Markdown text={String(ask["message"])} />
          </Suspense>
        </div>
      ) : null}
      {ask["fields"] ? (
        <Suspense>
          <SchemaForm schema={ask["fields"]} value={fields} onChange={setFields} mistakes={mistakes} showAll={tried} />
        </Suspense>
      ) : null}
      <div className={css.answer}>
        <Textarea
          id={`${title}-comment`}
          className={css.comment ?? ""}
          label={rule === "required" ? "Why" : rule === "on_reject" ? "Why (needed to reject)" : "Comment (optional)"}
          withAsterisk={rule === "required"}
          value={comment}
          onChange={(event) => setComment(event.currentTarget.value)}
          error={missing ? "Say why, for those who read it later" : null}
          maxLength={10_000}
          autosize
          minRows={1}
          maxRows={6}
        />
        <Group gap="xs">
          {choices.map((choice, n) => (
            <Button
              key={choice}
              variant={n === 0 ? "filled" : "default"}
              loading={act.busy && chosen === choice}
              disabled={act.busy && chosen !== choice}
              onClick={() => decide(choice)}
            >
              {choice.charAt(0).toUpperCase() + choice.slice(1)}
            </Button>
          ))}
        </Group>
      </div>
      {error !== null ? <Problem error={error} title="This answer does not fit" /> : null}
    </section>
  );
}
