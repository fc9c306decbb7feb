create table threshold (
  sku text collate "C" not null,
  location text collate "C" not null,
  level bigint not null check (level >= 0),
  resolve_above bigint not null,
  updated_at timestamptz not null,
  updated_by text not null,
  primary key (sku, location),
  constraint hysteresis check (resolve_above >= level)
);

-- The newest stock that was evaluated: what is not newer is dropped, whatever is delivered twice or late.
create table stock_seen (
  sku text collate "C" not null,
  location text collate "C" not null,
  available bigint not null,
  version bigint not null,
  primary key (sku, location)
) with (fillfactor = 75);

create table alert (
  id uuid primary key,
  sku text collate "C" not null,
  location text collate "C" not null,
  state text not null check (state in ('open', 'resolved')),
  severity text not null check (severity in ('low', 'out_of_stock')),
  threshold bigint not null,
  available bigint not null,
  stock_version bigint not null,
  raised_at timestamptz not null,
  resolved_at timestamptz,
  constraint resolved_when_not_open check ((state = 'open') = (resolved_at is null))
);
-- Two open alerts for one place on the shelf are impossible.
create unique index alert_one_open on alert (sku, location) where state = 'open';
create index alert_by_time on alert (raised_at desc, id desc);
create index alert_by_sku on alert (sku, location, raised_at desc);
