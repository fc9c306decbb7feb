# One image, many functions: the argument, or K_SERVICE, chooses.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN node local/build.ts

# The whole system in one container, for docker compose: the local stand-in for Knative and its functions.
FROM build AS local
RUN mkdir -p .tidemark && chown -R node:node .tidemark dist
USER node
EXPOSE 8080 7490
CMD ["node", "local/main.ts"]

# What a cluster runs: the bundled functions and Node, nothing else.
FROM node:24.21.0-bookworm-slim AS production
WORKDIR /app
COPY --from=build /app/dist ./
USER node
EXPOSE 8080 9464
ENTRYPOINT ["node", "main.mjs"]
