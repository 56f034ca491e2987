// One question with its form: what one should know, the fields, why, and a button for each choice.

import { Anchor, Button, Group, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useId, useRef, useState } from "react";
import { Link } from "react-router";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { keys } from "../api/queries.ts";
import type { Approval } from "../api/schema.d.ts";
import { focusOn, SchemaForm } from "../form/SchemaForm.tsx";
import { initial, type Json, type Mistake, tidy, type Value } from "../form/schema.ts";
import { ago, dateTime, duration, instant, shortId } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";
import { Scrolling } from "../run/Scrolling.tsx";
import { announce } from "../shell/announce.tsx";
import css from "./Inbox.module.css";
import { mistakesIn, needsComment, questionOf } from "./questions.ts";
import { useSendKey } from "./sendKey.ts";

const Markdown = lazy(() => import("../run/Markdown.tsx"));

interface AnswerProps {
  item: Approval;
  /** ms since the epoch */
  now: number;
  onAnswered: (decision: string) => void;
}

export function Answer({ item, now, onAnswered }: AnswerProps) {
  const id = useId();
  const question = questionOf(item.ask);
  const queries = useQueryClient();
  const [comment, setComment] = useState("");
  const [fields, setFields] = useState<Value>(() => (question.fields ? (initial(question.fields, question.fields) ?? {}) : undefined));
  const [tried, setTried] = useState<string | null>(null);
  const answer = useMutation({
    mutationFn: (decision: string) =>
      api.post("/approvals/{id}", {
        path: { id: item.id },
        body: { decision, comment: comment.trim() || null, fields: question.fields ? ((tidy(fields) ?? {}) as Record<string, Json>) : null },
        idempotencyKey: true,
      }),
    onSuccess: (_, decision) => {
      onAnswered(decision);
      void queries.invalidateQueries({ queryKey: keys.runs });
    },
    onSettled: () => queries.invalidateQueries({ queryKey: keys.approvals }),
  });
  const error = answer.error ? ApiError.of(answer.error) : null;
  const mistakes: Mistake[] = (error?.errors ?? []).map((one) => ({ pointer: one.pointer.replace(/^\/fields/, ""), message: one.message }));
  const first = mistakes[0]?.pointer;
  useEffect(() => {
    if (first) focusOn(first);
  }, [first]);
  const missing = tried !== null && needsComment(question, tried) && comment.trim() === "";
  const decide = (choice: string) => {
    if (answer.isPending) return;
    setTried(choice);
    const wrong = mistakesIn(question, choice, fields);
    if (wrong[0]) {
      announce(wrong[0].message);
      focusOn(wrong[0].pointer);
    } else if (needsComment(question, choice) && comment.trim() === "") {
      announce("Say why first");
      document.getElementById(`${id}-comment`)?.focus();
    } else answer.mutate(choice);
  };
  const form = useRef<HTMLFormElement>(null);
  useSendKey(form, () => decide(question.choices[0]!));
  const left = item.until === null ? null : (instant(item.until) - now) / 1000;
  return (
    <section className={css.answer} aria-labelledby={id}>
      <div>
        <h2 id={id}>{question.title}</h2>
        <div className={css.meta}>
          <span>
            asked {ago(item.asked_at, now)} by{" "}
            <Anchor component={Link} to={`/runs/${item.run_id}`} size="sm" underline="always" title={item.run_id}>
              {item.workflow} {shortId(item.run_id)}
            </Anchor>
          </span>
          <span>
            at step{" "}
            <Anchor component={Link} to={`/runs/${item.run_id}?step=${encodeURIComponent(item.step)}`} size="sm" underline="always">
              {item.step}
            </Anchor>
          </span>
          {left === null ? (
            <span>waits as long as it takes</span>
          ) : (
            <span className={css.left} title={dateTime(item.until)}>
              {left > 0 ? `${duration(Math.round(left))} left, then ` : "out of time: "}
              {question.onTimeout === "fail" ? "the step fails" : `the answer is “${question.onTimeout}”`}
            </span>
          )}
        </div>
      </div>
      {question.message ? (
        <Scrolling className={css.message} label="What to know">
          <Suspense fallback={<p>{question.message}</p>}>
            <Markdown text={question.message} />
          </Suspense>
        </Scrolling>
      ) : null}
      <form
        ref={form}
        data-answer
        onSubmit={(event) => event.preventDefault()}
        aria-labelledby={id}
      >
        {question.fields ? (
          <SchemaForm
            schema={question.fields}
            value={fields}
            onChange={(next) => {
              setFields(next);
              if (answer.error) answer.reset();
            }}
            mistakes={mistakes}
            showAll={tried !== null && tried !== "reject"}
            disabled={answer.isPending}
          />
        ) : null}
        <Textarea
          id={`${id}-comment`}
          mt={question.fields ? "md" : 0}
          label={question.comment === "required" ? "Why" : question.comment === "on_reject" ? "Why (needed to reject)" : "Comment (optional)"}
          withAsterisk={question.comment === "required"}
          value={comment}
          onChange={(event) => setComment(event.currentTarget.value)}
          error={missing ? "Say why, for those who read it later" : null}
          maxLength={10_000}
          disabled={answer.isPending}
          autosize
          minRows={2}
          maxRows={8}
        />
        <Group gap="xs" mt="md">
          {question.choices.map((choice, n) => (
            <Button
              key={choice}
              variant={n === 0 ? "filled" : "default"}
              loading={answer.isPending && answer.variables === choice}
              disabled={answer.isPending && answer.variables !== choice}
              onClick={() => decide(choice)}
            >
              {choice.charAt(0).toUpperCase() + choice.slice(1)}
            </Button>
          ))}
        </Group>
      </form>
      {error ? <Problem error={error} title={error.code === "approval.decided" ? "Somebody was faster" : "This answer was not taken"} /> : null}
    </section>
  );
}
