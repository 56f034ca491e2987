import { useParams } from "react-router";
import { useTitle } from "../shell/title.ts";

export function Component() {
  const { id } = useParams();
  useTitle("Run");
  return <h1>Run {id}</h1>;
}
