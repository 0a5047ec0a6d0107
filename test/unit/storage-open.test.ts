import { describe, expect, test } from "vitest";
import { openStorage } from "../../packages/engine/src/storage/open.ts";

const here = "/srv/reelq";
const place = (url: string) => openStorage(url, {}, here).place;

describe("STORAGE_URL", () => {
  test.each([
    ["file:./videos", "file:/srv/reelq/videos"],
    ["file:videos", "file:/srv/reelq/videos"],
    ["file:../videos/", "file:/srv/videos"],
    ["file:.", "file:/srv/reelq"],
    ["file:/mnt/videos", "file:/mnt/videos"],
    ["file:///mnt/videos", "file:/mnt/videos"],
    ["file:///mnt/my%20videos", "file:/mnt/my videos"],
    ["file:./my videos", "file:/srv/reelq/my videos"],
    ["s3://bucket", "s3://bucket"],
    ["s3://bucket/", "s3://bucket"],
    ["s3://bucket/videos", "s3://bucket/videos"],
    ["s3://my.bucket-1/team/videos/", "s3://my.bucket-1/team/videos"],
  ])("%s is the place %s", (url, expected) => {
    expect(place(url)).toBe(expected);
  });

  test("a relative folder is relative to where the process runs", () => {
    expect(openStorage("file:./videos", {}).place).toBe(`file:${process.cwd()}/videos`);
  });

  test.each([
    "",
    "./videos",
    "/srv/videos",
    "file:",
    "file://host/videos",
    "file:////videos",
    "file:./100%",
    "http://bucket/prefix",
    "gs://bucket",
    "s3:bucket",
    "s3://",
    "s3:///prefix",
    "s3://b",
    "s3://bucket?region=x",
    "s3://bucket/a//b",
    "s3://bucket/../other",
    "s3://bucket/a b",
    "s3://key:hunter2@bucket/prefix",
  ])("%j is refused with a sentence that names the setting and not the value", (url) => {
    const refused = () => openStorage(url, {}, here);
    expect(refused).toThrow(expect.objectContaining({ code: "invalid_settings" }));
    expect(refused).toThrow(/STORAGE_URL.*\.$/);
    expect(refused).not.toThrow(/hunter2/);
  });
});

describe("the AWS settings", () => {
  test.each([
    [{ accessKeyId: "id" }, /AWS_SECRET_ACCESS_KEY is not/],
    [{ secretAccessKey: "hunter2" }, /AWS_ACCESS_KEY_ID is not/],
    [{ endpoint: "127.0.0.1:9000" }, /AWS_ENDPOINT_URL_S3/],
    [{ endpoint: "ftp://hunter2@host" }, /AWS_ENDPOINT_URL_S3/],
  ])("%j are refused for a bucket", (aws, message) => {
    expect(() => openStorage("s3://bucket", aws)).toThrow(message);
    expect(() => openStorage("s3://bucket", aws)).not.toThrow(/hunter2/);
  });

  test("do not matter for a folder", () => {
    expect(openStorage("file:/srv/videos", { accessKeyId: "id", endpoint: "?" }).place).toBe("file:/srv/videos");
  });
});
