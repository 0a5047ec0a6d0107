import { type ManifestField, manifestDefaults, manifestFields, nearestName } from "@reelq/contract";
import { readFields } from "./clip.ts";
import { synonyms } from "./field-names.ts";
import { type Fields, type Wrong, wrong } from "./reading.ts";
import { shown } from "./shown.ts";

const names: readonly string[] = manifestDefaults;
const allNames = [...names, ...Object.keys(synonyms).filter((name) => names.includes(synonyms[name] ?? ""))];

/** Defaults under our own names, without those that cannot be one. */
export function readDefaults(given: Readonly<Record<string, unknown>>, line: number): Fields {
  const { fields, mistakes } = readFields([given], line);
  const entries = Object.entries(fields);
  return {
    fields: Object.fromEntries(entries.filter(([name]) => names.includes(name))),
    mistakes: [...mistakes, ...entries.filter(([name]) => !names.includes(name)).map(([name]) => refused(name, line))],
  };
}

function refused(name: string, line: number): Wrong {
  if (manifestFields.includes(name as ManifestField))
    return wrong(
      line,
      `${name} cannot be a default, because each clip has its own; defaults are: ${names.join(", ")}.`,
      name,
    );
  const meant = nearestName(name.slice(0, 80), allNames);
  const hint = meant ? `did you mean "${meant}"?` : `defaults are: ${names.join(", ")}.`;
  return wrong(line, `There is no default ${shown(name)}; ${hint}`, name);
}
