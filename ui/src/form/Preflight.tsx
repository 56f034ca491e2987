// What stands in the way of a run here and now, found before it begins.

import { ActionIcon, Code, Group, Loader, Stack, Text, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleX, IconRefresh } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import type { Wrong } from "../api/schema.d.ts";
import { Card } from "../parts/Card.tsx";
import { plural } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";

export const preflightQuery = (slug: string) => ({
  queryKey: [...keys.workflow(slug), "preflight"],
  queryFn: ({ signal }: { signal: AbortSignal }) => api.post("/workflows/{slug}/validate", { path: { slug }, signal }),
  staleTime: 0,
});

export function Preflight({ slug }: { slug: string }) {
  const { data, error, isFetching, refetch } = useQuery(preflightQuery(slug));
  const again = (
    <Tooltip label="Look again">
      <ActionIcon variant="subtle" color="gray" aria-label="Look again" onClick={() => void refetch()}>
        {isFetching ? <Loader size={14} /> : <IconRefresh size={16} />}
      </ActionIcon>
    </Tooltip>
  );
  return (
    <Card title="Preflight" aside={again}>
      {error ? <Problem error={error} /> : null}
      {data ? <Report problems={[...data.problems, ...data.preflight]} /> : null}
      {!data && !error ? <Text c="dimmed">Looking…</Text> : null}
    </Card>
  );
}

function Report({ problems }: { problems: readonly Wrong[] }) {
  const errors = problems.filter((one) => one.severity !== "warning");
  return (
    <Stack gap="xs" aria-live="polite">
      {errors.length === 0 ? (
        <Group gap={6} wrap="nowrap" c="var(--tone-good)">
          <IconCircleCheck size={18} aria-hidden />
          <Text size="sm">Ready: the document is right and all it needs is here.</Text>
        </Group>
      ) : (
        <Text size="sm" fw={600} c="var(--tone-bad)">
          {plural(errors.length, "thing")} to mend first
        </Text>
      )}
      {problems.map((one, index) => (
        <Finding key={index} wrong={one} />
      ))}
    </Stack>
  );
}

function Finding({ wrong }: { wrong: Wrong }) {
  const warning = wrong.severity === "warning";
  const Icon = warning ? IconAlertTriangle : IconCircleX;
  return (
    <Group gap={6} wrap="nowrap" align="flex-start">
      <Icon size={18} style={{ flex: "none", marginTop: 1 }} color={warning ? "var(--tone-warn)" : "var(--tone-bad)"} aria-label={warning ? "Warning" : "Error"} />
      <div style={{ minWidth: 0, overflowWrap: "anywhere" }}>
        <Text size="sm">{wrong.message}</Text>
        {wrong.hint ? (
          <Text size="sm" c="dimmed">
            {wrong.hint}
          </Text>
        ) : null}
        {wrong.pointer ? <Code fz="xs">{wrong.pointer}</Code> : null}
      </div>
    </Group>
  );
}
