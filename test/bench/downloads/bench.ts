import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Bench, CannotRunError, type Line, type Print } from "../frame/bench.ts";
import { inChild } from "../frame/child.ts";
import { interleaved, medianOf } from "../frame/rounds.ts";
import type { Carried } from "./carried.ts";
import type { CopyToBucket } from "./copy-to-bucket.ts";
import type { CopyToFolder } from "./copy-to-folder.ts";
import { copyByCurl, curlVersion } from "./curl.ts";
import { contentOf, type Films, withFilms } from "./film-server.ts";
import { carryByReelq } from "./reelq.ts";
import { inBucket, inFolder } from "./room.ts";
import { touched } from "./touched.ts";

const atOnce = 64;
const rounds = 2;
const MB = 1_000_000;
const filmBytes = 200 * MB;
/** To see whether memory grows with the files. */
const longFilmBytes = 2 * filmBytes;
/** The S3 server keeps all in memory: 8 GiB, of which deleted objects come back late. */
const bucketFilmBytes = 40 * MB;

export const downloadsBench: Bench = {
  question: `How fast do ${atOnce} downloads at once flow through one worker process, and in how much memory?`,
  async run(print) {
    const toFolder = await withFilms(filmBytes, (films) => folderRounds(films, print));
    const long = await withFilms(longFilmBytes, (films) => said(print, "reelq, long films", films, reelqToFolder));
    const toBucket = await withFilms(bucketFilmBytes, (films) => bucketRounds(films, print)).catch(orWhyNot);
    const curl = curlVersion();
    return {
      lines: [
        ...folderLines(toFolder),
        ...memoryLines(toFolder.reelq, long),
        ...("cannot" in toBucket ? [] : bucketLines(toBucket)),
      ],
      notes: [
        `Folder: ${atOnce} files of ${filmBytes / MB} MB at once, on the disk of the temporary folder, deleted after each side; medians of ${rounds} rounds.`,
        "A file of reelq's counts once it is verified, hashed, on the disk (fsync), and its sidecar and record are written; the copies do none of that, but for fsync where it is said.",
        ...(curl === undefined ? ["There is no curl here that copies many files at once."] : [`curl ${curl}.`]),
        "cannot" in toBucket
          ? toBucket.cannot
          : `Bucket: ${atOnce} files of ${bucketFilmBytes / MB} MB at once, because the S3 server (Ceph's gateway) keeps them in memory; beside it, undici's body in one PUT of the AWS SDK.`,
      ],
      raw: { toFolder, long, toBucket },
    };
  },
};

function orWhyNot(error: unknown): { readonly cannot: string } {
  if (!(error instanceof CannotRunError)) throw error;
  return { cannot: error.message };
}

type Side = (films: Films) => Promise<Carried>;

const reelqToFolder: Side = (films) => inFolder((folder) => carryByReelq(atOnce, films, folder));
const reelqToBucket: Side = (films) => inBucket((bucket) => carryByReelq(atOnce, films, bucket));

const copyToFolder =
  (synced: boolean): Side =>
  (films) =>
    inFolder(async (folder) => {
      await touched(atOnce * films.bytes);
      const copies = keys.map((key) => ({ url: contentOf(films, key), path: join(folder.path, key) }));
      const input: CopyToFolder = { copies, synced };
      const carried = await inChild<Carried>(import.meta.resolve("./copy-to-folder.ts"), input);
      await folder.check(keys, films);
      return carried;
    });

const curlToFolder: Side = (films) =>
  inFolder(async (folder) => {
    await touched(atOnce * films.bytes);
    const seconds = await copyByCurl(keys.map((key) => ({ url: contentOf(films, key), path: join(folder.path, key) })));
    await folder.check(keys, films);
    return { seconds, cpuSeconds: 0, peakBytes: 0 };
  });

const copyToBucket: Side = (films) =>
  inBucket(async (bucket) => {
    await touched(atOnce * films.bytes);
    const copies = keys.map((key) => ({ url: contentOf(films, key), key: `bench/${key}` }));
    const input: CopyToBucket = { copies, server: bucket.server };
    const carried = await inChild<Carried>(import.meta.resolve("./copy-to-bucket.ts"), input);
    await bucket.check(keys, films);
    return carried;
  });

/** Of the copies' files. */
const keys = Array.from({ length: atOnce }, (_, number) => `copy-${number}.mp4`);

const folderRounds = (films: Films, print: Print) =>
  interleaved(rounds, {
    reelq: () => said(print, "reelq to a folder", films, reelqToFolder),
    copy: () => said(print, "undici to files", films, copyToFolder(false)),
    synced: () => said(print, "undici to files, synced", films, copyToFolder(true)),
    curl: () => (curlVersion() === undefined ? Promise.resolve(undefined) : said(print, "curl", films, curlToFolder)),
  });

const bucketRounds = (films: Films, print: Print) =>
  interleaved(rounds, {
    reelq: () => said(print, "reelq to a bucket", films, reelqToBucket),
    copy: () => said(print, "undici to the SDK", films, copyToBucket),
  });

async function said(print: Print, name: string, films: Films, side: Side): Promise<Carried> {
  // What the last side left to be written would be written at this one's cost.
  await promisify(execFile)("sync");
  const carried = await side(films);
  const { seconds, cpuSeconds, peakBytes } = carried;
  const speed = (films.bytes * atOnce) / MB / seconds;
  print(
    `${name}: ${speed.toFixed(0)} MB/s, ${cpuSeconds.toFixed(1)} s of CPU in ${seconds.toFixed(1)} s, peak ${(peakBytes / MB).toFixed(0)} MB`,
  );
  return carried;
}

/** MB a second. */
const speedOf = (all: readonly Carried[], fileBytes: number): number =>
  medianOf(all, ({ seconds }) => (fileBytes * atOnce) / MB / seconds);

const cpuOf = (all: readonly Carried[], fileBytes: number): number =>
  medianOf(all, ({ cpuSeconds }) => (cpuSeconds * 1_000) / ((fileBytes * atOnce) / MB / 1_000));

const peakOf = (all: readonly Carried[]): number => medianOf(all, ({ peakBytes }) => peakBytes / MB);

const fastEnough = { of: "ratio", atLeast: 0.85 } as const;
const smallEnough = { of: "figure", atMost: 300 } as const;

function folderLines({ reelq, copy, synced, curl }: Awaited<ReturnType<typeof folderRounds>>): Line[] {
  const speed = speedOf(reelq, filmBytes);
  const byCurl = curl.filter((one) => one !== undefined);
  const line = (what: string, name: string, all: readonly Carried[]) => ({
    what,
    unit: "MB/s",
    reelq: speed,
    beside: { name, figure: speedOf(all, filmBytes) },
  });
  return [
    { ...line("to a folder", "undici to files, fsync", synced), goal: fastEnough },
    line("to a folder, beside a copy that may be lost", "undici to files", copy),
    ...(byCurl.length > 0 ? [line("to a folder, beside curl", "curl", byCurl)] : []),
    {
      what: "CPU to a folder",
      unit: "ms/GB",
      reelq: cpuOf(reelq, filmBytes),
      beside: { name: "undici to files, fsync", figure: cpuOf(synced, filmBytes) },
    },
  ];
}

function memoryLines(reelq: readonly Carried[], long: Carried): Line[] {
  const peak = peakOf(reelq);
  return [
    { what: "peak memory to a folder", unit: "MB", reelq: peak, goal: smallEnough },
    {
      what: `peak memory with files of ${longFilmBytes / MB} MB`,
      unit: "MB",
      reelq: peakOf([long]),
      beside: { name: `of ${filmBytes / MB} MB`, figure: peak },
      goal: { of: "ratio", atMost: 1.1 },
    },
  ];
}

function bucketLines({ reelq, copy }: Awaited<ReturnType<typeof bucketRounds>>): Line[] {
  const name = "undici to the AWS SDK";
  return [
    {
      what: "to a bucket",
      unit: "MB/s",
      reelq: speedOf(reelq, bucketFilmBytes),
      beside: { name, figure: speedOf(copy, bucketFilmBytes) },
      goal: fastEnough,
    },
    {
      what: "CPU to a bucket",
      unit: "ms/GB",
      reelq: cpuOf(reelq, bucketFilmBytes),
      beside: { name, figure: cpuOf(copy, bucketFilmBytes) },
    },
    {
      what: "peak memory to a bucket",
      unit: "MB",
      reelq: peakOf(reelq),
      beside: { name, figure: peakOf(copy) },
      goal: smallEnough,
    },
  ];
}
