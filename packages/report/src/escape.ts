/** Text for between tags and for quoted attributes. What cannot be seen is made visible, so that nothing hides in it. */
export const escaped = (text: string): string =>
  visible(text).replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0) ?? 0};`);

/** Text for a title or a label, where nothing can keep a turn of the writing's direction inside. */
export const plain = (text: string): string => text.replaceAll(/\p{Bidi_Control}/gu, "");

/** Whose own direction of writing ends with it. */
export const isolated = (text: string): string => `<bdi>${escaped(text)}</bdi>`;

/** Control characters as their pictures (`␀`, `␛`), line ends and tabs excepted; half a character as `�`. */
function visible(text: string): string {
  if (/^[\n\t -~]*$/.test(text)) return text;
  return text
    .toWellFormed()
    .replaceAll("\r\n", "\n")
    .replaceAll(/[^\P{Cc}\n\t]/gu, (control) => {
      const code = control.codePointAt(0) ?? 0;
      return code < 0x20 ? String.fromCodePoint(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
    });
}

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** The beginning of a text on one line, at most so many characters as people count them; the whole where it fits. */
export function beginning(text: string, most: number): string {
  // One character may be built of thousands: what is looked at is limited too.
  const head = text
    .slice(0, most * 8)
    .replaceAll(/\s+/g, " ")
    .trim();
  if (head.length <= most && text.length <= most * 8) return head;
  let kept = "";
  let count = 0;
  for (const { segment } of segmenter.segment(head)) {
    count += 1;
    if (count > most || kept.length + segment.length > most * 4) return `${kept.replace(/\s\S{0,12}$/, "").trimEnd()}…`;
    kept += segment;
  }
  return head.length < text.trim().length && text.length > most * 8 ? `${kept}…` : kept;
}
