// The policies there are: what each does, where, and whether it is on.

import { Badge, Button, Code, Group, Skeleton, Switch, Text } from "@mantine/core";
import { IconFlask, IconPencil, IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { api } from "../api/client.ts";
import type { Policy } from "../api/schema.d.ts";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { toastDone, toastError } from "../shell/toast.tsx";
import { changesOf, draftOf, OUTCOMES, POINTS, WHATS } from "./policy.ts";
import { POLICIES, policiesQuery } from "./queries.ts";
import css from "./Settings.module.css";

const EditPolicy = lazy(() => import("./EditPolicy.tsx"));
const TestRun = lazy(() => import("./TestRun.tsx"));

export function Policies() {
  const { data, error, refetch } = useQuery(policiesQuery());
  const [open, setOpen] = useState<Policy | "new" | "test" | null>(null);
  const close = () => setOpen(null);
  return (
    <section aria-label="Policies">
      <Group justify="space-between" mb="md" align="flex-start">
        <Text c="dimmed" size="sm" maw="44em">
          A policy is asked before a run begins and round each call of a model or a tool. All that apply are considered, and the strictest decides. A condition that cannot be computed refuses.
        </Text>
        <Group gap="xs">
          <Button variant="default" leftSection={<IconFlask size={16} aria-hidden />} onClick={() => setOpen("test")}>
            Test against a run
          </Button>
          <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setOpen("new")}>
            New policy
          </Button>
        </Group>
      </Group>
      {error && !data ? <Problem error={error} title="The policies could not be read" retry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton height={220} radius="md" /> : null}
      <ul className={css.scopes}>
        {data?.items.map((one) => (
          <Row key={one.name} policy={one} onEdit={() => setOpen(one)} />
        ))}
      </ul>
      <Suspense>
        {open === "test" ? <TestRun onClose={close} /> : null}
        {open !== null && open !== "test" ? <EditPolicy policy={open === "new" ? null : open} known={(data?.items ?? []).map((one) => one.name)} onClose={close} /> : null}
      </Suspense>
    </section>
  );
}

const SOURCES: Record<Policy["source"], string> = { "built-in": "comes with Penstock", installation: "of this installation", group: "of this group" };

function Row({ policy, onEdit }: { policy: Policy; onEdit: () => void }) {
  const queries = useQueryClient();
  const turn = useMutation({
    mutationFn: (enabled: boolean) => api.put("/policies/{name}", { path: { name: policy.name }, body: changesOf({ ...draftOf(policy), enabled }, policy) as never }),
    onSuccess: (now) => {
      const said = `Policy ${now.name} is ${now.enabled ? "on" : "off"}`;
      toastDone(said);
      announce(said);
    },
    onError: (error) => toastError(`Switch ${policy.name}`, error),
    onSettled: () => queries.invalidateQueries({ queryKey: POLICIES }),
  });
  const outcome = OUTCOMES.find((one) => one.value === policy.then);
  const whats = WHATS.filter((one) => policy.what.includes(one.value)).map((one) => one.label.toLowerCase());
  return (
    <li className={css.scope} data-off={policy.enabled ? undefined : true} aria-label={policy.name}>
      <div className={css.scopeHead}>
        <Group gap="xs">
          <h2>{policy.name}</h2>
          <Text size="xs" c="dimmed" component="span">
            {SOURCES[policy.source]}
            {policy.source !== "group" && policy.changed.length > 0 ? ", changed here" : ""}
          </Text>
        </Group>
        <Group gap="sm" wrap="nowrap">
          <Switch
            checked={policy.enabled}
            disabled={turn.isPending}
            label={policy.enabled ? "On" : "Off"}
            labelPosition="left"
            aria-label={`${policy.name} is on`}
            onChange={(event) => turn.mutate(event.currentTarget.checked)}
          />
          <Button size="compact-sm" variant="default" leftSection={<IconPencil size={14} aria-hidden />} onClick={onEdit}>
            Edit
          </Button>
        </Group>
      </div>
      {policy.message ? <Text size="sm">{policy.message}</Text> : null}
      <div className={css.policy}>
        <span>
          <strong>{outcome?.label ?? policy.then}</strong>
          {whats.length > 0 && policy.then === "redact" ? `: ${whats.join(", ")}` : ""}
        </span>
        <span className={css.points}>
          {policy.on.length === POINTS.length ? (
            <Badge variant="default" tt="none" fw={500}>
              everywhere
            </Badge>
          ) : (
            policy.on.map((point) => (
              <Badge key={point} variant="default" tt="none" fw={500} title={POINTS.find((one) => one.value === point)?.label}>
                {point}
              </Badge>
            ))
          )}
        </span>
        {policy.priority === 0 ? null : <span>priority {policy.priority}</span>}
      </div>
      {policy.when === null ? null : <Code className={css.when ?? ""}>{String(policy.when)}</Code>}
    </li>
  );
}
