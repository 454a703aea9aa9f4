package terminal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"
)

// Prompt asks for MFA codes on a terminal. One goroutine reads when a code is asked for, as long as the process lives: a
// read of a terminal cannot be cancelled.
type Prompt struct {
	in   io.Reader
	out  io.Writer
	once sync.Once

	wanted chan struct{} // holds one
	lines  chan string
}

// NewPrompt asks on in and out, which are one terminal.
func NewPrompt(in io.Reader, out io.Writer) *Prompt {
	return &Prompt{in: in, out: out, wanted: make(chan struct{}, 1), lines: make(chan string)}
}

// Ask reads one line; ok is false when there is no more, or ctx is done.
func (p *Prompt) Ask(ctx context.Context, serial string) (line string, ok bool) {
	p.once.Do(func() { go p.read() })
	fmt.Fprintf(p.out, "MFA code of %s: ", serial)
	select {
	case p.wanted <- struct{}{}:
	default: // an earlier Ask was cancelled
	}
	select {
	case line, ok = <-p.lines:
		return line, ok
	case <-ctx.Done():
		return "", false
	}
}

// Say prints a line where Ask asks.
func (p *Prompt) Say(text string) { fmt.Fprintln(p.out, text) }

func (p *Prompt) read() {
	defer close(p.lines)
	in := bufio.NewScanner(p.in)
	for range p.wanted {
		if !in.Scan() {
			return
		}
		p.lines <- in.Text()
	}
}

// Asker is what codes are for.
type Asker interface {
	// MFASerial is the device whose code is wanted, "" when none is.
	MFASerial() string
	// AnswerMFA takes what was typed, and says what it gave.
	AnswerMFA(ctx context.Context, typed string) (string, error)
}

// Serve asks at each call, until ctx is done or the input ends.
func (p *Prompt) Serve(ctx context.Context, calls <-chan struct{}, a Asker) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-calls:
		}
		if !p.Answer(ctx, a) {
			return
		}
	}
}

// Answer asks until no code is wanted any more. It returns false when the input has ended or ctx is done.
func (p *Prompt) Answer(ctx context.Context, a Asker) bool {
	for serial := a.MFASerial(); serial != ""; serial = a.MFASerial() {
		typed, ok := p.Ask(ctx, serial)
		if !ok {
			return false
		}
		text, err := a.AnswerMFA(ctx, typed)
		if err != nil {
			text = err.Error()
		}
		fmt.Fprintln(p.out, text)
	}
	return true
}
