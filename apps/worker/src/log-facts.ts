import type { Video } from "@reelq/contract";
import { type FactMap, type Facts, laneName } from "@reelq/engine";
import type { Logger } from "@reelq/service";

/** The one place that decides what is logged: one line a move, with the video's id, its task and its lane. */
export function logFacts(facts: Facts, log: Logger): void {
  const on = <Name extends keyof FactMap>(name: Name, write: (fact: FactMap[Name][0]) => void) =>
    facts.on(name, write as never);

  on("moved", ({ video, from, note }) =>
    log[levelOf(video)](
      {
        ...about(video),
        from,
        ...(note === undefined ? {} : { note: withoutPrompt(note, video) }),
        ...outcomeOf(video),
      },
      video.status,
    ),
  );
  on("waited", ({ video, note }) =>
    log.debug({ ...about(video), note: withoutPrompt(note, video) }, `still ${video.status}`),
  );
  on("laneRested", ({ lane, reason, restMs }) =>
    log.debug({ lane: laneName(lane), reason, restMs }, "the lane gives no leave"),
  );
  on("laneUnserved", ({ lane, video }) =>
    log.error(
      { lane: laneName(lane), video },
      "a video is in a lane that the configuration no longer serves; name it in REELQ_CONFIG again, or cancel the video",
    ),
  );
  on("accountStopped", ({ lane, code, message }) =>
    log.error(
      { lane: laneName(lane), code, detail: message },
      "the account refuses; nothing passes until a person acts",
    ),
  );
  on("breaker", ({ upstream, change, why }) => {
    if (change === "closed") log.info({ upstream }, "the upstream answers again; its breaker is closed");
    else log.warn({ upstream, why }, `nothing is sent to the upstream for a while; its breaker ${change}`);
  });
  on("batchTurned", ({ batch, from, to, why }) => {
    if (from === to) return;
    log[to === "paused" || to === "failed" ? "warn" : "info"](
      { batch, from, ...(why === "" ? {} : { why }) },
      `a batch is ${to}`,
    );
  });
  on("unknownWord", ({ video, word }) =>
    log.warn({ ...about(video), word }, "a status word nobody knows; taken for running"),
  );
  on("staleReminder", (fact) =>
    log.debug({ video: fact.id, reminded: fact.reminded, standing: fact.standing }, "a reminder came too late"),
  );
  on("fenced", (fact) =>
    log.warn(
      { video: fact.id, wanted: fact.wanted, task: fact.task },
      "somebody else moved it first; what this worker brought was refused",
    ),
  );
  on("alarm", ({ video, alarm, detail }) =>
    log.warn(
      { ...about(video), alarm, detail: withoutPrompt(detail, video) },
      alarm === "overdue" ? "a render is overdue" : "a file is at risk",
    ),
  );
  on("setAside", ({ what, id, reason }) => log.error({ id, reason }, `a ${what} was set aside`));
  on("swept", ({ reminded, held }) => log.warn({ reminded, held }, "reminded of videos whose next step was missing"));
  on("webhookTried", ({ delivery, target, subject, event, type, status, answer, ms, error, nextAt }) =>
    log[status === "failed" ? "warn" : "debug"](
      { delivery, target, subject, event, type, answer, ms, error, nextAt },
      status === "pending" ? "a webhook was not taken; it is tried again" : `a webhook was ${sayEnd[status]}`,
    ),
  );
  on("webhookDisabled", ({ endpoint, project, reason }) =>
    log.warn({ endpoint, project, reason }, "nothing is sent to a webhook endpoint any more"),
  );
  on("webhooksDispatched", ({ events, deliveries, cursor }) =>
    log.debug({ events, deliveries, cursor }, "webhooks of these events were written down"),
  );
  on("webhooksMissed", ({ after, oldest }) =>
    log.error({ after, oldest }, "the event stream was cut before webhooks read it; nobody was told of what is gone"),
  );
  on("hiccup", ({ where, error }) => log.warn({ where, err: error }, "will be tried again"));
}

const sayEnd = { delivered: "delivered", failed: "given up", cancelled: "cancelled" };

const about = (video: Video) => ({
  video: video.id,
  ...("task" in video && video.task ? { task: video.task.id } : {}),
  lane: laneName(video.lane),
});

/** Upstreams quote what they refuse; the log is read by more people than the prompt is meant for. */
function withoutPrompt(text: string, { request }: Video): string {
  const prompt = request.prompt.trim();
  return prompt.length < shortestPrompt ? text : text.replaceAll(prompt, "[prompt]");
}

/** Shorter ones are parts of other words. */
const shortestPrompt = 4;

const levelOf = ({ status }: Video): "info" | "warn" =>
  status === "in_doubt" || status === "failed" ? "warn" : "info";

function outcomeOf(video: Video): object {
  if (video.status === "failed")
    return {
      class: video.failure.class,
      code: video.failure.code,
      detail: withoutPrompt(video.failure.message, video),
    };
  if (video.status === "stored")
    return { key: video.file.key, bytes: video.file.bytes, tookMs: video.storedAt - video.createdAt };
  return {};
}
