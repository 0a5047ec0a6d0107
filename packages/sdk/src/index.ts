export {
  type CallOptions,
  type Client,
  type ClientOptions,
  type CreateInput,
  type ListQuery,
  openClient,
  type WaitOptions,
} from "./client.ts";
export { ReelqError } from "./reelq-error.ts";
export { UnreachableError } from "./unreachable-error.ts";
