import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { type Engine, reminderOf, sayLane, submitQueueName } from "@reelq/engine";
import type { RequestHandler } from "express";

/** Where the API mounts it: Bull Board builds its own links from this. */
const boardPath = "/board";

/** Bull Board over every queue; each job links to its video. */
export function boardRouter(engine: Engine): RequestHandler {
  const serverAdapter = new PrivateAdapter();
  serverAdapter.setBasePath(boardPath);
  const lanes = laneDescriptions(engine);
  createBullBoard({
    serverAdapter,
    queues: engine.queues.all.map(
      (queue) =>
        new LaneAdapter(queue, { externalJobUrl: videoLink }, () => lanes.of(queue.name) ?? descriptionOf(queue.name)),
    ),
    options: {
      uiConfig: {
        boardTitle: "reelq",
        miscLinks: [
          { text: "Videos", url: "/v1/videos" },
          { text: "Log out", url: "/logout" },
        ],
      },
    },
  });
  const board = serverAdapter.getRouter() as RequestHandler;
  return (request, response, next) => {
    // The board's page asks for its queues again and again; what is said of them is as fresh as that.
    const ready = request.path === "/api/queues" ? lanes.refresh() : Promise.resolve();
    ready.then(() => board(request, response, next), next);
  };
}

/** A queue whose description says what holds it up now. */
class LaneAdapter extends BullMQAdapter {
  readonly #describe: () => string;

  constructor(
    queue: Engine["queues"]["all"][number],
    options: ConstructorParameters<typeof BullMQAdapter>[1],
    describe: () => string,
  ) {
    super(queue, options);
    this.#describe = describe;
  }

  override getDescription(): string {
    return this.#describe();
  }
}

/** What each submit queue's lane holds, and what keeps it from sending. */
function laneDescriptions({ fleet, ledger }: Engine) {
  const said = new Map<string, string>();
  return {
    of: (queue: string) => said.get(queue),
    async refresh() {
      for (const state of await ledger.laneStates(fleet.lanes))
        said.set(submitQueueName(state.lane), sayLane(state, fleet.limitsOf(state.lane)));
    },
  };
}

/** Bull Board's page asks Google for its fonts, and so tells it who watches; this one asks nobody but its own server. */
class PrivateAdapter extends ExpressAdapter {
  override setEntryRoute(entry: Parameters<ExpressAdapter["setEntryRoute"]>[0]): this {
    this.app[entry.method](entry.route, (_request, response, next) => {
      const { name, params } = entry.handler({ basePath: this.basePath, uiConfig: this.uiConfig });
      response.render(name, params, (error, page) => {
        if (error) return next(error);
        response.setHeader("Content-Security-Policy", contentPolicy);
        response.send(page.replaceAll(/<link [^>]*fonts\.googleapis\.com[^>]*>/g, ""));
      });
    });
    return this;
  }
}

const contentPolicy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

function videoLink(job: { id?: unknown; data: unknown }): { displayText: string; href: string } {
  return {
    displayText: "The video's record",
    href: `/v1/videos/${encodeURIComponent(String(reminderOf(job)?.video))}`,
  };
}

function descriptionOf(name: string): string {
  if (name === "poll") return "Looks at renders, and at doubts. A delayed job is the next look.";
  if (name === "download") return "Files on their way into storage, the earliest expiry first.";
  return "Videos that wait for this lane's leave to be sent.";
}
