// The conversation of an agent as a chat: what it was told, what it said, which tools it used with what, and what each turn
// cost. While a model answers, its words appear as they come.

import { Collapse, SegmentedControl, UnstyledButton } from "@mantine/core";
import { IconAlertTriangle, IconChevronDown, IconChevronRight, IconRobot, IconTool, IconUser } from "@tabler/icons-react";
import { useQueries } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { type Conversation, conversations, FINAL, type Message } from "../model/chat.ts";
import { isPointer, type Pointer } from "../model/events.ts";
import type { StepView } from "../model/view.ts";
import { bytes, count, duration, usd } from "../parts/format.ts";
import { Empty } from "../parts/Empty.tsx";
import { JsonTree } from "./JsonTree.tsx";
import { Decisions, Routes } from "./Reasons.tsx";
import { type RunStore, type Speech, useVersion } from "./store.ts";
import css from "./Talk.module.css";
import { MOST, wholeOf } from "./values.ts";

const Markdown = lazy(() => import("./Markdown.tsx"));

export default function Talk({ store, step }: { store: RunStore; step: StepView }) {
  useVersion(store);
  const talks = conversations(step, useFetched(step, store.runId));
  const speech = store.speech.get(step.id) ?? null;
  const [task, setTask] = useState<string | null>(null);
  const names = talks.map((talk) => talk.task);
  if (speech !== null && !names.includes(speech.task)) talks.push({ task: speech.task, agent: null, messages: [] });
  const shown = talks.find((talk) => talk.task === task) ?? (speech !== null ? talks.find((talk) => talk.task === speech.task) : undefined) ?? talks[0];
  if (shown === undefined) return <Empty compact title="No model was asked yet" />;
  return (
    <div className={css.talk}>
      {talks.length > 1 ? (
        <div className={css.tasks}>
          <SegmentedControl
            size="xs"
            aria-label="Task"
            value={shown.task ?? ""}
            onChange={(to) => setTask(to || null)}
            data={talks.map((talk) => ({ value: talk.task ?? "", label: talk.agent ? `${talk.task} · ${talk.agent}` : (talk.task ?? "The step itself") }))}
          />
        </div>
      ) : null}
      <One talk={shown} store={store} speech={speech !== null && speech.task === shown.task ? speech : null} />
    </div>
  );
}

function One({ talk, store, speech }: { talk: Conversation; store: RunStore; speech: Speech | null }) {
  return (
    <ol className={css.messages}>
      {talk.messages.map((message, n) => (
        <li key={n}>
          <Bubble message={message} store={store} agent={talk.agent} />
        </li>
      ))}
      {speech === null ? null : (
        <li>
          <Live speech={speech} agent={talk.agent} />
        </li>
      )}
    </ol>
  );
}

/** What is being said right now; kept in sight as long as its end was in sight. */
function Live({ speech, agent }: { speech: Speech; agent: string | null }) {
  const end = useRef<HTMLDivElement>(null);
  const text = speech.text;
  useEffect(() => {
    const box = end.current?.closest("[role=tabpanel]");
    if (box && box.scrollHeight - box.scrollTop - box.clientHeight < 160) box.scrollTop = box.scrollHeight;
  }, [text]);
  return (
    <Frame icon={<IconRobot size={16} />} who={agent ?? "Model"} what={`turn ${speech.turn}, answering now`} kind="assistant">
      <div ref={end} className={css.live} data-testid="live-words">
        {text}
        <span className={css.cursor} aria-hidden />
      </div>
    </Frame>
  );
}

function Bubble({ message, store, agent }: { message: Message; store: RunStore; agent: string | null }) {
  switch (message.role) {
    case "system":
      return (
        <Frame icon={<IconUser size={16} />} who="System" kind="system">
          <Text text={message.text} />
        </Frame>
      );
    case "user":
      return (
        <Frame icon={<IconUser size={16} />} who="Asked" kind="user">
          <Text text={message.text} />
        </Frame>
      );
    case "repair":
      return (
        <div className={css.repair}>
          <IconAlertTriangle size={15} aria-hidden /> The answer did not fit what was asked for: the model was told so and answered again.
        </div>
      );
    case "pointer":
      return <div className={css.repair}>An answer of {bytes(message.size)}, too large to be fetched by itself.</div>;
    case "assistant": {
      const { used } = message;
      const facts = [
        used ? `${count(used.input)} + ${count(used.output)} tokens` : "",
        used && used.cached > 0 ? `${count(used.cached)} from the cache` : "",
        message.scripted ? "a script: no model was asked" : message.usd === null ? "cost unknown" : usd(message.usd),
        duration(message.call.kept.at - message.call.kept.start),
      ];
      const answer = message.calls.find((call) => call["name"] === FINAL);
      const others = message.calls.filter((call) => call["name"] !== FINAL);
      return (
        <Frame icon={<IconRobot size={16} />} who={agent ?? "Model"} what={`turn ${message.turn} · ${message.model}`} facts={facts} kind="assistant">
          {message.thoughts ? (
            <Fold label="Its thoughts">
              <Text text={message.thoughts} />
            </Fold>
          ) : null}
          {message.text.trim() ? <Text text={message.text} /> : null}
          {answer !== undefined ? (
            <div>
              <p className={css.label}>Its answer</p>
              <JsonTree value={answer["arguments"] ?? answer["written"]} runId={store.runId} label="The answer" />
            </div>
          ) : null}
          {others.length > 0 ? <p className={css.uses}>uses {others.map((call) => call["name"]).join(", ")}</p> : null}
          {message.finish === "length" ? <p className={css.repair}>It was cut off: `max_tokens` was reached.</p> : null}
          {message.finish === "content_filter" ? <p className={css.repair}>The provider's filter stopped it.</p> : null}
          <Decisions of={message.said.filter((one) => one.kind === "policy.decided")} />
        </Frame>
      );
    }
    case "tool":
      return (
        <Frame
          icon={<IconTool size={16} />}
          who={message.name}
          what={message.failed ? "failed" : ""}
          facts={[duration(message.call.kept.at - message.call.kept.start), message.call.kept.repeated ? "may have been called before" : ""]}
          kind={message.failed ? "failed" : "tool"}
        >
          <Fold label="Arguments" open>
            <JsonTree value={message.arguments} runId={store.runId} label={`Arguments of ${message.name}`} />
          </Fold>
          <Fold label="Result" open={String(message.text ?? "").length < 2_000}>
            <ToolResult text={message.text} runId={store.runId} name={message.name} />
          </Fold>
          <Routes of={message.said.filter((one) => one.kind === "route.chosen")} />
          <Decisions of={message.said.filter((one) => one.kind === "policy.decided")} />
        </Frame>
      );
  }
}

function ToolResult({ text, runId, name }: { text: any; runId: string; name: string }) {
  const parsed = useMemo(() => (typeof text === "string" && /^\s*[[{]/.test(text) ? tryJson(text) : typeof text === "string" ? undefined : text), [text]);
  return parsed === undefined ? <Text text={String(text)} /> : <JsonTree value={parsed} runId={runId} label={`Result of ${name}`} />;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function Text({ text }: { text: string }) {
  return (
    <Suspense fallback={<div className={css.plain}>{text}</div>}>
      <Markdown text={text} />
    </Suspense>
  );
}

interface FrameProps {
  icon: ReactNode;
  who: string;
  what?: string;
  facts?: string[];
  kind: "system" | "user" | "assistant" | "tool" | "failed";
  children: ReactNode;
}

function Frame({ icon, who, what, facts = [], kind, children }: FrameProps) {
  const told = facts.filter(Boolean);
  return (
    <article className={css.message} data-kind={kind}>
      <header>
        <span className={css.icon} aria-hidden>
          {icon}
        </span>
        <b>{who}</b>
        {what ? <span className={css.what}>{what}</span> : null}
        {told.length > 0 ? <span className={css.facts}>{told.join(" · ")}</span> : null}
      </header>
      <div className={css.content}>{children}</div>
    </article>
  );
}

function Fold({ label, open = false, children }: { label: string; open?: boolean; children: ReactNode }) {
  const [shown, setShown] = useState(open);
  return (
    <div>
      <UnstyledButton className={css.label} onClick={() => setShown(!shown)} aria-expanded={shown}>
        {shown ? <IconChevronDown size={13} aria-hidden /> : <IconChevronRight size={13} aria-hidden />} {label}
      </UnstyledButton>
      <Collapse expanded={shown} transitionDuration={0}>
        {shown ? children : null}
      </Collapse>
    </div>
  );
}

/** The kept values of a step that stand elsewhere, as they arrive. */
function useFetched(step: StepView, runId: string): (digest: string) => any {
  const pointers = step.kept.map((kept) => kept.value).filter((value): value is Pointer => isPointer(value) && value.size <= MOST);
  const queries = useQueries({
    queries: pointers.map((pointer) => ({
      queryKey: ["content", pointer.$spilled],
      queryFn: ({ signal }: { signal: AbortSignal }) => wholeOf(pointer, runId, signal),
      staleTime: Number.POSITIVE_INFINITY,
    })),
  });
  const here = queries.filter((query) => query.data !== undefined).length;
  return useMemo(() => {
    const values = new Map(pointers.map((pointer, n) => [pointer.$spilled, queries[n]?.data]));
    return (digest: string) => values.get(digest);
    // oxlint-disable-next-line react/exhaustive-deps -- changes only when more values are here
  }, [here, pointers.length]);
}

