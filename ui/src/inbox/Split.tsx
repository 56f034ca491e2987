// A list and, beside it, the chosen one of it. Where there is room for one of them only, the address says which: without an
// `id` the list. j and k go down and up, Enter into the chosen one, Escape back to the list.

import { Button } from "@mantine/core";
import { IconChevronLeft } from "@tabler/icons-react";
import { type ReactNode, useEffect, useRef } from "react";
import { useSearchParams } from "react-router";
import { isTyping } from "../shell/shortcuts.ts";
import { neighbour } from "./questions.ts";
import css from "./Split.module.css";

interface SplitProps<T extends { id: string }> {
  items: readonly T[];
  /** What the list is called, such as "Questions". */
  label: string;
  /** The one that is shown; it need not be among the items any more. */
  chosen: string | null;
  renderRow: (item: T) => ReactNode;
  /** Stands before a row, such as a box to tick. */
  renderBefore?: (item: T) => ReactNode;
  head?: ReactNode;
  children: ReactNode;
}

// what Enter leads to
const FIRST = ["input:not([type=hidden])", "textarea", "select", "[contenteditable=true]", "button"].map((one) => `[data-answer] ${one}`).join(",");

/** Which one the address names, and a way to name another. */
export function useChosen(): [string | null, (id: string | null, replace?: boolean) => void] {
  const [params, setParams] = useSearchParams();
  return [
    params.get("id"),
    (id, replace = true) =>
      setParams(
        (before) => {
          const out = new URLSearchParams(before);
          if (id === null) out.delete("id");
          else out.set("id", id);
          return out;
        },
        { replace, preventScrollReset: true },
      ),
  ];
}

export function Split<T extends { id: string }>({ items, label, chosen, renderRow, renderBefore, head, children }: SplitProps<T>) {
  const [named, choose] = useChosen();
  const list = useRef<HTMLUListElement>(null);
  const detail = useRef<HTMLDivElement>(null);
  const state = useRef({ items, chosen, named, choose });
  const wanted = useRef<string | null>(null); // whose form gets the focus as soon as it is there
  useEffect(() => {
    state.current = { items, chosen, named, choose };
    if (wanted.current === null || wanted.current !== chosen || named !== chosen) return;
    wanted.current = null;
    detail.current?.querySelector<HTMLElement>(FIRST)?.focus();
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (document.querySelector("[role=dialog]")) return;
      if (event.key === "Escape" && detail.current?.contains(document.activeElement)) {
        if (document.activeElement?.getAttribute("aria-expanded") === "true") return; // it closes its own list first
        rowOf(list.current, state.current.chosen)?.focus();
        return;
      }
      if (isTyping(event.target)) return;
      const step = event.key === "j" ? 1 : event.key === "k" ? -1 : 0;
      const { items, chosen, choose } = state.current;
      if (step !== 0) {
        const next = neighbour(items, chosen, step);
        if (!next) return;
        event.preventDefault();
        choose(next.id);
        rowOf(list.current, next.id)?.focus();
      } else if (event.key === "Enter" && (document.activeElement === document.body || document.activeElement?.id === "main" || list.current?.contains(document.activeElement))) {
        if ((document.activeElement as HTMLElement | null)?.matches("input[type=checkbox]")) return;
        const id = (document.activeElement as HTMLElement | null)?.dataset["row"] ?? chosen;
        event.preventDefault();
        if (id === null) return;
        if (id === chosen && id === state.current.named) detail.current?.querySelector<HTMLElement>(FIRST)?.focus();
        else {
          wanted.current = id;
          choose(id);
        }
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <div className={css.split} data-named={named !== null || undefined} data-alone={items.length === 0 || undefined}>
      <nav className={css.list} aria-label={label} hidden={items.length === 0}>
        {head}
        <ul ref={list}>
          {items.map((item) => (
            <li key={item.id} className={css.row} data-chosen={item.id === chosen || undefined}>
              {renderBefore?.(item)}
              <button
                type="button"
                data-row={item.id}
                className={css.choose}
                aria-current={item.id === chosen ? "true" : undefined}
                onClick={() => choose(item.id, false)}
              >
                {renderRow(item)}
              </button>
            </li>
          ))}
        </ul>
      </nav>
      <div ref={detail} className={css.detail}>
        <Button
          className={css.back ?? ""}
          variant="subtle"
          size="compact-sm"
          leftSection={<IconChevronLeft size={14} aria-hidden />}
          onClick={() => choose(null)}
        >
          {label}
        </Button>
        {children}
      </div>
    </div>
  );
}

const rowOf = (list: HTMLElement | null, id: string | null) =>
  id === null ? null : (list?.querySelector<HTMLElement>(`[data-row="${CSS.escape(id)}"]`) ?? null);
