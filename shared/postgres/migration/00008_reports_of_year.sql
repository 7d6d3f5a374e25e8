-- Every computation begins with the reports of its year. Without an index it reads all reports
-- there are, several times over.

-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS ix_carbon_reports_year;
CREATE INDEX CONCURRENTLY ix_carbon_reports_year ON carbon_reports (year, id);
