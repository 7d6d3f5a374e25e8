-- A database as the original application leaves it, with a row of every kind of
-- job. The trigram index is left out: it needs an extension that a bare server
-- may lack.
CREATE TYPE user_provider_enum AS ENUM (
    'ACCRED',
    'DEFAULT',
    'TEST'
);
CREATE TYPE entity_type_enum AS ENUM (
    'MODULE_PER_YEAR',
    'MODULE_UNIT_SPECIFIC',
    'GLOBAL_PER_YEAR'
);
CREATE TYPE target_type_enum AS ENUM (
    'DATA_ENTRIES',
    'FACTORS',
    'REDUCTION_OBJECTIVES',
    'REFERENCE_DATA'
);
CREATE TYPE ingestion_method_enum AS ENUM (
    'api',
    'csv',
    'manual',
    'computed'
);
CREATE TYPE ingestion_state_enum AS ENUM (
    'NOT_STARTED',
    'QUEUED',
    'RUNNING',
    'FINISHED'
);
CREATE TYPE ingestion_result_enum AS ENUM (
    'SUCCESS',
    'WARNING',
    'ERROR'
);
CREATE TYPE carbon_report_type_enum AS ENUM (
    'Calculator',
    'Simulator_Explore',
    'Simulator_Plan'
);
CREATE TYPE dataentrystatusenum AS ENUM (
    'PENDING',
    'VALIDATED',
    'REJECTED'
);
CREATE TYPE transportmodeenum AS ENUM ('plane', 'train');
CREATE TABLE units (
    provider                        user_provider_enum NOT NULL,
    institutional_code              varchar            NOT NULL,
    institutional_id                varchar,
    name                            varchar            NOT NULL,
    label_fr                        varchar,
    label_en                        varchar,
    level                           integer            NOT NULL,
    parent_institutional_code       varchar,
    parent_institutional_id         varchar,
    path_institutional_code         varchar,
    path_institutional_id           varchar,
    path_name                       varchar,
    unit_type_id                    integer,
    unit_type_label                 varchar,
    principal_user_institutional_id varchar,
    is_active                       boolean            NOT NULL,
    id                              serial             PRIMARY KEY
);
CREATE        INDEX ix_units_id                              ON units (id);
CREATE UNIQUE INDEX ix_units_institutional_code              ON units (institutional_code);
CREATE UNIQUE INDEX ix_units_institutional_id                ON units (institutional_id);
CREATE        INDEX ix_units_level                           ON units (level);
CREATE        INDEX ix_units_name                            ON units (name);
CREATE        INDEX ix_units_parent_institutional_code       ON units (parent_institutional_code);
CREATE        INDEX ix_units_path_institutional_code         ON units (path_institutional_code);
CREATE        INDEX ix_units_principal_user_institutional_id ON units (principal_user_institutional_id);
CREATE TABLE year_configuration (
    is_started              boolean            NOT NULL,
    configuration_completed timestamptz,
    config                  json               NOT NULL DEFAULT '{}',
    year                    integer            NOT NULL,
    provider                user_provider_enum NOT NULL,
    updated_at              timestamp          NOT NULL,
    PRIMARY KEY (year, provider)
);
CREATE TABLE carbon_projects (
    unit_id                     integer                 NOT NULL REFERENCES units (id),
    carbon_report_type          carbon_report_type_enum NOT NULL,
    start_year                  integer,
    end_year                    integer,
    name                        varchar,
    is_viewable_by_unit_members boolean                 NOT NULL,
    id                          serial                  PRIMARY KEY,
    CONSTRAINT uq_carbon_projects_unit_type UNIQUE (unit_id, carbon_report_type)
);
CREATE INDEX ix_carbon_projects_end_year   ON carbon_projects (end_year);
CREATE INDEX ix_carbon_projects_id         ON carbon_projects (id);
CREATE INDEX ix_carbon_projects_name       ON carbon_projects (name);
CREATE INDEX ix_carbon_projects_start_year ON carbon_projects (start_year);
CREATE INDEX ix_carbon_projects_unit_id    ON carbon_projects (unit_id);
CREATE TABLE carbon_reports (
    year                integer NOT NULL,
    reference_year      integer,
    unit_id             integer NOT NULL REFERENCES units (id),
    carbon_project_id   integer REFERENCES carbon_projects (id),
    last_updated        integer,
    completion_progress varchar,
    overall_status      integer NOT NULL,
    stats               json,
    id                  serial  PRIMARY KEY,
    CONSTRAINT uq_carbon_reports_project_year UNIQUE (carbon_project_id, year)
);
CREATE INDEX ix_carbon_reports_carbon_project_id ON carbon_reports (carbon_project_id);
CREATE INDEX ix_carbon_reports_unit_id           ON carbon_reports (unit_id);
CREATE TABLE carbon_report_modules (
    module_type_id   integer NOT NULL,
    status           integer NOT NULL,
    carbon_report_id integer NOT NULL REFERENCES carbon_reports (id),
    last_updated     integer,
    stats            json,
    id               serial  PRIMARY KEY,
    CONSTRAINT uq_carbon_report_module UNIQUE (carbon_report_id, module_type_id)
);
CREATE INDEX idx_crm_report_type_status                ON carbon_report_modules (carbon_report_id, module_type_id, status);
CREATE INDEX ix_carbon_report_modules_carbon_report_id ON carbon_report_modules (carbon_report_id);
CREATE INDEX ix_carbon_report_modules_module_type_id   ON carbon_report_modules (module_type_id);
CREATE TABLE pipelines (
    id               uuid         PRIMARY KEY,
    kind             varchar(100),
    status           varchar(32)  NOT NULL DEFAULT 'NOT_STARTED',
    entity_type      integer,
    ingestion_method integer,
    module_type_id   integer,
    year             integer,
    expected_recalc  integer,
    job_count        integer      NOT NULL DEFAULT 0,
    error_count      integer      NOT NULL DEFAULT 0,
    started_at       timestamptz,
    finished_at      timestamptz,
    last_error       varchar,
    created_at       timestamptz  NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at       timestamptz  NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX ix_pipelines_module_year ON pipelines (module_type_id, year);
CREATE INDEX ix_pipelines_status      ON pipelines (status);
CREATE TABLE pods (
    pod_id            varchar(256) PRIMARY KEY,
    git_sha           varchar(64),
    app_version       varchar(64),
    started_at        timestamptz NOT NULL,
    last_heartbeat_at timestamptz NOT NULL
);
CREATE TABLE data_ingestion_jobs (
    entity_type        entity_type_enum      NOT NULL,
    entity_id          integer,
    module_type_id     integer,
    data_entry_type_id integer,
    year               integer,
    target_type        target_type_enum,
    ingestion_method   ingestion_method_enum NOT NULL,
    provider           user_provider_enum    NOT NULL,
    state              ingestion_state_enum,
    result             ingestion_result_enum,
    status_message     varchar,
    meta               json,
    id                 serial                PRIMARY KEY,
    is_current         boolean               NOT NULL,
    locked_by          varchar(255),
    locked_at          timestamptz,
    started_at         timestamptz,
    finished_at        timestamptz,
    attempts           integer               NOT NULL DEFAULT 0,
    max_attempts       integer               NOT NULL DEFAULT 3,
    run_after          timestamptz,
    pipeline_id        uuid REFERENCES pipelines (id),
    job_type           varchar(100)
);
CREATE UNIQUE INDEX ix_data_ingestion_jobs_is_current_unique
    ON data_ingestion_jobs (module_type_id, data_entry_type_id, target_type, ingestion_method, year)
    WHERE is_current = true;
CREATE INDEX ix_data_ingestion_jobs_pending
    ON data_ingestion_jobs (run_after)
    WHERE state = 'NOT_STARTED'::ingestion_state_enum AND locked_by IS NULL;
CREATE INDEX ix_data_ingestion_jobs_pipeline_id ON data_ingestion_jobs (pipeline_id);
CREATE UNIQUE INDEX uq_aggregation_active
    ON data_ingestion_jobs (module_type_id, year)
    WHERE job_type = 'aggregation'
      AND state IN ('NOT_STARTED'::ingestion_state_enum,
                    'QUEUED'::ingestion_state_enum,
                    'RUNNING'::ingestion_state_enum);
CREATE UNIQUE INDEX uq_emission_recalc_active
    ON data_ingestion_jobs (module_type_id, data_entry_type_id, year)
    WHERE job_type = 'emission_recalc'
      AND state IN ('NOT_STARTED'::ingestion_state_enum,
                    'QUEUED'::ingestion_state_enum,
                    'RUNNING'::ingestion_state_enum)
      AND module_type_id IS NOT NULL
      AND data_entry_type_id IS NOT NULL
      AND year IS NOT NULL;
CREATE TABLE factors (
    emission_type_id   integer NOT NULL,
    data_entry_type_id integer NOT NULL,
    classification     jsonb,
    "values"           json,
    year               integer,
    id                 serial  PRIMARY KEY,
    last_seen_job_id   integer REFERENCES data_ingestion_jobs (id) ON DELETE SET NULL
);
CREATE INDEX ix_factors_data_entry_type_id   ON factors (data_entry_type_id);
CREATE INDEX ix_factors_data_entry_type_year ON factors (data_entry_type_id, year);
CREATE INDEX ix_factors_emission_type_id     ON factors (emission_type_id);
CREATE INDEX ix_factors_id                   ON factors (id);
CREATE INDEX ix_factors_last_seen_job_id     ON factors (last_seen_job_id);
CREATE INDEX ix_factors_year                 ON factors (year);
CREATE UNIQUE INDEX uq_factor_identity
    ON factors (data_entry_type_id, year, emission_type_id, (classification::text))
    WHERE year IS NOT NULL;
CREATE UNIQUE INDEX uq_factor_identity_no_year
    ON factors (data_entry_type_id, emission_type_id, (classification::text))
    WHERE year IS NULL;
CREATE TABLE data_entries (
    data_entry_type_id      integer NOT NULL,
    carbon_report_module_id integer NOT NULL REFERENCES carbon_report_modules (id),
    data                    json,
    status                  dataentrystatusenum,
    id                      serial  PRIMARY KEY,
    year                    integer,
    unit_id                 integer,
    source                  integer,
    created_by_id           integer,
    created_at              timestamp NOT NULL,
    updated_at              timestamp NOT NULL
);
CREATE INDEX ix_data_entries_carbon_report_module_id ON data_entries (carbon_report_module_id);
CREATE INDEX ix_data_entries_created_by_id           ON data_entries (created_by_id);
CREATE INDEX ix_data_entries_data_entry_type_id      ON data_entries (data_entry_type_id);
CREATE INDEX ix_data_entries_id                      ON data_entries (id);
CREATE INDEX ix_data_entries_source                  ON data_entries (source);
CREATE INDEX ix_data_entries_unit_id                 ON data_entries (unit_id);
CREATE INDEX ix_data_entries_year                    ON data_entries (year);
CREATE TABLE data_entry_emissions (
    data_entry_id     integer          NOT NULL REFERENCES data_entries (id) ON DELETE CASCADE,
    emission_type_id  integer          NOT NULL,
    primary_factor_id integer          REFERENCES factors (id) ON DELETE CASCADE,
    kg_co2eq          double precision NOT NULL,
    additional_value  double precision,
    scope             integer,
    meta              json,
    computed_at       timestamptz      NOT NULL,
    id                serial           PRIMARY KEY
);
CREATE INDEX ix_data_entry_emissions_computed_at       ON data_entry_emissions (computed_at);
CREATE INDEX ix_data_entry_emissions_data_entry_id     ON data_entry_emissions (data_entry_id);
CREATE INDEX ix_data_entry_emissions_emission_type_id  ON data_entry_emissions (emission_type_id);
CREATE INDEX ix_data_entry_emissions_id                ON data_entry_emissions (id);
CREATE INDEX ix_data_entry_emissions_primary_factor_id ON data_entry_emissions (primary_factor_id);
CREATE TABLE building_rooms (
    building_location         varchar NOT NULL,
    building_name             varchar NOT NULL,
    room_name                 varchar NOT NULL,
    room_type                 varchar,
    room_surface_square_meter double precision,
    id                        serial  PRIMARY KEY
);
CREATE INDEX ix_building_rooms_building_location ON building_rooms (building_location);
CREATE INDEX ix_building_rooms_building_name     ON building_rooms (building_name);
CREATE INDEX ix_building_rooms_id                ON building_rooms (id);
CREATE INDEX ix_building_rooms_room_name         ON building_rooms (room_name);
CREATE TABLE locations (
    transport_mode transportmodeenum NOT NULL,
    name           varchar(255)      NOT NULL,
    airport_size   varchar,
    latitude       double precision  NOT NULL,
    longitude      double precision  NOT NULL,
    continent      varchar(2),
    country_code   varchar(2),
    iata_code      varchar(3),
    municipality   varchar(255),
    keywords       varchar(255),
    id             serial            PRIMARY KEY,
    natural_key    varchar(500)      NOT NULL
);
CREATE INDEX ix_locations_continent          ON locations (continent);
CREATE INDEX ix_locations_country_code       ON locations (country_code);
CREATE INDEX ix_locations_iata_code          ON locations (iata_code);
CREATE INDEX ix_locations_municipality       ON locations (municipality);
CREATE INDEX ix_locations_name               ON locations (name);
CREATE INDEX ix_locations_transport_mode     ON locations (transport_mode);
CREATE UNIQUE INDEX uq_location_natural_key  ON locations (natural_key);

INSERT INTO pipelines (id, kind, status) VALUES ('11111111-1111-4111-8111-111111111111', 'csv_ingest', 'NOT_STARTED');
INSERT INTO data_ingestion_jobs
    (entity_type, module_type_id, data_entry_type_id, year, target_type, ingestion_method, provider, state, result,
     status_message, meta, is_current, locked_by, locked_at, started_at, finished_at, attempts, pipeline_id, job_type)
VALUES
    ('MODULE_PER_YEAR', 2, 20, 2025, 'DATA_ENTRIES', 'csv', 'DEFAULT', 'FINISHED', 'SUCCESS', 'Success',
     '{"config": {"year": 2025}}', true, 'pod-1', now() - interval '1 hour', now() - interval '1 hour',
     now() - interval '59 minutes', 1, '11111111-1111-4111-8111-111111111111', 'csv_ingest'),
    ('MODULE_PER_YEAR', 2, 20, 2025, 'DATA_ENTRIES', 'computed', 'DEFAULT', 'RUNNING', NULL, 'Recalculating',
     '{}', true, 'pod-1', now(), now(), NULL, 1, '11111111-1111-4111-8111-111111111111', 'emission_recalc'),
    ('MODULE_PER_YEAR', 2, NULL, 2025, 'DATA_ENTRIES', 'computed', 'DEFAULT', 'FINISHED', 'ERROR', 'boom',
     '{}', true, 'pod-1', now(), now(), now(), 1, NULL, 'aggregation'),
    ('MODULE_PER_YEAR', 3, NULL, 2025, 'DATA_ENTRIES', 'computed', 'TEST', 'NOT_STARTED', NULL, NULL,
     NULL, false, NULL, NULL, NULL, NULL, 0, NULL, 'aggregation'),
    ('MODULE_PER_YEAR', 4, NULL, 2025, 'DATA_ENTRIES', 'computed', 'DEFAULT', 'FINISHED', 'SUCCESS', 'Aggregation completed',
     '{}', true, NULL, NULL, now() - interval '2 days', now() - interval '2 days', 1, NULL, 'aggregation'),
    ('GLOBAL_PER_YEAR', NULL, NULL, 2025, 'REFERENCE_DATA', 'api', 'ACCRED', NULL, NULL, NULL,
     NULL, false, NULL, NULL, NULL, NULL, 0, NULL, 'unit_sync');
