import { sayUsd, spentOf } from "@reelq/contract";
import { audit, type Engine } from "@reelq/engine";

/** Proves the ledger's invariants, prints what was found, and says whether all of it is mended. */
export async function printAudit(engine: Engine, mend: boolean, write: (text: string) => void): Promise<boolean> {
  const { videos, byStatus, findings, money } = await audit(engine, mend);
  const counts = Object.entries(byStatus).flatMap(([status, count]) => (count > 0 ? [`${count} ${status}`] : []));
  write(`${videos} videos${counts.length > 0 ? `: ${counts.join(", ")}` : ""}\n`);
  if (spentOf(money) > 0)
    write(
      `${sayUsd(money.charged)} charged, ${sayUsd(money.unknown)} not known, ${sayUsd(money.reserved)} set aside: ${money.isProven ? "journal, balances and records agree" : "it was moving, so the records were not compared; audit again when nothing runs"}\n`,
    );
  for (const { about, message, repaired } of findings)
    write(`${repaired ? "mended" : "BROKEN"}  ${about}: ${message}\n`);
  const broken = findings.filter(({ repaired }) => !repaired).length;
  write(
    findings.length === 0
      ? "every invariant holds\n"
      : `${findings.length - broken} mended, ${broken} for a person to look at\n`,
  );
  if (broken > 0 && !mend)
    write("what follows from the records themselves is mended by --audit mend (reelq audit --mend)\n");
  return broken === 0;
}
