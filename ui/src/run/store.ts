// One run on one page: its journal as it comes, folded, and told to whoever draws it at most a few times a second, however
// many events come at once. The fold is the truth; everything else here is about the connection.

import { createContext, useContext, useSyncExternalStore } from "react";
import { ApiError } from "../api/problem.ts";
import { API } from "../api/client.ts";
import { type Connection, follow, type RunEvent } from "../api/stream.ts";
import { placeOf } from "../model/calls.ts";
import { apply } from "../model/fold.ts";
import { Log } from "../model/log.ts";
import { RunView } from "../model/view.ts";

const PACE = 100; // ms between two drawings
const SKEW = 2; // seconds by which two clocks may differ before it matters

/** What a model is saying right now. */
export interface Speech {
  turn: number;
  task: string | null;
  text: string;
}

export class RunStore {
  readonly view: RunView;
  readonly log = new Log();
  connection: Connection = "connecting";
  retryAt: number | null = null;
  error: ApiError | null = null;
  /** by step, while a model answers */
  readonly speech = new Map<string, Speech>();
  /** the connection was lost and has not come back */
  away = false;

  #version = 0;
  #listeners = new Set<() => void>();
  #stop: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #told = 0;
  #ahead = 0; // seconds by which this clock is ahead of the server's

  constructor(readonly runId: string) {
    this.view = new RunView(runId);
  }

  /** Seconds since the epoch, by the server's clock. */
  now(): number {
    if (this.view.terminal) return this.view.endedAt ?? this.view.updatedAt;
    return Math.max(Date.now() / 1000 - this.#ahead, this.view.updatedAt);
  }

  start(): () => void {
    this.#stop = follow(this.runId, this.view.head, {
      onEvents: (events) => this.#take(events),
      onDelta: (data) => this.#hear(data),
      onEnd: () => this.#soon(),
      onState: (state, until, error) => {
        this.connection = state;
        this.retryAt = until ?? null;
        this.error = error ?? null;
        if (state === "waiting") this.away = true;
        else if (state !== "connecting") this.away = false;
        if (state !== "live") this.speech.clear();
        this.#soon();
      },
    });
    void this.#compareClocks();
    return () => {
      this.#stop?.();
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
    };
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  version = (): number => this.#version;

  #take(events: RunEvent[]): void {
    for (const event of events) {
      if (event.seq !== this.view.head + 1) continue; // seen already
      apply(this.view, event);
      const step = event.data["step"];
      if (typeof step === "string" && this.speech.size > 0 && event.kind !== "step.noted") this.#hush(step, event);
    }
    this.#soon();
  }

  /** A whole answer takes the place of its pieces; pieces of the next one may be here already. */
  #hush(step: string, { kind, data }: RunEvent): void {
    const speech = this.speech.get(step);
    if (speech === undefined) return;
    const place = kind === "step.kept" ? placeOf(String(data["key"])) : null;
    const whole = place?.what === "model" && (place.task !== speech.task || (place.turn ?? 0) >= speech.turn);
    if (whole || /^step\.(completed|failed|cancelled|scheduled|paused)$/.test(kind)) this.speech.delete(step);
  }

  #hear(message: Record<string, unknown>): void {
    const step = message["step"];
    const data = (message["data"] ?? {}) as Record<string, unknown>;
    if (typeof step !== "string") return;
    const turn = Number(data["turn"] ?? 0);
    const task = typeof data["task"] === "string" ? data["task"] : null;
    const before = this.speech.get(step);
    if (data["again"] === true) this.speech.delete(step);
    else if (typeof data["text"] === "string") {
      const goesOn = before !== undefined && before.turn === turn && before.task === task;
      this.speech.set(step, { turn, task, text: (goesOn ? before.text : "") + data["text"] });
    }
    this.#soon();
  }

  async #compareClocks(): Promise<void> {
    try {
      const answer = await fetch(`${API}/runs/${encodeURIComponent(this.runId)}/events?after=${2 ** 31 - 1}&limit=1`, { credentials: "same-origin" });
      const there = Date.parse(answer.headers.get("date") ?? "");
      const ahead = (Date.now() - there) / 1000;
      if (Math.abs(ahead) > SKEW) this.#ahead = ahead;
    } catch {
      // the stream says that nobody answers
    }
  }

  #soon(): void {
    if (this.#timer !== null) return;
    const wait = Math.max(0, this.#told + PACE - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#told = performance.now();
      this.#version++;
      for (const listener of this.#listeners) listener();
    }, wait);
  }
}

export const RunContext = createContext<RunStore | null>(null);

/** The run of this page; the caller is drawn again when it changes. */
export function useRun(): RunStore {
  const store = useContext(RunContext);
  if (store === null) throw new Error("outside a run page");
  useSyncExternalStore(store.subscribe, store.version);
  return store;
}

/** A number that changes when the run does: for memos that read the view. */
export function useVersion(store: RunStore): number {
  return useSyncExternalStore(store.subscribe, store.version);
}
