// A CSV as a table: windowed, with the first row as its head, sorted by the column one asks for.

import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import { readTable } from "../../model/artifact.ts";
import { Scrolling } from "../Scrolling.tsx";
import css from "./TableView.module.css";

const ROW = 30;

export default function TableView({ text, label }: { text: string; label: string }) {
  const [head = [], ...body] = useMemo(() => readTable(text), [text]);
  const [sort, setSort] = useState<{ column: number; down: boolean } | null>(null);
  const rows = useMemo(() => (sort === null ? body : body.toSorted((a, b) => compare(a[sort.column] ?? "", b[sort.column] ?? "") * (sort.down ? -1 : 1))), [body, sort]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 15 });
  const items = virtual.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <Scrolling ref={scroller} className={css.scroller} label={label}>
      <table className={css.table} aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            <th className={css.number}>#</th>
            {head.map((name, n) => (
              <th key={n} aria-sort={sort?.column === n ? (sort.down ? "descending" : "ascending") : undefined}>
                <button type="button" onClick={() => setSort((old) => (old?.column !== n ? { column: n, down: false } : old.down ? null : { column: n, down: true }))}>
                  {name || `Column ${n + 1}`}
                  {sort?.column === n ? sort.down ? <IconArrowDown size={13} aria-hidden /> : <IconArrowUp size={13} aria-hidden /> : null}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap height={before} />
          {items.map((item) => (
            <tr key={item.key} aria-rowindex={item.index + 2}>
              <td className={css.number}>{item.index + 1}</td>
              {head.map((_, n) => (
                <td key={n} title={rows[item.index]![n]}>
                  {rows[item.index]![n] ?? ""}
                </td>
              ))}
            </tr>
          ))}
          <Gap height={after} />
        </tbody>
      </table>
    </Scrolling>
  );
}

/** Room for rows that are not drawn. */
function Gap({ height }: { height: number }) {
  return height > 0 ? <tr aria-hidden style={{ height }} /> : null;
}

function compare(a: string, b: string): number {
  const [x, y] = [Number(a), Number(b)];
  return a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a.localeCompare(b, undefined, { numeric: true });
}
