-- At most one payment an order. `void` keeps an order from being charged after it was cancelled.
create table payment (
  order_id uuid primary key,
  id uuid not null unique,
  state text not null check (state in ('succeeded', 'failed', 'refunded', 'void')),
  amount bigint not null check (amount >= 0),
  currency text not null,
  gateway text not null,
  gateway_reference text,
  decline_code text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
