/** One shot of a storyboard prompt. */
export interface Shot {
  readonly number: number;
  readonly seconds: number;
  readonly scene: string;
}

/** A mistake in a storyboard: which shot, and the fix. */
export interface StoryboardProblem {
  readonly shot: number;
  readonly message: string;
}

export type Storyboard =
  | { readonly kind: "plain" }
  | { readonly kind: "storyboard"; readonly shots: readonly Shot[] }
  | { readonly kind: "broken"; readonly problems: readonly StoryboardProblem[] };

const SHOT = /^[ \t]*shot[ \t]*(\d+)[ \t]*:[ \t]*(.*)$/i;
const DURATION = /^[ \t]*duration[ \t]*:[ \t]*(.*)$/i;
const SCENE = /^[ \t]*scene[ \t]*:[ \t]*(.*)$/i;
const SECONDS = /^(\d+(?:\.\d+)?)[ \t]*(?:s|sec|secs|second|seconds)?\.?$/i;

interface Block {
  readonly number: number;
  readonly durations: string[];
  readonly scene: string[];
  scenes: number;
}

/**
 * Reads a prompt in Storyboard mode: blocks of `Shot N:` / `duration: Xsec` / `Scene: ...`. A prompt whose
 * first written line is no `Shot N:` is plain text, whatever it says further down.
 * @param clipSeconds the clip's length; the shots together may not be longer
 */
export function readStoryboard(prompt: string, clipSeconds: number): Storyboard {
  const lines = prompt.split(/\r\n|\r|\n/);
  const first = lines.find((line) => line.trim() !== "");
  if (first === undefined || !SHOT.test(first)) return { kind: "plain" };
  const blocks = readBlocks(lines);
  const judged = blocks.map(judgeBlock);
  const problems = judged.flatMap(({ problems: found }) => found);
  const shots = judged.flatMap(({ shot }) => (shot ? [shot] : []));
  const total = shots.reduce((sum, shot) => sum + shot.seconds, 0);
  if (problems.length === 0 && total > clipSeconds) problems.push(tooLong(shots, clipSeconds, total));
  return problems.length > 0 ? { kind: "broken", problems } : { kind: "storyboard", shots };
}

function readBlocks(lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  let inScene = false;
  for (const line of lines) {
    const shot = SHOT.exec(line);
    const block = blocks.at(-1);
    if (shot) {
      blocks.push({ number: Number(shot[1]), durations: [], scene: [], scenes: 0 });
      inScene = false;
      // "Shot 1: duration: 5sec" on one line is read as two.
      const rest = shot[2]?.trim() ?? "";
      if (rest !== "") inScene = readPart(rest, blocks.at(-1), inScene);
    } else {
      inScene = readPart(line, block, inScene);
    }
  }
  return blocks;
}

/** Puts a line where it belongs and says whether the lines after it go on the scene. */
function readPart(line: string, block: Block | undefined, inScene: boolean): boolean {
  if (!block) return false;
  const duration = DURATION.exec(line);
  if (duration) {
    block.durations.push(duration[1]?.trim() ?? "");
    return false;
  }
  const scene = SCENE.exec(line);
  if (scene) {
    block.scenes += 1;
    block.scene.push(scene[1]?.trim() ?? "");
    return true;
  }
  if (inScene) block.scene.push(line.trim());
  return inScene;
}

function judgeBlock(block: Block, index: number): { shot?: Shot; problems: StoryboardProblem[] } {
  const { number } = block;
  const say = (message: string) => ({ shot: number, message: `Shot ${number}: ${message}` });
  const problems: StoryboardProblem[] = [];
  if (number !== index + 1)
    problems.push(
      say(
        `shots are numbered from 1 without gaps; this is the ${ordinal(index + 1)} shot, so write "Shot ${index + 1}:"`,
      ),
    );
  const seconds = SECONDS.exec(block.durations[0] ?? "");
  if (block.durations.length === 0) problems.push(say('has no duration; add a line like "duration: 5sec"'));
  else if (block.durations.length > 1) problems.push(say("has more than one duration; keep one"));
  else if (!seconds || Number(seconds[1]) <= 0)
    problems.push(say(`"${block.durations[0]}" is not a duration; write it like "duration: 5sec"`));
  const scene = block.scene.join("\n").trim();
  if (block.scenes > 1) problems.push(say("has more than one scene; keep one"));
  else if (scene === "") problems.push(say('has no scene; add a line like "Scene: a cat crosses the street"'));
  return problems.length > 0 ? { problems } : { shot: { number, seconds: Number(seconds?.[1]), scene }, problems };
}

function tooLong(shots: readonly Shot[], clipSeconds: number, total: number): StoryboardProblem {
  let sum = 0;
  const shot = shots.find((one) => (sum += one.seconds) > clipSeconds)?.number ?? shots.length;
  return {
    shot,
    message: `Shot ${shot}: the shots add up to ${total} s, longer than the clip's ${clipSeconds} s; shorten this shot or ask for more seconds`,
  };
}

const ordinal = (n: number): string =>
  `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th")}`;
