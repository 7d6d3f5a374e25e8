package cli

import (
	"bytes"
	"testing"

	"tidemark/shared/ledger"
)

// TestFollowView: on a terminal each job under way has a line, which is replaced when it changes and
// goes when the job ends; elsewhere a line for each change of state.
func TestFollowView(t *testing.T) {
	t.Parallel()
	recalc := ledger.Job{ID: 1, Type: "emission_recalc", ModuleType: new(2), DataEntryType: new(20), Year: new(2025), State: "NOT_STARTED"}
	other := recalc
	other.ID, other.DataEntryType = 2, new(21)
	runs := recalc
	runs.State, runs.Done, runs.Total = "RUNNING", new(int64(40)), new(int64(160))
	ended := recalc
	ended.State, ended.Result, ended.Message = "FINISHED", new("SUCCESS"), new("160 entries")
	looks := [][]ledger.Job{{recalc, other}, {recalc, other}, {runs, other}, {ended, other}}

	for name, c := range map[string]struct {
		live bool
		want string
	}{
		"terminal": {true, "job 1  emission_recalc plane 2025  waiting\njob 2  emission_recalc train 2025  waiting\n" +
			"\x1b[2A\r\x1b[Jjob 1  emission_recalc plane 2025  40 of 160 (25 %)\njob 2  emission_recalc train 2025  waiting\n" +
			"\x1b[2A\r\x1b[Jjob 1  emission_recalc plane 2025  SUCCESS  160 entries\njob 2  emission_recalc train 2025  waiting\n" +
			"\x1b[1A\r\x1b[Jpipeline PARTIAL\n"},
		"file": {false, "job 1  emission_recalc plane 2025  RUNNING\njob 1  emission_recalc plane 2025  SUCCESS  160 entries\npipeline PARTIAL\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			v := newFollowView(&out)
			v.live = c.live
			for _, jobs := range looks {
				v.show([]ledger.PipelineState{{Status: ledger.StatusRunning, Jobs: jobs}})
			}
			v.end([]ledger.PipelineState{{Status: ledger.StatusPartial}})
			if out.String() != c.want {
				t.Errorf("got\n%q\nwant\n%q", out.String(), c.want)
			}
		})
	}
}

// More jobs than a terminal has lines are counted; a line that would wrap is cut.
func TestFollowViewFitsTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	v := newFollowView(&out)
	v.live = true
	var lines []string
	for range 30 {
		lines = append(lines, string(bytes.Repeat([]byte("é"), 200)))
	}
	v.status(lines...)
	if n := len(v.block); n != 23 || v.block[n-1] != "and 8 more" || len([]rune(v.block[0])) != 79 {
		t.Errorf("%d lines, the first of %d characters, the last %q", n, len([]rune(v.block[0])), v.block[n-1])
	}
	v.status(lines[:22]...)
	if n := len(v.block); n != 22 {
		t.Errorf("%d lines of 22", n)
	}
}
