// A field to search a list with. What is typed is shown at once; the address, where it is kept, may follow a moment later.

import { TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useSlash } from "../shell/shortcuts.ts";

interface SearchFieldProps {
  label: string;
  placeholder: string;
  value: string;
  onChange: (text: string) => void;
  className?: string | undefined;
}

export function SearchField({ label, placeholder, value, onChange, className }: SearchFieldProps) {
  const field = useRef<HTMLInputElement>(null);
  const [draft, setDraft] = useState(value);
  const sent = useRef(value);
  useSlash(field);
  useEffect(() => {
    if (value === sent.current) return; // what was typed here comes back
    sent.current = value;
    if (document.activeElement !== field.current || value === "") setDraft(value);
  }, [value]);
  return (
    <TextInput
      ref={field}
      type="search"
      className={className ?? ""}
      placeholder={placeholder}
      aria-label={label}
      leftSection={<IconSearch size={16} aria-hidden />}
      value={draft}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setDraft(text);
        sent.current = text;
        onChange(text);
      }}
    />
  );
}
