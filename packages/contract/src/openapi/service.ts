import type { Operation } from "./operation.ts";

const html = (description: string) => ({ description, type: "text/html", schema: { type: "string" } });

/** What is not under `/v1`. */
export const serviceOperations = [
  {
    method: "get",
    path: "/livez",
    id: "live",
    tag: "service",
    summary: "Ask whether the process answers",
    door: "open",
    replies: { 200: { description: "It does.", json: "Live" } },
  },
  {
    method: "get",
    path: "/readyz",
    id: "ready",
    tag: "service",
    summary: "Ask whether the API has what it needs",
    door: "open",
    replies: {
      200: { description: "It has.", json: "Ready" },
      503: { description: "Something is missing.", json: "Ready" },
    },
  },
  {
    method: "get",
    path: "/metrics",
    id: "metrics",
    tag: "service",
    summary: "Read the figures, for Prometheus",
    door: "admin",
    replies: { 200: { description: "The text format, 0.0.4.", type: "text/plain", schema: { type: "string" } } },
  },
  {
    method: "get",
    path: "/openapi.json",
    id: "openApi",
    tag: "service",
    summary: "Get this document",
    door: "open",
    replies: { 200: { description: "OpenAPI 3.1.", type: "application/json", schema: { type: "object" } } },
  },
  {
    method: "get",
    path: "/docs",
    id: "docs",
    tag: "service",
    summary: "Read this document as a page, and try its calls",
    door: "open",
    replies: { 200: html("The page.") },
  },
  {
    method: "get",
    path: "/llms.txt",
    id: "llms",
    tag: "service",
    summary: "Get the short of it, for language models",
    door: "open",
    replies: { 200: { description: "Markdown, by llmstxt.org.", type: "text/plain", schema: { type: "string" } } },
  },
] as const satisfies readonly Operation[];
