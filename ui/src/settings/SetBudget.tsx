// The form of a budget. What is left empty is not bounded.

import { Autocomplete, Button, Group, Modal, NumberInput, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { workflowsQuery } from "../api/queries.ts";
import type { Budget } from "../api/schema.d.ts";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { toastDone } from "../shell/toast.tsx";
import { labelOf } from "./budget.ts";
import { BUDGETS } from "./queries.ts";

interface SetBudgetProps {
  /** `group` or `workflow:SLUG`; null lets one choose. */
  name: string | null;
  budget: Budget | null;
  onClose: () => void;
}

export function SetBudget({ name: given, budget, onClose }: SetBudgetProps) {
  const queries = useQueryClient();
  const { data: workflows } = useQuery(workflowsQuery());
  const [scope, setScope] = useState<"group" | "workflow">("group");
  const [slug, setSlug] = useState("");
  const [per, setPer] = useState<"day" | "month">(budget?.per ?? "day");
  const [usd, setUsd] = useState(budget?.usd ?? "");
  const [tokens, setTokens] = useState<string | number>(budget?.tokens ?? "");
  const [turns, setTurns] = useState<string | number>(budget?.iterations ?? "");
  const [tried, setTried] = useState(false);
  const name = given ?? (scope === "group" ? "group" : `workflow:${slug.trim()}`);
  const wrong = {
    slug: given === null && scope === "workflow" && slug.trim() === "" ? "Which one?" : null,
    usd: usd.trim() !== "" && !/^\d+(\.\d+)?$/.test(usd.trim()) ? "An amount such as 12.50" : null,
    none: usd.trim() === "" && tokens === "" && turns === "" ? "Bound at least one of the three" : null,
  };
  const put = useMutation({
    mutationFn: () =>
      api.put("/budgets/{name}", {
        path: { name },
        body: {
          per,
          ...(usd.trim() ? { usd: usd.trim() } : {}),
          ...(tokens === "" ? {} : { tokens: Number(tokens) }),
          ...(turns === "" ? {} : { iterations: Number(turns) }),
        } as never,
      }),
    onSuccess: () => {
      toastDone(`Budget of ${labelOf(name)} set`);
      announce(`Budget of ${labelOf(name)} set`);
      void queries.invalidateQueries({ queryKey: BUDGETS });
      onClose();
    },
  });
  const problem = put.error ? ApiError.of(put.error) : null;
  const at = (pointer: string) => problem?.errors.find((one) => one.pointer === pointer)?.message ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (wrong.slug || wrong.usd || wrong.none) announce(wrong.slug ?? wrong.usd ?? wrong.none ?? "");
    else put.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={given === null ? "Set a budget" : `Budget: ${labelOf(given)}`}>
      <form onSubmit={submit} noValidate>
        <Stack>
          {given === null ? (
            <>
              <SegmentedControl
                aria-label="Of what"
                value={scope}
                onChange={(next) => setScope(next as typeof scope)}
                data={[
                  { value: "group", label: "The whole group" },
                  { value: "workflow", label: "One workflow" },
                ]}
              />
              {scope === "workflow" ? (
                <Autocomplete label="Workflow" withAsterisk data={(workflows ?? []).map((one) => one.slug)} value={slug} onChange={setSlug} error={tried ? wrong.slug : null} />
              ) : null}
            </>
          ) : null}
          <SegmentedControl
            aria-label="For how long"
            value={per}
            onChange={(next) => setPer(next as typeof per)}
            data={[
              { value: "day", label: "Each day" },
              { value: "month", label: "Each month" },
            ]}
          />
          <TextInput
            label="US dollars"
            inputMode="decimal"
            data-autofocus
            placeholder="not bounded"
            leftSection="$"
            value={usd}
            onChange={(event) => setUsd(event.currentTarget.value)}
            error={(tried ? wrong.usd : null) ?? at("/usd")}
          />
          <NumberInput label="Tokens" description="Of all models together" placeholder="not bounded" min={0} allowDecimal={false} allowNegative={false} thousandSeparator=" " value={tokens} onChange={setTokens} error={at("/tokens")} />
          <NumberInput label="Turns of agents" placeholder="not bounded" min={0} allowDecimal={false} allowNegative={false} thousandSeparator=" " value={turns} onChange={setTurns} error={at("/iterations")} />
          {tried && wrong.none ? (
            <Text size="sm" c="var(--mantine-color-error)" role="alert">
              {wrong.none}
            </Text>
          ) : null}
          {problem ? <Problem error={problem} title="The budget was not set" /> : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button type="submit" loading={put.isPending}>
              Set
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
