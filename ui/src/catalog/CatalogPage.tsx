import { useTitle } from "../shell/title.ts";

export function Component() {
  useTitle("Catalog");
  return <h1>Catalog</h1>;
}
