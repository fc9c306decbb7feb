-- What people do with an alert. `severity` is the worst since it was raised: only a worse one is told again. `telling` counts how often
-- it was told, so that each telling is one notification, however often its event is delivered.
alter table alert
  drop constraint alert_state_check,
  drop constraint resolved_when_not_open,
  add column snoozed_until timestamptz,
  add column telling int not null default 1,
  -- False while the stock of a resolved alert has not recovered since: then a person resolved it, and only worse is news.
  add column settled boolean not null default true,
  add constraint alert_state check (state in ('open', 'acknowledged', 'snoozed', 'resolved')) not valid,
  add constraint alert_resolved_at check ((state = 'resolved') = (resolved_at is not null)) not valid,
  add constraint alert_snoozed_until check ((state = 'snoozed') = (snoozed_until is not null)) not valid;
drop index alert_one_open;
-- Two standing alerts for one place on the shelf are impossible.
create unique index alert_one_standing on alert (sku, location) where state <> 'resolved' or not settled;
create index alert_to_wake on alert (snoozed_until) where state = 'snoozed';
create index alert_active_by_time on alert (raised_at desc, id desc) where state <> 'resolved';

-- Who did what with an alert, and when; `actor` is null where the stock itself did it.
create table alert_history (
  id uuid primary key,
  alert_id uuid not null,
  action text not null check (action in ('raised', 'worsened', 'acknowledged', 'snoozed', 'woken', 'resolved')),
  at timestamptz not null,
  actor text,
  note text,
  severity text not null,
  available bigint not null,
  snoozed_until timestamptz
);
create index alert_history_of_alert on alert_history (alert_id, at, id);
