/** Drawn on 16 x 16, in the colour of the text beside. */
const drawings = {
  check: '<path d="M3 8.6 6.4 12 13 4.6"/>',
  cross: '<path d="m4 4 8 8m0-8-8 8"/>',
  question: '<path d="M5.4 6a2.6 2.6 0 1 1 3.8 2.3c-.8.4-1.2.9-1.2 1.8M8 12.6v.1"/>',
  down: '<path d="M8 2.5v7.6M4.8 7.2 8 10.4l3.2-3.2M3.5 13.5h9"/>',
  turn: '<path d="M13.2 8A5.2 5.2 0 1 1 8 2.8c2 0 3.4 1 4.4 2.4M12.8 2.4v3h-3"/>',
  arrow: '<path d="M2.5 8h10.4M9 4.2 12.9 8 9 11.8"/>',
  clock: '<circle cx="8" cy="8" r="5.6"/><path d="M8 4.9V8l2.2 1.5"/>',
  skip: '<path d="m3.4 4 5.4 4-5.4 4zM12.6 4v8"/>',
  ban: '<circle cx="8" cy="8" r="5.6"/><path d="m4.2 4.2 7.6 7.6"/>',
  minus: '<path d="M3.5 8h9"/>',
  person: '<circle cx="8" cy="5.2" r="2.6"/><path d="M2.9 13.6c.5-2.9 2.5-4.3 5.1-4.3s4.6 1.4 5.1 4.3"/>',
  play: '<path d="M5 3.2v9.6L12.6 8z" fill="currentColor"/>',
  again: '<path d="M3 6.2h7.4a2.9 2.9 0 0 1 0 5.8H5.6M5.6 3.4 2.8 6.2 5.6 9"/>',
} as const;

export type Icon = keyof typeof drawings;

/** Once in a page, before the first of them is used. */
export const iconSheet = `<svg width="0" height="0" class="icons" aria-hidden="true">${Object.entries(drawings)
  .map(([name, drawing]) => `<symbol id="i-${name}" viewBox="0 0 16 16">${drawing}</symbol>`)
  .join("")}</svg>`;

export const icon = (name: Icon): string => `<svg class="i" aria-hidden="true"><use href="#i-${name}"/></svg>`;
