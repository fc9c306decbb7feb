-- The ledger by months, so that old ones can be archived (docs/decisions/0012). What is there becomes its first partition as it is:
-- no row is written again.
-- On a filled ledger: every row is read once while sales go on, then the new key is built and every row is read once more while sales
-- wait (they are answered 503 with Retry-After). The longer part is the key; built before, it is found here:
--   create unique index concurrently movement_row on movement (sku, location, version, at)
-- Whoever cannot have the ledger for itself within 10 s gives up and is started again.
set local lock_timeout = '10s';

alter table movement validate constraint moves_something;
create unique index if not exists movement_row on movement (sku, location, version, at);

alter table movement rename to movement_first;
alter table movement_first drop constraint movement_pkey;
alter table movement_first add constraint movement_first_pkey primary key using index movement_row;
alter index movement_by_sku rename to movement_first_by_sku;
alter index movement_by_location rename to movement_first_by_location;
alter index movement_by_reference rename to movement_first_by_reference;
alter index movement_by_time rename to movement_first_by_time;

-- Across months no key can prove that a version is there once: the row's lock lets nobody make it twice, and reconciliation counts.
create table movement (
  sku text collate "C" not null,
  location text collate "C" not null,
  version bigint not null,
  kind text not null,
  on_hand_delta bigint not null,
  reserved_delta bigint not null,
  reason text,
  reference text,
  actor text not null,
  at timestamptz not null,
  primary key (sku, location, version, at),
  constraint moves_something check (on_hand_delta <> 0 or reserved_delta <> 0 or kind in ('settings', 'repair'))
) partition by range (at);
create index movement_by_sku on movement (sku, at);
create index movement_by_location on movement (location, at);
create index movement_by_reference on movement (reference, at) where reference is not null;
create index movement_by_time on movement (at);

-- Six months ahead, then one partition without an end: a sale finds its place even if nobody ever adds a month again.
-- The newest movement may be ahead of this server's clock.
do $$
declare
  newest timestamp := coalesce((select max(at) from movement_first), now()) at time zone 'UTC';
  begins timestamp := date_trunc('month', greatest(newest, now() at time zone 'UTC')) + interval '1 month';
begin
  execute format('alter table movement attach partition movement_first for values from (minvalue) to (%L)', begins at time zone 'UTC');
  for n in 1..6 loop
    execute format('create table movement_%s partition of movement for values from (%L) to (%L)',
      to_char(begins, 'YYYYMM'), begins at time zone 'UTC', (begins + interval '1 month') at time zone 'UTC');
    begins := begins + interval '1 month';
  end loop;
  execute format('create table movement_later partition of movement for values from (%L) to (maxvalue)', begins at time zone 'UTC');
end $$;

-- Months that have left the ledger. From `carried_at` on the proof of the totals begins at the sums that `proof` has of them, and their
-- own movements are read no more; `dropped_at` is when they were gone from here.
create table movement_archive (
  partition text primary key,
  ends timestamptz not null,
  rows bigint not null,
  on_hand bigint not null,
  reserved bigint not null,
  manifest text not null,
  carried_at timestamptz not null,
  dropped_at timestamptz
);

-- What a row's archived movements add up to.
alter table proof
  add column archived_versions bigint not null default 0,
  add column archived_newest bigint not null default 0,
  add column archived_on_hand bigint not null default 0,
  add column archived_reserved bigint not null default 0;
