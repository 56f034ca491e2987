// What of the runs is shown. All of it stands in the address, so that it can be sent to somebody.

import { Autocomplete, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { workflowsQuery } from "../api/queries.ts";
import { MODES } from "../form/ModePicker.tsx";
import { SearchField } from "../parts/SearchField.tsx";
import { lookOf, Status } from "../parts/Status.tsx";
import css from "./Filters.module.css";
import { type Shown, STATUSES } from "./views.ts";

interface FiltersProps {
  shown: Shown;
  onChange: (next: Partial<Record<string, string | undefined>>) => void;
}

export function Filters({ shown, onChange }: FiltersProps) {
  const { data: workflows } = useQuery(workflowsQuery());
  const slugs = new Set([...(workflows ?? []).map((one) => one.slug), ...(shown.workflow ? [shown.workflow] : [])]);
  return (
    <search className={css.filters}>
      <SearchField
        className={css.search}
        placeholder="Search id, workflow, actor, error"
        label="Search runs"
        value={shown.text}
        onChange={(text) => onChange({ text })}
      />
      <Select
        aria-label="Status"
        placeholder="Any status"
        data={STATUSES.map((value) => ({ value, label: lookOf(value).word }))}
        renderOption={({ option }) => <Status of={option.value} />}
        value={shown.status ?? null}
        onChange={(next) => onChange({ status: next ?? undefined })}
        clearable
      />
      <Select
        aria-label="Workflow"
        placeholder="Any workflow"
        data={[...slugs].toSorted()}
        value={shown.workflow ?? null}
        onChange={(next) => onChange({ workflow: next ?? undefined })}
        clearable
        searchable
      />
      <Select
        aria-label="Mode"
        placeholder="Any mode"
        data={Object.entries(MODES).map(([value, { name }]) => ({ value, label: name }))}
        value={shown.mode ?? null}
        onChange={(next) => onChange({ mode: next ?? undefined })}
        clearable
      />
      <Actor key={shown.actor ?? ""} value={shown.actor ?? ""} onChange={(actor) => onChange({ actor: actor || undefined })} />
    </search>
  );
}

/** Asked for when it is typed to its end: the server knows whole names. */
function Actor({ value, onChange }: { value: string; onChange: (actor: string) => void }) {
  const [draft, setDraft] = useState(value);
  const ask = () => {
    if (draft !== value) onChange(draft);
  };
  return (
    <Autocomplete
      aria-label="Actor"
      placeholder="Any actor"
      data={["local"]}
      value={draft}
      onChange={setDraft}
      onOptionSubmit={onChange}
      onBlur={ask}
      onKeyDown={(event) => {
        if (event.key === "Enter") ask();
      }}
    />
  );
}
