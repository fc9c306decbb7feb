import type { Plugin } from 'esbuild'

/** `client.messages` is of `Api`, which is not among them. */
const twilioProducts =
  'Accounts Bulkexports Chat Content Conversations Events FlexApi FrontlineApi PreviewIam Iam Insights Intelligence IpMessaging Knowledge Lookups Marketplace Memory Messaging Monitor Notify Numbers Oauth Preview Pricing Proxy Routes Serverless Studio Supersim Sync Taskrouter Trunking Trusthub Verify Video Voice Wireless'.split(
    ' ',
  )

/**
 * What packages import and no function uses, by the package that imports it. Express reads bodies, writes files and parses nested
 * queries with these: three quarters of the bundle's bytes. prom-client asks OpenTelemetry for exemplars, which are off.
 * zod brings its messages in fifty languages; English is there without them. Of Twilio's forty products messages are used, and of
 * Firebase's credentials none: ours has a deadline (functions/notifications/channels/fcm-credential.ts).
 */
const unused: Readonly<Record<string, readonly string[]>> = {
  express: ['body-parser', 'mime-types', 'qs', 'send', 'serve-static'],
  'type-is': ['mime-types'],
  accepts: ['mime-types'],
  'prom-client': ['@opentelemetry/api'],
  zod: ['../locales/index.js'],
  twilio: twilioProducts.map(name => `./${name}`),
  'firebase-admin': ['google-auth-library', 'jwks-rsa', '@fastify/busboy'],
}

/** Puts in their place something that may be imported, and fails loudly when it is used. */
export const unusedPackages: Plugin = {
  name: 'unused-packages',
  setup(build) {
    build.onResolve({ filter: /./ }, ({ path, importer }) => {
      const from = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(importer)?.[1] ?? ''
      return unused[from]?.includes(path) ? { path, namespace: 'unused' } : undefined
    })
    build.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({
      contents: `module.exports = new Proxy(function () {}, {
        get: (absent, name) => name === 'prototype' ? absent.prototype : module.exports,
        apply() { throw new Error('${path} is left out of the bundle: local/unused-packages.ts') },
      })`,
    }))
  },
}
