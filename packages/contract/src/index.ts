export type { ExplanationBody } from "./explanation.ts";
export {
  type ErrorBody,
  errorBody,
  type Problem,
  type ProblemCode,
  problem,
  problemCodes,
  ProblemError,
} from "./problem.ts";
export { type VideoBody, type VideoListBody, type ReelqBody, videoBody } from "./body.ts";
export {
  type Catalogue,
  catalogueSchema,
  defaultModel,
  defaultSecondsOf,
  defaultSizeOf,
  type Model,
  modelSchema,
  seedCatalogue,
} from "./catalogue.ts";
export { type Charged, type Failure, type FailureClass, failureClasses } from "./failure.ts";
export { isVideoId, newVideoId, type VideoId } from "./id.ts";
export { isAllowed, isFinal, type Move, type Mover, moves, publicStatus, type Status, statuses } from "./lifecycle.ts";
export { nearestName } from "./nearest.ts";
export {
  judgeCreate,
  judgeRemix,
  maxPromptLength,
  type Reference,
  type RemixSource,
  type VideoRequest,
} from "./request.ts";
export { readStoryboard, type Shot, type Storyboard, type StoryboardProblem } from "./storyboard.ts";
export {
  type Attempt,
  type AttemptOutcome,
  coreOf,
  type Doubt,
  type Fetching,
  type Lane,
  lastAttempt,
  type Looks,
  noSetbacks,
  recordSchemaVersion,
  type Setbacks,
  type StoredFile,
  type Task,
  type Video,
  type VideoCore,
  type VideoIn,
  videoSchema,
  type WaitReason,
} from "./video.ts";
