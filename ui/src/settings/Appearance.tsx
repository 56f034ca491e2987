// How the pages look, on this machine alone.

import { Radio, Stack, Text, useMantineColorScheme } from "@mantine/core";
import { Card } from "../parts/Card.tsx";
import { announce } from "../shell/announce.tsx";

const SCHEMES = [
  { value: "auto", label: "As the system", about: "Light by day, dark by night, where the system does so" },
  { value: "light", label: "Light", about: "Dark words on a light ground" },
  { value: "dark", label: "Dark", about: "Light words on a dark ground" },
] as const;

export function Appearance() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Card title="Colours">
      <Radio.Group
        aria-label="Colours"
        value={colorScheme}
        onChange={(next) => {
          setColorScheme(next as "auto" | "light" | "dark");
          announce(`Colours: ${SCHEMES.find((one) => one.value === next)?.label ?? next}`);
        }}
      >
        <Stack gap="sm">
          {SCHEMES.map((one) => (
            <Radio key={one.value} value={one.value} label={one.label} description={one.about} />
          ))}
        </Stack>
      </Radio.Group>
      <Text size="sm" c="dimmed" mt="md">
        This browser remembers it. What moves stands still where the system asks for less motion.
      </Text>
    </Card>
  );
}
