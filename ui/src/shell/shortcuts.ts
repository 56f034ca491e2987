// Keys that work on every page. `g` and a letter go to a page: the first letter of its name that no page before it has.

import { type RefObject, useEffect } from "react";
import { useNavigate } from "react-router";
import type { NavLink } from "./nav.ts";

export const MOD = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘" : "Ctrl";
const PATIENCE = 1200; // ms between `g` and the letter

/** The letter of each page. */
export function lettersOf(nav: readonly NavLink[]): Map<string, NavLink> {
  const letters = new Map<string, NavLink>();
  for (const entry of nav) {
    const letter = [...entry.label.toLowerCase()].find((one) => /[a-z]/.test(one) && !letters.has(one));
    if (letter) letters.set(letter, entry);
  }
  return letters;
}

/** Whether keys are being typed into something. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))
  );
}

export function useGoKeys(nav: readonly NavLink[]): void {
  const navigate = useNavigate();
  useEffect(() => {
    const letters = lettersOf(nav);
    let since = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const key = event.key.toLowerCase();
      const entry = letters.get(key);
      if (entry && event.timeStamp - since < PATIENCE) {
        event.preventDefault();
        since = 0;
        void navigate(entry.to);
      } else since = key === "g" ? event.timeStamp : 0;
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [nav, navigate]);
}

/** `/` moves to the search field of a list. */
export function useSlash(field: RefObject<HTMLInputElement | null>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      event.preventDefault();
      field.current?.focus();
      field.current?.select();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [field]);
}
