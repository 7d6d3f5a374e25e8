package ingest

import (
	"testing"

	"tidemark/shared/local/localtest"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }
