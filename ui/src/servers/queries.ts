// Servers, one server with its tools, and what steps can ask for.

import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import { keys, serversQuery } from "../api/queries.ts";

export const liveServersQuery = () => ({ ...serversQuery(), refetchInterval: 5_000 });

export const serverQuery = (name: string) =>
  queryOptions({
    queryKey: [...keys.servers, "one", name],
    queryFn: ({ signal }) => api.get("/servers/{name}", { path: { name }, signal }),
    refetchInterval: 5_000,
  });

export const capabilitiesQuery = () =>
  queryOptions({
    queryKey: [...keys.servers, "capabilities"],
    queryFn: ({ signal }) => api.get("/capabilities", { signal }),
  });

/** What a check of a server told when it was last made here. */
export const checkedKey = (name: string) => ["checked", name] as const;
