import type { ClipBody } from "@reelq/contract";

/** A clip, and what is shown of it: a data: URL, nothing, or nothing because the page would grow too big. */
export interface Pictured {
  readonly clip: ClipBody;
  readonly picture: string | null;
  readonly leftOut: boolean;
}

/** All pictures of one page together, in characters of the page. */
const mostCharacters = 24_000_000;
/** So many are fetched at once. */
const fetchedAhead = 8;

/** The clips in their order, each with its picture as long as there is room. One that cannot be read is none. */
export async function* withPictures(
  clips: AsyncIterable<ClipBody>,
  thumbnail: (clip: ClipBody) => Promise<string | null>,
  most = mostCharacters,
): AsyncGenerator<Pictured> {
  const ahead: { readonly clip: ClipBody; readonly fetched: Promise<string | null> | undefined }[] = [];
  let room = most;
  const settle = async ({ clip, fetched }: (typeof ahead)[number]): Promise<Pictured> => {
    const picture = (await fetched) ?? null;
    if (picture !== null && picture.length <= room) {
      room -= picture.length;
      return { clip, picture, leftOut: false };
    }
    // The first that does not fit ends it: pictures here and there would only look like mistakes.
    if (picture !== null) room = 0;
    return {
      clip,
      picture: null,
      leftOut: picture !== null || (fetched === undefined && clip.file?.thumbnail !== null),
    };
  };
  for await (const clip of clips) {
    const fetched = !clip.file ? Promise.resolve(null) : room > 0 ? fetchPicture(clip, thumbnail) : undefined;
    ahead.push({ clip, fetched });
    const [first] = ahead;
    if (ahead.length > fetchedAhead && first) {
      ahead.shift();
      yield await settle(first);
    }
  }
  for (const one of ahead) yield await settle(one);
}

async function fetchPicture(clip: ClipBody, thumbnail: (clip: ClipBody) => Promise<string | null>) {
  try {
    const url = await thumbnail(clip);
    return url !== null && /^data:image\/(?:png|jpeg|webp|gif|avif);base64,[\w+/]+=*$/.test(url) ? url : null;
  } catch {
    return null;
  }
}
