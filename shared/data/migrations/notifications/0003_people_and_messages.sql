-- Who can be told, and by what: personal data is sealed (JWE) wherever it stands.
create table recipient (
  id uuid primary key,
  name text not null,
  time_zone text not null default 'UTC',
  locale text not null default 'en',
  roles text[] not null default '{}',
  -- Local times between which only what is critical may disturb; both or none. The end may lie on the next day.
  quiet_from time,
  quiet_to time,
  version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint quiet_both check ((quiet_from is null) = (quiet_to is null))
);
create index recipient_by_role on recipient using gin (roles);

create table recipient_group (
  name text primary key,
  created_at timestamptz not null
);
create table recipient_group_member (
  group_name text not null references recipient_group (name) on delete cascade,
  recipient_id uuid not null references recipient (id) on delete cascade,
  primary key (group_name, recipient_id)
);
create index recipient_group_of on recipient_group_member (recipient_id);

-- One way to reach a recipient: a mailbox, a telephone, a device, a PagerDuty service, a webhook's URL.
create table contact (
  id uuid primary key,
  recipient_id uuid not null references recipient (id) on delete cascade,
  channel text not null check (channel in ('email', 'sms', 'push', 'pagerduty', 'webhook')),
  -- Sealed: address, E.164 number, device token, routing key, URL.
  address text not null,
  -- Keyed hash of the address: finds it again without opening every seal.
  fingerprint text not null,
  -- Sealed: what a webhook's signatures are made with, the newest first.
  secrets text,
  -- Why nothing is sent there any more: a hard bounce, a complaint, a device that is gone.
  disabled_at timestamptz,
  disabled_reason text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (recipient_id, channel, fingerprint)
);
create index contact_by_fingerprint on contact (channel, fingerprint);

alter table notification
  alter column alert_id drop not null,
  drop constraint notification_once,
  drop constraint notification_channel_check,
  drop constraint notification_state_check,
  -- What makes it one: however often it is planned, it is one row.
  add column dedup_key text,
  add column kind text not null default 'alert' check (kind in ('alert', 'resolved', 'escalation', 'digest', 'acknowledged')),
  add column priority text not null default 'normal' check (priority in ('normal', 'urgent')),
  add column severity text,
  add column recipient_id uuid,
  add column contact_id uuid,
  -- The words of the channel; a notification from before has none.
  add column body text,
  add column html text,
  -- The facts, for receivers that are programs: alerts with SKU, location, severity, figures.
  add column payload jsonb,
  -- Not before; null: at once.
  add column next_attempt_at timestamptz,
  -- When it is not delivered by then, `fallback` channels are tried.
  add column deliver_by timestamptz,
  add column fallback_channels text[] not null default '{}',
  add column fallback_of uuid,
  add constraint notification_channel check (channel in ('email', 'sms', 'push', 'pagerduty', 'webhook')),
  add constraint notification_state check (state in ('queued', 'sending', 'sent', 'delivered', 'bounced', 'failed', 'cancelled'));
update notification set dedup_key = alert_id || ':' || telling || ':' || channel;
alter table notification alter column dedup_key set not null;
create unique index notification_once on notification (dedup_key);
create index notification_pending on notification (coalesce(next_attempt_at, created_at)) where state in ('queued', 'sending');
create index notification_by_provider_id on notification (channel, provider_id) where provider_id is not null;
create index notification_to_fall_back on notification (deliver_by) where deliver_by is not null and state in ('queued', 'sending', 'sent');

-- The alerts that a message is about: one that ends before all of them were told is taken out, and the last one cancels the message.
create table notification_alert (
  notification_id uuid not null references notification (id) on delete cascade,
  alert_id uuid not null,
  telling int not null,
  primary key (notification_id, alert_id, telling)
);
create index notification_of_alert on notification_alert (alert_id);

-- What became of a notification, step by step.
create table notification_history (
  id uuid primary key,
  notification_id uuid not null references notification (id) on delete cascade,
  at timestamptz not null,
  state text not null,
  detail text
);
create index notification_history_of on notification_history (notification_id, at, id);
