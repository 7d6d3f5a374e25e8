// Package build says which build of Tidemark a process is.
//
// All of it is what the Go toolchain writes into the program: a release is a build of a
// checkout whose commit carries a tag, without settings for the linker. A build of sources
// without their history knows neither version nor commit, and says that.
package build

import (
	"runtime"
	"runtime/debug"
)

const unknown = "unknown"

// Info is where a program comes from.
type Info struct {
	// Version is the tag of the commit, v1.2.3, or a version made of time and commit where it has
	// none; "+dirty" at the end where files differed from the commit. "devel" where nothing is known.
	Version string `json:"version"`
	// Commit is the whole hash; "unknown" where the history was not there.
	Commit string `json:"commit"`
	// Modified says that files differed from the commit.
	Modified bool `json:"modified"`
	// Date is when the commit was made (RFC 3339, UTC); "unknown" as Commit. A build has no time
	// of its own, so that two builds of a commit are the same.
	Date string `json:"date"`
	// Go is the release of the toolchain and runtime.
	Go string `json:"go"`
	// Platform is what it was built for: system/architecture.
	Platform string `json:"platform"`
}

// Read says it of the running program.
func Read() Info {
	info, _ := debug.ReadBuildInfo()
	return of(info)
}

func of(info *debug.BuildInfo) Info {
	b := Info{Version: "devel", Commit: unknown, Date: unknown, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// Revision is the commit, marked where files differed from it.
func (i Info) Revision() string {
	if i.Modified {
		return i.Commit + "-modified"
	}
	return i.Commit
}
