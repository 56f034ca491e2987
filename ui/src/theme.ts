// Colours and sizes. Contrast is 4.5:1 or better for all text, which is why what Mantine dims is dimmed less here.

import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const water: MantineColorsTuple = [
  "#e6f7fa",
  "#d0ecf1",
  "#a3dae4",
  "#72c7d6",
  "#4cb7ca",
  "#33a8bd",
  "#1b93a8",
  "#0f7d91",
  "#0b6a7c",
  "#075666",
];

const dark: MantineColorsTuple = [
  "#dde2e7",
  "#b9c2cb",
  "#9aa5b1",
  "#76828f",
  "#3d4651",
  "#323a44",
  "#232930",
  "#191e24",
  "#13171c",
  "#0e1115",
];

const red: MantineColorsTuple = [
  "#ffeceb",
  "#fbd5d2",
  "#f2a9a4",
  "#ec7a73",
  "#e65249",
  "#e33a2f",
  "#d92d22",
  "#c2251b",
  "#b3261e",
  "#8f1a13",
];

export const theme = createTheme({
  primaryColor: "water",
  primaryShade: { light: 8, dark: 7 },
  colors: { water, dark, red },
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Arial, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace",
  defaultRadius: "md",
  components: { CloseButton: { defaultProps: { "aria-label": "Close" } } },
  cursorType: "pointer",
  respectReducedMotion: true,
  headings: { fontWeight: "600", sizes: { h1: { fontSize: "1.5rem" }, h2: { fontSize: "1.2rem" }, h3: { fontSize: "1.05rem" } } },
});

export const resolver: CSSVariablesResolver = (theme) => ({
  variables: {},
  light: {
    "--mantine-color-body": "#f7f9fa",
    "--mantine-color-text": "#1b2126",
    "--mantine-color-dimmed": "#545d66",
    "--mantine-color-placeholder": "#656e77",
    "--mantine-color-error": "#b3261e",
    "--mantine-color-anchor": theme.colors["water"]?.[8] ?? "",
    "--mantine-color-default-border": "#cbd2d8",
    "--mantine-color-red-light-color": "#a32018",
  },
  dark: {
    "--mantine-color-dimmed": "#a3adb8",
    "--mantine-color-placeholder": "#8f9aa6",
    "--mantine-color-error": "#ff8f86",
    "--mantine-color-anchor": "#6fd0e0",
    "--mantine-color-red-light-color": "#ffa39b",
  },
});
