-- The ledger is read newest first, by what an auditor knows: the SKU, the place, the reference, or nothing but the time.
-- What only kind or actor would narrow has no index: such a page walks a bounded part of one of these.
-- Building them locks the ledger against writes meanwhile.
create index movement_by_sku on movement (sku, at);
create index movement_by_location on movement (location, at);
create index movement_by_reference on movement (reference, at) where reference is not null;
create index movement_by_time on movement (at);
