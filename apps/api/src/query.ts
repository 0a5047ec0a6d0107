import { problem } from "@reelq/contract";
import type { Request } from "express";

/** A parameter of the query, given once. */
export function queryOf(request: Request, name: string): string | undefined {
  const value: unknown = request.query[name];
  if (value === undefined || typeof value === "string") return value;
  throw problem("invalid_value", `${name} was given twice; give it once.`, name);
}

export interface PageQuery {
  readonly after?: string;
  readonly limit: number;
  readonly order: "asc" | "desc";
}

/** `after`, `limit` and `order`, as every list takes them. */
export function readPageQuery(
  request: Request,
  { byDefault, most }: { readonly byDefault: number; readonly most: number },
): PageQuery {
  const after = queryOf(request, "after");
  const limit = queryOf(request, "limit") ?? String(byDefault);
  if (!/^\d{1,5}$/.test(limit) || Number(limit) < 1 || Number(limit) > most)
    throw problem("invalid_value", `limit ${JSON.stringify(limit)} must be a whole number from 1 to ${most}.`, "limit");
  const order = queryOf(request, "order") ?? "desc";
  if (order !== "asc" && order !== "desc")
    throw problem("invalid_value", `order ${JSON.stringify(order)} must be asc or desc.`, "order");
  return { ...(after === undefined ? {} : { after }), limit: Number(limit), order };
}
