import { openProgram } from "./program.ts";
import { endWith, exitCodes } from "./exit.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever reads along (`| head`) has seen enough.
  if (error.code === "EPIPE") process.exit(exitCodes.done);
  throw error;
});

try {
  await openProgram(process.env).parseAsync(process.argv);
} catch (error) {
  endWith(error, process.env);
}
