import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The only arrows between packages. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  upstream: [],
  engine: ["contract", "upstream"],
  service: [],
  manifest: ["contract"],
  report: ["contract"],
  sdk: ["contract"],
  web: [],
};

/** Libraries that only these may know. */
const keepers: Readonly<Record<string, readonly string[]>> = {
  bullmq: ["packages/engine"],
  ioredis: ["packages/engine"],
  "temporal-polyfill": ["packages/engine"],
  undici: ["packages/upstream", "packages/web"],
  "ipaddr.js": ["packages/web"],
  "@bull-board/api": ["apps/api"],
  "@bull-board/express": ["apps/api"],
  express: ["apps/api", "apps/simulator"],
  pino: ["packages/service"],
};

/** What a package may use besides our own. */
const onlyLibraries: Readonly<Record<string, readonly string[]>> = {
  contract: ["zod"],
  upstream: ["undici", "zod"],
  manifest: ["yaml", "zod"],
  report: [],
  sdk: [],
  web: ["ipaddr.js", "undici"],
};

interface Source {
  readonly path: string;
  readonly home: string;
  readonly imports: readonly string[];
  readonly text: string;
}

/** `import ... from "x"`, `export ... from "x"`, `import "x"`, over several lines too. */
const importLine =
  /^(?:(?:import|export)\s+(?:type\s+)?(?:[\w$]+\s*,?\s*)?(?:\{[^}]*\}|\*(?:\s+as\s+[\w$]+)?)?\s*from\s+|import\s+)"([^"]+)"/gm;

const sources: readonly Source[] = globSync("{packages,apps}/*/src/**/*.ts", { cwd: root }).map((path) => {
  const text = readFileSync(join(root, path), "utf8");
  const imports = [...text.matchAll(importLine), ...text.matchAll(/\bimport\("([^"]+)"\)/g)].map(
    (match) => match[1] ?? "",
  );
  return { path, home: path.split("/").slice(0, 2).join("/"), imports, text };
});

const homes = [...new Set(sources.map(({ home }) => home))];
const dependenciesOf = (home: string): string[] => {
  const { dependencies = {} } = JSON.parse(readFileSync(join(root, home, "package.json"), "utf8")) as {
    dependencies?: Record<string, string>;
  };
  return Object.keys(dependencies);
};
const ours = (name: string): string | undefined => /^@reelq\/([^/]+)/.exec(name)?.[1];
const libraryOf = (name: string): string =>
  name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");

test("there are sources to look at", () => {
  expect(homes.toSorted()).toEqual(
    [
      ...["api", "cli", "simulator", "worker"].map((app) => `apps/${app}`),
      ...Object.keys(arrows).map((one) => `packages/${one}`),
    ].toSorted(),
  );
  expect(sources.some(({ imports }) => imports.includes("bullmq"))).toBe(true);
});

describe.each(homes)("%s", (home) => {
  const [kind, name = ""] = home.split("/");
  const mine = sources.filter((source) => source.home === home);

  test("imports our packages only along the arrows, by their one door", () => {
    const allowed = kind === "packages" ? (arrows[name] ?? []) : Object.keys(arrows);
    const imported = mine.flatMap(({ imports }) => imports.filter((one) => one.startsWith("@reelq/")));
    for (const one of imported) expect(allowed.map((target) => `@reelq/${target}`)).toContain(one);
    for (const one of dependenciesOf(home)) if (ours(one)) expect(allowed).toContain(ours(one));
  });

  test("reaches into no other home by a path", () => {
    for (const { path, imports } of mine) {
      for (const one of imports.filter((each) => each.startsWith("."))) {
        const target = relative(root, resolve(root, dirname(path), one));
        expect(target.startsWith(`${home}/src/`), `${path} imports ${one}`).toBe(true);
      }
    }
  });

  test("uses no library that is kept elsewhere, and none that its package.json does not name", () => {
    const libraries = new Set(
      mine.flatMap(({ imports }) => imports.filter((one) => !/^(\.|node:|@reelq\/)/.test(one)).map(libraryOf)),
    );
    for (const library of libraries) {
      expect(keepers[library] ?? [home], library).toContain(home);
      expect(dependenciesOf(home)).toContain(library);
      if (onlyLibraries[name] && kind === "packages") expect(onlyLibraries[name]).toContain(library);
    }
  });
});

test("only main.ts files read process.env", () => {
  expect(
    sources
      .filter(({ path, text }) => basename(path) !== "main.ts" && text.includes("process.env"))
      .map(({ path }) => path),
  ).toEqual([]);
});

test("only one file knows how BullMQ says later", () => {
  expect(sources.filter(({ text }) => /\b(DelayedError|RateLimitError)\b/.test(text)).map(({ path }) => path)).toEqual([
    "packages/engine/src/worker.ts",
  ]);
});

test("no file's name says nothing", () => {
  const nothing = /^(utils?|helpers?|common|shared|misc|types|interfaces|lib)$/;
  expect(
    sources
      .filter(({ path }) => path.split("/").some((part) => nothing.test(part.replace(/\.ts$/, ""))))
      .map(({ path }) => path),
  ).toEqual([]);
});

test("no imports run in a circle", () => {
  const edges = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter((one) => one.startsWith(".")).map((one) => relative(root, resolve(root, dirname(path), one))),
    ]),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    expect(trail, [...trail, path].join(" -> ")).not.toContain(path);
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
});
