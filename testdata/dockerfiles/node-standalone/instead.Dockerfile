FROM node:22-alpine AS base
RUN corepack enable

FROM base AS modules
WORKDIR /srv
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/cache npm ci

FROM base AS pages
WORKDIR /srv
COPY --from=modules /srv/node_modules node_modules
COPY . .
RUN npm run build

FROM node:22-alpine
ENV NODE_ENV=production
WORKDIR /srv
COPY --from=pages /srv/public public
COPY --from=pages --chown=1001:1001 /srv/dist dist/assets
USER 1001
CMD ["node", "server.js"]
