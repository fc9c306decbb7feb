create table notification (
  id uuid primary key,
  alert_id uuid not null,
  channel text not null check (channel in ('email')),
  -- Sealed (JWE): an address is personal data.
  recipient text not null,
  subject text not null,
  state text not null check (state in ('sending', 'sent', 'failed')),
  attempts int not null default 0,
  provider_id text,
  error text,
  traceparent text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (alert_id, channel)
);
create index notification_by_time on notification (created_at desc, id desc);
