package terminal

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

const (
	device   = "arn:aws:iam::123456789012:mfa/developer"
	question = "MFA code of " + device + ": "
)

// asker wants codes until it gets 123456.
type asker struct {
	wanted bool
	typed  chan string // what was typed
}

func (a *asker) MFASerial() string {
	if a.wanted {
		return device
	}
	return ""
}

func (a *asker) AnswerMFA(_ context.Context, typed string) (string, error) {
	a.typed <- typed
	if typed != "123456" {
		return "", errors.New("refused")
	}
	a.wanted = false
	return "credentials", nil
}

// TestPrompt_AsksUntilACodeIsAccepted types nonsense, a wrong code and the right one.
func TestPrompt_AsksUntilACodeIsAccepted(t *testing.T) {
	in, keyboard := io.Pipe()
	out := new(testutil.Buffer)
	p := NewPrompt(in, out)
	ctx, cancel := context.WithCancel(t.Context())
	a := &asker{wanted: true, typed: make(chan string)}
	calls, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		p.Serve(ctx, calls, a)
	}()
	calls <- struct{}{}
	typed := []string{"what?", "000000", "123456"}
	var got []string
	for _, line := range typed {
		_, _ = io.WriteString(keyboard, line+"\n")
		got = append(got, <-a.typed)
	}
	calls <- struct{}{} // no code is wanted now
	cancel()
	<-ended
	if diff := cmp.Diff(typed, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(question+"refused\n"+question+"refused\n"+question+"credentials\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPrompt_EndOfInputEndsServe(t *testing.T) {
	var out strings.Builder
	p := NewPrompt(strings.NewReader("000000\n"), &out)
	a := &asker{wanted: true, typed: make(chan string, 2)}
	calls := make(chan struct{}, 1)
	calls <- struct{}{}
	p.Serve(t.Context(), calls, a)
	if diff := cmp.Diff(question+"refused\n"+question, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestPrompt_CancelledQuestionLosesNoLine types the answer to a question that was given up: the next question gets it.
func TestPrompt_CancelledQuestionLosesNoLine(t *testing.T) {
	in, keyboard := io.Pipe()
	p := NewPrompt(in, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if line, ok := p.Ask(ctx, device); ok {
		t.Errorf("an answer without a line: %q", line)
	}
	go func() { _, _ = io.WriteString(keyboard, "123456\n") }()
	if line, ok := p.Ask(t.Context(), device); !ok || line != "123456" {
		t.Errorf("%q, %v", line, ok)
	}
}

// TestForeground_IsFalseWithoutATerminal looks at a file and a pipe.
func TestForeground_IsFalseWithoutATerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	for _, f := range []*os.File{file, r} {
		if Foreground(f) {
			t.Errorf("%s is a terminal", f.Name())
		}
	}
}
