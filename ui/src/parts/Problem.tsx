// What went wrong, where, and what to do about it. The code stays visible: it is what the documentation is ordered by.

import { Alert, Button, Code, Group, List, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { advice, ApiError } from "../api/problem.ts";
import type { Wrong } from "../api/schema.d.ts";

interface ProblemProps {
  error: unknown;
  title?: string;
  /** Offers to try again. */
  retry?: () => void;
  children?: ReactNode;
}

export function Problem({ error, title = "That did not work", retry, children }: ProblemProps) {
  const problem = ApiError.of(error);
  const todo = advice(problem);
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle size={18} />} title={title} role="alert">
      <Text size="sm">{problem.detail}</Text>
      {problem.errors.length > 1 || (problem.errors.length === 1 && problem.errors[0]?.message !== problem.detail) ? (
        <Places errors={problem.errors} />
      ) : null}
      {todo ? (
        <Text size="sm" mt={4}>
          {todo}
        </Text>
      ) : null}
      {children}
      <Group mt="xs" gap="sm">
        {retry ? (
          <Button size="compact-sm" variant="default" onClick={retry}>
            Try again
          </Button>
        ) : null}
        <Code>{problem.code}</Code>
      </Group>
    </Alert>
  );
}

type Place = Pick<Wrong, "pointer" | "message"> & { hint?: string | null };

/** Each place that is wrong, with its pointer. */
export function Places({ errors }: { errors: readonly Place[] }) {
  return (
    <List size="sm" mt={4} spacing={2}>
      {errors.slice(0, 20).map((wrong, index) => (
        <List.Item key={index}>
          {wrong.pointer ? <Code mr={6}>{wrong.pointer}</Code> : null}
          {wrong.message}
          {wrong.hint ? ` (${wrong.hint})` : ""}
        </List.Item>
      ))}
      {errors.length > 20 ? <List.Item>and {errors.length - 20} more</List.Item> : null}
    </List>
  );
}
