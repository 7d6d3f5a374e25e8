-- A record with a scope in each bucket, and times that do not move: what is printed of it is compared word by word.
INSERT INTO units (provider, institutional_code, name, level, is_active) VALUES ('DEFAULT', 'U', 'U', 4, true);
INSERT INTO carbon_reports (year, unit_id, overall_status) VALUES (2025, 1, 0);
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT m, 0, 1 FROM unnest(ARRAY[1, 2, 3, 4]) AS m;
INSERT INTO pipelines (id, kind, status, module_type_id, year, created_at, updated_at)
VALUES ('00000000-0000-4000-8000-000000000001', 'aggregation', 'FAILED', 2, 2025, '2025-01-02 08:00Z', '2025-01-02 08:00Z'),
       ('00000000-0000-4000-8000-000000000002', 'aggregation', 'RUNNING', 4, 2025, '2025-01-03 08:00Z', '2025-01-03 08:00Z');
INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, is_current, job_type, module_type_id, year, state, result, status_message,
                                 requested_at, started_at, finished_at, attempts, pipeline_id, run_after)
VALUES ('MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', false, 'aggregation', 2, 2025, 'FINISHED', 'SUCCESS', '1 report', '2025-01-01 08:00Z', '2025-01-01 08:00:01Z', '2025-01-01 08:00:02Z', 1, NULL, NULL),
       ('MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', true, 'aggregation', 2, 2025, 'FINISHED', 'ERROR', 'aggregate module type 5: the statistics of report 1 are not an object', '2025-01-02 08:00Z', '2025-01-02 08:00:01Z', '2025-01-02 08:00:02Z', 1, '00000000-0000-4000-8000-000000000001', NULL),
       ('MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', true, 'aggregation', 3, 2025, 'FINISHED', 'SUCCESS', '1 report', '2025-01-01 09:00Z', '2025-01-01 09:00:01Z', '2025-01-01 09:00:02Z', 1, NULL, NULL),
       ('MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', false, 'aggregation', 4, 2025, 'NOT_STARTED', NULL, NULL, '2025-01-03 08:00Z', NULL, NULL, 0, '00000000-0000-4000-8000-000000000002', '2125-01-01 00:00Z');
INSERT INTO job_requests (requested_at, actor, via, reason, request_id, pipeline_id, job_id, created, job_type, module_type_id, year)
VALUES ('2025-01-02 08:00Z', 'ada@host', 'cli', 'new factors', 'r1', '00000000-0000-4000-8000-000000000001', 2, true, 'aggregation', 2, 2025),
       ('2025-01-02 08:00:00.5Z', 'bob@host', 'http', NULL, 'r2', NULL, 2, false, 'aggregation', 2, 2025);
