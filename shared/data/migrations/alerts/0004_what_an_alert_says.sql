-- What an alert says of itself: which type of threshold raised it, what the SKU belongs to, what to order, and what keeps it from
-- being told (`silence:<id>`, `inhibited:<why>`; null when it is to be told).
alter table alert
  drop constraint alert_severity_check,
  add column rule text not null default 'absolute',
  add column category text,
  add column suggested_order bigint,
  add column muted text,
  add constraint alert_severity check (severity in ('low', 'critical', 'out_of_stock')) not valid;
drop index alert_one_standing;
-- Two standing alerts for one place on the shelf and one rule are impossible.
create unique index alert_one_standing on alert (sku, location, rule) where state <> 'resolved' or not settled;
