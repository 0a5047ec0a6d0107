import { fleetSchema, openFleet, refuseUpstreams, withSingleUpstream } from "@reelq/engine";
import { type Environment, readDeployment, settings } from "@reelq/service";

const { host, port, apiKeys, rateLimit, corsOrigins, allowAddresses } = settings;

/**
 * The API's settings, read once at its start.
 * @throws SettingsError with every mistake
 */
export function readApiEnvironment(env: Environment) {
  const { settings: read, config } = readDeployment(
    { host, port, apiKeys, rateLimit, corsOrigins, allowAddresses },
    [],
    env,
    fleetSchema,
    (deployment) => refuseUpstreams(deployment.config, deployment.settings.upstreamUrl),
  );
  return { ...read, fleet: openFleet(withSingleUpstream(config, read.upstreamUrl, read.upstreamApiKey)) };
}
