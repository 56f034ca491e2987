// A unified diff with the line numbers of both sides. A sign and a word for screen readers go with each colour.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import { readDiff } from "../../model/artifact.ts";
import { Scrolling } from "../Scrolling.tsx";
import css from "./DiffView.module.css";

const SIGN = { add: "+", del: "−", same: "", file: "", hunk: "", meta: "" };

export default function DiffView({ text, label }: { text: string; label: string }) {
  const lines = useMemo(() => readDiff(text), [text]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => 20, overscan: 30 });
  const [added, removed] = [lines.filter((line) => line.kind === "add").length, lines.filter((line) => line.kind === "del").length];
  return (
    <div className={css.diff}>
      <p className={css.sum}>
        <span className={css.plus}>+{added} added</span> <span className={css.minus}>−{removed} removed</span>
      </p>
      <Scrolling ref={scroller} className={css.scroller} label={label}>
        <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((item) => {
            const line = lines[item.index]!;
            return (
              <div key={item.key} ref={virtual.measureElement} data-index={item.index} className={css.line} data-kind={line.kind} style={{ transform: `translateY(${item.start}px)` }}>
                <span className={css.no}>{line.old ?? ""}</span>
                <span className={css.no}>{line.new ?? ""}</span>
                <span className={css.sign}>{SIGN[line.kind]}</span>
                <span className={css.text}>{line.text || " "}</span>
              </div>
            );
          })}
        </div>
      </Scrolling>
    </div>
  );
}
