# One image, many functions: the argument, or K_SERVICE, chooses.
FROM node:24.21.0-bookworm-slim AS build
# For `strip`: without its symbols Node is a seventh smaller.
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
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

# The root file system that `npm run deploy` packs without a container engine.
FROM build AS root
RUN node deploy/root.ts --out /image

# What a cluster runs: Node, the libraries it needs and the bundled functions; no shell, no package manager, no development dependency.
# The layers are in the order of how seldom they change.
FROM scratch AS production
COPY --from=root /image/base/ /
COPY --from=root /image/node/ /
COPY --from=root /image/app/ /
WORKDIR /app
USER 1000:1000
EXPOSE 8080 9464
ENTRYPOINT ["/usr/local/bin/node", "main.mjs"]
