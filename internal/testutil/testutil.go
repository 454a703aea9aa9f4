// Package testutil holds the helpers that the tests of several packages share. Only tests import it.
package testutil

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// patience is how long Eventually waits: long enough for a busy machine with the race detector.
	patience = 20 * time.Second
	pause    = 20 * time.Millisecond
)

// Write writes a file of mode 0600, makes the directories above it, and returns its path.
func Write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// WriteTemp writes a file called name in a new temporary directory and returns its path.
func WriteTemp(t testing.TB, name, content string) string {
	t.Helper()
	return Write(t, filepath.Join(t.TempDir(), name), content)
}

// Eventually waits until ok returns true. It fails the test after 20 seconds; what says what was waited for.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	EventuallyWithin(t, patience, what, ok)
}

// EventuallyWithin is Eventually with a time-out of its own.
func EventuallyWithin(t testing.TB, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !ok(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

// IsolateHome gives the test an empty directory as home and working directory, and unsets all variables that start with
// AWS_ or MOCK_EC2_METADATA_. It returns the directory.
func IsolateHome(t testing.TB) string {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "MOCK_EC2_METADATA_") {
			t.Setenv(name, "") // restores it after the test
			_ = os.Unsetenv(name)
		}
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("XDG_STATE_HOME", "")
	// The SDK looks up the home directory only once per process.
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, ".aws/config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, ".aws/credentials"))
	return dir
}

// FreeAddr returns a loopback address with a port that nothing listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
