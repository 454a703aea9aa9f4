package cli

import (
	"errors"
	"strings"
	"testing"
)

// Names of contexts and nodes come from a cluster.
func TestExitCode_ErrorIsSafeForATerminal(t *testing.T) {
	var out strings.Builder
	if code := exitCode(&out, "program", "program help", errors.New("node\x1b[31m \u009b2J\x07:\n\tünready\u202e")); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	if want := "program: node\uFFFD[31m \uFFFD2J\uFFFD:\n\tünready\uFFFD\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
