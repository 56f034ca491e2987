// The entry: providers round the router, and the nonce with which libraries may add style elements under our policy.

import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter } from "react-router";
import { RouterProvider } from "react-router/dom";
import "./base.css";
import { client } from "./api/queries.ts";
import { routes } from "./routes.tsx";
import { nonce } from "./shell/nonce.ts";
import { LiveRegion } from "./shell/announce.tsx";
import { resolver, theme } from "./theme.ts";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={resolver} defaultColorScheme="auto" getStyleNonce={nonce}>
      <QueryClientProvider client={client}>
        <Notifications position="bottom-right" containerWidth="min(26rem, calc(100vw - 2rem))" />
        <LiveRegion />
        <RouterProvider router={createBrowserRouter(routes)} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
