-- A session keeps the plan of a statement in a trigger, also one that was made when a hundred
-- thousand rows had changed: the next edit of a single entry then read every report module there
-- is, 11 ms where 0.4 were enough. So rows are looked up by an array of keys: how many it will hold
-- nobody knows as the plan is made, and the plan takes the index.

-- +goose Up
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemark_report_modules_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO declared_scopes
    SELECT m.module_type_id, r.year, count(*)
      FROM added m JOIN carbon_reports r ON r.id = m.carbon_report_id
     WHERE r.id = ANY (ARRAY(SELECT DISTINCT carbon_report_id FROM added))
     GROUP BY 1, 2;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_report_modules_removed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO declared_scopes
    SELECT m.module_type_id, r.year, -count(*)
      FROM removed m JOIN carbon_reports r ON r.id = m.carbon_report_id
     WHERE r.id = ANY (ARRAY(SELECT DISTINCT carbon_report_id FROM removed))
     GROUP BY 1, 2;
    -- One statement may delete a report together with its modules; then their year is gone.
    IF (SELECT count(DISTINCT carbon_report_id) FROM removed) >
       (SELECT count(*) FROM carbon_reports WHERE id = ANY (ARRAY(SELECT DISTINCT carbon_report_id FROM removed))) THEN
        PERFORM tidemark_count_scopes();
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_entries_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
     WHERE m.id = ANY (ARRAY(SELECT DISTINCT carbon_report_module_id FROM changed))
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_entries_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
     WHERE m.id = ANY (ARRAY(SELECT carbon_report_module_id FROM before UNION SELECT carbon_report_module_id FROM changed))
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_emissions_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
     WHERE m.id = ANY (ARRAY(SELECT DISTINCT carbon_report_module_id FROM data_entries
                              WHERE id = ANY (ARRAY(SELECT DISTINCT data_entry_id FROM changed))))
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION tidemark_emissions_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO scope_changes (module_type_id, year, xid)
    SELECT DISTINCT m.module_type_id, r.year, pg_current_xact_id()
      FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
     WHERE m.id = ANY (ARRAY(SELECT DISTINCT carbon_report_module_id FROM data_entries
                              WHERE id = ANY (ARRAY(SELECT data_entry_id FROM before UNION SELECT data_entry_id FROM changed))))
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
