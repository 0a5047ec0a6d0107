import { type Environment, readEnvironment, settings } from "@reelq/service";

const { reelqUrl, reelqApiKey } = settings;

/**
 * The settings of the client commands.
 * @throws SettingsError
 */
export const readClientEnvironment = (env: Environment) => readEnvironment({ reelqUrl, reelqApiKey }, env);
