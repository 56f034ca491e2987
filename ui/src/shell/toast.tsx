// Short messages in the corner. An error says what happened and what to do, and stays until it is closed.

import { Code, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { advice, ApiError } from "../api/problem.ts";

/** Tell what went wrong while `doing`, such as "Cancel the run". */
export function toastError(doing: string, error: unknown): void {
  const problem = ApiError.of(error);
  const todo = advice(problem);
  notifications.show({
    id: `${doing}:${problem.code}`, // the same failure again is one message
    color: "red",
    icon: <IconAlertTriangle size={18} />,
    title: `${doing}: that did not work`,
    autoClose: problem.retryable ? 10_000 : false,
    message: (
      <>
        <Text size="sm">{problem.detail}</Text>
        {todo ? <Text size="sm">{todo}</Text> : null}
        <Code>{problem.code}</Code>
      </>
    ),
  });
}

export function toastDone(message: string): void {
  notifications.show({ color: "teal", icon: <IconCheck size={18} />, message, autoClose: 4000 });
}
