-- Thresholds of every type, for a place on the shelf, a SKU everywhere, a category, a location, or everything. What a scope leaves open
-- is '': so the key of each scope that may count for a place is known, and is looked up in the one index.
alter table threshold
  add column category text collate "C" not null default '',
  add column rule text not null default 'absolute',
  add column state text not null default 'on',
  add column critical_level bigint,
  add column par_level bigint,
  add column window_days int,
  add column lead_time_days int,
  add column for_seconds int not null default 0,
  add column dedup_seconds int not null default 0,
  drop constraint threshold_pkey,
  add primary key (sku, location, category, rule),
  add constraint threshold_scope check (category = '' or (sku = '' and location = '')),
  add constraint threshold_rule check (rule in ('absolute', 'percentage', 'days_of_cover', 'forecast')),
  add constraint threshold_state check (state in ('on', 'off')),
  add constraint critical_below_low check (critical_level between 0 and level),
  add constraint threshold_times check (for_seconds >= 0 and dedup_seconds >= 0 and window_days > 0 and lead_time_days >= 0);
create index threshold_by_location on threshold (location, sku, category, rule);
create index threshold_by_category on threshold (category, sku, location, rule);

-- Who changed which threshold, when, from what to what. Nothing here is ever changed.
create table threshold_change (
  id uuid primary key,
  sku text collate "C" not null,
  location text collate "C" not null,
  category text collate "C" not null,
  rule text not null,
  before jsonb,
  after jsonb,
  at timestamptz not null,
  actor text not null,
  constraint changes_something check (before is not null or after is not null)
);
create index threshold_change_by_time on threshold_change (at desc, id desc);
create index threshold_change_by_sku on threshold_change (sku, at desc, id desc);
create index threshold_change_by_category on threshold_change (category, at desc, id desc) where category <> '';
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name;
end $$;
create trigger threshold_change_is_kept before update or delete or truncate on threshold_change
  for each statement execute function refuse_change();

-- What alerts have to know of a SKU beside its stock.
create table sku_profile (
  sku text collate "C" primary key,
  category text collate "C" not null default '',
  lead_time_days int check (lead_time_days >= 0),
  par_level bigint check (par_level >= 0),
  pack_size bigint not null check (pack_size > 0),
  minimum_order bigint not null check (minimum_order >= 0),
  updated_at timestamptz not null,
  updated_by text not null
);
create index sku_profile_by_category on sku_profile (category, sku);

-- Units sold a day at a place, oldest first, up to and with `day`: some three months in one row, which is read with one look.
create table sales (
  sku text collate "C" not null,
  location text collate "C" not null,
  day date not null,
  units bigint[] not null,
  primary key (sku, location)
) with (fillfactor = 75);

alter table stock_seen
  add column capacity bigint,
  -- Versions whose sales are counted: all up to `counted_through`, and those of the ranges (from, to, from, to …) after it.
  add column counted_through bigint not null default 0,
  add column counted_ahead bigint[] not null default '{}';
create index stock_seen_by_location on stock_seen (location, sku);

-- Breaches that are no alert yet: they have not lasted long enough, or the last alert is not over long enough.
create table breach (
  sku text collate "C" not null,
  location text collate "C" not null,
  rule text not null,
  since timestamptz not null,
  due_at timestamptz not null,
  primary key (sku, location, rule)
);
create index breach_due on breach (due_at);

-- Places to be judged again because what they inherit has changed, and how far that has come.
create table rejudging (
  id uuid primary key,
  -- What has changed; all null for everything.
  skus text[] collate "C",
  categories text[] collate "C",
  locations text[] collate "C",
  after_sku text collate "C" not null default '',
  after_location text collate "C" not null default '',
  at timestamptz not null
);

alter table import
  drop constraint import_kind_check,
  add constraint import_kind check (kind in ('thresholds', 'sku-profiles')) not valid;
