-- Files of thresholds that clients have sent to be set row by row: how far each came.
create table import (
  id uuid primary key,
  -- The client's Idempotency-Key: the same key goes on with the same import.
  key text unique,
  kind text not null check (kind = 'thresholds'),
  state text not null check (state in ('running', 'stopped', 'done')),
  rows_read bigint not null default 0,
  -- Rows from the first on that are settled: a repetition begins after them.
  rows_done bigint not null default 0,
  rows_failed bigint not null default 0,
  -- Of the settled rows: another file under the same key is noticed.
  digest text not null default '',
  -- Who works on it now: one that was believed dead may not tell its own progress any more.
  run uuid not null,
  -- Why it stopped.
  reason text,
  client text not null,
  actor text not null,
  started_at timestamptz not null,
  updated_at timestamptz not null,
  finished_at timestamptz,
  constraint finished_when_done check ((state = 'done') = (finished_at is not null))
);

-- Rows that were refused; the first ten thousand of an import.
create table import_error (
  import_id uuid not null references import (id) on delete cascade,
  row bigint not null,
  code text not null,
  field text,
  message text not null,
  primary key (import_id, row)
);
