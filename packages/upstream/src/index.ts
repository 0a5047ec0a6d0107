export { openUpstream } from "./client.ts";
export { UpstreamSettingsError } from "./settings.ts";
export {
  type Content,
  type CreateCall,
  type CreateOutcome,
  defaultTimeouts,
  type Look,
  type Probe,
  type TaskPage,
  type TaskState,
  type Timeouts,
  type Upstream,
  type UpstreamSettings,
  type Variant,
  type WireTask,
} from "./upstream.ts";
