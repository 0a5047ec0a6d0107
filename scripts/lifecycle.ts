// Draws docs/lifecycle.md from the contract's tables: node scripts/lifecycle.ts [--check] [file]
// With --check it writes nothing, and ends with 1 where the page is not what it would write.
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  failureClasses,
  isFinal,
  type Move,
  moves,
  publicStatus,
  type Status,
  statuses,
} from "../packages/contract/src/index.ts";

const page = new URL("../docs/lifecycle.md", import.meta.url);

/** The whole page. */
export function lifecyclePage(): string {
  return [
    "<!-- Written by scripts/lifecycle.ts. Do not edit: run `npm run lifecycle` instead. -->",
    "# The life of a video",
    "A video has one status. The table `moves` in `packages/contract/src/lifecycle.ts` holds every way from one to another. The ledger refuses all others, and this page is written from it.",
    fenced("mermaid", drawing()),
    "A move that leads back to its own status writes the record anew: a counter, a reason, the time of the next look. It is not drawn; the table has it.",
    "## Statuses",
    table(["status", "final", "OpenAI clients see", "moved on by"], statuses.map(statusRow)),
    "Final means that no stage moves it on. A person may still act on it where the last column says so.",
    "## Moves",
    table(
      ["from", "to", "by", "when"],
      moves.map(({ from, to, by, when }) => [code(from), code(to), by.join(", "), when]),
    ),
    "`submit`, `poll` and `download` are stages. `reconcile` settles doubts; it runs among the polls. `person` is somebody's own order, given through the API.",
    "## Failure classes",
    "A failed video has one of these. `charged` says whether the upstream will bill it; `unknown` counts as billed until somebody says otherwise.",
    table(
      ["class", "charged", "who can act", "retry", "meaning"],
      Object.entries(failureClasses).map(([name, { charged, actor, retry, meaning }]) => [
        code(name),
        charged,
        actor,
        retry,
        meaning,
      ]),
    ),
    "A person may retry a failed video. Where `retry` says `insist`, the call must say so too: the same request would most likely fail again, or what was paid for may still turn up.",
  ]
    .join("\n\n")
    .concat("\n");
}

function drawing(): string {
  const drawn: readonly Move[] = moves.filter(({ from, to }) => from !== to);
  return [
    "stateDiagram-v2",
    `    [*] --> ${statuses[0]}: accepted`,
    ...drawn.map(({ from, to, by }) => `    ${from} --> ${to}: ${by.join(", ")}`),
    ...statuses.filter(isFinal).map((status) => `    ${status} --> [*]`),
  ].join("\n");
}

const statusRow = (status: Status): string[] => [
  code(status),
  isFinal(status) ? "yes" : "",
  code(publicStatus[status]),
  [...new Set((moves as readonly Move[]).filter(({ from }) => from === status).flatMap(({ by }) => by))].join(", ") ||
    "nobody",
];

const code = (name: string): string => `\`${name}\``;

const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

function main(args: readonly string[]): number {
  const file = args.find((arg) => !arg.startsWith("-")) ?? fileURLToPath(page);
  if (!args.includes("--check")) {
    writeFileSync(file, lifecyclePage());
    return 0;
  }
  if (readOrNothing(file) === lifecyclePage()) return 0;
  process.stderr.write(`${file} is not what the contract's tables say; run \`npm run lifecycle\` to write it anew.\n`);
  return 1;
}

function readOrNothing(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
