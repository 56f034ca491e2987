// A workflow begins: with a name and nothing else, or as a document that one has already.

import { Button, Group, Stack, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNavigate } from "react-router";
import { api } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import { Card } from "../parts/Card.tsx";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useTitle } from "../shell/title.ts";
import { blank, type Doc, SLUG } from "./model/document.ts";
import { parse } from "./model/yaml.ts";

const slugOf = (title: string) => title.toLowerCase().normalize("NFD").replaceAll(/[\u0300-\u036f]/g, "").replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-+|-+$/g, "").slice(0, 63);

export function Component() {
  useTitle("New workflow");
  const navigate = useNavigate();
  const client = useQueryClient();
  const [title, setTitle] = useState("");
  const [name, setName] = useState<string | null>(null);
  const [text, setText] = useState("");
  const slug = name ?? slugOf(title);
  const pasted = text.trim() ? parse(text) : null;
  const wrong = slug && !SLUG.test(slug) ? "Lower-case letters, digits and dashes, 63 at most" : null;
  const create = useMutation({
    mutationFn: () => {
      const doc: Doc = pasted?.doc ? { ...pasted.doc, ...(slug ? { name: slug } : {}), ...(title ? { title } : {}) } : blank(slug, title);
      return api.post("/workflows", { body: doc as never });
    },
    onSuccess: (draft) => {
      void client.invalidateQueries({ queryKey: keys.workflows });
      void navigate(`/workflows/${draft.slug}/edit`);
    },
  });
  const ready = wrong === null && (pasted === null ? slug !== "" : pasted.doc !== null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) create.mutate();
  };
  return (
    <Page title="New workflow" back={{ to: "/", label: "Catalog" }} about="Name it, then draw it.">
      <form onSubmit={submit} noValidate>
        <Stack gap="md" maw="44rem">
          <Card>
            <Stack gap="sm">
              <TextInput label="Title" placeholder="Review a folder" data-autofocus value={title} onChange={(event) => setTitle(event.currentTarget.value)} />
              <TextInput
                label="Name" description="It stands in addresses and commands, and does not change." placeholder="review-folder" required={pasted === null} spellCheck={false} error={wrong} value={slug}
                onChange={(event) => setName(event.currentTarget.value)}
              />
              <Textarea
                label="Document, if you have one" description="YAML or JSON." autosize minRows={3} maxRows={16} value={text} spellCheck={false} error={pasted?.problems[0] ? `Line ${pasted.problems[0].line}: ${pasted.problems[0].message}` : null}
                styles={{ input: { fontFamily: "var(--mono)", fontSize: "var(--mantine-font-size-xs)" } }} onChange={(event) => setText(event.currentTarget.value)}
              />
              {create.error ? <Problem error={create.error} title="It could not be made" /> : null}
              <Group>
                <Button type="submit" disabled={!ready} loading={create.isPending}>
                  Create and edit
                </Button>
              </Group>
            </Stack>
          </Card>
        </Stack>
      </form>
    </Page>
  );
}
