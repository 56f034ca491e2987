// What the group and each of its workflows may use in a day or a month, and what they have used.

import { ActionIcon, Button, Group, Skeleton, Text, Tooltip } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api } from "../api/client.ts";
import type { Budget, Used } from "../api/schema.d.ts";
import { useClock } from "../inbox/clock.ts";
import { count, plural, short, usd } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";
import { toastDone, toastError } from "../shell/toast.tsx";
import { COSTS, type Cost, levelOf, periodsAt, type Scope, scopesOf, shareOf } from "./budget.ts";
import { BUDGETS, budgetsQuery, usageQuery } from "./queries.ts";
import { SetBudget } from "./SetBudget.tsx";
import css from "./Settings.module.css";

export function Budgets() {
  const periods = periodsAt(useClock());
  const budgets = useQuery(budgetsQuery());
  const today = useQuery(usageQuery(periods.day));
  const month = useQuery(usageQuery(periods.month));
  const [open, setOpen] = useState<{ name: string | null; budget: Budget | null } | null>(null);
  const error = budgets.error ?? today.error ?? month.error;
  const ready = budgets.data && today.data && month.data;
  const scopes = ready ? scopesOf(budgets.data.items, today.data.items, month.data.items) : [];
  return (
    <section aria-label="Budgets">
      <Group justify="space-between" mb="md" align="flex-start">
        <Text c="dimmed" size="sm" maw="44em">
          A budget holds from the next call on, for runs in progress too, and what was used before counts. Without one nothing is bounded but by the limits of each run. Days and months are
          those of UTC.
        </Text>
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setOpen({ name: null, budget: null })}>
          Set a budget
        </Button>
      </Group>
      {error && !ready ? <Problem error={error} title="The budgets could not be read" retry={() => void Promise.all([budgets.refetch(), today.refetch(), month.refetch()])} /> : null}
      {!ready && !error ? <Skeleton height={200} radius="md" /> : null}
      <ul className={css.scopes}>
        {scopes.map((one) => (
          <Row key={one.name} scope={one} onEdit={() => setOpen({ name: one.name, budget: one.budget })} />
        ))}
      </ul>
      {ready && scopes.length === 1 && scopes[0]?.budget === null && !scopes[0].month ? (
        <Text c="dimmed" size="sm" mt="md">
          Nothing was used this month. What models cost shows up here as soon as a run asks one.
        </Text>
      ) : null}
      {open ? <SetBudget name={open.name} budget={open.budget} onClose={() => setOpen(null)} /> : null}
    </section>
  );
}

function Row({ scope, onEdit }: { scope: Scope; onEdit: () => void }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => api.delete("/budgets/{name}", { path: { name: scope.name } }),
    onSuccess: () => toastDone(`${scope.label}: no budget any more`),
    onError: (error) => toastError(`Remove the budget of ${scope.label}`, error),
    onSettled: () => queries.invalidateQueries({ queryKey: BUDGETS }),
  });
  const per = scope.budget?.per ?? null;
  return (
    <li className={css.scope} aria-label={scope.label}>
      <div className={css.scopeHead}>
        <h2>{scope.name === "group" ? scope.label : <Link to={`/runs?workflow=${encodeURIComponent(scope.label)}`}>{scope.label}</Link>}</h2>
        <Group gap={4} wrap="nowrap">
          {scope.budget ? (
            <>
              <Tooltip label="Change the budget">
                <ActionIcon variant="subtle" color="gray" aria-label={`Change the budget of ${scope.label}`} onClick={onEdit}>
                  <IconPencil size={17} />
                </ActionIcon>
              </Tooltip>
              <Tooltip label="Remove the budget">
                <ActionIcon variant="subtle" color="gray" aria-label={`Remove the budget of ${scope.label}`} loading={remove.isPending} onClick={() => remove.mutate()}>
                  <IconTrash size={17} />
                </ActionIcon>
              </Tooltip>
            </>
          ) : (
            <Button size="compact-sm" variant="default" onClick={onEdit}>
              Bound it
            </Button>
          )}
        </Group>
      </div>
      <div className={css.periods}>
        <Period title="Today" used={scope.today} budget={per === "day" ? scope.budget : null} />
        <Period title="This month" used={scope.month} budget={per === "month" ? scope.budget : null} />
      </div>
    </li>
  );
}

function Period({ title, used, budget }: { title: string; used: Used | null; budget: Budget | null }) {
  const bounded = COSTS.filter((cost) => budget !== null && budget[cost] !== null);
  return (
    <div className={css.period}>
      <h3>{title}</h3>
      <p className={css.used}>
        <strong>{usd(used?.usd ?? "0")}</strong>
        <span>{short(used?.tokens ?? 0)} tokens</span>
        <span>{plural(used?.iterations ?? 0, "turn")}</span>
      </p>
      {bounded.map((cost) => (
        <Bar key={cost} cost={cost} title={title} used={Number(used?.[cost] ?? 0)} limit={Number(budget![cost])} />
      ))}
    </div>
  );
}

const SAID: Record<Cost, (amount: number) => string> = { usd: (amount) => usd(amount), tokens: (amount) => `${count(amount)} tokens`, iterations: (amount) => plural(amount, "turn") };

function Bar({ cost, title, used, limit }: { cost: Cost; title: string; used: number; limit: number }) {
  const share = shareOf(used, limit) ?? 0;
  const percent = Math.round(share * 100);
  const level = levelOf(share);
  const words = `${SAID[cost](used)} of ${SAID[cost](limit)}`;
  return (
    <div>
      <div className={css.bar} data-level={level} role="meter" aria-label={`${title}: ${words}`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.min(100, percent)} aria-valuetext={words}>
        <svg width="100%" height="100%" aria-hidden preserveAspectRatio="none" viewBox="0 0 100 1">
          <rect width={Math.min(100, Math.max(share > 0 ? 0.8 : 0, share * 100))} height="1" />
        </svg>
      </div>
      <p className={css.barWords}>
        <span>{words}</span>
        <span className={css[level]}>{level === "bad" ? `used up, ${percent} %` : level === "warn" ? `nearly used up, ${percent} %` : `${percent} %`}</span>
      </p>
    </div>
  );
}
