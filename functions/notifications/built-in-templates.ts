import type { Channel } from './alert-facts.ts'
import type { TemplateKind } from './template-variables.ts'

export interface TemplateSource {
  /** Of mails, push messages and incidents; empty where a channel has none. */
  readonly subject: string
  readonly body: string
  /** Of mails alone. */
  readonly html: string | null
}

const state = `{% if severity == 'out_of_stock' %}is out of stock{% elsif severity == 'critical' %}is critically low{% else %}is low{% endif %}`
const one = `{{ alert.sku }} ${state} at {{ alert.location }}: {{ alert.available }} left`
const place = `{% if location %} at {{ location }}{% endif %}`
const worst = `{% if out_of_stock > 0 %}, {{ out_of_stock }} out of stock{% endif %}`
const many = `{{ count }} SKUs are low${place}${worst}`
const oneOrMany = `{% if count == 1 %}${one}{% else %}${many}{% endif %}`
const again = `{% if repeated %}Still: {% endif %}`

const subjects: Record<TemplateKind, string> = {
  alert: `${again}${one}`,
  group: `${again}${many}`,
  digest: `Your digest: {% if count == 1 %}${one}{% else %}${many}{% endif %}`,
  escalation: `Nobody has acknowledged: ${oneOrMany}`,
  resolved: `Resolved: {% if count == 1 %}{{ alert.sku }} at {{ alert.location }}{% else %}{{ count }} SKUs${place}{% endif %}`,
  acknowledged: `Acknowledged: {% if count == 1 %}{{ alert.sku }} at {{ alert.location }}{% else %}{{ count }} SKUs${place}{% endif %}`,
}

const details = `{{ alert.sku }} ${state} at {{ alert.location }}.

Available: {{ alert.available }} units
Threshold: {{ alert.threshold }} units
{% if alert.suggested_order %}Suggested order: {{ alert.suggested_order }} units
{% endif %}
Reorder it, or change its threshold. Alert {{ alert.id }}.`

const list = `{% for item in alerts %}- {{ item.sku }} at {{ item.location }}: {{ item.available }} left, threshold {{ item.threshold }} ({{ item.severity | replace: '_', ' ' }}{% if item.suggested_order %}; order {{ item.suggested_order }}{% endif %}). Alert {{ item.id }}.
{% endfor %}{% if more > 0 %}and {{ more }} more.
{% endif %}`

const texts: Record<TemplateKind, string> = {
  alert: details,
  group: `${many}.\n\n${list}`,
  digest: `What came since your last digest:\n\n${list}`,
  escalation: `Nobody has acknowledged this in time{% if step %} (step {{ step }}){% endif %}.\n\n${list}`,
  resolved: `No longer low{% if by %}, resolved by {{ by }}{% endif %}:\n\n${list}`,
  acknowledged: `Somebody is at it{% if by %}: {{ by }}{% endif %}.\n\n${list}`,
}

const rows = `<table>
<tr><th align="left">SKU</th><th align="left">Location</th><th align="right">Available</th><th align="right">Threshold</th><th align="right">Order</th><th align="left">Severity</th></tr>
{% for item in alerts %}<tr><td>{{ item.sku }}</td><td>{{ item.location }}</td><td align="right">{{ item.available }}</td><td align="right">{{ item.threshold }}</td><td align="right">{{ item.suggested_order }}</td><td>{{ item.severity | replace: '_', ' ' }}</td></tr>
{% endfor %}</table>
{% if more > 0 %}<p>and {{ more }} more.</p>{% endif %}`

const page = (kind: TemplateKind): string => `<!doctype html>
<html lang="en"><body>
<p><strong>${subjects[kind]}</strong></p>
${rows}
<p>{% if count == 1 %}Alert {{ alert.id }}. {% endif %}{{ now }}</p>
</body></html>`

const short = (kind: TemplateKind): string =>
  `${subjects[kind]}{% if count > 1 %}: {% for item in alerts limit: 5 %}{{ item.sku }} {{ item.available }}{% unless forloop.last %}, {% endunless %}{% endfor %}{% endif %}`

/** English: what counts where nobody has saved another one. */
export function builtInTemplate(kind: TemplateKind, channel: Channel): TemplateSource {
  const subject = subjects[kind]
  switch (channel) {
    case 'email':
      return { subject, body: texts[kind], html: page(kind) }
    case 'sms':
      return { subject: '', body: short(kind), html: null }
    case 'push':
      return { subject, body: short(kind), html: null }
    default:
      return { subject, body: texts[kind], html: null }
  }
}
