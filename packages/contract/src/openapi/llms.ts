import { bodyExamples } from "./examples.ts";
import { operations } from "./document.ts";
import { tags } from "./operation.ts";
import { problemCodes, problemMeanings } from "../problem.ts";

/** What a language model should know before it calls the API: llmstxt.org's form, from the tables of the OpenAPI document. */
export function llmsText(): string {
  return [
    "# reelq",
    "> A dependable queue in front of a paid, slow, forgetful video API. Hand it prompts, get verified files in your own bucket or folder. Accepted is durable, a POST is never repeated blindly, and it can always say why something waits.",
    "The calls have the shape of OpenAI's Videos API: an unmodified OpenAI SDK works with this server's `/v1` as its base URL. A video is `queued`, `in_progress`, `completed` or `failed`; `reelq.status` is finer. A render takes minutes: hear of it by events or webhooks, or ask every few seconds.",
    "How to call it:",
    fenced("sh", howTo()),
    'Repeat a create only with the same `Idempotency-Key`: then it is the same video. Unknown fields are refused. Errors are `{"error": {"message", "type", "code", "param"}}`: branch on `code`.',
    "## Reference",
    "- [OpenAPI 3.1](/openapi.json): every call, body, header and webhook\n- [The same as a page](/docs): to read and to try",
    ...Object.entries(tags).flatMap(([tag, description]) => [
      `## ${capital(tag)}`,
      description,
      operations
        .filter((operation) => operation.tag === tag)
        .map(({ method, path, summary }) => `- \`${method.toUpperCase()} ${path}\`: ${summary}`)
        .join("\n"),
    ]),
    "## Error codes",
    Object.entries(problemCodes)
      .map(([code, status]) => `- \`${code}\` (${status}): ${problemMeanings[code as keyof typeof problemCodes]}`)
      .join("\n"),
  ]
    .join("\n\n")
    .concat("\n");
}

function howTo(): string {
  const create = JSON.stringify(bodyExamples["VideoCreate"]);
  return [
    "# REELQ is this server's address, KEY an API key.",
    `curl -s $REELQ/v1/videos -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\`,
    `  -H "Idempotency-Key: order-4711-clip-3" -d '${create}'`,
    "# The reply has the id; this ends when the video is done:",
    `curl -sN $REELQ/v1/videos/$ID/events -H "Authorization: Bearer $KEY"`,
    "# Or ask, until status is completed or failed:",
    `curl -s $REELQ/v1/videos/$ID -H "Authorization: Bearer $KEY"`,
    "# Why it waits, in one sentence; and the file, once it is completed:",
    `curl -s $REELQ/v1/videos/$ID/explain -H "Authorization: Bearer $KEY"`,
    `curl -sfo video.mp4 $REELQ/v1/videos/$ID/content -H "Authorization: Bearer $KEY"`,
  ].join("\n");
}

const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;

const capital = (word: string): string => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
