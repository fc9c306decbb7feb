create table orders (
  id uuid primary key,
  state text not null check (state in ('awaiting_stock', 'placed', 'confirmed', 'cancelled', 'rejected')),
  client text not null,
  customer text,
  reference text,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  total bigint not null check (total >= 0),
  payment_token text not null,
  reservation_id uuid,
  payment_id uuid,
  reason text,
  placed_at timestamptz not null,
  updated_at timestamptz not null,
  constraint holds_stock check (state not in ('placed', 'confirmed') or reservation_id is not null)
) with (fillfactor = 85);
create index orders_by_time on orders (placed_at desc, id desc);
create index orders_by_reference on orders (reference) where reference is not null;
create index orders_not_final on orders (placed_at) where state in ('awaiting_stock', 'placed');

create table order_line (
  order_id uuid not null references orders (id),
  number int not null,
  sku text not null,
  location text not null,
  quantity bigint not null check (quantity > 0),
  unit_price bigint not null check (unit_price >= 0),
  primary key (order_id, number)
);

-- Every state an order has been in: its history, and how many orders are in each state without counting them all.
create table order_transition (
  order_id uuid not null references orders (id),
  at timestamptz not null,
  state text not null,
  reason text,
  actor text not null
);
create index order_transition_of on order_transition (order_id);
