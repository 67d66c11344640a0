-- What a tenant of a wholesale shop needs: 14 tables.

create table categories (
  id bigint generated always as identity primary key,
  parent_id bigint references categories (id),
  name text not null unique,
  created_at timestamptz not null default now()
);

create table products (
  id bigint generated always as identity primary key,
  category_id bigint not null references categories (id),
  sku text not null unique,
  name text not null,
  description text,
  unit text not null default 'each',
  active boolean not null default true,
  created_at timestamptz not null default now()
);
create index products_by_category on products (category_id);

create table users (
  id bigint generated always as identity primary key,
  email text not null unique,
  full_name text not null,
  password_hash text,
  role text not null check (role in ('admin', 'seller', 'marketing', 'customer')),
  created_at timestamptz not null default now()
);

create table sales_groups (
  id bigint generated always as identity primary key,
  name text not null unique,
  region text,
  created_at timestamptz not null default now()
);

create table sales_group_sellers (
  group_id bigint not null references sales_groups (id) on delete cascade,
  user_id bigint not null references users (id) on delete cascade,
  quota numeric(12, 2),
  primary key (group_id, user_id)
);
create index sales_group_sellers_by_user on sales_group_sellers (user_id);

create table sales_group_marketing_managers (
  group_id bigint not null references sales_groups (id) on delete cascade,
  user_id bigint not null references users (id) on delete cascade,
  primary key (group_id, user_id)
);

create table customers (
  id bigint generated always as identity primary key,
  group_id bigint references sales_groups (id),
  user_id bigint unique references users (id),
  name text not null,
  tax_number text unique,
  created_at timestamptz not null default now()
);
create index customers_by_group on customers (group_id);

create table customer_info (
  customer_id bigint primary key references customers (id) on delete cascade,
  phone text,
  address jsonb not null default '{}',
  notes text,
  updated_at timestamptz not null default now()
);

create table price_lists (
  id bigint generated always as identity primary key,
  name text not null unique,
  currency char(3) not null,
  valid_from date not null default current_date,
  valid_until date,
  check (valid_until is null or valid_until >= valid_from)
);

create table price_list_items (
  price_list_id bigint not null references price_lists (id) on delete cascade,
  product_id bigint not null references products (id),
  price numeric(12, 2) not null check (price >= 0),
  primary key (price_list_id, product_id)
);

create table orders (
  id bigint generated always as identity primary key,
  customer_id bigint not null references customers (id),
  seller_id bigint references users (id),
  price_list_id bigint references price_lists (id),
  status text not null default 'draft' check (status in ('draft', 'placed', 'paid', 'shipped', 'cancelled')),
  placed_at timestamptz,
  created_at timestamptz not null default now()
);
create index orders_by_customer on orders (customer_id, created_at desc);
create index orders_open on orders (status) where status in ('draft', 'placed');

create table order_items (
  order_id bigint not null references orders (id) on delete cascade,
  line integer not null,
  product_id bigint not null references products (id),
  quantity numeric(12, 3) not null check (quantity > 0),
  price numeric(12, 2) not null,
  primary key (order_id, line)
);
create index order_items_by_product on order_items (product_id);

create table cart_items (
  customer_id bigint not null references customers (id) on delete cascade,
  product_id bigint not null references products (id) on delete cascade,
  quantity numeric(12, 3) not null check (quantity > 0),
  added_at timestamptz not null default now(),
  primary key (customer_id, product_id)
);

create table recommendations (
  product_id bigint not null references products (id) on delete cascade,
  recommended_id bigint not null references products (id) on delete cascade,
  score real not null default 0,
  primary key (product_id, recommended_id),
  check (product_id <> recommended_id)
);
