// A run's journal as it grows. The stream carries hints about time, the seq carries the truth: whatever happens to the
// connection (sleep, a proxy's patience, a server that starts again) it is asked for what follows the last seq seen, and an
// event that came twice is dropped. A fetch rather than an EventSource: it can be told a start, sees the status of a refusal,
// and hands over a thousand events at once where an EventSource would dispatch each by itself.

import { ApiError } from "./problem.ts";
import { API } from "./client.ts";

export interface RunEvent {
  seq: number;
  /** Seconds since the epoch. */
  at: number;
  kind: string;
  data: Record<string, unknown>;
}

export type Connection = "connecting" | "live" | "waiting" | "ended" | "refused";

export interface Listener {
  /** Events that follow what was given before, without a gap or a repetition. */
  onEvents(events: RunEvent[]): void;
  /** What passes and is not kept, such as a model's words while it speaks. */
  onDelta?(data: Record<string, unknown>): void;
  /** `until` is when the next try is due, in ms since the epoch, while waiting. */
  onState?(state: Connection, until?: number, error?: ApiError): void;
  /** The run has ended; nothing follows. */
  onEnd?(status: string): void;
}

export interface Message {
  id: string | null;
  event: string;
  data: string;
}

const FIRST = 500;
const LONGEST = 20_000;
const SILENCE = 40_000; // the server says something every 15 s

/** Splits text that arrives in pieces into messages. The WHATWG's event stream, without `retry`. */
export class Messages {
  #rest = "";

  take(text: string): Message[] {
    const found: Message[] = [];
    this.#rest += text;
    const normal = this.#rest.includes("\r") ? this.#rest.replace(/\r\n/g, "\n") : this.#rest;
    let from = 0;
    for (let end = normal.indexOf("\n\n", from); end >= 0; end = normal.indexOf("\n\n", from)) {
      const message = parse(normal.slice(from, end));
      if (message) found.push(message);
      from = end + 2;
    }
    this.#rest = normal.slice(from);
    return found;
  }
}

function parse(block: string): Message | null {
  let id: string | null = null;
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
    else if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("id:")) id = line.slice(3).trim();
  }
  return data.length ? { id, event, data: data.join("\n") } : null;
}

/** Milliseconds to wait before the next try, after so many failures in a row; `random` spreads the crowd. */
export function patience(failures: number, random = Math.random()): number {
  return Math.min(LONGEST, FIRST * 2 ** Math.min(failures, 10)) * (0.75 + random / 2);
}

/** Listen to a run's journal from the event after `after`; the answer ends it. */
export function follow(runId: string, after: number, listener: Listener): () => void {
  const stop = new AbortController();
  let last = after;
  let wake: (() => void) | null = null;
  const now = () => wake?.();
  const onVisible = () => {
    if (document.visibilityState === "visible") now();
  };
  window.addEventListener("online", now);
  document.addEventListener("visibilitychange", onVisible);

  async function connect(progress: () => void): Promise<boolean> {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    stop.signal.addEventListener("abort", end);
    let watchdog = setTimeout(end, SILENCE);
    try {
      const response = await fetch(`${API}/runs/${encodeURIComponent(runId)}/stream?after=${last}`, {
        headers: { Accept: "text/event-stream" },
        cache: "no-store",
        credentials: "same-origin",
        signal: attempt.signal,
      });
      if (!response.ok || !response.body) throw await ApiError.from(response);
      listener.onState?.("live");
      progress();
      const messages = new Messages();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        clearTimeout(watchdog);
        watchdog = setTimeout(end, SILENCE);
        if (dispatch(messages.take(value))) return true;
      }
    } finally {
      clearTimeout(watchdog);
      stop.signal.removeEventListener("abort", end);
      attempt.abort();
    }
  }

  function dispatch(messages: Message[]): boolean {
    const fresh: RunEvent[] = [];
    let ended: string | null = null;
    for (const message of messages) {
      if (message.event === "delta") listener.onDelta?.(JSON.parse(message.data));
      else if (message.event === "end") ended = (JSON.parse(message.data) as { status: string }).status;
      else {
        const event = JSON.parse(message.data) as RunEvent;
        if (event.seq <= last) continue;
        last = event.seq;
        fresh.push(event);
      }
    }
    if (stop.signal.aborted) return true;
    if (fresh.length) listener.onEvents(fresh);
    if (ended === null) return false;
    listener.onState?.("ended");
    listener.onEnd?.(ended);
    return true;
  }

  async function keep(): Promise<void> {
    let failures = 0;
    while (!stop.signal.aborted) {
      if (failures === 0) listener.onState?.("connecting");
      let error: ApiError | undefined;
      try {
        if (await connect(() => (failures = 0))) return;
      } catch (caught) {
        if (stop.signal.aborted) return;
        error = caught instanceof ApiError ? caught : ApiError.unreachable();
        if (error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429) {
          listener.onState?.("refused", undefined, error);
          return;
        }
      }
      const delay = patience(failures++);
      listener.onState?.("waiting", Date.now() + delay, error);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, delay);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        stop.signal.addEventListener("abort", () => wake?.(), { once: true });
      });
      wake = null;
    }
  }

  void keep();
  return () => {
    stop.abort();
    window.removeEventListener("online", now);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
