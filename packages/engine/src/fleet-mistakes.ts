import { nearestName, seedCatalogue } from "@reelq/contract";

interface Mistake {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What is wrong between the parts of a file of `REELQ_CONFIG`, whatever is wrong inside them. */
export const mistakesBetween = (config: Unsure): readonly Mistake[] =>
  [unknownModels, standsInForItself, unservedModels, sameAccounts, idleEquivalents, unpricedModels].flatMap((judge) =>
    judge(config),
  );

/** The file before it is known to have the right shape. */
type Unsure = Readonly<Record<"upstreams" | "models" | "equivalents" | "budget" | "projects", unknown>>;

const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, field)
    ? (value as Record<string, unknown>)[field]
    : undefined;

/** The texts of a list with their places in it, or the keys of a map. */
const textsIn = (value: unknown): [string, number][] =>
  Array.isArray(value)
    ? value.flatMap((one, index): [string, number][] => (typeof one === "string" ? [[one, index]] : []))
    : entriesOf(value).map(([key], index) => [key, index]);

/** The first of many names, so that no message is longer than anyone reads. */
function few(names: readonly unknown[]): string {
  const told = names.slice(0, 20).join(", ");
  return names.length > 20 ? `${told} and ${names.length - 20} more` : told;
}

/** Under an upstream's models or under equivalents: a model that no catalogue holds. */
function unknownModels({ upstreams, models, equivalents }: Unsure): Mistake[] {
  const known = new Set(Object.keys({ ...seedCatalogue, ...Object.fromEntries(entriesOf(models)) }));
  const served = entriesOf(upstreams).flatMap(([upstream, entry]) => {
    const list = fieldOf(entry, "models");
    const isList = Array.isArray(list);
    return textsIn(list).map(([model, index]) => ({
      model,
      path: ["upstreams", upstream, "models", isList ? index : model],
    }));
  });
  const replaced = entriesOf(equivalents).map(([model]) => ({ model, path: ["equivalents", model] }));
  const standIns = entriesOf(equivalents).flatMap(([model, others]) =>
    textsIn(others).flatMap(([other, index]) =>
      other === model ? [] : { model: other, path: ["equivalents", model, index] },
    ),
  );
  return [served, replaced, standIns].flatMap((named) =>
    named
      .filter(({ model }) => !known.has(model))
      .map(({ model, path }, index) => ({
        path,
        message: `"${model}" is no known model; ${index < ADVISED ? adviceFor(model, [...known]) : "add it under models."}`,
      })),
  );
}

/** Looking for the name that was meant takes long among many; of so many mistakes nobody reads more. */
const ADVISED = 50;

function adviceFor(model: string, known: readonly string[]): string {
  const meant = nearestName(model, known);
  return meant ? `did you mean "${meant}"?` : `known: ${few(known)}; add it under models.`;
}

function standsInForItself({ equivalents }: Unsure): Mistake[] {
  return entriesOf(equivalents).flatMap(([model, others]) =>
    textsIn(others)
      .filter(([other]) => other === model)
      .map(([, index]) => ({ path: ["equivalents", model, index], message: `"${model}" cannot stand in for itself` })),
  );
}

/** Under models: one that the file's upstreams do not serve, which is most likely a slip in one of the two places. */
function unservedModels({ upstreams, models }: Unsure): Mistake[] {
  const entries = entriesOf(upstreams);
  const lists = entries.map(([, entry]) => textsIn(fieldOf(entry, "models")));
  // One that names nothing serves all, or is told of elsewhere.
  if (entries.length === 0 || lists.some((list) => list.length === 0)) return [];
  const served = new Set(lists.flatMap((list) => list.map(([model]) => model)));
  const names = few(entries.map(([upstream]) => upstream));
  return entriesOf(models)
    .filter(([model]) => !served.has(model))
    .map(([model]) => ({
      path: ["models", model],
      message: `no upstream serves it; name it under the models of one of: ${names}`,
    }));
}

/** No model has so many lengths or sizes; comparing each with each would take long. */
const MOST_COMPARED = 100;

/** An equivalent that allows none of the lengths or none of the sizes of the model that it is to stand in for. */
function idleEquivalents({ models, equivalents }: Unsure): Mistake[] {
  const catalogue = { ...seedCatalogue, ...Object.fromEntries(entriesOf(models)) };
  const has = (model: string, what: "seconds" | "sizes"): unknown[] => {
    const allowed = fieldOf(fieldOf(catalogue, model), what);
    return Array.isArray(allowed) && allowed.length <= MOST_COMPARED ? allowed : [];
  };
  return entriesOf(equivalents).flatMap(([model, others]) =>
    textsIn(others).flatMap(([other, index]) =>
      (["seconds", "sizes"] as const).flatMap((what) => {
        const [asked, offered] = [has(model, what), has(other, what)];
        // What is not even a list is told elsewhere; what is too long for one is not looked at.
        if (asked.length === 0 || offered.length === 0 || asked.some((one) => offered.includes(one))) return [];
        const message = `"${other}" can never stand in for "${model}": it allows none of its ${what} (${few(asked)})`;
        return [{ path: ["equivalents", model, index], message }];
      }),
    ),
  );
}

/** One account under two names would have each of its limits twice. */
function sameAccounts({ upstreams }: Unsure): Mistake[] {
  const seen = new Map<string, string>();
  return entriesOf(upstreams).flatMap(([upstream, entry]) => {
    const url = fieldOf(entry, "url");
    if (typeof url !== "string") return [];
    const account = JSON.stringify([(URL.parse(url)?.href ?? url).replace(/\/+$/, ""), fieldOf(entry, "key") ?? null]);
    const other = seen.get(account);
    seen.set(account, upstream);
    if (other === undefined) return [];
    const message = `has the url and the key of ${other}: one account under two names would pass its limits; keep one of them`;
    return [{ path: ["upstreams", upstream], message }];
  });
}

/** A budget cannot hold what nobody said the price of. */
function unpricedModels({ upstreams, models, budget, projects }: Unsure): Mistake[] {
  const caps = (part: unknown): boolean =>
    fieldOf(part, "perDayUsd") !== undefined || fieldOf(part, "totalUsd") !== undefined;
  const capsAll =
    caps(budget) || entriesOf(projects).some(([, project]) => caps(fieldOf(project, "budget")))
      ? "a budget"
      : undefined;
  const catalogue = { ...seedCatalogue, ...Object.fromEntries(entriesOf(models)) };
  return entriesOf(upstreams).flatMap(([upstream, entry]) => {
    const why = capsAll ?? (caps(fieldOf(entry, "budget")) ? `the budget of ${upstream}` : undefined);
    if (why === undefined) return [];
    const list = fieldOf(entry, "models");
    const served = list === undefined ? Object.keys(catalogue) : textsIn(list).map(([model]) => model);
    const unpriced = served.filter(
      (model) =>
        fieldOf(catalogue, model) !== undefined &&
        fieldOf(fieldOf(list, model), "price") === undefined &&
        fieldOf(fieldOf(catalogue, model), "price") === undefined,
    );
    if (unpriced.length === 0) return [];
    const message = `serves ${few(unpriced)} without a price, which ${why} cannot hold; add price under models, or name only the models that have one`;
    return [{ path: ["upstreams", upstream], message }];
  });
}
