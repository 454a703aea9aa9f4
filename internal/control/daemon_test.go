package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

// nobody is a user and group that are neither root's nor the test's.
const nobody = 65534

// childVariable makes the test binary run one of the children, with the arguments that follow its name.
const childVariable = "CONTROL_TEST_CHILD"

// children are what other users do. Each prints its result.
var children = map[string]func(args []string) error{
	"status": func(args []string) error {
		s, err := NewClient(args[0]).Status(context.Background())
		if err == nil {
			fmt.Print(s.InstanceID)
		}
		return err
	},
	"put": func(args []string) error {
		_, _, err := NewClient(args[0]).PutEvent(context.Background(), "s1", []byte(`{"spot": "terminate"}`))
		return err
	},
	"console": func(args []string) error {
		u, err := NewClient(args[0]).OpenConsole(context.Background())
		if err == nil {
			fmt.Print(u.URL) // its fields: the whole is redacted
		}
		return errors.Join(err, NewClient(args[0]).RevokeConsole(context.Background()))
	},
	"listen": func(args []string) error {
		s, err := Listen(args[0], "", "", &fakeDaemon{}, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		fmt.Println("listens")
		go s.Serve()
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Close()
		return nil
	},
	"private": func(args []string) error { return makePrivate(args[0]) },
	"directory": func([]string) error {
		fmt.Print(Directory())
		return nil
	},
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		name, args, _ := strings.Cut(text, " ")
		if err := children[name](strings.Fields(args)); err != nil {
			fmt.Print("error: ", err)
		}
		return
	}
	os.Exit(m.Run())
}

// asNobody prepares a child process of another user. It skips the test unless root runs it.
func asNobody(t *testing.T, child string, environ ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe") // the file itself may be in a directory of root's
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Env = append(environ, childVariable+"="+child, "GORACE=atexit_sleep_ms=0")
	cmd.Dir = "/"
	return cmd
}

// output runs a child to its end.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v %s", err, &stderr)
	}
	return string(out)
}

// fakeDaemon answers from memory.
type fakeDaemon struct {
	fakeSimulator
	Console   // nil: calls of the console have tests with a real daemon
	reloadErr error
	answer    func(ctx context.Context, code string) (string, error) // nil accepts every code

	mu      sync.Mutex // guards reloads
	reloads []string   // why
}

func (d *fakeDaemon) ConfigStatus() api.Config { return d.Overview().Config }

func (d *fakeDaemon) Overview() *api.Overview {
	return &api.Overview{Who: api.Who{Account: "123456789012"}, Status: &api.Status{
		Status: api.StatusOK, InstanceID: "i-1", Config: api.Config{File: "c.yaml", Warnings: []string{"odd"}},
		Identities: []api.Identity{{Role: "web", ID: "secret-id"}},
		ECS:        &api.ECS{Containers: []api.ECSContainer{{Name: "self", CredentialsID: "secret-id"}}},
	}}
}

func (d *fakeDaemon) Reload(why string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reloads = append(d.reloads, why)
	return d.reloadErr
}

func (d *fakeDaemon) AnswerMFAOf(ctx context.Context, role, code string) (string, error) {
	if d.answer == nil {
		return strings.TrimSpace("credentials by " + code + " " + role), nil
	}
	return d.answer(ctx, code)
}

// errRefused is what a daemon says about a wrong code.
var errRefused = errors.New("STS refuses the code; run again, with the next code")

// shortDir makes a directory whose path leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serve makes a socket and serves a fake daemon until the test ends.
func serve(t *testing.T, mode, dir string) (s *Server, log *testutil.Buffer) {
	t.Helper()
	log = new(testutil.Buffer)
	s, err := Listen(mode, dir, "5000", &fakeDaemon{}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Serve()
	}()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return s, log
}

// wantAnswer asks the daemon behind a socket.
func wantAnswer(t *testing.T, socket string) {
	t.Helper()
	if s, err := NewClient(socket).Status(t.Context()); err != nil || s.InstanceID != "i-1" {
		t.Errorf("%s: %+v, %v", socket, s, err)
	}
}

// uid is this process's, as text.
func uid() string { return strconv.Itoa(os.Geteuid()) }

// overviewWithoutIDs is what clients get of a fakeDaemon.
func overviewWithoutIDs() *api.Overview {
	o := (&fakeDaemon{}).Overview()
	o.WithoutIDs()
	return o
}
