import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Id } from '../../shared/fields.ts'
import { builtInTemplate } from './built-in-templates.ts'
import { reading } from './people-operation.ts'
import { factsOf } from './standing.ts'
import { readStanding } from './standing-rows.ts'
import { checkTemplate, render } from './template-engine.ts'
import { newestSet, type Subject, samplesOf } from './template-variables.ts'
import { checkParts, nameFields, sourceFields } from './templates.ts'
import { wordsOperation } from './words-operation.ts'

export const previewTemplate = wordsOperation({
  id: 'templates-preview',
  route: 'POST /v1/templates/preview',
  summary: 'See what a template says',
  description:
    'The source that is given, or the built-in one, with sample alerts or with given ones. It is checked as if it were saved; nothing is kept. Doing it again changes nothing.',
  allow: reading,
  problems: ['not_found'],
  example: { kind: 'alert', channel: 'sms', locale: 'de', body: '{{ alert.sku }}: noch {{ alert.available }}' },
  input: z.strictObject({
    ...nameFields,
    subject: sourceFields.subject.removeDefault().optional(),
    body: sourceFields.body.optional().meta({ description: 'Without it, the built-in template.' }),
    html: sourceFields.html,
    alertIds: z.array(Id).min(1).max(500).optional().meta({ description: 'Alerts that were raised; without them, a sample.' }),
  }),
  output: z.object({ subject: z.string(), body: z.string(), html: z.string().nullable() }).meta({ id: 'TemplatePreview' }),
  async handle({ db, now }, { kind, channel, locale, subject, body, html, alertIds }) {
    const source = body === undefined ? builtInTemplate(kind, channel) : { subject: subject ?? '', body, html }
    checkParts(source, channel)
    await checkTemplate(source, kind, channel, locale)
    const samples = samplesOf(kind, locale)
    const sample = (kind === 'alert' ? samples[0] : samples.at(-1)) as Subject
    if (!alertIds) return render(source, sample, newestSet, channel)
    const alerts = (await readStanding(db.notifications.sql, alertIds)).filter(({ telling }) => telling > 0)
    const known = new Set(alerts.map(({ alertId }) => alertId))
    const unknown = alertIds.findIndex(id => !known.has(id))
    if (unknown >= 0) throw new Rejected('not_found', `alertIds[${unknown}]: no such alert was told.`)
    return render(source, { ...sample, alerts: alerts.map(factsOf), now: now() }, newestSet, channel)
  },
})
