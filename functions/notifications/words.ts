import type { Channel } from './alert-facts.ts'
import { builtInTemplate } from './built-in-templates.ts'
import { render, type Words } from './template-engine.ts'
import type { TemplateVersion } from './template-rows.ts'
import { newestSet, type Subject } from './template-variables.ts'

/** The words of a message: by the template of the recipient's locale, else of its language, else by the built-in one. */
export async function wordsFor(
  templates: readonly TemplateVersion[],
  subject: Subject,
  channel: Channel,
  failed: (template: TemplateVersion, error: Error) => void,
): Promise<Words> {
  const { kind, recipient } = subject
  const language = recipient.locale.split('-')[0] as string
  for (const locale of new Set([recipient.locale, language])) {
    const saved = templates.find(one => one.kind === kind && one.channel === channel && one.locale === locale)
    if (!saved || saved.body === null) continue
    const source = { subject: saved.subject ?? '', body: saved.body, html: saved.html }
    try {
      return await render(source, subject, saved.variables, channel, [kind, channel, locale, saved.version].join(' '))
    } catch (error) {
      // It was tried when it was saved, yet a message is not lost over words that fail with it.
      failed(saved, error as Error)
    }
  }
  return render(builtInTemplate(kind, channel), subject, newestSet, channel, `${kind} ${channel}`)
}
