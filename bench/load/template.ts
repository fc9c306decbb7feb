/** Digits that a placeholder of a request stands for; their number is fixed so that a request is made by writing over bytes. */
const widths = { '{key}': 10, '{sku}': 5 } as const

type Placeholder = keyof typeof widths

/** What one request looks like. `{key}` is replaced by a number that never comes twice, each `{sku}` by one below `skus`. */
export interface RequestShape {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Template {
  readonly bytes: Buffer
  readonly places: readonly { offset: number; width: number; kind: Placeholder }[]
}

export const skuName = (number: number): string => `SKU-${String(number).padStart(widths['{sku}'], '0')}`

/** The whole request as bytes, and where its placeholders are. */
export function template({ method, path, headers, body }: RequestShape): Template {
  const wide = (text: string) =>
    text.replaceAll('{key}', '0'.repeat(widths['{key}'])).replaceAll('{sku}', '0'.repeat(widths['{sku}']))
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = body === '' ? '' : `content-length: ${Buffer.byteLength(wide(body))}\r\n`
  const text = `${method} ${path} HTTP/1.1\r\nhost: bench\r\n${lines.join('')}${length}\r\n${body}`
  const places: { offset: number; width: number; kind: Placeholder }[] = []
  let removed = 0
  for (const match of text.matchAll(/\{key\}|\{sku\}/g)) {
    const kind = match[0] as Placeholder
    places.push({ offset: match.index + removed, width: widths[kind], kind })
    removed += widths[kind] - kind.length
  }
  return { bytes: Buffer.from(wide(text), 'latin1'), places }
}

/** Writes the next numbers over the placeholders of `bytes`. */
export function fill({ places }: Template, bytes: Buffer, key: number, sku: () => number): void {
  for (const { offset, width, kind } of places) {
    let rest = kind === '{key}' ? key : sku()
    for (let at = offset + width - 1; at >= offset; at--) {
      bytes[at] = 48 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
  }
}
