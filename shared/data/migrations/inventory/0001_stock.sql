-- Totals, one row a SKU and location. "C" collation: the locking order is byte order, whatever the server's locale.
-- A quarter of each page stays free so that the frequent updates are heap-only.
create table stock (
  sku text collate "C" not null,
  location text collate "C" not null,
  on_hand bigint not null default 0,
  reserved bigint not null default 0,
  safety_stock bigint not null default 0,
  backorder_limit bigint not null default 0,
  version bigint not null default 0,
  primary key (sku, location),
  constraint on_hand_not_negative check (on_hand >= 0),
  constraint reserved_not_negative check (reserved >= 0),
  constraint safety_stock_not_negative check (safety_stock >= 0),
  constraint backorder_limit_not_negative check (backorder_limit >= 0),
  constraint not_oversold check (reserved <= on_hand + backorder_limit)
) with (fillfactor = 75);
create index stock_by_location on stock (location, sku);

-- The ledger. A row's versions count up by one, so the key proves that no movement is missing or doubled.
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
  primary key (sku, location, version),
  constraint moves_something check (on_hand_delta <> 0 or reserved_delta <> 0)
);

create table reservation (
  id uuid primary key,
  state text not null check (state in ('open', 'committed', 'released', 'expired', 'returned')),
  reference text,
  actor text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  closed_at timestamptz,
  constraint closed_when_not_open check ((state = 'open') = (closed_at is null))
);
create index reservation_to_expire on reservation (expires_at) where state = 'open';

create table reservation_line (
  reservation_id uuid not null references reservation (id),
  sku text collate "C" not null,
  location text collate "C" not null,
  quantity bigint not null check (quantity > 0),
  primary key (reservation_id, sku, location)
);
