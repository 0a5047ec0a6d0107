import { isMap, type Reading, wrong } from "./reading.ts";
import { shown } from "./shown.ts";

/** Defaults, from whatever was given for them. */
export const headOf = (given: unknown, line: number): Reading =>
  isMap(given)
    ? { kind: "head", line, given }
    : wrong(line, `defaults must be an object, like {"model": "sora-2"}; ${shown(given)} was given.`, "defaults");
