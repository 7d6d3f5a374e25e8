package main

import (
	"context"
)

// fail spoils statistics that are added up with those of the equipment of 2025.
func (m *monitoring) fail() (undo func()) {
	m.exec(`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id, stats)
		SELECT 5, 2, min(id), '["not statistics"]' FROM carbon_reports WHERE year = 2025`)
	m.run("aggregate", "--module=equipment", "--year=2025")
	return func() {
		m.exec(`DELETE FROM carbon_report_modules WHERE module_type_id = 5`)
	}
}

// hang keeps locked what the aggregation has to write.
func (m *monitoring) hang() (undo func()) {
	conn, err := m.pool.Acquire(m.ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := conn.Exec(m.ctx, `BEGIN; SELECT FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
		WHERE r.year = 2024 FOR UPDATE OF m`); err != nil {
		m.t.Fatal(err)
	}
	m.run("aggregate", "--module=equipment", "--year=2024")
	return func() {
		if _, err := conn.Exec(context.WithoutCancel(m.ctx), `ROLLBACK`); err != nil {
			m.t.Error(err)
		}
		conn.Release()
	}
}

// drift changes an entry the way a program that knows nothing of Tidemark would.
func (m *monitoring) drift() (undo func()) {
	m.exec(`UPDATE data_entries SET updated_at = now() WHERE id = (SELECT min(e.id) FROM data_entries e
		JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id JOIN carbon_reports r ON r.id = m.carbon_report_id WHERE r.year = 2023)`)
	return func() {}
}

// growOld lets two days pass for what was done for 2022.
func (m *monitoring) growOld() (undo func()) {
	m.exec(`UPDATE data_ingestion_jobs SET started_at = started_at - interval '2 days', finished_at = finished_at - interval '2 days' WHERE year = 2022`)
	m.exec(`UPDATE scope_changes SET changed_at = changed_at - interval '2 days' WHERE year = 2022`)
	return func() {}
}

// openYear is what happens when a new year is opened: reports are there, nothing was computed.
func (m *monitoring) openYear() (undo func()) {
	m.exec(`WITH report AS (
		INSERT INTO carbon_reports (year, unit_id, carbon_project_id, overall_status)
		SELECT 2026, unit_id, id, 0 FROM carbon_projects WHERE carbon_report_type = 'Calculator' RETURNING id)
		INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT 4, 0, id FROM report`)
	return func() {}
}

func (m *monitoring) exec(sql string) {
	if _, err := m.pool.Exec(m.ctx, sql); err != nil {
		m.t.Fatal(err)
	}
}
