// Providers of models, as they are now.

import { queryOptions } from "@tanstack/react-query";
import { api } from "../api/client.ts";

export const PROVIDERS = ["providers"] as const;

export const providersQuery = () =>
  queryOptions({ queryKey: [...PROVIDERS, "list"], queryFn: ({ signal }) => api.get("/providers", { signal }), refetchInterval: 15_000 });
