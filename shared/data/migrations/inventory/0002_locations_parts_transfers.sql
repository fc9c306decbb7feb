-- What is known of a place that holds stock. One that nobody described is in UTC, active and of priority 100.
create table location (
  code text collate "C" primary key,
  name text not null,
  time_zone text not null,
  priority int not null,
  active boolean not null,
  version bigint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);

-- Settings of a row have a version of their own: a row that is sold every second could never be edited over the row's version.
-- Constraints are not valid, here and below, so that no table is read while it is locked: the rows before this fulfil them.
alter table stock
  add column capacity bigint,
  add column settings_version bigint not null default 0,
  add constraint capacity_not_negative check (capacity >= 0) not valid;

-- A change of settings changes what is available, so it counts up the row's version and stands in the ledger; a repair may set the
-- totals to what the ledger says already.
alter table movement
  drop constraint moves_something,
  add constraint moves_something check (on_hand_delta <> 0 or reserved_delta <> 0 or kind in ('settings', 'repair')) not valid;

alter table reservation add column owner text;
create index reservation_open_by_owner on reservation (owner) where state = 'open' and owner is not null;

-- What went in parts. What these leave over when the reservation is closed went the way that its state names: a reservation that is
-- committed as a whole writes no line, and those before this need no update.
alter table reservation_line
  add column committed bigint not null default 0,
  add column released bigint not null default 0,
  add column returned bigint not null default 0,
  add constraint parts_within_quantity
    check (committed >= 0 and released >= 0 and committed + released <= quantity and returned between 0 and quantity) not valid;

-- Units that left one location for another. In transit: quantity − received − written_off − cancelled. The movements of a transfer
-- carry its id as their reference.
create table transfer (
  id uuid primary key,
  state text not null check (state in ('in_transit', 'received', 'cancelled')),
  source text collate "C" not null,
  destination text collate "C" not null,
  reference text,
  actor text not null,
  write_off_reason text,
  created_at timestamptz not null,
  closed_at timestamptz,
  constraint goes_somewhere check (source <> destination),
  constraint closed_when_not_in_transit check ((state = 'in_transit') = (closed_at is null))
);
create index transfer_in_transit on transfer (id) where state = 'in_transit';

create table transfer_line (
  transfer_id uuid not null references transfer (id),
  sku text collate "C" not null,
  quantity bigint not null check (quantity > 0),
  received bigint not null default 0 check (received >= 0),
  written_off bigint not null default 0 check (written_off >= 0),
  cancelled bigint not null default 0 check (cancelled >= 0),
  primary key (transfer_id, sku),
  constraint not_more_than_left check (received + written_off + cancelled <= quantity)
);
