package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

const (
	// codeTimeout bounds what giving a code may take: a call that is under way, and the one with the code.
	codeTimeout = 70 * time.Second
	codePath    = "/mfa"
	maxCode     = 64 // bytes read; a code has 6
)

// codeDesk takes the MFA codes that the daemon waits for: at the terminal, if it has one, and on a Unix socket, for the mfa
// command. It opens when the first code is wanted.
type codeDesk struct {
	log *slog.Logger
	// answer makes the call that waits for a code.
	answer func(ctx context.Context, code string) (got string, err error)
	// calls has a terminal asked for codes; nobody reads it where there is none.
	calls chan struct{}

	mu     sync.Mutex
	path   string // of the socket, "" before it opens
	server *http.Server
}

func newCodeDesk(log *slog.Logger, answer func(ctx context.Context, code string) (string, error)) *codeDesk {
	return &codeDesk{log: log, answer: answer, calls: make(chan struct{}, 1)}
}

// wanted says that a code is wanted, and why.
func (d *codeDesk) wanted(n *credentials.NeedsMFA) {
	path, failed := d.open()
	attrs := []any{"error", n.Error(), "serial", n.Serial, "socket", path}
	if failed != "" {
		attrs = append(attrs, "socket_error", failed)
	}
	d.log.Warn("waiting for MFA", attrs...)
	select {
	case d.calls <- struct{}{}:
	default: // called already
	}
}

// open makes the socket, if it is not there yet, and says where it is, or why there is none. It is in a directory of its own that nobody else may enter, so that nobody can be faster than its mode.
func (d *codeDesk) open() (path, failed string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		if _, err := os.Lstat(d.path); err == nil {
			return d.path, ""
		}
		_ = d.server.Close() // somebody has cleaned up: logind at the last logout, or whoever cleans /tmp
	}
	l, err := listenPrivately()
	if err != nil {
		return "", fmt.Sprintf("no socket for the mfa command: %v; set XDG_RUNTIME_DIR or TMPDIR to a directory that is writable", err)
	}
	d.path = l.Addr().String()
	d.server = &http.Server{
		Handler:           http.HandlerFunc(d.take),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	go func() { _ = d.server.Serve(l) }()
	return d.path, ""
}

// listenPrivately makes a socket of mode 0600, below the directory for such files (XDG Base Directory Specification).
func listenPrivately() (net.Listener, error) {
	base := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(base) {
		base = os.TempDir()
	}
	dir, err := os.MkdirTemp(base, "mock-ec2-metadata-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "mfa.sock")
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600) //nolint:gosec // the directory has just been made
	}
	if err != nil {
		_ = os.RemoveAll(dir) //nolint:gosec // likewise
		return nil, err
	}
	return l, nil
}

// close ends the desk and leaves nothing behind.
func (d *codeDesk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		_ = d.server.Close()
		_ = os.RemoveAll(filepath.Dir(d.path))
	}
}

// take answers the mfa command: 200 and who the code has made us, or why not.
func (d *codeDesk) take(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != codePath {
		http.Error(w, "POST "+codePath, http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxCode))
	if err != nil {
		return
	}
	// The call goes on if the command is given up: the code is used up anyway.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), codeTimeout)
	defer cancel()
	got, err := d.give(ctx, string(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	_, _ = io.WriteString(w, got+"\n")
}

// give makes the call with what somebody has typed, and says what came of it.
func (d *codeDesk) give(ctx context.Context, typed string) (string, error) {
	code := strings.TrimSpace(typed)
	if err := credentials.CheckMFACode(code); err != nil {
		return "", err
	}
	got, err := d.answer(ctx, code)
	if errors.Is(err, context.DeadlineExceeded) {
		return "", errors.New("the call with this code has not ended yet; see /status")
	}
	return got, err
}

// waitsForMFA is the device whose code is wanted, "" if none is.
func (d *daemon) waitsForMFA() string {
	if keeper := d.current.Load().keeper; keeper != nil {
		return keeper.State().MFASerial
	}
	return ""
}

// answerMFA makes the call that waits for a code.
func (d *daemon) answerMFA(ctx context.Context, code string) (string, error) {
	g := d.current.Load()
	if g.keeper == nil {
		return "", errors.New("no MFA code is wanted: there is no instance profile")
	}
	if err := g.keeper.Answer(ctx, code); err != nil {
		return "", err
	}
	s := g.keeper.State()
	who := s.ARN
	if who == "" {
		who = g.instance.Role
	}
	return fmt.Sprintf("credentials of %s until %s", who, s.Expiration.UTC().Format(time.RFC3339)), nil
}
