// What happened in a run, line by line, as `logs.txt` has it. It grows with the journal; a line finds its place from the end,
// because notes carry the time at which they were written and come a little later.

import type { JournalEvent } from "./events.ts";
import { why } from "./journal.ts";
import type { RunView } from "./view.ts";
import { rfc3339 } from "./wire.ts";

export interface LogLine {
  at: number;
  /** `run`, a node or a step */
  who: string;
  text: string;
  seq: number;
  /** said by the step itself */
  note: boolean;
  bad: boolean;
}

export class Log {
  readonly lines: LogLine[] = [];
  private read = 0;

  /** Take in the events that were not seen yet. */
  take(view: RunView): readonly LogLine[] {
    for (; this.read < view.events.length; this.read++) {
      for (const line of linesOf(view.events[this.read]!)) this.insert(line);
    }
    return this.lines;
  }

  private insert(line: LogLine): void {
    let place = this.lines.length;
    while (place > 0 && millis(this.lines[place - 1]!.at) > millis(line.at)) place--;
    if (place === this.lines.length) this.lines.push(line);
    else this.lines.splice(place, 0, line);
  }
}

export function logText(lines: readonly LogLine[]): string {
  return lines.map((line) => `${rfc3339(line.at)}  ${line.who}  ${line.text}\n`).join("");
}

const millis = (at: number) => Math.round(at * 1000);

export function linesOf(event: JournalEvent): LogLine[] {
  const { at, kind, seq, data: f } = event;
  const line = (who: string, text: string, bad = false): LogLine[] => [{ at, who, text, seq, note: false, bad }];
  switch (kind) {
    case "step.noted":
      return (f["lines"] as [number, string][]).flatMap(([when, text]) =>
        splitLines(String(text)).map((part) => ({ at: when, who: f["step"] as string, text: part, seq, note: true, bad: false })),
      );
    case "run.created":
      return line("run", `created: ${f["workflow"]} version ${f["version"]}, ${f["mode"] ?? "full_run"}, by ${f["actor"] ?? "local"}`);
    case "run.checked":
      return (f["problems"] ?? []).flatMap((p: Record<string, string>) => line("run", `problem: ${p["pointer"] ?? ""} ${p["message"]}`, true));
    case "run.forked":
      return line("run", `forked from ${f["source"]} at ${f["at_seq"]} by ${f["actor"] ?? "local"}`);
    case "run.paused":
      return line("run", `paused: ${why(f["error"]) || `by ${f["actor"]}`}`, f["error"] != null);
    case "run.resumed":
      return line("run", `resumed by ${f["actor"] ?? "local"}`);
    case "run.failed":
      return line("run", `failed: ${why(f["error"])}`, true);
    case "run.cancelled":
      return line("run", `cancelled by ${f["actor"] ?? "None"}${f["reason"] ? `: ${f["reason"]}` : ""}`);
    case "run.started":
    case "run.completed":
      return line("run", kind.slice(4));
    case "node.skipped":
      return line(f["node"], "skipped");
    case "node.failed":
      return line(f["node"], `failed: ${why(f["error"])}`, true);
    case "step.scheduled":
      if ((f["attempt"] ?? 1) === 1 && (f["delivery"] ?? 1) === 1) return [];
      return line(f["step"], `sent again: attempt ${f["attempt"] ?? 1}, delivery ${f["delivery"] ?? 1}`);
    case "step.waiting":
      return line(f["step"], `waiting for ${f["ask"] != null ? "a person" : f["child"] != null ? "another run" : "time to pass"}`);
    case "step.completed":
      return line(f["step"], `completed${f["started"] == null ? "" : ` after ${(at - f["started"]).toFixed(3)} s`}`);
    case "step.failed": {
      const again = f["retry_at"] == null ? "" : `; tried again at ${rfc3339(f["retry_at"])}`;
      return line(f["step"], `failed, attempt ${f["attempt"] ?? 1}: ${why(f["error"])}${again}`, true);
    }
    case "step.paused":
      return line(f["step"], `paused: ${why(f["error"])}`, true);
    case "steps.lost":
      return (f["steps"] as string[]).flatMap((step) => line(step, `lost: ${f["why"]}`, true));
    case "step.cancelled":
      return line(f["step"], `cancelled: ${f["why"] ?? "cancelled"}`);
    case "spend.refused": {
      const whose = `of this ${f["level"] ?? "run"}${f["per"] ? ` for the ${f["per"]}` : ""}`;
      return line(f["step"], `refused: ${f["asked"]} ${f["limit"]} asked for, ${f["left"]} ${whose} left`, true);
    }
    case "route.chosen":
      return line(f["step"], `${f["tool"]} goes to ${f["chosen"]}, of ${f["candidates"]?.length ?? 0} looked at`);
    case "consent.given":
      return line(f["step"], `fallback to ${f["server"]} ${f["granted"] ? "allowed" : "refused"} by ${f["by"]}`);
    case "breaker.moved":
      return line(f["step"], `breaker of ${f["subject"]}: ${f["state"]}`, f["state"] === "open");
    case "policy.decided":
      return line(f["step"], `policy ${f["policy"]} at ${f["point"]}: ${f["then"]}`);
    case "task.moved":
      return line(f["step"], `task ${f["task"]} of ${f["agent"]} ${f["status"]}`, f["status"] === "failed");
    default:
      return [];
  }
}

/** Lines without their ends; a line end at the very end begins no further line. */
function splitLines(text: string): string[] {
  // oxlint-disable-next-line eslint/no-control-regex -- these end a line for the server too
  const parts = text.split(/\r\n|[\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029]/);
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  return parts;
}
