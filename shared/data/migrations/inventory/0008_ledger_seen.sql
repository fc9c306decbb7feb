-- Up to where the reconciliation has looked for movements that no row of stock counts: a row that was deleted by hand, or a movement
-- that was added by hand. What is older when this begins is the full proof's.
create table ledger_seen (
  singleton boolean primary key default true check (singleton),
  at timestamptz not null
);
insert into ledger_seen (at) values (now());
