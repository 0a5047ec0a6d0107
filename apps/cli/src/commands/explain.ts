import type { ExplanationBody } from "@reelq/contract";
import type { Reelq } from "@reelq/sdk";
import type { Command } from "commander";
import { standardOutput } from "../terminal.ts";

/** `reelq explain ID`: why a video is where it is, and when it should move. */
export function addExplain(program: Command, client: () => Reelq): void {
  program
    .command("explain")
    .description("Say why a video is where it is, and when it should move.")
    .argument("<id>", "the video's id")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  reelq explain video_0199…")
    .action(async (id: string, { json }: { json?: boolean }) => {
      const explanation = await client().videos.explain(id);
      standardOutput.write(json ? `${JSON.stringify(explanation, null, 2)}\n` : `${describe(explanation)}\n`);
    });
}

function describe({ status, sentence, next_at: nextAt, expected, lane }: ExplanationBody): string {
  const lines: [string, string | null][] = [
    ["status", status],
    ["next", nextAt],
    ["expected", expected && `${expected.median}, 9 of 10 by ${expected.ninety_percent}`],
    ["lane", lane && laneText(lane)],
  ];
  const details = lines.flatMap(([name, value]) => (value ? [`  ${name.padEnd(8)}  ${value}`] : []));
  return [sentence, ...details].join("\n");
}

function laneText({
  name,
  ahead,
  waiting,
  in_flight: inFlight,
  breaker,
}: NonNullable<ExplanationBody["lane"]>): string {
  const position = ahead === null ? "" : `, place ${ahead + 1} of ${Math.max(waiting, ahead + 1)} that wait`;
  const open = breaker === "closed" ? "" : `, its breaker is ${breaker.replace("_", "-")}`;
  return `${name}: ${inFlight} in flight${position}${open}`;
}
