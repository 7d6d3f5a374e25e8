-- One scope in each bucket, two fresh ones; one that drifted, one that did not, one of which nobody knows;
-- and pipelines of known and unknown kind.
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', '0184', 'unit', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) VALUES (1, 2025, 1, 0), (2, 2024, 1, 0);
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
    VALUES (1, 0, 1), (2, 0, 1), (3, 0, 1), (4, 0, 1), (5, 0, 1), (2, 0, 2);

INSERT INTO pipelines (id, kind) VALUES
    ('00000000-0000-4000-8000-000000000001', 'csv_ingest'),
    ('00000000-0000-4000-8000-000000000002', NULL),
    ('00000000-0000-4000-8000-000000000003', 'factor_ingest');

INSERT INTO data_ingestion_jobs (id, entity_type, ingestion_method, provider, is_current, job_type, module_type_id,
                                 data_entry_type_id, year, state, result, finished_at, pipeline_id) VALUES
    (11, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 2, NULL, 2025, 'FINISHED', 'ERROR', now() - interval '5 minutes', NULL),
    (12, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 3, NULL, 2025, 'FINISHED', 'SUCCESS', '2025-01-02 03:04:05+00', NULL),
    (13, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 4, NULL, 2025, 'NOT_STARTED', NULL, NULL, '00000000-0000-4000-8000-000000000001'),
    (14, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 5, NULL, 2025, 'FINISHED', 'SUCCESS', now(), '00000000-0000-4000-8000-000000000003'),
    (15, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 2, NULL, 2024, 'FINISHED', 'WARNING', now(), NULL),
    (16, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'emission_recalc', 4, 10, 2025, 'RUNNING', NULL, NULL, '00000000-0000-4000-8000-000000000001'),
    (17, 'GLOBAL_PER_YEAR', 'api', 'ACCRED', false, 'unit_sync', NULL, NULL, 2025, 'RUNNING', NULL, NULL, '00000000-0000-4000-8000-000000000002');

UPDATE data_ingestion_jobs SET read_snapshot = pg_current_snapshot() WHERE id IN (14, 15);
INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, created_at, updated_at)
    SELECT 60, id, '{}', now(), now() FROM carbon_report_modules WHERE module_type_id = 5;
