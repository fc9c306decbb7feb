import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { Rejected } from '../../shared/errors.ts'

const page = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Tidemark API</title>
  <link rel="stylesheet" href="/docs/swagger-ui.css">
  <link rel="icon" href="data:,">
</head>
<body>
  <div id="reference"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
`

const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#reference', deepLinking: true, filter: true, tryItOutEnabled: true, validatorUrl: null })
`

const types = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' } as const
const fromPackage = new Set(['swagger-ui.css', 'swagger-ui-bundle.js'])

/** The API reference, from swagger-ui-dist: everything it loads comes from here. */
export function serveDocs(path: string, response: ServerResponse): void {
  const name = path.replace(/^\/docs\/?/, '')
  if (name === '') send(response, page, types.html)
  else if (name === 'start.js') send(response, start, types.js)
  else if (fromPackage.has(name)) send(response, packaged(name), name.endsWith('.css') ? types.css : types.js)
  else throw new Rejected('not_found')
}

const packaged = (name: string): Buffer => readFileSync(createRequire(import.meta.url).resolve(`swagger-ui-dist/${name}`))

function send(response: ServerResponse, body: string | Buffer, type: string): void {
  response.writeHead(200, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'public, max-age=3600',
    'content-security-policy':
      "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
  })
  response.end(body)
}
