/** A page of any list. */
export interface Page<Item> {
  readonly data: readonly Item[];
  readonly last_id: string | null;
  readonly has_more: boolean;
}

/** Every item of a list, page after page, each asked for when the one before is used up. */
export async function* allPages<Item>(
  pageAfter: (after: string | undefined) => Promise<Page<Item>>,
  first: string | undefined,
): AsyncGenerator<Item, void> {
  let after = first;
  for (;;) {
    const page = await pageAfter(after);
    yield* page.data;
    if (!page.has_more || page.last_id === null || page.last_id === after) return;
    after = page.last_id;
  }
}
