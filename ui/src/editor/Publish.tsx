// The draft as the next version, with a word about what is new in it.

import { Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import { Problem } from "../parts/Problem.tsx";
import { toastDone } from "../shell/toast.tsx";
import { useEditor } from "./context.ts";

export function Publish({ onClose }: { onClose: () => void }) {
  const { slug, saver, problems } = useEditor();
  const client = useQueryClient();
  const [note, setNote] = useState("");
  const publish = useMutation({
    mutationFn: async () => {
      if (!(await saver.flush())) throw new Error("The draft is not saved yet, so it cannot be published.");
      return api.post("/workflows/{slug}/publish", { path: { slug }, body: { note } });
    },
    onSuccess: (version) => {
      toastDone(`Version ${version.number} of ${slug} is published`);
      void client.invalidateQueries({ queryKey: [...keys.workflow(slug), "versions"] });
      void client.invalidateQueries({ queryKey: keys.workflows, refetchType: "none" });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Publish ${slug}`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          publish.mutate();
        }}
      >
        <Stack gap="sm">
          <Text size="sm">A version never changes. Runs, schedules and other workflows may name it; it can be compared and restored.</Text>
          {problems.errors ? (
            <Text size="sm" c="var(--mantine-color-error)">
              {problems.errors} {problems.errors === 1 ? "thing is" : "things are"} wrong: a version must have nothing wrong with it.
            </Text>
          ) : null}
          <Textarea label="What is new" placeholder="Judges twice before it writes" data-autofocus autosize minRows={2} maxLength={1000} value={note} onChange={(event) => setNote(event.currentTarget.value)} />
          {publish.error ? <Problem error={publish.error} title="It was not published" /> : null}
          <Group justify="flex-end" gap="xs">
            <Button variant="subtle" color="gray" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={publish.isPending}>
              Publish
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
