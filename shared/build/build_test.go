package build

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestOf(t *testing.T) {
	t.Parallel()
	from := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	for name, c := range map[string]struct {
		info     *debug.BuildInfo
		want     Info
		revision string
	}{
		"a release": {from("v1.2.3", debug.BuildSetting{Key: "vcs.revision", Value: "0123abcd"}, debug.BuildSetting{Key: "vcs.time", Value: "2026-11-26T21:00:00Z"},
			debug.BuildSetting{Key: "vcs.modified", Value: "false"}), Info{"v1.2.3", "0123abcd", false, "2026-11-26T21:00:00Z", runtime.Version(), platform}, "0123abcd"},
		"a working copy": {from("v1.2.4-0.20261126210000-0123abcd+dirty", debug.BuildSetting{Key: "vcs.revision", Value: "0123abcd"},
			debug.BuildSetting{Key: "vcs.time", Value: "2026-11-26T21:00:00Z"}, debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
			Info{"v1.2.4-0.20261126210000-0123abcd+dirty", "0123abcd", true, "2026-11-26T21:00:00Z", runtime.Version(), platform}, "0123abcd-modified"},
		"without history": {from("(devel)"), Info{"devel", "unknown", false, "unknown", runtime.Version(), platform}, "unknown"},
		"nothing":         {nil, Info{"devel", "unknown", false, "unknown", runtime.Version(), platform}, "unknown"},
	} {
		if got := of(c.info); got != c.want || got.Revision() != c.revision {
			t.Errorf("%s: %+v, revision %s; want %+v, %s", name, got, got.Revision(), c.want, c.revision)
		}
	}
}
