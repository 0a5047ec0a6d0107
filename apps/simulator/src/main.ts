import { SettingsError } from "@reelq/service";
import { readSimulatorEnvironment } from "./env.ts";
import { startSimulator } from "./simulator.ts";

const wrongSettings = 2;

const end = (): never => process.exit(0);
process.once("SIGTERM", end);
process.once("SIGINT", end);
process.once("disconnect", end);

try {
  const { url } = await startSimulator(readSimulatorEnvironment(process.env));
  process.stdout.write(`simulator listening on ${url}\n`);
  process.send?.({ ready: true, url });
} catch (error) {
  if (!(error instanceof SettingsError) && !isTaken(error)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(wrongSettings);
}

/** The port or the address cannot be had. */
function isTaken(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && error.syscall === "listen";
}
