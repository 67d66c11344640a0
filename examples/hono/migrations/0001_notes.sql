create table notes (
  id bigint generated always as identity primary key,
  body text not null check (length(body) between 1 and 2000),
  published boolean not null default false,
  created_at timestamptz not null default now()
);

-- Written in the same transaction as the change it tells of.
create table note_log (
  id bigint generated always as identity primary key,
  note_id bigint not null,
  action text not null check (action in ('created', 'deleted')),
  actor text not null,
  at timestamptz not null default now()
);
