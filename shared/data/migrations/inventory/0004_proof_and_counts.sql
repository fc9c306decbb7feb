-- How far a row's ledger has been added up, and to what. Reconciliation reads only what came later, and a ledger that was changed
-- behind this point no longer adds up to it.
create table proof (
  sku text collate "C" not null,
  location text collate "C" not null,
  version bigint not null,
  on_hand bigint not null,
  reserved bigint not null,
  at timestamptz not null,
  primary key (sku, location)
) with (fillfactor = 75);

-- Where the next round of each kind goes on.
create table proof_walk (
  mode text primary key check (mode in ('incremental', 'full')),
  after_sku text collate "C",
  after_location text collate "C",
  started_at timestamptz not null,
  finished_at timestamptz
);

create table drift (
  id uuid primary key,
  kind text not null check (kind in ('on_hand', 'reserved', 'ledger', 'oversold', 'transit')),
  sku text collate "C" not null,
  location text collate "C" not null,
  expected bigint not null,
  found bigint not null,
  detail text not null,
  state text not null default 'open' check (state in ('open', 'repaired', 'vanished')),
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  closed_at timestamptz,
  closed_by text,
  constraint drift_closed_when_not_open check ((state = 'open') = (closed_at is null))
);
create unique index drift_open on drift (sku, location, kind) where state = 'open';

create table cycle_count (
  id uuid primary key,
  location text collate "C" not null,
  -- What it covers: SKUs that begin so, those of its first lines alone, or (neither) the whole location.
  sku_prefix text collate "C",
  listed boolean not null,
  blind boolean not null,
  reference text,
  state text not null default 'open' check (state in ('open', 'approved', 'cancelled')),
  opened_by text not null,
  opened_at timestamptz not null,
  closed_by text,
  closed_at timestamptz,
  constraint count_closed_when_not_open check ((state = 'open') = (closed_at is null))
);
create index cycle_count_by_location on cycle_count (location, id);

-- The snapshot is the row's version and units when the count was opened; `counted_version` and `expected` are those at the moment of
-- the line's own count (docs/decisions/0011).
create table cycle_count_line (
  count_id uuid not null references cycle_count (id),
  sku text collate "C" not null,
  location text collate "C" not null,
  snapshot_version bigint not null,
  snapshot_on_hand bigint not null,
  state text not null default 'open' check (state in ('open', 'entered', 'refused', 'approving', 'approved', 'skipped')),
  counted bigint check (counted >= 0),
  counted_version bigint,
  expected bigint,
  counted_at timestamptz,
  counted_by text,
  -- The command that corrects this line: named before it is sent, so that a repetition sends the same one.
  batch uuid,
  -- Why it was refused.
  detail text,
  primary key (count_id, sku),
  constraint counted_when_not_open check (state in ('open', 'skipped') or (counted is not null and expected is not null)),
  constraint named_while_approving check (state <> 'approving' or batch is not null)
);
create unique index cycle_count_line_open on cycle_count_line (location, sku)
  where state in ('open', 'entered', 'refused', 'approving');

-- Every figure that anybody entered.
create table cycle_count_entry (
  id bigint generated always as identity primary key,
  count_id uuid not null,
  sku text collate "C" not null,
  counted bigint not null,
  expected bigint not null,
  counted_version bigint not null,
  counted_at timestamptz not null,
  entered_by text not null,
  entered_at timestamptz not null,
  foreign key (count_id, sku) references cycle_count_line (count_id, sku)
);
create index cycle_count_entry_of_line on cycle_count_entry (count_id, sku, id);
