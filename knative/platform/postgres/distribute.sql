-- The inventory database on Citus: which table goes where. Run once, on the coordinator, as the owner, with the writers stopped:
--   psql "$INVENTORY_DATABASE_URL" --single-transaction -v ON_ERROR_STOP=1 -f distribute.sql
-- Not run by any test, and not enough by itself: docs/scale.md says which statements have to change before.
create extension if not exists citus;

-- Totals, ledger and proof of one SKU lie on one worker. Every key of these tables contains the column by which they are distributed.
select create_distributed_table('stock', 'sku', colocate_with => 'none', shard_count => 64);
select create_distributed_table('movement', 'sku', colocate_with => 'stock');
select create_distributed_table('proof', 'sku', colocate_with => 'stock');

-- A reservation may hold SKUs of several workers: it lies with its lines and by its own id.
select create_distributed_table('reservation', 'id', colocate_with => 'none', shard_count => 64);
select create_distributed_table('reservation_line', 'reservation_id', colocate_with => 'reservation');

-- First answers are looked for by their key and nothing else.
select create_distributed_table('idempotency', 'key', colocate_with => 'none', shard_count => 64);

-- Read beside stock everywhere, hardly ever written.
select create_reference_table('location');

-- All others stay on the coordinator as they are. The outbox has to: the relay sends by the order of one sequence.
