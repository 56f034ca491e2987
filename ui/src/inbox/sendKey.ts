// Ctrl-Enter (⌘-Enter) from anywhere within a form sends it.

import { type RefObject, useEffect, useRef } from "react";

export function useSendKey(form: RefObject<HTMLFormElement | null>, send?: () => void): void {
  const now = useRef(send);
  useEffect(() => {
    now.current = send;
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !form.current?.contains(event.target as Node)) return;
      event.preventDefault();
      event.stopPropagation();
      if (now.current) now.current();
      else form.current.requestSubmit();
    };
    window.addEventListener("keydown", onKey, { capture: true }); // before an editor makes a new line of it
    return () => window.removeEventListener("keydown", onKey, { capture: true });
  }, [form]);
}
