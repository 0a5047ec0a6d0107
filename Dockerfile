# One image for every process: API, worker, CLI and simulator. The source runs as it is.
FROM node:24-slim AS packages
WORKDIR /app
RUN npm install --global --no-audit --no-fund pnpm@12.21.0
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages packages
COPY apps apps
# Without development packages, the `node` package among them: this image has its own Node 24.
RUN CI=true pnpm install --prod --frozen-lockfile --pm-on-fail=ignore

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app ./
# For STORAGE_URL=file:/data: a volume mounted there for the first time takes over this owner.
RUN mkdir /data && chown node:node /data
USER node
EXPOSE 8787
CMD ["node", "apps/api/src/main.ts"]
