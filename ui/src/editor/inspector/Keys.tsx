// The keys that every node has, whatever its kind: when it begins, how often it is tried, what it may spend, what a failure does.

import { NumberInput, Select, Stack, TextInput } from "@mantine/core";
import { type ReactNode, useMemo } from "react";
import type { Wrong } from "../../api/schema.d.ts";
import { useDocument, useEditor } from "../context.ts";
import { setNode } from "../model/commands.ts";
import { scopeOf } from "../model/completion.ts";
import { wiresOf } from "../model/document.ts";
import { getIn, isObj, type Json, type Obj, type Path, pointerOf } from "../model/json.ts";
import { ExpressionField } from "./ExpressionField.tsx";

interface KeysProps {
  name: string;
  node: Obj;
  found: readonly Wrong[];
}

export function Keys({ name, node, found }: KeysProps) {
  const { store, samples } = useEditor();
  const { doc } = useDocument();
  const base = pointerOf(["nodes", name]);
  const scope = useMemo(() => scopeOf(doc, samples, name), [doc, samples, name]);
  const set = (path: Path, value: Json | undefined) =>
    void store.apply(`edit ${path.join(".")} of ${name}`, (before) => setNode(before, name, path, value), { key: `${name}/${path.join("/")}` });
  const wrong = (...path: string[]) => found.find((one) => one.pointer === base + pointerOf(path) || (path.length === 1 && one.pointer.startsWith(`${base}/${path[0]}/`)))?.message;
  const retry = isObj(node["retry"]) ? node["retry"] : typeof node["retry"] === "number" ? { attempts: node["retry"] } : {};
  const setRetry = (key: string, value: Json | undefined) => {
    const next = Object.fromEntries(Object.entries({ ...retry, [key]: value }).filter(([, one]) => one !== undefined)) as Obj;
    set(["retry"], Object.keys(next).length ? next : undefined);
  };
  const incoming = wiresOf(doc).filter((wire) => wire.to === name).length;
  const join = node["join"];
  const joins = ["all", "any", "majority", ...Array.from({ length: Math.min(incoming, 20) }, (_, n) => String(n + 1))];
  return (
    <Stack gap="sm">
      <ExpressionField
        label="For each" bare value={typeof node["for_each"] === "string" ? node["for_each"] : ""} scope={scope} pointer={`${base}/for_each`}
        description="A list: the node runs once for each element, read as item and index." placeholder="${{ nodes.list.output }}"
        error={wrong("for_each")} onChange={(text) => set(["for_each"], text || undefined)}
      />
      {node["for_each"] !== undefined ? (
        <At pointer={`${base}/parallel`}>
          <NumberInput label="At once" description="How many elements are in work at the same time." min={1} max={10_000} allowDecimal={false} value={num(node["parallel"])} error={wrong("parallel")} onChange={(value) => set(["parallel"], whole(value))} />
        </At>
      ) : null}
      <At pointer={`${base}/join`}>
        <Select
          label="Begins when" description="How many of the edges that lead here must be taken." error={wrong("join")} allowDeselect={false}
          data={joins.map((one) => ({ value: one, label: JOINS[one] ?? `${one} of ${incoming} ${incoming === 1 ? "edge is" : "edges are"} taken` }))}
          value={join === undefined ? "all" : String(join)} onChange={(value) => set(["join"], value === null || value === "all" ? undefined : /^\d+$/.test(value) ? Number(value) : value)}
        />
      </At>
      <At pointer={`${base}/route`}>
        <Select
          label="Goes on" description="Which edges are taken when it is done." error={wrong("route")} allowDeselect={false} value={String(node["route"] ?? "all")}
          data={[{ value: "all", label: "over every edge whose condition is true" }, { value: "first", label: "over the first of them only" }]}
          onChange={(value) => set(["route"], value === "first" ? "first" : undefined)}
        />
      </At>
      <At pointer={`${base}/on_error`}>
        <Select
          label="When it fails" error={wrong("on_error")} allowDeselect={false} value={String(node["on_error"] ?? "fail")}
          data={[{ value: "fail", label: "the run fails" }, { value: "continue", label: "the run goes on, without its output" }, { value: "skip", label: "what comes after is skipped" }, { value: "pause", label: "the run pauses for a person" }]}
          onChange={(value) => set(["on_error"], value === null || value === "fail" ? undefined : value)}
        />
      </At>
      <At pointer={`${base}/retry`}>
        <NumberInput label="Attempts" description="How often it is tried in all, when the failure may pass." min={1} max={100} allowDecimal={false} placeholder="1" value={num(retry["attempts"] as Json)} error={wrong("retry")} onChange={(value) => setRetry("attempts", whole(value))} />
      </At>
      {node["retry"] !== undefined ? (
        <>
          <Words label="Wait before the second attempt" placeholder="1s" value={retry["backoff"]} onChange={(value) => setRetry("backoff", value)} pointer={`${base}/retry/backoff`} error={wrong("retry", "backoff")} />
          <NumberInput label="Each wait is this many times the one before" min={1} max={100} placeholder="2" value={num(retry["factor"] as Json)} onChange={(value) => setRetry("factor", real(value))} />
          <Words label="Longest wait" placeholder="1m" value={retry["max"]} onChange={(value) => setRetry("max", value)} pointer={`${base}/retry/max`} error={wrong("retry", "max")} />
          <NumberInput label="Random part of each wait" min={0} max={1} step={0.1} placeholder="0.1" value={num(retry["jitter"] as Json)} onChange={(value) => setRetry("jitter", real(value))} />
        </>
      ) : null}
      <Words label="Time-out of an attempt" placeholder="30s, 5m, 1h" value={node["timeout"]} onChange={(value) => set(["timeout"], value)} pointer={`${base}/timeout`} error={wrong("timeout")} />
      <At pointer={`${base}/max_visits`}>
        <NumberInput label="Most visits" description="How often it may run when an edge goes back to it. A loop needs it." min={1} max={10_000} allowDecimal={false} placeholder="1" value={num(node["max_visits"])} error={wrong("max_visits")} onChange={(value) => set(["max_visits"], whole(value))} />
      </At>
      <Limits names={["tokens", "usd", "iterations"]} value={node["limits"]} pointer={`${base}/limits`} onChange={(value) => set(["limits"], value)} wrong={(key) => wrong("limits", key)} legend="Each step may spend" />
    </Stack>
  );
}

const JOINS: Record<string, string> = { all: "all that are not closed are taken", any: "the first is taken", majority: "more than half are taken" };
const At = ({ pointer, children }: { pointer: string; children: ReactNode }) => <div data-pointer={pointer}>{children}</div>;
const num = (value: Json | undefined): number | string => (typeof value === "number" ? value : "");
const real = (value: number | string): number | undefined => (typeof value === "number" ? value : undefined);
const whole = (value: number | string): number | undefined => (typeof value === "number" ? Math.round(value) : undefined);

interface WordsProps {
  label: string;
  placeholder: string;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  pointer: string;
  error?: string | undefined;
}

/** A duration: a number of seconds, or words such as 1h30m. */
export function Words({ label, placeholder, value, onChange, pointer, error }: WordsProps) {
  return (
    <div data-pointer={pointer}>
      <TextInput
        label={label} placeholder={placeholder} value={value === undefined || value === null ? "" : String(value)} error={error} spellCheck={false}
        onChange={(event) => {
          const text = event.currentTarget.value.trim();
          onChange(text === "" ? undefined : /^\d+(\.\d+)?$/.test(text) ? Number(text) : text);
        }}
      />
    </div>
  );
}

interface LimitsProps {
  names: readonly string[];
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  pointer: string;
  legend: string;
  wrong: (key: string) => string | undefined;
}

const LIMITS: Record<string, string> = { tokens: "Tokens", usd: "US dollars", seconds: "Time", steps: "Steps", parallel: "Steps at once", iterations: "Iterations" };

export function Limits({ names, value, onChange, pointer, legend, wrong }: LimitsProps) {
  const given = isObj(value) ? value : {};
  const set = (key: string, next: Json | undefined) => {
    const { [key]: _, ...rest } = given;
    const out = next === undefined ? rest : { ...given, [key]: next };
    onChange(Object.keys(out).length ? out : undefined);
  };
  return (
    <fieldset style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }} data-pointer={pointer}>
      <legend style={{ padding: 0, fontWeight: 600, fontSize: "var(--mantine-font-size-sm)", marginBottom: 6 }}>{legend}</legend>
      <div style={{ display: "grid", gridTemplateColumns: "repeat(auto-fill, minmax(7.5rem, 1fr))", gap: "0.5rem" }}>
        {names.map((key) =>
          key === "seconds" || key === "usd" ? (
            <Words key={key} label={LIMITS[key] ?? key} placeholder={key === "usd" ? "no limit" : "10m"} value={getIn(given, [key])} error={wrong(key)} pointer={`${pointer}/${key}`} onChange={(next) => set(key, next)} />
          ) : (
            <div key={key} data-pointer={`${pointer}/${key}`}>
              <NumberInput label={LIMITS[key] ?? key} placeholder="no limit" min={0} allowDecimal={false} value={num(given[key])} error={wrong(key)} onChange={(next) => set(key, whole(next))} />
            </div>
          ),
        )}
      </div>
    </fieldset>
  );
}
