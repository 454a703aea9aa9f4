package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Bounds of what a program may print.
const (
	maxStdout = 64 << 20 // the nodes and pods of a large cluster
	maxStderr = 64 << 10
)

// killWait is how long a program has to end after its context is done, before its pipes are closed.
const killWait = 2 * time.Second

// Command is a program to run.
type Command struct {
	// Args are the program's name and its arguments.
	Args []string
	// Env are variables beside those of the user, as NAME=value.
	Env []string
	// Stdin is nil for none.
	Stdin io.Reader
}

// String is the command as one types it, without what is secret: no argument is.
func (c Command) String() string {
	words := append([]string(nil), c.Env...)
	for _, arg := range c.Args {
		if arg == "" || strings.ContainsAny(arg, " '\"$&|;<>()*?!\\") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// Process is a running program.
type Process interface {
	io.Reader
	io.WriteCloser // Close closes the program's stdin
	// Kill ends the program.
	Kill()
	// Wait waits for its end, once. The error is an *ExitError if it failed.
	Wait() error
}

// Runner runs programs. Its errors are *ExitError where a program ran and failed.
type Runner interface {
	// Find reports whether a program is installed.
	Find(name string) bool
	// Run runs a program to its end, and returns what it printed to stdout.
	Run(ctx context.Context, c Command) ([]byte, error)
	// Start starts a program. It ends when ctx is done.
	Start(ctx context.Context, c Command) (Process, error)
}

// ExitError says that a program failed.
type ExitError struct {
	Code   int
	Stderr string
}

func (e *ExitError) Error() string {
	if text := strings.Join(last(e.Stderr, 10), "\n"); text != "" {
		return text
	}
	return fmt.Sprintf("it ended with exit status %d and no message", e.Code)
}

// Exec is the Runner that runs the programs of this machine, in the user's environment.
type Exec struct{}

// Find looks on the PATH.
func (Exec) Find(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

func command(ctx context.Context, c Command) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // kubectl and its like
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.WaitDelay = killWait
	return cmd
}

// Run implements Runner.
func (Exec) Run(ctx context.Context, c Command) ([]byte, error) {
	cmd := command(ctx, c)
	stdout, stderr := &bounded{limit: maxStdout}, &bounded{limit: maxStderr, cut: true}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, stdout, stderr
	if err := failure(ctx, cmd.Run(), stderr); err != nil {
		return nil, err
	}
	return stdout.buffer.Bytes(), nil
}

// Start implements Runner.
func (Exec) Start(ctx context.Context, c Command) (Process, error) {
	cmd := command(ctx, c)
	stderr := &bounded{limit: maxStderr, cut: true}
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, in: in, out: out, wait: func(err error) error { return failure(ctx, err, stderr) }}, nil
}

type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.Reader
	wait func(error) error
}

func (p *process) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *process) Write(b []byte) (int, error) { return p.in.Write(b) }
func (p *process) Close() error                { return p.in.Close() }
func (p *process) Kill()                       { _ = p.cmd.Process.Kill() }
func (p *process) Wait() error                 { return p.wait(p.cmd.Wait()) }

// failure makes an *ExitError of the end of a program, unless ctx is the cause.
func failure(ctx context.Context, err error, stderr *bounded) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return &ExitError{Code: exit.ExitCode(), Stderr: stderr.String()}
	}
	return err
}

// bounded keeps what is written up to a limit. Beyond it, it drops the rest if cut is set, and fails otherwise.
type bounded struct {
	mu     sync.Mutex // guards buffer
	buffer bytes.Buffer
	limit  int
	cut    bool
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.limit - b.buffer.Len()
	if len(p) <= room {
		return b.buffer.Write(p)
	}
	if !b.cut {
		return 0, fmt.Errorf("the output is longer than %d MiB", b.limit>>20)
	}
	b.buffer.Write(p[:room])
	return len(p), nil
}

func (b *bounded) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
