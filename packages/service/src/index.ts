export { type Option, readCommandLine } from "./command-line.ts";
export { type ConfigFile, type Path, readConfigFile } from "./config-file.ts";
export { awsOf, type Deployment, readDeployment } from "./deployment.ts";
export {
  type Environment,
  type EnvironmentRules,
  readEnvironment,
  type Relation,
  type Settings,
} from "./environment.ts";
export { type Check, checkHealth, type CheckResult, type Health, type HealthOptions } from "./health.ts";
export { type Logger, type LoggerOptions, openLogger } from "./logger.ts";
export {
  findRedisServer,
  type RedisServer,
  RedisServerError,
  type RedisServerErrorCode,
  type RedisServerOptions,
  startRedisServer,
} from "./redis-server.ts";
export type { Setting } from "./setting.ts";
export { type ApiKey, isLoopback, refuseHalfCredential, refusePublicWithoutKeys, settings } from "./settings.ts";
export { SettingsError } from "./settings-error.ts";
export { openShutdown, type Shutdown, type ShutdownLog, type ShutdownOptions } from "./shutdown.ts";
