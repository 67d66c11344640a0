-- One row each: a tenant has one face and one configuration.
create table tenant_branding (
  one boolean not null default true constraint pk_tenant_branding primary key constraint ck_tenant_branding_one check (one),
  logo_url text,
  primary_color text constraint ck_tenant_branding_primary_color check (primary_color ~ '^#[0-9a-f]{6}$'),
  secondary_color text constraint ck_tenant_branding_secondary_color check (secondary_color ~ '^#[0-9a-f]{6}$'),
  domain text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table tenant_config (
  one boolean not null default true constraint pk_tenant_config primary key constraint ck_tenant_config_one check (one),
  flags jsonb not null default '{}' constraint ck_tenant_config_flags check (jsonb_typeof(flags) = 'object'),
  limits jsonb not null default '{}' constraint ck_tenant_config_limits check (jsonb_typeof(limits) = 'object'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
