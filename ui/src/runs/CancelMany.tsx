// End several runs at once. Each is asked for by itself, a few at a time, and what could not be ended is told.

import { Button, Group, Modal, Paper, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconBan } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import type { RunItem } from "../api/schema.d.ts";
import { plural } from "../parts/format.ts";
import { announce } from "../shell/announce.tsx";
import { toastDone, toastError } from "../shell/toast.tsx";
import css from "./CancelMany.module.css";

const AT_ONCE = 4;

export function CancelMany({ runs, onDone }: { runs: readonly RunItem[]; onDone: () => void }) {
  const client = useQueryClient();
  const [asking, ask] = useDisclosure(false);
  const [reason, setReason] = useState("");
  const cancel = useMutation({
    mutationFn: async () => {
      const left = [...runs];
      const failed: unknown[] = [];
      const work = async () => {
        for (let run = left.pop(); run; run = left.pop())
          try {
            await api.post("/runs/{run_id}/cancel", { path: { run_id: run.run_id }, body: { reason: reason || null } });
          } catch (error) {
            failed.push(error);
          }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      return failed;
    },
    onSuccess: (failed) => {
      const ended = runs.length - failed.length;
      if (ended) {
        toastDone(`${plural(ended, "run")} cancelled`);
        announce(`${plural(ended, "run")} cancelled`);
      }
      if (failed.length) toastError(`Cancel ${plural(failed.length, "run")}`, failed[0]);
      ask.close();
      setReason("");
      onDone();
    },
    onSettled: () => client.invalidateQueries({ queryKey: keys.runs }),
  });
  if (!runs.length) return null;
  return (
    <>
      <Paper className={css.bar} withBorder radius="md" role="region" aria-label="Chosen runs">
        <Text size="sm">{plural(runs.length, "run")} chosen that can be cancelled</Text>
        <Group gap="xs">
          <Button size="compact-sm" variant="default" onClick={onDone}>
            Choose none
          </Button>
          <Button size="compact-sm" color="red" leftSection={<IconBan size={14} aria-hidden />} onClick={ask.open}>
            Cancel {plural(runs.length, "run")}
          </Button>
        </Group>
      </Paper>
      <Modal opened={asking} onClose={ask.close} title={`Cancel ${plural(runs.length, "run")}?`}>
        <Text size="sm" mb="sm">
          Steps in flight are stopped. What was done stays in the journal; a cancelled run does not go on.
        </Text>
        <TextInput label="Reason" description="Goes into the journal of each." value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={ask.close}>
            Let them run
          </Button>
          <Button color="red" loading={cancel.isPending} onClick={() => cancel.mutate()}>
            Cancel {plural(runs.length, "run")}
          </Button>
        </Group>
      </Modal>
    </>
  );
}
