// Where one is on the page, in its address: the tab, the step, the event, the piece of time, the artifact and the filters.

import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";
import type { Span } from "../model/timeline.ts";

export const TABS = ["timeline", "graph", "journal", "artifacts", "logs", "result"] as const;
export type Tab = (typeof TABS)[number];

export interface Place {
  tab: Tab;
  step: string | null;
  /** which part of the step panel is shown */
  part: string | null;
  seq: number | null;
  /** seconds after the run was created */
  zoom: Span | null;
  artifact: string | null;
  kinds: string[];
  /** of the journal and the log: only this step or node */
  only: string | null;
  text: string | null;
}

export type Move = (to: Partial<Place>, how?: { replace?: boolean }) => void;

export function usePlace(): [Place, Move] {
  const [params, setParams] = useSearchParams();
  const place = useMemo(() => readPlace(params), [params]);
  const move = useCallback<Move>(
    (to, { replace = false } = {}) => setParams((before) => writePlace({ ...readPlace(before), ...to }), { replace, preventScrollReset: true }),
    [setParams],
  );
  return [place, move];
}

export function readPlace(params: URLSearchParams): Place {
  const tab = params.get("tab");
  const seq = Number(params.get("seq"));
  const [from = NaN, to = NaN] = (params.get("zoom") ?? "").split("~").map((part) => (part === "" ? NaN : Number(part)));
  return {
    tab: TABS.find((one) => one === tab) ?? (seq > 0 ? "journal" : "timeline"),
    step: params.get("step"),
    part: params.get("part"),
    seq: Number.isInteger(seq) && seq > 0 ? seq : null,
    zoom: Number.isFinite(from) && to > from ? { from, to } : null,
    artifact: params.get("artifact"),
    kinds: params.get("kinds")?.split(",").filter(Boolean) ?? [],
    only: params.get("only"),
    text: params.get("q"),
  };
}

export function writePlace(place: Place): URLSearchParams {
  const params = new URLSearchParams();
  const put = (name: string, value: string | null) => {
    if (value) params.set(name, value);
  };
  if (place.tab !== "timeline") params.set("tab", place.tab);
  put("step", place.step);
  put("part", place.part);
  put("seq", place.seq === null ? null : String(place.seq));
  put("zoom", place.zoom === null ? null : `${round(place.zoom.from)}~${round(place.zoom.to)}`);
  put("artifact", place.artifact);
  put("kinds", place.kinds.join(","));
  put("only", place.only);
  put("q", place.text);
  return params;
}

const round = (seconds: number) => String(Math.round(seconds * 1e6) / 1e6);
