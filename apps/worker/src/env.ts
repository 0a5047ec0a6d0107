import { fleetSchema, openFleet, refuseUpstreams, withSingleUpstream } from "@reelq/engine";
import { type Environment, readDeployment, settings } from "@reelq/service";

const { inDoubt, concurrency, allowAddresses } = settings;

/**
 * The worker's settings, read once at its start.
 * @throws SettingsError with every mistake
 */
export function readWorkerEnvironment(env: Environment) {
  const { settings: read, config } = readDeployment(
    { inDoubt, concurrency, allowAddresses },
    [],
    env,
    fleetSchema,
    (deployment) => refuseUpstreams(deployment.config, deployment.settings.upstreamUrl),
  );
  return { ...read, fleet: openFleet(withSingleUpstream(config, read.upstreamUrl, read.upstreamApiKey)) };
}
