import type { Victim } from "./chaos.ts";
import type { Message, Passage } from "./tcp-proxy.ts";

/** A message of a worker's life that something is to happen at. */
export interface Moment {
  readonly name: string;
  /** Made anew for each life: some must remember what they heard. */
  readonly listen: () => (message: Message) => boolean;
}

type When = "before" | "after";

const says = (name: string, neighbour: string, words: string): Moment => ({
  name,
  listen: () => (message) => message.neighbour === neighbour && message.way === "out" && message.bytes.includes(words),
});

/** The first words back on the connection of a message. */
const replyTo = (asking: Moment): Moment => ({
  name: `the reply to ${asking.name}`,
  listen: () => {
    const isAsking = asking.listen();
    let connection: number | undefined;
    return (message) => {
      if (message.way === "back") return message.connection === connection;
      if (connection === undefined && isAsking(message)) connection = message.connection;
      return false;
    };
  },
});

const intent = says("the intent", "redis", `"status":"submitting"`);
const post = says("the POST", "upstream", "POST /v1/videos ");
const taskId = says("the task's id", "redis", `"status":"rendering"`);
const look = says("a look", "upstream", "GET /v1/videos/");
const completion = says("the completion", "redis", `"status":"downloading"`);
const fetching = says("the call for the bytes", "upstream", "/content ");
const fileRecord = says("the file's record", "redis", `"status":"stored"`);

export const moments = {
  intent,
  intentReply: replyTo(intent),
  post,
  postReply: replyTo(post),
  taskId,
  taskIdReply: replyTo(taskId),
  look,
  lookReply: replyTo(look),
  completion,
  fetching,
  bytes: replyTo(fetching),
  fileRecord,
} as const;

/** The k-th message, whatever it is. */
export const message = (number: number): Moment => ({
  name: `message ${number}`,
  listen: () => (heard) => heard.number === number,
});

/** Whether an intent got through to the ledger, and no task's id after it: the time when a crash makes a doubt. */
export interface Window {
  isOpen(): boolean;
}

/**
 * Does something to a worker once, when a moment comes.
 * @param act what it returns is done with the message, if it comes before it
 */
export function at(
  { proxies }: Victim,
  when: When,
  moment: Moment,
  act: (message: Message) => Passage,
): { readonly come: Promise<void>; readonly hasCome: () => boolean; readonly doubt: Window } {
  const isHere = moment.listen();
  const [isIntent, isTaskId] = [intent.listen(), taskId.listen()];
  const { promise, resolve } = Promise.withResolvers<void>();
  let awaited: number | undefined;
  let hasCome = false;
  let isOpen = false;

  const come = (heard: Message): Passage => {
    hasCome = true;
    const passage = act(heard);
    resolve();
    return passage;
  };
  const goes = (going: Message): Passage => {
    if (isIntent(going)) isOpen = true;
    if (isTaskId(going)) isOpen = false;
    return "go";
  };
  proxies.listen({
    before(heard) {
      if (awaited !== undefined || hasCome || !isHere(heard)) return goes(heard);
      if (when === "before") {
        const passage = come(heard);
        return passage === "go" ? goes(heard) : passage;
      }
      awaited = heard.number;
      return goes(heard);
    },
    after(heard) {
      if (!hasCome && heard.number === awaited) come(heard);
    },
  });
  return { come: promise, hasCome: () => hasCome, doubt: { isOpen: () => isOpen } };
}
