package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	_ = os.Unsetenv("SUDO_UID") // these processes stay whose they are
	testscript.Main(m, map[string]func(){"mock-ec2-metadata": main, "get": get, "exchange": exchange})
}

// get prints an answer's status and body; a failing connection is tried again for 20 seconds.
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

// exchange sends a file's lines to an address as they are, and prints the answer without what time changes.
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

// TestScripts runs the transcripts of testdata/script with the command itself.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else a second each time
			env.Setenv("ADDR", l.Addr().String())     // free again in a moment
			return l.Close()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "signal": sendSignal},
	})
}

// sendSignal sends what is running in the background a signal: signal HUP.
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
