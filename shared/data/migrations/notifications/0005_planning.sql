-- Who is told, when, grouped how and with which words.

-- Names are sealed like addresses. A version counts the preferences too.
alter table recipient_group
  add column version bigint not null default 1,
  add column updated_at timestamptz not null default now();
create index recipient_by_time on recipient (created_at desc, id desc);

-- What a recipient wants of one channel; without a row the channel's standard counts.
create table preference (
  recipient_id uuid not null references recipient (id) on delete cascade,
  channel text not null check (channel in ('email', 'sms', 'push', 'pagerduty', 'webhook')),
  minimum_severity text not null check (minimum_severity in ('low', 'critical', 'out_of_stock')),
  -- Local time at which what is not urgent comes as one message; null: each as it comes.
  digest_at time,
  opted_out boolean not null default false,
  primary key (recipient_id, channel)
);

-- Recipients that were forgotten: `replacement` (sealed, the same for all rows) takes the place of the address in what was sent to them.
create table recipient_forgotten (
  id uuid primary key,
  replacement text not null,
  forgotten_at timestamptz not null,
  forgotten_by text not null,
  erased_at timestamptz
);
create index recipient_to_erase on recipient_forgotten (forgotten_at) where erased_at is null;

create table notification_route (
  id uuid primary key,
  -- The lower, the earlier it is asked.
  position int not null,
  name text not null,
  -- {minimumSeverity, locations, categories, skuPrefixes, rules}: absent matches all.
  matcher jsonb not null,
  -- [{recipient}, {group}, {role}]
  receivers jsonb not null,
  -- Empty: what each recipient's preferences say.
  channels text[] not null,
  group_by text[] not null,
  group_wait int not null check (group_wait between 0 and 86400),
  group_interval int not null check (group_interval between 0 and 86400),
  urgent_group_wait int not null check (urgent_group_wait between 0 and 86400),
  urgent_group_interval int not null check (urgent_group_interval between 0 and 86400),
  repeat_interval int check (repeat_interval between 60 and 2678400),
  -- Channels that are told of the end, too.
  tell_recovery text[] not null,
  continues boolean not null,
  enabled boolean not null,
  version bigint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  updated_by text not null
);
create index notification_route_in_order on notification_route (position, id);

-- An alert as its events have told it, in whatever order they came. Its end is final: a telling that comes after it is late.
create table standing (
  alert_id uuid primary key,
  -- The newest; 0 while only its end or its acknowledgement has come.
  telling int not null,
  told_at timestamptz,
  sku text not null,
  location text not null,
  severity text not null,
  available bigint not null,
  threshold bigint not null,
  category text,
  rule text not null,
  suggested_order bigint,
  muted text,
  raised_at timestamptz,
  -- Counts while it is not older than the newest telling.
  acknowledged_at timestamptz,
  resolved_at timestamptz,
  resolved_by text
);
create index standing_resolved on standing (resolved_at) where resolved_at is not null;

-- Alerts that make one message: same route, same lane, same values of what the route groups by.
create table notification_group (
  id uuid primary key,
  key text not null unique,
  -- Null: the default route.
  route_id uuid,
  lane text not null check (lane in ('urgent', 'normal')),
  -- When those that wait are told; null: none waits.
  flush_at timestamptz,
  -- The event whose handler flushes it, when the wait is short.
  opener uuid,
  flushed_at timestamptz,
  flushes int not null default 0,
  -- When those that still stand are told again.
  repeat_at timestamptz
);
create index notification_group_due on notification_group (flush_at) where flush_at is not null;
create index notification_group_repeats on notification_group (repeat_at) where repeat_at is not null;

create table notification_group_alert (
  group_id uuid not null references notification_group (id) on delete cascade,
  alert_id uuid not null,
  telling int not null,
  -- Null: it waits for the next flush.
  told_at timestamptz,
  primary key (group_id, alert_id)
);
create index notification_group_of_alert on notification_group_alert (alert_id);

-- What one recipient is told by one channel at once later: at most one is open.
create table digest (
  id uuid primary key,
  recipient_id uuid not null references recipient (id) on delete cascade,
  channel text not null,
  due_at timestamptz not null,
  closed_at timestamptz,
  created_at timestamptz not null
);
create unique index digest_open on digest (recipient_id, channel) where closed_at is null;
create index digest_due on digest (due_at) where closed_at is null;

create table digest_alert (
  digest_id uuid not null references digest (id) on delete cascade,
  alert_id uuid not null,
  telling int not null,
  -- Of the route that told it.
  tells_recovery boolean not null,
  primary key (digest_id, alert_id)
);
create index digest_of_alert on digest_alert (alert_id);

-- Messages that are not urgent, by the hour in which they were made.
create table throttle (
  recipient_id uuid not null references recipient (id) on delete cascade,
  channel text not null,
  hour timestamptz not null,
  messages int not null,
  primary key (recipient_id, channel, hour)
);

-- Steps of escalations that were told.
create table escalation_told (
  alert_id uuid not null,
  policy_id text not null,
  step int not null,
  told_at timestamptz not null,
  primary key (alert_id, policy_id, step)
);

create table template_version (
  kind text not null check (kind in ('alert', 'group', 'digest', 'escalation', 'resolved', 'acknowledged')),
  channel text not null check (channel in ('email', 'sms', 'push', 'pagerduty', 'webhook')),
  locale text not null,
  version int not null,
  -- Null in all three: from this version on the built-in one counts.
  subject text,
  body text,
  html text,
  -- The set of variables that it was saved for, and is rendered with for ever.
  variables int not null,
  note text,
  created_at timestamptz not null,
  created_by text not null,
  primary key (kind, channel, locale, version)
);

alter table notification
  -- The queue waits for `next_attempt_at` because of quiet hours: notifications-flush queues it then.
  add column held boolean not null default false,
  -- Its receiver is told of the end, too.
  add column tells_recovery boolean not null default false;
create index notification_held on notification (next_attempt_at) where held;
