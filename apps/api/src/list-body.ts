/** A page, in the OpenAI shape. */
export const listBody = <Item extends { readonly id: string }>(data: Item[], hasMore: boolean) => ({
  object: "list" as const,
  data,
  first_id: data[0]?.id ?? null,
  last_id: data.at(-1)?.id ?? null,
  has_more: hasMore,
});
