import type { Operation, Reply } from "./operation.ts";

const frames = [
  "A frame has `id` (what to resume from), `event` (the type) and `data`: the `Event` as JSON on one line. A comment `: heartbeat` comes every 15 seconds. New types are added in time: leave alone what you do not know.",
  'Where the id asked for is older than what is kept, the first frame is `event: gap` with `{"object": "gap", "oldest": "<id>"}`: something may have been missed, so look at what matters.',
].join("\n\n");

const stream = (example: string): Reply => ({
  description: frames,
  type: "text/event-stream",
  schema: { type: "string", description: "Frames of server-sent events; the `data` of each is an `Event`." },
  example,
});

const frame = (type: string, id: string): string =>
  `id: ${id}\nevent: ${type}\ndata: {"id":"evt_${id.replace("-", "_")}","object":"event","type":"${type}","created_at":1795348800,"project":"studio","data":{"id":"video_01a20320-a200-7000-8000-000000000001","object":"video","status":"completed"}}\n\n`;

/** Streams of server-sent events. */
export const eventOperations = [
  {
    method: "get",
    path: "/v1/events",
    id: "streamEvents",
    tag: "events",
    summary: "Hear all that happens in the project",
    description: "Everything for an admin's key. It begins with a frame that has an `id` only, to resume from.",
    parameters: ["LastEventId", "LastEventIdQuery", "EventTypes"],
    replies: {
      200: stream(
        `retry: 2000\n\nid: 1795348799000-0\n\n${frame("video.completed", "1795348800000-0")}: heartbeat\n\n`,
      ),
    },
    errors: ["invalid_value"],
  },
  {
    method: "get",
    path: "/v1/videos/{id}/events",
    id: "streamVideoEvents",
    tag: "events",
    summary: "Hear what happens to one video",
    description:
      "Begins with the video's present state, where nothing is resumed, and ends after its last event: `video.completed`, `video.failed`, `video.cancelled` or `video.deleted`.",
    parameters: ["LastEventId", "LastEventIdQuery", "EventTypes"],
    replies: {
      200: stream(`retry: 2000\n\n${frame("video.completed", "1795348800000-0")}`),
      204: { description: "Nothing more will come after the id that was given: do not ask again." },
    },
    errors: ["invalid_value", "not_found"],
  },
] as const satisfies readonly Operation[];
