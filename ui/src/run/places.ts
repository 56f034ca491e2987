// Long lists draw what is in sight into a few elements, which are used again and again as the list moves.

/** How many elements there are for so many rows in sight: a number that seldom changes. */
export function placesFor(shown: number): number {
  return Math.ceil((shown + 1) / 16) * 16;
}
