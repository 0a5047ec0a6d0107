import type { Storage } from "./storage.ts";
import { StorageError } from "./storage-error.ts";

const none = (): Promise<never> =>
  Promise.reject(new StorageError("invalid_settings", "There is no storage here: pass storageUrl, the workers' own."));

/** For whoever was told of no storage: nothing can be kept, and nothing is kept by mistake in the wrong place. */
export const noStorage: Storage = {
  place: "nowhere",
  put: none,
  head: none,
  get: none,
  remove: none,
  presign: none,
  probe: none,
  abandonUploads: none,
  close: () => Promise.resolve(),
};
