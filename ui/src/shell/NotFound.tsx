import { Button } from "@mantine/core";
import { IconMapOff } from "@tabler/icons-react";
import { Link, useLocation } from "react-router";
import { Empty } from "../parts/Empty.tsx";
import { useTitle } from "./title.ts";

export function NotFound() {
  const { pathname } = useLocation();
  useTitle("Not found");
  return (
    <Empty
      icon={<IconMapOff size={26} />}
      title="There is no such page"
      order={1}
      actions={
        <>
          <Button component={Link} to="/">
            To the catalog
          </Button>
          <Button component={Link} to="/runs" variant="default">
            To the runs
          </Button>
        </>
      }
    >
      Nothing is at <code>{pathname}</code>.
    </Empty>
  );
}
