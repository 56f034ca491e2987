// Events for people: one line each, and which of them somebody wants to see.

import { type Fields, type JournalEvent, stepsOf } from "./events.ts";

export type Tone = "good" | "bad" | "warn" | "busy" | "idle";

/** What kind of event it is, at a glance. */
export function toneOf(kind: string): Tone {
  if (/(completed|resumed)$/.test(kind)) return "good";
  if (/(failed|refused|ending)$/.test(kind)) return "bad";
  if (/(paused|lost|waiting|cancelled)$/.test(kind) || kind === "breaker.moved" || kind === "policy.decided") return "warn";
  if (/(started|scheduled|opened|forked)$/.test(kind)) return "busy";
  return "idle";
}

/** An event in a few words, without its kind and its step. */
export function wordsOf({ kind, data }: JournalEvent): string {
  switch (kind) {
    case "run.created":
      return `${data["workflow"]} version ${data["version"]} by ${data["actor"] ?? "local"}`;
    case "run.checked":
      return data["problems"]?.length ? `${data["problems"].length} problems: ${data["problems"][0].message}` : "nothing stands in the way";
    case "run.forked":
      return `from ${data["source"]} at ${data["at_seq"]}`;
    case "run.ending":
      return `will be ${data["to"]}${data["error"] ? `: ${why(data["error"])}` : ""}`;
    case "run.paused":
    case "run.failed":
    case "node.failed":
    case "step.paused":
      return data["error"] ? why(data["error"]) : by(data);
    case "run.resumed":
    case "run.cancelled":
      return by(data);
    case "node.opened":
      return `${data["node"]}: ${data["count"]} items`;
    case "node.completed":
    case "node.skipped":
      return data["node"];
    case "step.scheduled": {
      const again = [data["attempt"] > 1 ? `attempt ${data["attempt"]}` : "", data["delivery"] > 1 ? `delivery ${data["delivery"]}` : ""];
      return [...again, data["edited"] ? "with an edited input" : ""].filter(Boolean).join(", ") || "sent";
    }
    case "step.started":
      return data["executor"] ? `on ${data["executor"]}` : "";
    case "step.noted":
      return (data["lines"] ?? []).map((line: [number, string]) => line[1]).join(" · ");
    case "step.kept":
      return `${data["key"]}${data["repeated"] ? " (may have been made before)" : ""}`;
    case "spend.reserved":
    case "spend.settled":
      return cost(data["cost"]);
    case "spend.refused":
      return `${data["asked"]} ${data["limit"]} asked for, ${data["left"]} left`;
    case "step.waiting":
      return data["ask"] ? `for a person: ${data["ask"].title ?? ""}` : data["child"] ? `for a run of ${data["child"].workflow}` : "for its time";
    case "step.completed":
      return data["answer"] ? `${data["output"]?.decision ?? "answered"} by ${data["answer"].actor}` : data["taken"] ? `on to ${data["taken"].join(", ") || "nothing"}` : "";
    case "step.failed":
      return `${why(data["error"])}${data["retry_at"] == null ? "" : ", will be tried again"}`;
    case "step.cancelled":
    case "steps.lost":
      return data["why"] ?? "cancelled";
    case "route.chosen":
      return `${data["tool"]} goes to ${data["chosen"]}, of ${data["candidates"]?.length ?? 0} looked at`;
    case "policy.decided":
      return `${data["policy"]} at ${data["point"]}: ${data["then"]}`;
    case "consent.given":
      return `${data["server"]} ${data["granted"] ? "allowed" : "refused"} by ${data["by"]}`;
    case "breaker.moved":
      return `${data["subject"]}: ${data["state"]}`;
    case "task.moved":
      return `${data["task"]} of ${data["agent"]}: ${data["status"]}`;
    default:
      return "";
  }
}

export function why(error: Fields | null | undefined): string {
  return error ? `${error["code"]}: ${error["message"]}` : "";
}

function by(data: Fields): string {
  return [data["actor"] ? `by ${data["actor"]}` : "", data["reason"] ?? ""].filter(Boolean).join(": ");
}

function cost(cost: Fields | undefined): string {
  return Object.entries(cost ?? {}).map(([name, amount]) => (name === "usd" ? `$${amount}` : `${amount} ${name}`)).join(", ") || "all given back";
}

export interface Wanted {
  /** kinds, all when empty; `step` stands for every kind that begins with `step.` */
  kinds?: readonly string[];
  /** a step's id, or a node's name for all of its steps */
  step?: string;
  text?: string;
}

/** The events somebody wants to see, in order. The list itself when that is all of them. */
export function filtered(events: readonly JournalEvent[], { kinds = [], step = "", text = "" }: Wanted): readonly JournalEvent[] {
  if (kinds.length === 0 && !step && !text) return events;
  const wanted = new Set(kinds);
  const needle = text.toLowerCase();
  return events.filter((event) => {
    if (wanted.size > 0 && !wanted.has(event.kind) && !wanted.has(event.kind.slice(0, event.kind.indexOf(".")))) return false;
    if (step && !isAbout(event, step)) return false;
    return !needle || `${event.kind} ${JSON.stringify(event.data)}`.toLowerCase().includes(needle);
  });
}

function isAbout(event: JournalEvent, step: string): boolean {
  if (step.includes("#")) return stepsOf(event).includes(step);
  return event.data["node"] === step || stepsOf(event).some((id) => id.slice(0, id.indexOf("#")) === step);
}
