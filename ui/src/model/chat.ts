// What a model was told and what it answered, put together from what a step was given and what it kept. The first messages
// are written as the agent writes them; every later one stands in the journal as it was.

import { type Call, callsOf, saidOf } from "./calls.ts";
import { type Fields, isPointer } from "./events.ts";
import type { Said, StepView } from "./view.ts";

export const FINAL = "final_result";

export interface Used {
  input: number;
  output: number;
  cached: number;
}

export type Message =
  | { role: "system" | "user"; text: string }
  /** the answer did not fit, and the model was told so */
  | { role: "repair" }
  | {
      role: "assistant";
      turn: number;
      text: string;
      thoughts: string;
      calls: Fields[];
      final: boolean;
      model: string;
      finish: string;
      used: Used | null;
      usd: string | null;
      scripted: boolean;
      call: Call;
      said: Said[];
    }
  | { role: "tool"; name: string; arguments: any; text: any; failed: boolean; call: Call; said: Said[] }
  /** the value stands elsewhere, and was not fetched yet */
  | { role: "pointer"; call: Call; digest: string; size: number };

export interface Conversation {
  task: string | null;
  agent: string | null;
  messages: Message[];
}

/** One conversation a task, or the one of the step; [] when no model was asked. `whole` gives fetched values by digest. */
export function conversations(step: StepView, whole: (digest: string) => any = () => undefined): Conversation[] {
  const calls = callsOf(step).filter((call) => call.what === "model" || call.what === "tool");
  const byTask = new Map<string | null, Call[]>();
  for (const call of calls) {
    if (call.what === "tool" && call.id !== null && call.id.includes("/")) continue; // kept by a tool within its call
    const list = byTask.get(call.task);
    if (list === undefined) byTask.set(call.task, [call]);
    else list.push(call);
  }
  return [...byTask].map(([task, list]) => ({
    task,
    agent: list[0]!.agent,
    messages: [...beginning(step, task, list[0]!.agent), ...spoken(step, list, whole)],
  }));
}

/** What the model was told first: by the step, by a task of a crew, or by the one who handed the work on. */
function beginning(step: StepView, task: string | null, agent: string | null): Message[] {
  const input = step.input as Fields | null;
  if (input === null || typeof input !== "object" || isPointer(input)) return [];
  const who = (task === null ? input : (input["agents"]?.[agent ?? ""] ?? input["manager"] ?? {})) as Fields;
  const lines = [who["role"] ? `You are ${who["role"]}.` : "", who["backstory"] ?? "", who["goal"] ? `Your goal: ${who["goal"]}` : ""];
  const system = lines.map((line) => String(line).trim()).filter(Boolean).join("\n\n");
  const user = (task === null ? asked(input) : askedOfTask(step, input, task)).filter((part) => part.trim()).join("\n\n");
  const messages: Message[] = [];
  if (system) messages.push({ role: "system", text: system });
  if (user) messages.push({ role: "user", text: user });
  return messages;
}

function asked(input: Fields): string[] {
  const given = input["input"];
  return [String(input["instructions"] ?? ""), given === undefined || given === null ? "" : typeof given === "string" ? given : `\`\`\`json\n${JSON.stringify(given, null, 2)}\n\`\`\``];
}

function askedOfTask(step: StepView, input: Fields, task: string): string[] {
  const tasks = list(input["tasks"]);
  const at = tasks.findIndex((one) => one["name"] === task);
  if (at < 0) {
    const from = callsOf(step).find((call) => call.what === "model" && task.startsWith(`${call.task}/tool:${call.turn}.`));
    const handed = list(from?.kept.value?.["calls"])[Number(/\/tool:\d+\.(\d+):/.exec(task)?.[1] ?? 1) - 1]?.["arguments"] as Fields | undefined;
    return [String(handed?.["task"] ?? ""), handed?.["context"] ? `What you need to know:\n${handed["context"]}` : ""];
  }
  const one = tasks[at]!;
  const before = list(one["context"]).length > 0 || Array.isArray(one["context"]) ? (one["context"] as unknown as string[]) : tasks.slice(0, at).map((other) => String(other["name"]));
  return [
    String(one["description"] ?? ""),
    one["expected_output"] ? `What the result should be: ${one["expected_output"]}` : "",
    one["markdown"] === true ? "Write the result in Markdown." : "",
    before.length > 0 ? `What came of earlier tasks: ${before.join(", ")}` : "",
  ];
}

function spoken(step: StepView, calls: Call[], whole: (digest: string) => any): Message[] {
  const messages: Message[] = [];
  let asked: Fields[] = [];
  let open = false; // a model answered without a call of a tool, so this should have been its answer
  for (const call of calls) {
    const pointer = call.kept.value;
    const value = isPointer(pointer) ? whole(pointer.$spilled) : pointer;
    if (isPointer(pointer) && value === undefined) {
      messages.push({ role: "pointer", call, digest: pointer.$spilled, size: pointer.size });
      continue;
    }
    const about = saidOf(step, call.kept.key);
    if (call.what === "tool") {
      const from = asked[(call.number ?? 1) - 1];
      messages.push({
        role: "tool", name: from?.["name"] ?? call.label, arguments: from?.["arguments"] ?? from?.["written"] ?? null,
        text: value?.text ?? value, failed: value?.failed === true, call, said: about,
      });
      continue;
    }
    if (open) messages.push({ role: "repair" });
    asked = list(value?.calls);
    const final = asked.some((one) => one["name"] === FINAL);
    open = asked.length === 0 || final;
    const usage = value?.usage as Fields | undefined;
    const model = String(value?.asked ?? value?.model ?? "");
    messages.push({
      role: "assistant", turn: call.turn ?? 0, text: String(value?.text ?? ""), thoughts: thoughts(value?.seen), calls: asked, final, model,
      finish: String(value?.finish ?? ""), usd: value?.cost_usd ?? null, scripted: model.startsWith("scripted:"), call, said: about,
      used: usage ? { input: usage["input_tokens"] ?? 0, output: usage["output_tokens"] ?? 0, cached: usage["cached_tokens"] ?? 0 } : null,
    });
  }
  return messages;
}

/** What a model let us see of its thinking, where the provider keeps it as text. */
function thoughts(seen: any): string {
  const parts = Array.isArray(seen) ? seen : Array.isArray(seen?.parts) ? seen.parts : [];
  return parts
    .filter((part: Fields) => typeof part?.["content"] === "string" && /think|reason/.test(String(part["part_kind"] ?? part["type"] ?? "")))
    .map((part: Fields) => part["content"])
    .join("\n");
}

function list(value: any): Fields[] {
  return Array.isArray(value) ? value : [];
}
