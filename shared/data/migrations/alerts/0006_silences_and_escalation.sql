-- What keeps alerts quiet, and who is told when nobody acknowledges them. A matcher that is null matches everything; SKUs match by name
-- or by what they begin with.
create table silence (
  id uuid primary key,
  skus text[] collate "C",
  sku_prefixes text[] collate "C",
  locations text[] collate "C",
  categories text[],
  severities text[],
  rules text[],
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  comment text not null,
  created_by text not null,
  created_at timestamptz not null,
  version bigint not null default 1,
  -- False until what stood when it began is muted: alerts that are raised later are muted as they are raised.
  applied boolean not null default false,
  constraint silence_in_order check (ends_at >= starts_at),
  constraint silence_of_something check (coalesce(skus, sku_prefixes, locations, categories, severities, rules) is not null)
);
create index silence_by_end on silence (ends_at desc, id desc);

-- Cycle counts, as the inventory tells of them: people are at the shelves, and the figures are about to be corrected. `ends_at` is the
-- latest that it mutes until it is closed. A count whose end came before its beginning is here as one that is over.
create table inhibition (
  count_id uuid primary key,
  location text collate "C" not null,
  skus text[] collate "C",
  sku_prefixes text[] collate "C",
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  applied boolean not null default false
);
create index inhibition_by_end on inhibition (ends_at);

create table escalation_policy (
  id uuid primary key,
  name text not null,
  -- The lowest of those that match an alert is its policy.
  priority int not null,
  skus text[] collate "C",
  sku_prefixes text[] collate "C",
  locations text[] collate "C",
  categories text[],
  severities text[],
  rules text[],
  -- [{"afterMinutes": 15, "targets": ["role:buyer"], "channels": ["sms"]}]
  steps jsonb not null,
  repeat int not null check (repeat >= 0),
  -- False until the alerts that stood when it was made or changed are looked at anew.
  applied boolean not null default false,
  version bigint not null default 1,
  created_by text not null,
  created_at timestamptz not null,
  updated_by text not null,
  updated_at timestamptz not null,
  constraint escalation_policy_name unique (name)
);

-- How far the escalation of an alert has come. Each telling of the alert starts its policy anew; `told` counts on.
create table escalation (
  alert_id uuid primary key,
  policy_id uuid not null,
  telling int not null,
  started_at timestamptz not null,
  -- Steps since it was started, through its repetitions.
  taken int not null,
  last_at timestamptz,
  -- Steps in the alert's whole life.
  told int not null
);

-- What people changed of silences and policies: who, when, and what it was afterwards.
create table setting_history (
  subject text not null check (subject in ('silence', 'escalation_policy')),
  id uuid not null,
  version bigint not null,
  action text not null check (action in ('created', 'changed', 'expired', 'deleted')),
  at timestamptz not null,
  actor text not null,
  content jsonb not null,
  primary key (subject, id, version)
);

alter table alert
  add column acknowledged_by text,
  add column acknowledged_at timestamptz,
  -- When escalation has to look at it: at once when it was just told, never ('infinity') when there is nothing left to do.
  add column escalate_at timestamptz not null default '-infinity';
create index alert_to_escalate on alert (escalate_at) where state = 'open' and escalate_at < 'infinity';
create index alert_muted on alert (muted, id) where muted is not null and state <> 'resolved';
create index alert_acknowledged on alert (acknowledged_by, raised_at desc, id desc) where acknowledged_by is not null;
create index alert_by_category on alert (category, raised_at desc, id desc) where category is not null;
-- Where the worst stands, and what it outranks.
create index alert_outranking on alert (sku, location) where state <> 'resolved' and severity = 'out_of_stock';

alter table alert_history
  drop constraint alert_history_action_check,
  -- What an escalation told to whom, and what mutes.
  add column detail jsonb,
  add constraint alert_history_action check (action in
    ('raised', 'worsened', 'acknowledged', 'snoozed', 'woken', 'muted', 'unmuted', 'escalated', 'resolved')) not valid;
-- A step of an alert is told once, whatever fails.
create unique index alert_history_escalated_once on alert_history (alert_id, (detail ->> 'step')) where action = 'escalated';

alter table stock_seen add column evaluated_at timestamptz;
