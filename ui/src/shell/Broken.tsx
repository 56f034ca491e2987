// A page that failed: it says so and offers a way on. A part of the program that cannot be loaded any more, because the
// server has a newer build since, is loaded again once.

import { Button, Code, Container } from "@mantine/core";
import { useEffect } from "react";
import { Link, useRouteError } from "react-router";
import { Problem } from "../parts/Problem.tsx";

const STALE = /dynamically imported module|Importing a module script failed|Unable to preload/i;
const ONCE = "penstock.reloaded";

export function Broken() {
  const error = useRouteError();
  const stale = error instanceof Error && STALE.test(error.message);
  useEffect(() => {
    if (!stale || Date.now() - Number(sessionStorage.getItem(ONCE) ?? 0) < 30_000) return;
    sessionStorage.setItem(ONCE, String(Date.now()));
    location.reload();
  }, [stale]);
  return (
    <Container size="sm" py="xl">
      <Problem error={error} title={stale ? "This page could not be loaded" : "This page failed"} retry={() => location.reload()}>
        {error instanceof Error && !stale ? <Code block>{error.stack?.split("\n").slice(0, 4).join("\n")}</Code> : null}
      </Problem>
      <Button component={Link} to="/" variant="subtle" mt="md">
        To the catalog
      </Button>
    </Container>
  );
}
