package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mock-ec2-metadata/internal/testutil"
)

func TestMain(m *testing.M) {
	_ = os.Unsetenv("SUDO_UID") // the commands stay the user that runs the test
	testscript.Main(m, map[string]func(){"mock-ec2-metadata": command, "get": get, "exchange": exchange})
}

// command is the command itself, in a process of its own, as main.go runs it.
func command() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Run(ctx, Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: "test",
	})
	stop()
	os.Exit(code)
}

// get prints an answer's status and body. It retries a failing connection for 20 seconds.
func get() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	deadline := time.Now().Add(20 * time.Second)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Args[1], nil)
		if err != nil {
			os.Exit(2)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, _ = io.WriteString(os.Stdout, resp.Status+"\n")
			_, _ = io.Copy(os.Stdout, resp.Body)
			_ = resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			os.Exit(1)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// exchange sends a file's lines to an address as they are, and prints the answer without the headers that depend on time.
func exchange() {
	request, err := os.ReadFile(os.Args[2])
	if err != nil {
		os.Exit(2)
	}
	var conn net.Conn
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err = net.Dial("tcp", os.Args[1]); err == nil {
			break
		}
		if time.Now().After(deadline) {
			os.Exit(1)
		}
	}
	_, _ = io.WriteString(conn, strings.ReplaceAll(string(request), "\n", "\r\n"))
	answer, _ := io.ReadAll(conn)
	for line := range strings.SplitSeq(strings.ReplaceAll(string(answer), "\r", ""), "\n") {
		if !strings.HasPrefix(line, "Date: ") && !strings.HasPrefix(line, "Last-Modified: ") {
			_, _ = io.WriteString(os.Stdout, line+"\n")
		}
	}
}

// TestScripts_RunTheCommand runs the transcripts of testdata/script.
func TestScripts_RunTheCommand(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else a second each time
			addr := testutil.FreeAddr(t)
			env.Setenv("ADDR", addr)
			_, port, _ := net.SplitHostPort(addr)
			env.Setenv("PORT", port)
			env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "signal": sendSignal},
	})
}

// sendSignal sends a signal to all commands in the background: signal HUP.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal HUP|INT|TERM")
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(signals[args[0]]))
	}
}

// until repeats a request until its answer contains a text: until http://… text.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until url text")
	}
	var last string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if last = string(body); strings.Contains(last, args[1]) {
			return
		}
	}
	ts.Fatalf("%s: no %q within 20 s, but\n%s", args[0], args[1], last)
}
