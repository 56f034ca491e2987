// Keys: those of the providers of models, and every other secret by its name. What goes in never comes out.

import { useTitle } from "../shell/title.ts";
import { Page } from "../parts/Page.tsx";
import { Providers } from "./Providers.tsx";
import { Secrets } from "./Secrets.tsx";
import css from "./Secrets.module.css";

export function Component() {
  useTitle("Providers and secrets");
  return (
    <Page title="Providers and secrets" about="Keys go in and never come out: they are kept encrypted, and taken out of all that is recorded">
      <div className={css.columns}>
        <Providers />
        <Secrets />
      </div>
    </Page>
  );
}
