import type { Liquid, Template } from 'liquidjs'
import { Rejected } from '../../shared/errors.ts'
import type { Channel } from './alert-facts.ts'
import type { TemplateSource } from './built-in-templates.ts'
import { alertVariableNames, newestSet, type Subject, samplesOf, type TemplateKind, variablesOf } from './template-variables.ts'

export interface Words {
  readonly subject: string
  readonly body: string
  readonly html: string | null
}

/** Characters: what the channels take, and what nobody reads beyond. */
export const limits = { subject: 200, sms: 160, push: 1_000, body: 100_000, source: 20_000 } as const

/** Milliseconds and characters that one rendering may cost. */
const rendering = { renderLimit: 250, memoryLimit: 2_000_000, parseLimit: limits.source }

interface Engines {
  readonly text: Liquid
  readonly html: Liquid
}
interface Parsed {
  readonly subject: Template[]
  readonly body: Template[]
  readonly html: Template[] | null
}

let engines: Promise<Engines> | undefined

/** The import costs 24 ms of CPU: with the first message, not with the process. */
const loaded = (): Promise<Engines> => {
  engines ??= import('./liquid.ts').then(({ Liquid }) => {
    const strict = { strictVariables: true, strictFilters: true, ownPropertyOnly: true, ...rendering }
    const text = new Liquid(strict)
    const html = new Liquid({ ...strict, outputEscape: 'escape' })
    for (const engine of [text, html]) {
      // A template is one text: it reads no files.
      for (const tag of ['include', 'render', 'layout', 'block']) delete engine.tags[tag]
    }
    // What stands in an alert is never markup.
    delete html.filters.raw
    return { text, html }
  })
  return engines
}

/** Parsed templates by their name and version; versions never change. */
const parsed = new Map<string, Parsed>()
const kept = 500

/** @param key names the source and its version; without it, nothing is kept */
export async function render(
  source: TemplateSource,
  subject: Subject,
  set: number,
  channel: Channel,
  key?: string,
): Promise<Words> {
  const { text, html } = await loaded()
  let templates = key === undefined ? undefined : parsed.get(key)
  if (!templates) {
    templates = parse({ text, html }, source)
    if (key !== undefined) {
      if (parsed.size >= kept) parsed.clear()
      parsed.set(key, templates)
    }
  }
  const variables = variablesOf(set, subject)
  const body = String(text.renderSync(templates.body, variables)).trimEnd()
  return {
    subject: cut(String(text.renderSync(templates.subject, variables)).replace(/\s+/g, ' ').trim(), limits.subject),
    body: fitted(body, channel),
    html: templates.html && cut(String(html.renderSync(templates.html, variables)), limits.body),
  }
}

const parse = ({ text, html }: Engines, source: TemplateSource): Parsed => ({
  subject: text.parse(source.subject),
  body: text.parse(source.body),
  html: source.html === null ? null : html.parse(source.html),
})

const fitted = (body: string, channel: Channel): string => {
  if (channel === 'sms') return cut(body.replace(/\s+/g, ' ').trim(), limits.sms)
  return cut(body, channel === 'push' ? limits.push : limits.body)
}

/** Three dots and not the one character: it would make an SMS half as long. */
const cut = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 3)}...`)

/** Throws Rejected, naming the field and the variable, when a template could fail with any message of its kind. */
export async function checkTemplate(source: TemplateSource, kind: TemplateKind, channel: Channel, locale: string): Promise<void> {
  const engine = await loaded()
  const samples = samplesOf(kind, locale)
  for (const field of ['subject', 'body', 'html'] as const) {
    const text = source[field]
    if (text === null) continue
    const { parse, renderSync } = liquidFor(engine, field)
    const refuse = (message: string): never => {
      throw new Rejected('invalid_input', `${field}: ${message}`, { errors: [{ field, message }] })
    }
    try {
      const templates = parse(text)
      const unknown = await unknownVariable(engine.text, templates, variablesOf(newestSet, samples[0] as Subject))
      if (unknown) refuse(`undefined variable: ${unknown}`)
      for (const sample of samples) {
        const rendered = String(renderSync(templates, variablesOf(newestSet, sample)))
        if (field === 'body' && rendered.trim() === '') refuse('is empty')
      }
      const [first] = samples as [Subject]
      const length = String(renderSync(templates, variablesOf(newestSet, first))).trim().length
      if (channel === 'sms' && field === 'body' && length > limits.sms) {
        refuse(`has ${length} characters with the sample; an SMS has ${limits.sms}`)
      }
    } catch (error) {
      if (error instanceof Rejected) throw error
      refuse((error as Error).message.replace(/, file:.*$/s, '').split('\n')[0] as string)
    }
  }
}

const liquidFor = ({ text, html }: Engines, field: 'subject' | 'body' | 'html') => {
  const engine = field === 'html' ? html : text
  return {
    parse: (source: string) => engine.parse(source),
    renderSync: (templates: Template[], variables: object) => engine.renderSync(templates, variables),
  }
}

/** Looks into branches that no sample takes, which rendering does not. */
async function unknownVariable(
  engine: Liquid,
  templates: Template[],
  known: Record<string, unknown>,
): Promise<string | undefined> {
  const globals = await engine.globalVariableSegments(templates)
  for (const segments of globals) {
    let value: unknown = known
    for (const segment of segments) {
      if (typeof segment !== 'string') break
      if (Array.isArray(value) && ['size', 'first', 'last'].includes(segment)) break
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return segments.join('.')
      value = (value as Record<string, unknown>)[segment]
    }
  }
  const inGlobals = new Set(globals.map(segments => segments.join('.')))
  const parts = new Set([...alertVariableNames, ...loopNames])
  const all = await engine.variableSegments(templates)
  const local = all.find(
    segments =>
      segments.length === 2 && !inGlobals.has(segments.join('.')) && typeof segments[1] === 'string' && !parts.has(segments[1]),
  )
  return local?.join('.')
}

const loopNames = ['index', 'index0', 'rindex', 'rindex0', 'first', 'last', 'length', 'size', 'name', 'locale', 'time_zone']
