import { problem, type ProblemCode } from "@reelq/contract";
import { maxReferenceBytes, type Outside } from "@reelq/engine";
import { judgeUrl, type Web, WebError } from "@reelq/web";

/** An image must be here within this time, for the caller waits for it. */
const imageWithinMs = 15_000;

/** The addresses that callers name: images are fetched, webhooks are judged. */
export function openOutside(web: Web, allow: readonly string[]): Outside {
  return {
    async fetchImage(url) {
      try {
        const { bytes } = await web.get(url, {
          maxBytes: maxReferenceBytes,
          timeoutMs: imageWithinMs,
          accept: "image/png, image/jpeg, image/webp",
        });
        return bytes;
      } catch (error) {
        throw asProblem(error, "input_reference");
      }
    },

    judgeWebhookUrl: judgeAddresses(allow, "reelq.webhook_url"),
  };
}

/** Refuses addresses that nothing can be sent to. @param param the field to name in a problem */
export const judgeAddresses =
  (allow: readonly string[], param: string) =>
  (url: string): void => {
    try {
      judgeUrl(url, allow);
    } catch (error) {
      throw asProblem(error, param);
    }
  };

/** What is wrong with an address is for its caller to mend, and so is one that does not answer. */
function asProblem(error: unknown, param: string): unknown {
  if (!(error instanceof WebError)) return error;
  const code: ProblemCode = error.code === "too_large" ? "body_too_large" : "invalid_value";
  return problem(code, `${param}: ${error.message}`, param, { cause: error });
}
