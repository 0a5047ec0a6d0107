/** What it took one process to carry all files from the upstream to where they are kept. */
export interface Carried {
  /** From the first request until the last file was there. */
  readonly seconds: number;
  /** Of the one process. */
  readonly cpuSeconds: number;
  /** The most that was resident at any time, of the one process, in bytes. */
  readonly peakBytes: number;
}
