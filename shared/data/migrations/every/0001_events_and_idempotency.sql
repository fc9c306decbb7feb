-- What every database of a service has.

-- Events that a transaction made true, until the relay has sent them. Few rows, each short-lived: vacuumed eagerly,
-- or reading the head of the queue would step over its dead.
create table outbox (
  id bigint generated always as identity primary key,
  event_id uuid not null,
  type text not null,
  key text not null,
  data text not null,
  traceparent text not null default '',
  created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- Rows that cannot be sent, with the reason: shown by the backlog, never a stop for the others.
create table outbox_set_aside (
  event_id uuid primary key,
  type text not null,
  key text not null,
  data text not null,
  traceparent text not null,
  created_at timestamptz not null,
  error text not null,
  set_aside_at timestamptz not null default now()
);

-- Events that a consumer has handled: written in the transaction of the effect.
create table inbox (
  consumer text not null,
  event_id uuid not null,
  handled_at timestamptz not null default now(),
  primary key (consumer, event_id)
);
create index inbox_handled_at on inbox using brin (handled_at);

-- First answers, by the client's key: written in the transaction of the effect.
create table idempotency (
  key text primary key,
  fingerprint text not null,
  status int not null,
  response text not null,
  created_at timestamptz not null default now()
);
create index idempotency_created_at on idempotency using brin (created_at);
