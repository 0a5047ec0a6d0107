import { fleetSchema, openFleet, refuseUpstreams, withSingleUpstream } from "@reelq/engine";
import { type Environment, readDeployment, refusePublicWithoutKeys, settings } from "@reelq/service";

const { host, port, apiKeys } = settings;

/**
 * The API's settings, read once at its start.
 * @throws SettingsError with every mistake
 */
export function readApiEnvironment(env: Environment) {
  const { settings: read, config } = readDeployment(
    { host, port, apiKeys },
    [{ between: ["host", "apiKeys"], judge: (given) => refusePublicWithoutKeys(given.host, given.apiKeys) }],
    env,
    fleetSchema,
    (deployment) => refuseUpstreams(deployment.config, deployment.settings.upstreamUrl),
  );
  return { ...read, fleet: openFleet(withSingleUpstream(config, read.upstreamUrl, read.upstreamApiKey)) };
}
