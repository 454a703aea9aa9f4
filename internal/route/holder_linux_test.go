package route

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// holderArg makes this test binary play a holder; the next argument says which.
const holderArg = "play-holder"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == holderArg {
		syscall.Exit(playHolder(os.Args[2])) // os.Exit would print a warning under go test -cover
	}
	os.Exit(m.Run())
}

// playHolder behaves like one of several processes that StartHolder may start, and returns the exit code.
func playHolder(kind string) int {
	waitForEnd := func() { _, _ = io.Copy(io.Discard, os.Stdin) }
	fail := func(format string, args ...any) int {
		fmt.Fprintf(os.Stderr, "mock-ec2-metadata: "+format+"\n", args...)
		return 1
	}
	switch kind {
	case "cannot add":
		return fail("169.254.169.254 is occupied")
	case "waits for the lock":
		waitForEnd()
		return fail("gave up")
	case "describes itself":
		dir, err := os.Getwd()
		return fail("environment %q, directory %s, %v", os.Environ(), dir, err)
	}
	fmt.Println(holdReady)
	switch kind {
	case "exits early":
		return fail("killed")
	case "cannot remove":
		waitForEnd()
		return fail("no such device")
	case "hangs":
		<-time.After(time.Hour) // killed at the end of the test
		return 0
	default:
		waitForEnd()
		return 0
	}
}

// logLines receives the lines of a log.
type logLines chan string

func (l logLines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func startPlayed(ctx context.Context, t *testing.T, kind string, timeout time.Duration) (stop func(), log logLines, err error) {
	t.Helper()
	log = make(logLines, 10)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", holderArg, kind)
	stop, err = startHolder(ctx, slog.New(slog.NewTextHandler(log, nil)), cmd, timeout)
	return stop, log, err
}

func TestStartHolder_ErrorIsThatOfTheProcess(t *testing.T) {
	_, _, err := startPlayed(t.Context(), t, "cannot add", time.Minute)
	if want := "169.254.169.254 is occupied"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestStartHolder_CancelStopsWaitForAddresses(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := startPlayed(ctx, t, "waits for the lock", time.Minute); err == nil || err.Error() != "gave up" {
		t.Errorf("got %v", err)
	}
}

func TestStartHolder_ProcessGetsNoEnvironment(t *testing.T) {
	_, _, err := startPlayed(t.Context(), t, "describes itself", time.Minute)
	if want := `environment [], directory /, <nil>`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestStartHolder_StopLogs(t *testing.T) {
	for _, tt := range []struct {
		kind    string
		timeout time.Duration
		want    string // in the log; "": nothing
	}{
		{kind: "works", timeout: time.Minute},
		{
			kind: "cannot remove", timeout: time.Minute,
			want: `level=ERROR msg="cannot remove the link-local addresses" error="no such device" hint="sudo mock-ec2-metadata route remove"`,
		},
		{
			kind: "hangs", timeout: time.Millisecond,
			want: `level=WARN msg="address cleanup still running" waited=1ms`,
		},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			stop, log, err := startPlayed(t.Context(), t, tt.kind, tt.timeout)
			if err != nil {
				t.Fatal(err)
			}
			stop()
			if tt.want == "" {
				if len(log) > 0 {
					t.Errorf("logged %q", <-log)
				}
				return
			}
			if got := <-log; !strings.Contains(got, tt.want) {
				t.Errorf("logged %q, want %s", got, tt.want)
			}
		})
	}
}

func TestStartHolder_EarlyExitIsLogged(t *testing.T) {
	_, log, err := startPlayed(t.Context(), t, "exits early", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := `level=ERROR msg="address cleanup exited early" error=killed hint="after shutdown: sudo mock-ec2-metadata route remove"`
	if got := <-log; !strings.Contains(got, want) {
		t.Errorf("logged %q, want %s", got, want)
	}
}
