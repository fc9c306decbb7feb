import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rejected } from '../../shared/errors.ts'
import { type AlertFacts, channels } from './alert-facts.ts'
import { builtInTemplate, type TemplateSource } from './built-in-templates.ts'
import { checkTemplate, render } from './template-engine.ts'
import { newestSet, type Subject, samplesOf, templateKinds, variablesOf } from './template-variables.ts'

const alert: AlertFacts = {
  ...{ alertId: '0199', telling: 1, sku: '85123A', location: 'main', severity: 'low', available: 3, threshold: 12 },
  ...{ category: 'lights', rule: 'absolute', suggestedOrder: null, raisedAt: new Date('2026-03-02T09:30:00Z') },
}
const subject = (alerts: AlertFacts[], kind: Subject['kind'] = 'alert'): Subject => ({
  ...{ kind, alerts, now: new Date('2026-03-02T09:31:00Z'), isRepeat: false, step: null, by: null },
  recipient: { name: 'Berta', locale: 'en', timeZone: 'UTC' },
})
const text = (body: string): TemplateSource => ({ subject: '', body, html: null })
const refusal = async (source: TemplateSource, channel: 'email' | 'sms' = 'email') => {
  try {
    await checkTemplate(source, 'group', channel, 'en')
    return 'none'
  } catch (error) {
    assert.ok(error instanceof Rejected, String(error))
    return error.message
  }
}

test('a mail says what is low, how low, and what to do', async () => {
  const words = await render(builtInTemplate('alert', 'email'), subject([alert]), newestSet, 'email')
  assert.equal(words.subject, '85123A is low at main: 3 left')
  assert.match(words.body, /Available: 3 units\nThreshold: 12 units\n\nReorder it, or change its threshold. Alert 0199\.$/)
})

test('every built-in template can be saved as it is, for it fits every message of its kind', async () => {
  for (const kind of templateKinds) {
    for (const channel of channels) await checkTemplate(builtInTemplate(kind, channel), kind, channel, 'en')
  }
})

test('300 SKUs of one delivery make one message that names the worst and counts the rest', async () => {
  const many = Array.from({ length: 300 }, (_, n) => ({ ...alert, alertId: `a${n}`, sku: `SKU-${n}` }))
  const worst: AlertFacts = { ...alert, alertId: 'worst', sku: 'GONE', severity: 'out_of_stock', available: 0 }
  const mail = await render(builtInTemplate('group', 'email'), subject([...many, worst], 'group'), newestSet, 'email')
  assert.equal(mail.subject, '301 SKUs are low at main, 1 out of stock')
  assert.match(mail.body, /\n\n- GONE at main: 0 left/)
  assert.match(mail.body, /and 251 more\.$/)
  const sms = await render(builtInTemplate('group', 'sms'), subject([...many, worst], 'group'), newestSet, 'sms')
  assert.ok(sms.body.length <= 160, sms.body)
  assert.match(sms.body, /GONE 0/)
})

test('an unknown variable is refused with its name, even where no sample looks', async () => {
  assert.match(await refusal(text('{{ nonsense }}')), /body: undefined variable: nonsense/)
  assert.match(await refusal(text('{% if count == 4711 %}{{ alert.colour }}{% endif %}x')), /alert\.colour/)
  assert.match(
    await refusal(text('{% if count == 4711 %}{% for a in alerts %}{{ a.colour }}{% endfor %}{% endif %}x')),
    /a\.colour/,
  )
  assert.match(await refusal({ ...text('x'), html: '{{ recipient.address }}' }), /html: undefined variable: recipient\.address/)
  assert.equal(await refusal(text('{% for a in alerts %}{{ forloop.index }} {{ a.sku }}{% endfor %} {{ alerts.size }}')), 'none')
})

test('an unknown filter, a tag that reads files, a syntax error and an empty text are refused', async () => {
  assert.match(await refusal(text('{{ count | shout }}')), /undefined filter: shout/)
  assert.match(await refusal(text("{% if count == 4711 %}{% include 'secret' %}{% endif %}x")), /tag "include" not found/)
  assert.match(await refusal(text('{% if %}')), /body:/)
  assert.match(await refusal(text('  ')), /body: is empty/)
})

test('an SMS that the sample overflows is refused; one that a real message overflows is cut', async () => {
  assert.match(await refusal(text('x'.repeat(161)), 'sms'), /161 characters/)
  const sms = await render(
    text('{% for a in alerts %}{{ a.sku }} {% endfor %}'),
    subject(Array(50).fill(alert), 'group'),
    newestSet,
    'sms',
  )
  assert.equal(sms.body.length, 160)
  assert.match(sms.body, /\.\.\.$/)
})

test('what a template costs is bounded', async () => {
  const endless = '{% for a in (1..100000) %}{% for b in (1..100000) %}{{ a }}{{ b }}{% endfor %}{% endfor %}'
  assert.match(await refusal(text(endless)), /limit/)
})

test('what stands in an alert is never markup of the mail', async () => {
  const evil = { ...alert, category: '<script>alert(1)</script>' }
  const source = { ...text('x'), html: '<b>{{ alert.category }}</b>' }
  const { html } = await render(source, subject([evil]), newestSet, 'email')
  assert.equal(html, '<b>&lt;script&gt;alert(1)&lt;/script&gt;</b>')
  assert.notEqual(await refusal({ ...source, html: '{{ alert.category | raw }}' }), 'none')
})

test('a subject has one line', async () => {
  const { subject: line } = await render({ ...text('x'), subject: 'a\r\nBcc: b' }, subject([alert]), newestSet, 'email')
  assert.equal(line, 'a Bcc: b')
})

test('the first set of variables has its names for ever: people have made templates of them', () => {
  const set = variablesOf(1, samplesOf('group', 'en')[0] as Subject)
  assert.deepEqual(Object.keys(set).sort(), [
    ...['alert', 'alerts', 'by', 'category', 'count', 'kind', 'location', 'more', 'now', 'out_of_stock', 'recipient', 'repeated'],
    ...['severity', 'step'],
  ])
  assert.deepEqual(Object.keys(set.alert as object).sort(), [
    ...[
      'available',
      'category',
      'id',
      'location',
      'raised_at',
      'rule',
      'severity',
      'sku',
      'suggested_order',
      'telling',
      'threshold',
    ],
  ])
})
