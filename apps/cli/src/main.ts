import { openProgram } from "./program.ts";
import { endWith } from "./exit.ts";

try {
  await openProgram(process.env).parseAsync(process.argv);
} catch (error) {
  endWith(error);
}
